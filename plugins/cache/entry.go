package cache

import "sync/atomic"

// entry is one key's value. Readers come upon it without a lock, so what they read
// never changes or is atomic; a new value is a new entry. There may be millions:
// mind the size (96 bytes, a size class of the allocator).
type entry struct {
	key, value string
	chain      atomic.Pointer[entry] // the next one in its bucket of the table
	hash       uint64
	// seq is an invalidation up to which the entry is known to be live.
	seq     atomic.Uint64
	expires int64  // nanoseconds since the engine began
	stale   uint32 // milliseconds before expires from which the value is stale

	// What the policy knows of it. All but uses is guarded by the shard's lock.
	uses       atomic.Uint32
	prev, next *entry
	main       bool
	epoch      uint16 // of the policy that holds it; 0 when none does
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

// replace puts x where old is.
func (l *list) replace(old, x *entry) {
	x.prev, x.next = old.prev, old.next
	x.prev.next, x.next.prev = x, x
	old.prev, old.next = nil, nil
}

// popBack removes the oldest entry; the list must not be empty.
func (l *list) popBack() *entry {
	x := l.root.prev
	l.remove(x)
	return x
}
