package postgres

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pylon-go/pylon/store"
)

// kind is what a transaction is for.
type kind uint8

const (
	writing kind = iota
	reading      // a snapshot
	asking       // one statement, without a transaction around it
)

// mode is how a write transaction runs. A run that needs more than it has ends
// with [runAgain].
type mode struct {
	// relaxed leaves it READ COMMITTED whatever it reads.
	relaxed      bool
	serializable bool
	// locks are taken before it begins: its snapshot must not be older than they
	// are. Sorted.
	locks []string
}

// runAgain asks for another run of the transaction, in another mode.
type runAgain struct{ mode mode }

func (*runAgain) Error() string { return "the transaction runs again in another mode" }

const (
	// fetch is how many rows come at a time, so that a caller that stops early, or
	// asks something else in between, costs no more than these.
	fetch = 256
	// maxQueued and maxQueuedBytes bound what waits to be sent.
	maxQueued      = 256
	maxQueuedBytes = 1 << 20
	// commitTimeout bounds the wait for the outcome of a commit.
	commitTimeout = 60 * time.Second
)

// transaction is a [store.Conn].
type transaction struct {
	*session
	mode  mode
	kind  kind
	begun bool
	given bool // fn was given rows
	asked bool // the one statement of kind asking was used
	queue []queued
	// sent are the statements of the exchange under way whose rows are wanted, by
	// their place in it.
	sent  map[int]queued
	bytes int // of queue's arguments
	// failed keeps the first failure, so that a caller who overlooks it cannot
	// commit half of its work.
	failed  error
	portals int
	// wanted are locks that were taken in this run, for the next one.
	wanted []string
	held   bool // locks of the mode are
}

type queued struct {
	st   *statement
	args [][]byte
	then func(store.Rows) // if its rows are wanted
}

// fail remembers the first failure. A broken connection wins: what it interrupts
// can be anything.
func (t *transaction) fail(err error) error {
	var broke *brokenError
	if t.failed == nil || errors.As(err, &broke) {
		t.failed = err
	}
	return err
}

func (t *transaction) begin() string {
	switch {
	case t.kind == reading:
		return "snapshot"
	case t.mode.serializable:
		return "serializable"
	}
	return "begin"
}

// statement prepares a statement and its arguments.
func (t *transaction) statement(query string, values []store.Value) (*statement, [][]byte, error) {
	if t.failed != nil {
		return nil, nil, t.failed
	}
	st, err := t.prepare(query)
	if err != nil {
		return nil, nil, t.fail(err)
	}
	args, err := st.args(values)
	if err != nil {
		return nil, nil, t.fail(err)
	}
	return st, args, nil
}

// Exec queues a statement; see [store.Conn].
func (t *transaction) Exec(query string, values []store.Value) error {
	return t.ExecThen(query, values, nil)
}

// ExecThen queues a statement whose rows are wanted later; see [store.Deferrer].
func (t *transaction) ExecThen(query string, values []store.Value, then func(store.Rows)) error {
	if t.kind == asking {
		return t.Query(query, values, nil)
	}
	st, args, err := t.statement(query, values)
	if err != nil {
		return err
	}
	st.open++
	t.queue = append(t.queue, queued{st, args, then})
	for _, a := range args {
		t.bytes += len(a)
	}
	if len(t.queue) >= maxQueued || t.bytes >= maxQueuedBytes {
		return t.Flush()
	}
	return nil
}

// Flush sends what is queued and reports what became of it; see [store.Flusher].
func (t *transaction) Flush() error {
	if t.failed != nil || len(t.queue) == 0 {
		return t.failed
	}
	t.drain(true)
	if err := t.exchange(t.results(nil, nil)); err != nil {
		return t.fail(err)
	}
	return nil
}

// drain puts the queue before what is sent next, and BEGIN before it when open.
func (t *transaction) drain(open bool) {
	place := 0
	if open && !t.begun {
		t.begun = true
		t.control(t.begin())
		place++
	}
	clear(t.sent)
	for i, q := range t.queue {
		t.bind("", q.st, q.args)
		t.execute("", 0)
		if q.then != nil {
			if t.sent == nil {
				t.sent = map[int]queued{}
			}
			t.sent[place+i] = q
		}
	}
	t.forget()
}

// forget empties the queue.
func (t *transaction) forget() {
	for _, q := range t.queue {
		q.st.open--
	}
	clear(t.queue)
	t.queue, t.bytes = t.queue[:0], 0
}

// Query sends what is queued and the statement; see [store.Conn].
func (t *transaction) Query(query string, values []store.Value, each func(store.Rows) error) error {
	st, args, err := t.statement(query, values)
	if err != nil {
		return err
	}
	if t.kind == asking {
		if t.asked {
			return t.fail(errors.New("a second statement where one was promised"))
		}
		t.asked = true
		return t.ask(st, args, each)
	}
	if t.kind == writing && st.plainRead && !t.mode.serializable && !t.mode.relaxed {
		t.mode.serializable = true
		if t.begun || len(t.wanted) > 0 {
			return t.fail(t.again())
		}
	}
	before := len(t.queue) // statements whose outcome comes before the rows
	if !t.begun {
		before++
	}
	t.drain(true)
	t.portals++
	portal := "p" + strconv.Itoa(t.portals)
	t.bind(portal, st, args)
	st.open++
	b := newBatch(st)
	defer func() {
		st.open--
		b.free()
	}()
	for {
		t.execute(portal, fetch)
		more, err := t.rows(b, before)
		if err != nil {
			return t.fail(err)
		}
		err = t.give(b, each)
		if err == nil && more {
			if t.failed != nil { // by what each asked
				return t.failed
			}
			before = len(t.queue)
			t.drain(true)
			continue
		}
		if !t.broken { // a portal lives to the end of the transaction otherwise
			t.pg.Frontend().SendClose(&pgproto3.Close{ObjectType: 'P', Name: portal})
		}
		if err == store.Stop {
			err = nil
		}
		return err
	}
}

// again is another run with what this one turned out to need.
func (t *transaction) again(locks ...string) *runAgain {
	m := t.mode
	m.locks = slices.Concat(m.locks, t.wanted, locks)
	slices.Sort(m.locks)
	m.locks = slices.Compact(m.locks)
	return &runAgain{m}
}

// give hands the rows of a batch out.
func (t *transaction) give(b *batch, each func(store.Rows) error) error {
	if each == nil {
		return nil
	}
	for b.row = 0; b.row < b.rows; b.row++ {
		t.given = true
		if err := each(b); err != nil {
			return err
		}
	}
	return nil
}

// rows reads the outcome of a batch of statements, of which those before the last
// are not the query. more says that there are rows left.
func (t *transaction) rows(b *batch, before int) (more bool, err error) {
	b.reset()
	err = t.exchange(t.results(func(place int, values [][]byte) {
		if place >= before {
			b.add(values)
		}
	}, &more))
	return more, err
}

// results hands out the rows that queued statements were asked for, and those of
// other statements to each, with the statement's place in the exchange.
func (t *transaction) results(each func(place int, values [][]byte), more *bool) func(pgproto3.BackendMessage) {
	place := 0
	return func(m pgproto3.BackendMessage) {
		switch m := m.(type) {
		case *pgproto3.DataRow:
			if q, wanted := t.sent[place]; wanted {
				b := newBatch(q.st)
				b.add(m.Values)
				b.row = 0
				q.then(b)
				b.free()
			} else if each != nil {
				each(place, m.Values)
			}
		case *pgproto3.CommandComplete, *pgproto3.EmptyQueryResponse:
			place++
		case *pgproto3.PortalSuspended:
			*more = true
		}
	}
}

// ask runs a statement on its own. Its rows are handed out as they arrive.
func (t *transaction) ask(st *statement, args [][]byte, each func(store.Rows) error) error {
	t.bind("", st, args)
	t.execute("", 0)
	if err := t.send(); err != nil {
		return t.fail(err)
	}
	b := newBatch(st)
	defer b.free()
	var stopped error
	passed := 0
	calm := false
	defer func() { // each may panic between two messages
		if !calm {
			t.abandon()
		}
	}()
	var failed error
	for {
		m, err := t.pg.ReceiveMessage(context.Background())
		if err != nil {
			calm = true
			return t.fail(t.broke(err))
		}
		switch m := m.(type) {
		case *pgproto3.DataRow:
			switch {
			case stopped == nil && each != nil:
				b.reset()
				b.add(m.Values)
				b.row = 0
				t.given = true
				stopped = each(b)
			default:
				passed++
				if passed > 4*fetch { // rather a new connection than the rest of the table
					return stopped
				}
			}
		case *pgproto3.ErrorResponse:
			failed = pgError(m)
		case *pgproto3.ReadyForQuery:
			calm = true
			if failed != nil {
				return t.fail(failed)
			}
			if stopped == store.Stop {
				return nil
			}
			return stopped
		}
	}
}

// Lock keeps other transactions with a lock of that name away until this one
// ends, and lets it see what they committed; see [store.Locker].
func (t *transaction) Lock(name string) error {
	if t.failed != nil || slices.Contains(t.mode.locks, name) || slices.Contains(t.wanted, name) {
		return t.failed
	}
	if t.mode.serializable {
		// The snapshot is older than the lock would be; what another committed before
		// it let go of the lock would be invisible.
		return t.fail(t.again(name))
	}
	t.wanted = append(t.wanted, name)
	return t.Exec("SELECT pg_advisory_xact_lock(?)", []store.Value{store.Int(lockKey(name))})
}

// lockFirst takes the locks of the mode, before there is a snapshot.
func (t *transaction) lockFirst() error {
	for _, name := range t.mode.locks {
		t.held = true
		if err := t.alone("SELECT pg_advisory_lock(?)", store.Int(lockKey(name))); err != nil {
			return err
		}
	}
	return nil
}

// unlock gives the locks of the mode back.
func (t *transaction) unlock() {
	if t.held && !t.broken {
		if err := t.alone("SELECT pg_advisory_unlock_all()"); err != nil {
			t.abandon() // they end with the connection
		}
	}
	t.held = false
}

// alone runs a statement outside of the transaction.
func (t *transaction) alone(query string, values ...store.Value) error {
	st, err := t.prepare(query)
	if err != nil {
		return err
	}
	args, err := st.args(values)
	if err != nil {
		return err
	}
	t.bind("", st, args)
	t.execute("", 0)
	return t.exchange(nil)
}

// commit sends what is queued and commits. From here on only the server knows:
// the caller's context no longer counts.
func (t *transaction) commit() error {
	switch {
	case t.broken: // the context ended after fn did
		return &brokenError{errors.New("broken off before the commit")}
	case !t.begun && len(t.queue) == 0:
		t.unlock()
		return nil
	}
	if err := t.pg.Conn().SetDeadline(time.Now().Add(commitTimeout)); err != nil {
		return t.broke(err)
	}
	// Without BEGIN, everything up to the Sync is one transaction.
	t.drain(t.begun || t.mode.serializable)
	if t.begun {
		t.control("commit")
	}
	err := t.exchange(t.results(nil, nil))
	var broke *brokenError
	if errors.As(err, &broke) {
		return &unknownError{err}
	}
	if reset := t.pg.Conn().SetDeadline(time.Time{}); reset != nil {
		t.abandon() // what the server answered stands all the same
	}
	if err != nil {
		return t.rollback(context.Background(), err)
	}
	t.unlock()
	return nil
}

// end ends a read.
func (t *transaction) end() error {
	if !t.begun && len(t.queue) == 0 {
		return nil
	}
	t.drain(true)
	t.control("commit")
	if err := t.exchange(nil); err != nil {
		return err
	}
	t.begun = false
	return nil
}

// rollback ends a transaction that failed, and gives back why.
func (t *transaction) rollback(ctx context.Context, cause error) error {
	t.forget()
	if t.begun && !t.broken {
		t.control("rollback")
		if err := t.exchange(nil); err != nil {
			t.abandon()
		}
		t.begun = false
	}
	t.unlock()
	var broke *brokenError
	if ctx.Err() != nil && errors.As(cause, &broke) {
		return ctx.Err()
	}
	return t.engine.clash(t.session, cause)
}
