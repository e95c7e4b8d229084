package cache

import "sync/atomic"

// table finds entries by key. It is changed under the shard's lock and read without:
// who reads while it changes may overlook an entry, but finds none that was taken
// out before. A miss is therefore looked up once more under the lock.
type table struct {
	buckets []atomic.Pointer[entry]
}

const minBuckets = 16

func newTable(buckets int) *table { return &table{make([]atomic.Pointer[entry], buckets)} }

// bucket uses other bits of the hash than the choice of the shard.
func (t *table) bucket(hash uint64) *atomic.Pointer[entry] {
	return &t.buckets[hash>>12&uint64(len(t.buckets)-1)]
}

func (t *table) find(key string, hash uint64) *entry {
	for x := t.bucket(hash).Load(); x != nil; x = x.chain.Load() {
		if x.hash == hash && x.key == key {
			return x
		}
	}
	return nil
}

func (t *table) add(x *entry) {
	b := t.bucket(x.hash)
	x.chain.Store(b.Load())
	b.Store(x)
}

// link is the pointer that leads to the entry.
func (t *table) link(x *entry) *atomic.Pointer[entry] {
	p := t.bucket(x.hash)
	for y := p.Load(); y != x; y = p.Load() {
		p = &y.chain
	}
	return p
}

// remove takes the entry out. Its own link stays, for readers that are just there.
func (t *table) remove(x *entry) { t.link(x).Store(x.chain.Load()) }

func (t *table) replace(old, x *entry) {
	p := t.link(old)
	x.chain.Store(old.chain.Load())
	p.Store(x)
}

// grown is a table with the same entries and twice the buckets. The old one is of
// no use any more.
func (t *table) grown() *table {
	next := newTable(2 * len(t.buckets))
	t.each(next.add)
	return next
}

// each calls f for all entries; f may move or remove the one it is given.
func (t *table) each(f func(*entry)) {
	for i := range t.buckets {
		for x := t.buckets[i].Load(); x != nil; {
			following := x.chain.Load()
			f(x)
			x = following
		}
	}
}
