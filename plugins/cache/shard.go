package cache

import (
	"sync"
	"sync/atomic"

	"github.com/pylon-go/pylon/plugin"
)

// shard is a part of the cache with a lock of its own.
type shard struct {
	table  atomic.Pointer[table]
	policy policy
	_      [64]byte // what changes shall not share a cache line with what readers read

	mu       sync.Mutex
	capacity int
	stats    Stats // but for the hits that needed no lock
	_        [64]byte
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
	s.policy, s.capacity = newPolicy(policyName, capacity), capacity
	s.table.Store(newTable(minBuckets))
}

// get takes no lock for what is there and live, and is where time matters.
func (s *shard) get(g *tombstones, key string, hash uint64, now int64) plugin.CacheValue {
	x := s.table.Load().find(key, hash)
	if x == nil || now >= x.expires || !g.stillLive(x) || !s.policy.touch(x) {
		return s.lookUp(g, key, hash, now)
	}
	return plugin.CacheValue{Bytes: x.value, Found: true, Stale: x.isStale(now)}
}

func (s *shard) lookUp(g *tombstones, key string, hash uint64, now int64) plugin.CacheValue {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.table.Load().find(key, hash)
	if x == nil || !s.live(g, x, now) {
		s.stats.Misses++
		return plugin.CacheValue{}
	}
	s.policy.hit(x)
	s.stats.Hits++
	return plugin.CacheValue{Bytes: x.value, Found: true, Stale: x.isStale(now)}
}

// live drops the entry when it has expired or was invalidated.
func (s *shard) live(g *tombstones, x *entry, now int64) bool {
	if now >= x.expires {
		s.drop(x)
		s.stats.Expirations++
		return false
	}
	if !g.stillLive(x) {
		s.drop(x)
		s.stats.Invalidated++
		return false
	}
	return true
}

func (s *shard) drop(x *entry) {
	s.policy.remove(x)
	s.forget(x)
}

func (s *shard) forget(x *entry) {
	s.table.Load().remove(x)
	s.stats.Bytes -= x.bytes()
	s.stats.Entries--
}

// set keeps the value of x, unless what it was loaded from has been invalidated
// since the token. The judgement is made under the lock: a sweep comes either
// before it, or after the entry is there to be looked at.
func (s *shard) set(g *tombstones, t *plugin.CacheToken, x *entry, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq := g.cur.Load()
	if t != nil && t.Seq() != seq {
		var live bool
		if live, seq = g.judge(x.key, x.hash, t.Seq(), t); !live {
			s.stats.Refused++
			return
		}
	}
	x.seq.Store(seq)
	s.stats.Sets++
	s.stats.Bytes += x.bytes()
	if old := s.table.Load().find(x.key, x.hash); old != nil {
		s.stats.Bytes -= old.bytes()
		s.policy.replace(old, x)
		s.table.Load().replace(old, x)
		return
	}
	if s.stats.Entries == s.capacity {
		victim := s.policy.evict()
		s.forget(victim)
		if now >= victim.expires {
			s.stats.Expirations++
		} else {
			s.stats.Evictions++
		}
	}
	s.stats.Entries++
	if t := s.table.Load(); s.stats.Entries > len(t.buckets) {
		s.table.Store(t.grown())
	}
	s.policy.add(x)
	s.table.Load().add(x)
}

func (s *shard) remove(key string, hash uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.table.Load().find(key, hash); x != nil {
		s.drop(x)
	}
}

func (s *shard) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Invalidated += uint64(s.stats.Entries)
	s.table.Store(newTable(minBuckets))
	s.policy.clear()
	s.stats.Entries, s.stats.Bytes = 0, 0
}

// sweep drops what has expired or is dead, and marks the rest as looked at.
func (s *shard) sweep(g *tombstones, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table.Load().each(func(x *entry) { s.live(g, x, now) })
}

func (s *shard) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats.Entries
}

func (s *shard) counts() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.stats
	all.Hits += s.policy.hits()
	return all
}
