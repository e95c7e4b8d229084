package cache

import "sync/atomic"

// policy decides which entry of a shard goes when it is full. All but touch and
// hits is called under the shard's lock.
type policy interface {
	// touch tells of an entry that was read, without the lock; false says that hit
	// must be called with it.
	touch(x *entry) bool
	// hits is how many touches there were.
	hits() uint64

	// add tells of a new entry, hit of one that was read, replace of one whose
	// value was set anew, remove of one that is dropped.
	add(x *entry)
	hit(x *entry)
	replace(old, x *entry)
	remove(x *entry)
	// evict picks the entry that goes, and removes it. There is at least one.
	evict() *entry
	// clear forgets all entries.
	clear()
}

// Names of policies in the configuration.
const (
	LRU    = "lru"
	S3FIFO = "s3fifo"
)

func newPolicy(name string, capacity int) policy {
	if name == S3FIFO {
		return newS3FIFO(capacity)
	}
	return newLRU()
}

// lru evicts the entry that was not used for the longest time. Reads are noted in
// a log and carried out, in their order, before anything that depends on it: so
// the order is exact, but for reads at the very same time.
type lru struct {
	entries list
	epoch   uint16 // tells entries that are in the list from those in a log only
	carried uint64 // touches carried out
	log     touchLog
}

type touchLog struct {
	_     [64]byte // written by all readers: not on a cache line with anything else
	n     atomic.Uint32
	_     [60]byte
	slots [64]atomic.Pointer[entry]
}

func newLRU() *lru {
	p := new(lru)
	p.clear()
	return p
}

func (p *lru) touch(x *entry) bool {
	i := p.log.n.Add(1) - 1
	if i >= uint32(len(p.log.slots)) {
		return false
	}
	p.log.slots[i].Store(x)
	return true
}

// drain carries out what the log holds.
func (p *lru) drain() {
	n := min(p.log.n.Swap(0), uint32(len(p.log.slots)))
	p.carried += uint64(n)
	for i := range n {
		// Nil: its reader has the place but has not come to filling it, or another
		// took the place since. A touch at the same time as this may get lost.
		if x := p.log.slots[i].Swap(nil); x != nil && x.epoch == p.epoch {
			p.moveToFront(x)
		}
	}
}

func (p *lru) hits() uint64 {
	return p.carried + uint64(min(p.log.n.Load(), uint32(len(p.log.slots))))
}

func (p *lru) moveToFront(x *entry) {
	if p.entries.root.next != x {
		p.entries.remove(x)
		p.entries.pushFront(x)
	}
}

func (p *lru) clear() {
	p.drain()
	if p.epoch++; p.epoch == 0 {
		p.epoch = 1
	}
	p.entries.init()
}

func (p *lru) add(x *entry) {
	p.drain()
	x.epoch = p.epoch
	p.entries.pushFront(x)
}

func (p *lru) hit(x *entry) {
	p.drain()
	p.moveToFront(x)
}

func (p *lru) replace(old, x *entry) {
	p.remove(old)
	p.add(x)
}

func (p *lru) remove(x *entry) {
	x.epoch = 0
	p.entries.remove(x)
}

func (p *lru) evict() *entry {
	p.drain()
	x := p.entries.popBack()
	x.epoch = 0
	return x
}
