package cache

import "sync/atomic"

// s3fifo is S3-FIFO (Yang and others, SOSP 2023). New entries go through a small
// queue; those not used again while in there are evicted and leave a ghost; those
// that were, and those whose ghost is still known when they come back, get into
// the main queue, where each use buys another round. A scan of keys that are read
// once so passes through a tenth of the cache only.
//
// Other than in the paper, one use in the small queue is enough to stay. Then a
// small cache does what one expects of it: fill it, touch the oldest entry, add
// one, and the touched one is still there.
type s3fifo struct {
	small, main list
	ghosts      ghosts
	capacity    int
	smallSize   int

	_       [64]byte // written by all readers: not on a cache line with anything else
	touched atomic.Uint64
	_       [56]byte
}

// maxUses bounds the rounds that uses buy in the main queue.
const maxUses = 3

func newS3FIFO(capacity int) *s3fifo {
	p := &s3fifo{capacity: capacity, smallSize: max(1, capacity/10)}
	p.clear()
	return p
}

func (p *s3fifo) clear() {
	p.small.init()
	p.main.init()
	p.ghosts = ghosts{span: uint32(max(1, p.capacity-p.smallSize))}
}

func (p *s3fifo) add(x *entry) {
	x.uses.Store(0)
	x.main = p.ghosts.take(x.hash)
	p.queue(x).pushFront(x)
}

func (p *s3fifo) queue(x *entry) *list {
	if x.main {
		return &p.main
	}
	return &p.small
}

// touch needs no lock and no order. Two at the same time may count once.
func (p *s3fifo) touch(x *entry) bool {
	p.touched.Add(1)
	if n := x.uses.Load(); n < maxUses {
		x.uses.Store(n + 1)
	}
	return true
}

func (p *s3fifo) hits() uint64 { return p.touched.Load() }

func (p *s3fifo) hit(x *entry) { x.uses.Store(min(x.uses.Load()+1, maxUses)) }

func (p *s3fifo) replace(old, x *entry) {
	x.main = old.main
	x.uses.Store(old.uses.Load())
	p.queue(x).replace(old, x)
	p.hit(x)
}

func (p *s3fifo) remove(x *entry) { p.queue(x).remove(x) }

func (p *s3fifo) evict() *entry {
	for {
		if p.small.n >= p.smallSize || p.main.n == 0 {
			x := p.small.popBack()
			if x.uses.Load() == 0 {
				p.ghosts.add(x.hash)
				return x
			}
			x.uses.Store(0)
			x.main = true
			p.main.pushFront(x)
			continue
		}
		x := p.main.popBack()
		n := x.uses.Load()
		if n == 0 {
			return x
		}
		x.uses.Store(n - 1)
		p.main.pushFront(x)
	}
}

// ghosts remembers the last keys evicted from the small queue, as 32 bits of
// their hash each: a table of buckets with eight places, a cache line, of which
// the oldest is taken. Mistaking one key for another costs a little hit ratio.
type ghosts struct {
	span    uint32 // how many evictions back are remembered
	clock   uint32
	buckets [][8]ghost
}

type ghost struct{ print, at uint32 }

func (g *ghosts) bucket(hash uint64) *[8]ghost { return &g.buckets[hash>>40&uint64(len(g.buckets)-1)] }

func (g *ghosts) add(hash uint64) {
	if g.buckets == nil { // the shard is full by now, so the memory is in proportion
		n := 1
		for n*8 < int(g.span)*5/4 {
			n *= 2
		}
		g.buckets = make([][8]ghost, n)
	}
	g.clock++
	b := g.bucket(hash)
	oldest := &b[0]
	for i := range b {
		if age, most := g.age(b[i]), g.age(*oldest); age > most {
			oldest = &b[i]
		}
	}
	*oldest = ghost{print: uint32(hash), at: g.clock}
}

// age is how many evictions ago the ghost was added; a place never used is older
// than any that counts.
func (g *ghosts) age(x ghost) uint32 {
	if x == (ghost{}) {
		return 1<<32 - 1
	}
	return g.clock - x.at
}

// take reports whether the key was evicted lately, and forgets it.
func (g *ghosts) take(hash uint64) bool {
	if g.buckets == nil {
		return false
	}
	b := g.bucket(hash)
	for i := range b {
		if b[i].print == uint32(hash) && g.age(b[i]) < g.span {
			b[i] = ghost{}
			return true
		}
	}
	return false
}
