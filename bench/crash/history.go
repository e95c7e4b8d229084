package main

// key names a write: the n-th of a writer. It names a row too: that which the
// write inserted.
type key struct{ Writer, N int }

// outcome is what a writer knows of a write.
type outcome uint8

const (
	// unanswered writes may be in the database or not.
	unanswered outcome = iota
	// acknowledged writes were answered with success, or seen in the row afterwards.
	acknowledged
	// absent writes were never sent, or seen not to be in the row afterwards.
	absent
)

func (o outcome) String() string { return [...]string{"unanswered", "acknowledged", "absent"}[o] }

// MarshalText makes the evidence readable.
func (o outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// write is one request of a writer. A writer sends its writes one after the other
// and only to rows of its own, so that of an unanswered update it is found out what
// became of it before the row is written again.
type write struct {
	key
	Entity  string
	Row     key // the write that inserted the row
	Version int // of the row after it: 1 for an insert
	Outcome outcome
	// Group is the first of the writes that were one transaction with this one; 0: none.
	Group int
}

// state is what a row says about the last write that changed it.
type state struct {
	Entity     string
	N, Version int
}

// acceptance is a delivery that the receiver answered with 2xx, or was about to
// when the connection ended. They are listed in the order in which that was decided.
type acceptance struct {
	Hook    string
	ID      string // delivery_id
	Body    uint64 // checksum of its bytes
	Write   key
	Row     key
	Version int
}

// hook is one of the app's hooks, each with all inserts and updates of an entity.
type hook struct {
	name, entity string
	order        string // "", "row" or "hook"
}
