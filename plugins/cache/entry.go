package cache

// entry is one key's value. There may be millions: mind the size (80 bytes, a
// size class of the allocator).
type entry struct {
	key, value string
	prev, next *entry // in a list of the policy
	hash       uint64
	// seq is an invalidation up to which the entry is known to be live.
	seq     uint64
	expires int64  // nanoseconds since the engine began
	stale   uint32 // milliseconds before expires from which the value is stale
	// What S3-FIFO knows of it.
	uses uint8
	main bool
}

func (x *entry) isStale(now int64) bool {
	return x.stale > 0 && now >= x.expires-int64(x.stale)*1e6
}

func (x *entry) bytes() int64 { return int64(len(x.key) + len(x.value)) }

// list is doubly linked, the newest entry in front. Entries carry the links, and
// the root closes the ring, so that no case is special.
type list struct {
	root entry
	n    int
}

func (l *list) init() { l.root.prev, l.root.next, l.n = &l.root, &l.root, 0 }

func (l *list) pushFront(x *entry) {
	x.prev, x.next = &l.root, l.root.next
	x.prev.next, x.next.prev = x, x
	l.n++
}

func (l *list) remove(x *entry) {
	x.prev.next, x.next.prev = x.next, x.prev
	x.prev, x.next = nil, nil
	l.n--
}

// popBack removes the oldest entry; the list must not be empty.
func (l *list) popBack() *entry {
	x := l.root.prev
	l.remove(x)
	return x
}
