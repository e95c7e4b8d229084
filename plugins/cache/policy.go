package cache

// policy decides which entry of a shard goes when it is full. It is called under
// the shard's lock.
type policy interface {
	// add tells of a new entry, hit of one that was read or set anew, remove of one
	// that is dropped.
	add(x *entry)
	hit(x *entry)
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

// lru evicts the entry that was not used for the longest time, exactly.
type lru struct{ entries list }

func newLRU() *lru {
	p := new(lru)
	p.clear()
	return p
}

func (p *lru) clear()          { p.entries.init() }
func (p *lru) add(x *entry)    { p.entries.pushFront(x) }
func (p *lru) remove(x *entry) { p.entries.remove(x) }
func (p *lru) evict() *entry   { return p.entries.popBack() }

func (p *lru) hit(x *entry) {
	if p.entries.root.next == x {
		return
	}
	p.entries.remove(x)
	p.entries.pushFront(x)
}
