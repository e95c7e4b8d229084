package cache

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/plugin"
)

// Limits of what may be configured.
const (
	MaxEntries = 10_000_000
	MaxTTL     = 30 * 24 * time.Hour
)

const (
	minShard  = 1024 // entries: smaller shards fill unevenly and waste room
	maxShards = 1024
	// A sweep costs as much as the cache is large, so it comes after a number of
	// tombstones in proportion.
	minSweep   = 1024
	sweepShare = 16 // entries for each tombstone
	jitter     = 0.05
)

// Options say how an Engine is made.
type Options struct {
	MaxEntries int             // 1 to MaxEntries
	DefaultTTL time.Duration   // more than 0, at most MaxTTL
	Policy     string          // LRU (also when empty) or S3FIFO
	Clock      clockwork.Clock // the real one when nil
}

// Engine is a cache in the memory of this process. It implements [plugin.Cache].
//
// It never has more entries than it may. What was set is there when Set returns.
// Expired and invalidated entries are never served; their memory is freed when
// they are come upon, make room for others, or by the sweep that follows many
// invalidations.
type Engine struct {
	plugin.CacheFlights
	tombs  tombstones
	shards []shard
	seed   maphash.Seed // secret, so that nobody can choose keys that collide
	clock  clockwork.Clock
	real   bool // the clock is the real one
	began  time.Time
	ttl    time.Duration

	invalidations, deletions atomic.Uint64

	sweeper struct {
		mu      sync.Mutex
		running bool
		closed  bool
		after   int // tombstones
		wg      sync.WaitGroup
	}
}

// New makes an engine. Close it in the end.
func New(o Options) (*Engine, error) {
	if o.MaxEntries < 1 || o.MaxEntries > MaxEntries {
		return nil, fmt.Errorf("a cache holds 1 to %d entries, not %d", MaxEntries, o.MaxEntries)
	}
	if o.DefaultTTL <= 0 || o.DefaultTTL > MaxTTL {
		return nil, fmt.Errorf("a time to live is more than 0 and at most %s, not %s", MaxTTL, o.DefaultTTL)
	}
	if o.Policy == "" {
		o.Policy = LRU
	}
	if o.Policy != LRU && o.Policy != S3FIFO {
		return nil, fmt.Errorf("no policy %q; there are %s and %s", o.Policy, LRU, S3FIFO)
	}
	if o.Clock == nil {
		o.Clock = clockwork.NewRealClock()
	}
	e := &Engine{seed: maphash.MakeSeed(), clock: o.Clock, began: o.Clock.Now(), ttl: o.DefaultTTL}
	e.real = reflect.TypeOf(o.Clock) == reflect.TypeOf(clockwork.NewRealClock())
	e.tombs.init(e.seed)
	e.sweeper.after = minSweep
	n := 1
	for n*2 <= maxShards && o.MaxEntries/(n*2) >= minShard {
		n *= 2
	}
	e.shards = make([]shard, n)
	for i := range e.shards {
		capacity := o.MaxEntries / n
		if i < o.MaxEntries%n {
			capacity++
		}
		e.shards[i].init(o.Policy, capacity)
	}
	return e, nil
}

// now is the time since the engine began. Asking the real clock takes half of the
// time of a hit, unless it is asked for monotonic time alone.
func (e *Engine) now() int64 {
	if e.real {
		return int64(time.Since(e.began))
	}
	return int64(e.clock.Since(e.began))
}

func (e *Engine) shard(hash uint64) *shard { return &e.shards[hash&uint64(len(e.shards)-1)] }

// Observe is a token for loads that begin from now on.
func (e *Engine) Observe() *plugin.CacheToken { return plugin.NewCacheToken(e.tombs.cur.Load()) }

// Live reports whether nobody but the token's owner invalidated the key since.
func (e *Engine) Live(t *plugin.CacheToken, key string) bool {
	if t.Seq() == e.tombs.cur.Load() {
		return true
	}
	live, _ := e.tombs.judge(key, maphash.String(e.seed, key), t.Seq(), t)
	return live
}

// Get is the value under the key. It allocates nothing.
func (e *Engine) Get(_ context.Context, key string) plugin.CacheValue {
	hash := maphash.String(e.seed, key)
	return e.shard(hash).get(&e.tombs, key, hash, e.now())
}

// GetMany is Get for each of the keys.
func (e *Engine) GetMany(_ context.Context, keys []string) []plugin.CacheValue {
	values, now := make([]plugin.CacheValue, len(keys)), e.now()
	for i, key := range keys {
		hash := maphash.String(e.seed, key)
		values[i] = e.shard(hash).get(&e.tombs, key, hash, now)
	}
	return values
}

// Set keeps a value; see [plugin.Cache]. Lives are cut at [MaxTTL].
func (e *Engine) Set(_ context.Context, t *plugin.CacheToken, key, value string, life plugin.CacheLife) {
	ttl := life.TTL
	if ttl <= 0 {
		ttl = e.ttl
	}
	ttl = time.Duration(float64(min(ttl, MaxTTL)) * (1 - jitter + 2*jitter*rand.Float64()))
	stale := min(max(life.Stale, 0), MaxTTL)
	hash, now := maphash.String(e.seed, key), e.now()
	x := &entry{key: key, value: value, hash: hash, expires: now + int64(ttl+stale), stale: uint32(stale.Milliseconds())}
	e.shard(hash).set(&e.tombs, t, x, now)
}

// Delete drops a key, and values of it that are being loaded. The error is always nil.
func (e *Engine) Delete(_ context.Context, t *plugin.CacheToken, key string) error {
	e.deletions.Add(1)
	recent := e.tombs.remove(key, t)
	hash := maphash.String(e.seed, key)
	e.shard(hash).remove(key, hash)
	e.sweepAfter(recent)
	return nil
}

// Invalidate drops the keys with the prefix, and values of theirs that are being
// loaded. The error is always nil.
func (e *Engine) Invalidate(_ context.Context, t *plugin.CacheToken, prefix string) error {
	e.invalidations.Add(1)
	recent := e.tombs.invalidate(prefix, t)
	if prefix == "" { // the tombstone alone would do, but here is memory to be had at once
		for i := range e.shards {
			e.shards[i].clear()
		}
	}
	e.sweepAfter(recent)
	return nil
}

// Len is the number of entries.
func (e *Engine) Len() (n int) {
	for i := range e.shards {
		n += e.shards[i].len()
	}
	return n
}

// Stats are the counts so far.
func (e *Engine) Stats() Stats {
	all := Stats{Invalidations: e.invalidations.Load(), Deletions: e.deletions.Load()}
	for i := range e.shards {
		s := e.shards[i].counts()
		all.add(&s)
	}
	return all
}
