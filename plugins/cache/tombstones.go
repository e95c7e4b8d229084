package cache

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pylon-go/pylon/plugin"
)

// tombstones remember invalidations instead of carrying them out: each gets the
// next number of a sequence, entries carry the number up to which they are known
// to be live, and whoever comes upon an entry with an older number looks whether a
// tombstone in between covers its key. So an invalidation costs the same however
// many keys it matches, and it holds for values that are set after it but were
// loaded before, which no index of keys would find.
//
// Tombstones are kept in generations. A sweep looks at all entries, after which
// the tombstones before it are no longer needed for them; one generation more is
// kept for loads that are under way. What is older than that (the floor) is taken
// for dead.
type tombstones struct {
	seed maphash.Seed
	// cur is the last invalidation. It is stored when everything else about it is
	// in place, so that who reads it first finds all that it counts.
	cur  atomic.Uint64
	view atomic.Pointer[tombView]

	mu     sync.RWMutex // guards the maps of the generations; taken alone or after a shard's lock
	recent int          // tombstones in the youngest generation
}

// tombView is what can be read without a lock. It is replaced, not changed.
type tombView struct {
	floor       uint64
	lengths     []int // of prefixes in use, ascending
	generations []*generation
}

// generation is the tombstones between two sweeps.
type generation struct {
	from uint64 // the sequence when it began
	// mayHold tells most keys that no tombstone covers without the maps and
	// their lock; without it every invalidation would slow all gets.
	mayHold  filter
	prefixes map[string]tombstone
	lengths  map[int]bool         // of the prefixes
	keys     map[string]tombstone // deletions of exactly one key
}

// tombstone is the last invalidation of a prefix or key.
type tombstone struct {
	seq uint64
	// before is the last one by anybody but the maker of this one: what he set
	// since is dead only when that is newer than his token.
	before uint64
}

// covers reports whether the tombstone kills what was loaded at seq by t's owner.
func (b tombstone) covers(seq uint64, t *plugin.CacheToken) bool {
	if b.seq <= seq {
		return false
	}
	if t.Owns(b.seq) {
		return b.before > seq
	}
	return true
}

func (g *tombstones) init(seed maphash.Seed) {
	g.seed = seed
	g.view.Store(&tombView{generations: []*generation{newGeneration(0, minSweep)}})
}

func newGeneration(from uint64, expected int) *generation {
	return &generation{from: from, mayHold: newFilter(expected),
		prefixes: map[string]tombstone{}, lengths: map[int]bool{}, keys: map[string]tombstone{}}
}

// invalidate adds a tombstone for a prefix, remove one for exactly one key. They
// return how many there are since the last sweep.
func (g *tombstones) invalidate(prefix string, t *plugin.CacheToken) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	view := g.view.Load()
	if i, known := slices.BinarySearch(view.lengths, len(prefix)); !known {
		next := *view
		next.lengths = slices.Insert(slices.Clone(view.lengths), i, len(prefix))
		g.view.Store(&next)
	}
	view.generations[0].lengths[len(prefix)] = true
	return g.add(func(gen *generation) map[string]tombstone { return gen.prefixes }, prefix, t)
}

func (g *tombstones) remove(key string, t *plugin.CacheToken) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.add(func(gen *generation) map[string]tombstone { return gen.keys }, key, t)
}

func (g *tombstones) add(of func(*generation) map[string]tombstone, text string, t *plugin.CacheToken) int {
	seq := g.cur.Load() + 1
	generations := g.view.Load().generations
	var before uint64
	for _, gen := range generations {
		if old, ok := of(gen)[text]; ok {
			if before = old.seq; t.Owns(old.seq) {
				before = old.before
			}
			break
		}
	}
	of(generations[0])[text] = tombstone{seq: seq, before: before}
	if g.recent++; g.recent > generations[0].mayHold.expected {
		g.grow()
	}
	g.view.Load().generations[0].mayHold.add(maphash.String(g.seed, text))
	t.Own(seq)
	g.cur.Store(seq)
	return g.recent
}

// grow gives the youngest generation a filter of twice the size.
func (g *tombstones) grow() {
	next := *g.view.Load()
	next.generations = slices.Clone(next.generations)
	gen := *next.generations[0]
	gen.mayHold = newFilter(2 * gen.mayHold.expected)
	for prefix := range gen.prefixes {
		gen.mayHold.add(maphash.String(g.seed, prefix))
	}
	for key := range gen.keys {
		gen.mayHold.add(maphash.String(g.seed, key))
	}
	next.generations[0] = &gen
	g.view.Store(&next)
}

// stillLive reports whether no tombstone covers the entry, and notes it on it.
func (g *tombstones) stillLive(x *entry) bool {
	seq := x.seq.Load()
	if seq == g.cur.Load() {
		return true
	}
	live, checked := g.judge(x.key, x.hash, seq, nil)
	if live {
		x.seq.CompareAndSwap(seq, checked) // or somebody else did
	}
	return live
}

// judge decides about a value of the key, loaded at seq by the token's owner (nil:
// nobody in particular). A value that is live is so up to the number returned.
func (g *tombstones) judge(key string, hash, seq uint64, t *plugin.CacheToken) (live bool, checked uint64) {
	// The order matters: every invalidation up to checked is in the view or below
	// its floor.
	checked = g.cur.Load()
	view := g.view.Load()
	if seq < view.floor {
		return false, checked
	}
	if !g.mayBeCovered(view, key, hash, seq) {
		return true, checked
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, gen := range view.generations {
		if gen.keys[key].covers(seq, t) {
			return false, checked
		}
		for _, n := range view.lengths {
			if n > len(key) {
				break
			}
			if gen.prefixes[key[:n]].covers(seq, t) {
				return false, checked
			}
		}
	}
	return true, checked
}

// mayBeCovered is false when surely no tombstone after seq covers the key.
func (g *tombstones) mayBeCovered(view *tombView, key string, hash, seq uint64) bool {
	if view.mayHold(hash, seq) {
		return true
	}
	for _, n := range view.lengths {
		if n > len(key) {
			break
		}
		if view.mayHold(maphash.String(g.seed, key[:n]), seq) {
			return true
		}
	}
	return false
}

func (view *tombView) mayHold(hash, seq uint64) bool {
	for i, gen := range view.generations {
		if i > 0 && view.generations[i-1].from <= seq {
			return false // this one and those after it are older than seq
		}
		if gen.mayHold.has(hash) {
			return true
		}
	}
	return false
}

// beginSweep starts a generation. Entries that are live at the number returned
// need none of the older tombstones.
func (g *tombstones) beginSweep(expected int) (upTo uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	upTo = g.cur.Load()
	next := *g.view.Load()
	next.generations = append([]*generation{newGeneration(upTo, expected)}, next.generations...)
	g.view.Store(&next)
	g.recent = 0
	return upTo
}

// endSweep forgets all generations but two: the one the sweep began with and the
// one before.
func (g *tombstones) endSweep() {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := *g.view.Load()
	next.generations = slices.Clone(next.generations[:min(2, len(next.generations))])
	next.floor = next.generations[len(next.generations)-1].from
	inUse := func(n int) bool {
		return slices.ContainsFunc(next.generations, func(gen *generation) bool { return gen.lengths[n] })
	}
	next.lengths = slices.DeleteFunc(slices.Clone(next.lengths), func(n int) bool { return !inUse(n) })
	g.view.Store(&next)
}

// filter is a Bloom filter whose two bits for a hash are in one word.
type filter struct {
	words    []atomic.Uint64
	expected int // hashes; with more it says yes too often
}

// newFilter has 16 bits for each of the hashes expected.
func newFilter(expected int) filter {
	n := 1
	for n < expected/4 {
		n *= 2
	}
	return filter{make([]atomic.Uint64, n), expected}
}

func (f filter) at(hash uint64) (word *atomic.Uint64, bits uint64) {
	return &f.words[hash>>32&uint64(len(f.words)-1)], 1<<(hash&63) | 1<<(hash>>6&63)
}

func (f filter) add(hash uint64) {
	word, bits := f.at(hash)
	word.Or(bits)
}

func (f filter) has(hash uint64) bool {
	word, bits := f.at(hash)
	return word.Load()&bits == bits
}
