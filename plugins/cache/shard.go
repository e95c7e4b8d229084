package cache

import (
	"sync"

	"github.com/pylon-go/pylon/plugin"
)

// shard is a part of the cache with a lock of its own.
type shard struct {
	mu       sync.Mutex
	entries  map[uint64]*entry // by hash: two keys with one hash share a place, and the later one has it
	policy   policy
	capacity int
	stats    Stats
	_        [64]byte // shards side by side shall not share a cache line
}

// Stats count what happened in a cache since it was made.
type Stats struct {
	Hits, Misses uint64
	Sets         uint64 // values kept
	Evictions    uint64 // entries that made room for others
	Expirations  uint64 // entries found past their time
	// Entries found dead by an invalidation, and values dead on arrival: loaded
	// before an invalidation and set after it.
	Invalidated, Refused uint64
	// Calls of Invalidate and Delete.
	Invalidations, Deletions uint64

	Entries int   // kept now, expired and dead ones not yet found included
	Bytes   int64 // of their keys and values
}

func (s *Stats) add(o *Stats) {
	s.Hits += o.Hits
	s.Misses += o.Misses
	s.Sets += o.Sets
	s.Evictions += o.Evictions
	s.Expirations += o.Expirations
	s.Invalidated += o.Invalidated
	s.Refused += o.Refused
	s.Entries += o.Entries
	s.Bytes += o.Bytes
}

func (s *shard) init(policyName string, capacity int) {
	s.entries, s.policy, s.capacity = map[uint64]*entry{}, newPolicy(policyName, capacity), capacity
}

func (s *shard) get(g *tombstones, key string, hash uint64, now int64) plugin.CacheValue {
	s.mu.Lock()
	x := s.entries[hash]
	if x == nil || x.key != key || !s.live(g, x, now) {
		s.stats.Misses++
		s.mu.Unlock()
		return plugin.CacheValue{}
	}
	s.policy.hit(x)
	s.stats.Hits++
	v := plugin.CacheValue{Bytes: x.value, Found: true, Stale: x.isStale(now)}
	s.mu.Unlock()
	return v
}

// live drops the entry when it has expired or was invalidated.
func (s *shard) live(g *tombstones, x *entry, now int64) bool {
	if now >= x.expires {
		s.drop(x)
		s.stats.Expirations++
		return false
	}
	if x.seq == g.cur.Load() {
		return true
	}
	live, checked := g.judge(x.key, x.hash, x.seq, nil)
	if !live {
		s.drop(x)
		s.stats.Invalidated++
		return false
	}
	x.seq = checked
	return true
}

func (s *shard) drop(x *entry) {
	s.policy.remove(x)
	s.forget(x)
}

func (s *shard) forget(x *entry) {
	delete(s.entries, x.hash)
	s.stats.Bytes -= x.bytes()
	s.stats.Entries--
}

// set keeps a value, unless what it was loaded from has been invalidated since
// the token. The judgement is made under the lock: a sweep comes either before it,
// or after the entry is there to be looked at.
func (s *shard) set(g *tombstones, t *plugin.CacheToken, key, value string, hash uint64, now, expires int64, stale uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq := g.cur.Load()
	if t != nil && t.Seq() != seq {
		var live bool
		if live, seq = g.judge(key, hash, t.Seq(), t); !live {
			s.stats.Refused++
			return
		}
	}
	x := s.entries[hash]
	switch {
	case x != nil:
		s.stats.Bytes -= x.bytes()
		s.policy.hit(x)
	case s.stats.Entries < s.capacity:
		x = &entry{hash: hash}
		s.entries[hash] = x
		s.stats.Entries++
		s.policy.add(x)
	default:
		// The evicted entry's memory becomes the new one's.
		x = s.policy.evict()
		if now >= x.expires {
			s.stats.Expirations++
		} else {
			s.stats.Evictions++
		}
		delete(s.entries, x.hash)
		s.stats.Bytes -= x.bytes()
		x.hash = hash
		s.entries[hash] = x
		s.policy.add(x)
	}
	x.key, x.value, x.seq, x.expires, x.stale = key, value, seq, expires, stale
	s.stats.Bytes += x.bytes()
	s.stats.Sets++
}

func (s *shard) remove(key string, hash uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.entries[hash]; x != nil && x.key == key {
		s.drop(x)
	}
}

func (s *shard) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Invalidated += uint64(s.stats.Entries)
	s.entries = map[uint64]*entry{}
	s.policy.clear()
	s.stats.Entries, s.stats.Bytes = 0, 0
}

// sweep drops what has expired or is dead, and marks the rest as looked at.
func (s *shard) sweep(g *tombstones, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.entries {
		s.live(g, x, now)
	}
}

func (s *shard) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats.Entries
}
