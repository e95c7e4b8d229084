package store

import "context"

// What an engine may offer beside [Engine] and [Conn]; the pipeline does without
// where it is not there.
type (
	// SingleReader is an engine that reads faster when it is told that fn asks one
	// statement only. A second one fails.
	SingleReader interface {
		ReadOne(ctx context.Context, fn func(conn Conn) error) error
	}
	// Flusher is a Conn that queues statements. Flush sends them and answers the
	// first error.
	Flusher interface{ Flush() error }
	// Deferrer is a Conn that queues statements and gives their rows when it has
	// them: before the next Query gives its own, or before the commit is acknowledged.
	Deferrer interface {
		ExecThen(query string, args []Value, then func(Rows)) error
	}
	// Locker is a Conn of an engine with several writers. Lock waits until no other
	// transaction has a lock of that name, keeps it to the end of this one, and lets
	// this one see what the others committed. With one writer there is nothing to lock.
	Locker interface{ Lock(name string) error }
	// Notifier is an engine whose database several processes may serve. Notify says
	// a word, of at most 7000 bytes, to all that listen to a channel at the moment,
	// this process included. Listen calls fn for every word until ctx ends, one at a
	// time, and with "" whenever words may have been missed: at the beginning and
	// after its connection was lost.
	Notifier interface {
		Notify(ctx context.Context, channel, word string) error
		Listen(ctx context.Context, channel string, fn func(word string))
	}
)

type readCommittedKey struct{}

// ReadCommitted says that write transactions of the context take care of
// themselves: what they decide by, they lock. An engine with several writers then
// need not keep what they only read from changing before they commit.
func ReadCommitted(ctx context.Context) context.Context {
	return context.WithValue(ctx, readCommittedKey{}, true)
}

// IsReadCommitted reports whether [ReadCommitted] was said.
func IsReadCommitted(ctx context.Context) bool {
	is, _ := ctx.Value(readCommittedKey{}).(bool)
	return is
}

// Lock makes transactions that lock the same name run one after the other, from
// here to their end.
func (tx *Tx) Lock(name string) error {
	if l, ok := tx.conn.(Locker); ok {
		return l.Lock(name)
	}
	return nil
}

// ExecThen is Exec for a statement that answers rows, which nobody needs before
// the transaction has committed: then is called for each, at the latest by then.
func (tx *Tx) ExecThen(then func(Rows), query string, args ...Value) error {
	if d, ok := tx.conn.(Deferrer); ok {
		return d.ExecThen(query, args, then)
	}
	return tx.Query(query, args, func(r Rows) error { then(r); return nil })
}

// Flush reports now what an engine that sends statements late would report with
// the next query or at the commit.
func (tx *Tx) Flush() error {
	if f, ok := tx.conn.(Flusher); ok {
		return f.Flush()
	}
	return nil
}
