// Package postgres is the engine for more than one machine: PostgreSQL, spoken to
// through pgx's connections and pool. Several processes may serve one database.
//
// A write is sent as late and as little often as possible. Exec only queues; the
// queue goes out with the next Query or with the commit, and a transaction that
// asks nothing (a row, its hooks' rows, the commit) is one round trip.
//
// Isolation. Above the engine one may write as if writers took turns, for on
// SQLite they do. Here a write transaction that asks nothing, or only for rows
// that it locks (SELECT … FOR UPDATE), runs READ COMMITTED: it decides by nothing
// that could change under it, and waits for the lock of a busy row instead of
// failing. The first plain read makes it SERIALIZABLE, so that what it read still
// holds when it commits: two who both count the bookings of a slot and then book
// it cannot both succeed. If it had begun as READ COMMITTED it is run again from
// the start, as after a conflict. Who takes care of that himself says so with
// [store.ReadCommitted]. A read is one REPEATABLE READ snapshot.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/plan"
)

// Engine is a PostgreSQL database.
type Engine struct {
	pool *pgxpool.Pool
	// schema is where the tables are: the first of the search path.
	schema string

	mu     sync.Mutex // of closed and of the growth of calls
	closed bool
	calls  sync.WaitGroup // under way

	uniques sync.Map // name of a unique index → its columns
}

var dialect = store.Dialect{
	Name: "postgres",
	// Columns have the collation "C", where only ASCII letters have a case.
	Like: func(column, placeholder string) string { return column + " ILIKE " + placeholder + " ESCAPE ''" },
	EndsWith: func(column string, n int, placeholder string) string {
		return "right(" + column + "," + strconv.Itoa(n) + ") = " + placeholder
	},
	IntFloat: compareIntFloat,
	Renumber: func(table, column string) string {
		return "SELECT setval(pg_get_serial_sequence(" + plan.Text(store.Quote(table)) + "," + plan.Text(column) + "), coalesce(max(" + store.Quote(column) + "),0) + 1, false) FROM " + store.Quote(table)
	},
	NullsFirst: " NULLS FIRST",
	NullsLast:  " NULLS LAST",
	ForUpdate:  " FOR UPDATE",
	SkipLocked: " FOR UPDATE SKIP LOCKED",
}

// compareIntFloat is exact where PostgreSQL would round the int to a float first.
func compareIntFloat(i, op, f string) string {
	return "(" + i + " IS NOT NULL AND " + f + " IS NOT NULL AND CASE" +
		" WHEN " + f + " >= 9223372036854775808::float8 THEN -1" +
		" WHEN " + f + " < -9223372036854775808::float8 THEN 1" +
		" WHEN " + i + " < trunc(" + f + ")::bigint THEN -1" +
		" WHEN " + i + " > trunc(" + f + ")::bigint THEN 1" +
		" WHEN " + f + " > trunc(" + f + ") THEN -1" +
		" WHEN " + f + " < trunc(" + f + ") THEN 1" +
		" ELSE 0 END " + op + " 0)"
}

func (e *Engine) Dialect() *store.Dialect { return &dialect }

var errClosed = store.Errorf(store.Unavailable, "DATABASE_CLOSED", "the server is stopping")

// use keeps the engine open during a call.
func (e *Engine) use() (release func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errClosed
	}
	e.calls.Add(1)
	return e.calls.Done, nil
}

// Close waits for calls under way and closes the connections.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	e.calls.Wait()
	e.pool.Close()
	return nil
}

func (e *Engine) Ping(ctx context.Context) error {
	return e.ReadOne(ctx, func(c store.Conn) error {
		return c.Query("SELECT 1", nil, func(store.Rows) error { return nil })
	})
}

// Backup refuses: see [store.Engine].
func (e *Engine) Backup(context.Context, string, func(done, total int)) error {
	release, err := e.use()
	if err != nil {
		return err
	}
	defer release()
	return store.Errorf(store.Invalid, "BACKUP_UNSUPPORTED", "a PostgreSQL database is not backed up by Pylon").
		WithHint("use pg_dump or your provider's backups; `pylon db copy` writes a consistent copy into a SQLite file")
}

// maxTries bounds how often a transaction runs that others get into the way of.
const maxTries = 16

// maxTurns bounds how often it runs because of what it turned out to need.
const maxTurns = 64

// Write runs fn in a transaction, again when that is needed and safe.
func (e *Engine) Write(ctx context.Context, fn func(store.Conn) error) error {
	release, err := e.use()
	if err != nil {
		return err
	}
	defer release()
	m := mode{relaxed: store.IsReadCommitted(ctx)}
	for try, turns := 1, 0; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := e.writeOnce(ctx, &m, fn)
		var again *runAgain
		switch {
		case err == nil:
			return nil
		case errors.As(err, &again) && turns < maxTurns:
			m = again.mode // not a conflict: each such turn asks for more than the last
			turns++
			continue
		case !retriable(err):
			return e.explain(err)
		case try == maxTries:
			return &store.Error{Kind: store.Unavailable, Code: "TRANSACTION_CONFLICT",
				Message: "the write clashed with others each time it was tried", Hint: "try again", Cause: err}
		}
		try++
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// pause waits before another try, longer each time, and not as long as the others.
func pause(ctx context.Context, try int) error {
	longest := min(time.Millisecond<<try, 100*time.Millisecond)
	t := time.NewTimer(rand.N(longest))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *Engine) writeOnce(ctx context.Context, m *mode, fn func(store.Conn) error) (err error) {
	s, err := e.acquire(ctx)
	if err != nil {
		return err
	}
	defer func() { s.release(err) }()
	t := &transaction{session: s, mode: *m, kind: writing}
	if err := s.within(ctx, func() error {
		if err := t.lockFirst(); err != nil {
			return err
		}
		return t.attempt(fn)
	}); err != nil {
		return t.rollback(ctx, err)
	}
	return t.commit()
}

// attempt runs fn; its bug is its caller's error.
func (t *transaction) attempt(fn func(store.Conn) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a write: %v", p)
		}
		if t.failed != nil { // also when the caller overlooked it, or made it its own
			err = t.failed
		}
	}()
	return fn(t)
}

// Read runs fn on one snapshot.
func (e *Engine) Read(ctx context.Context, fn func(store.Conn) error) error {
	return e.read(ctx, reading, fn)
}

// ReadOne is Read for an fn that asks one statement: without a transaction around
// it, it costs half.
func (e *Engine) ReadOne(ctx context.Context, fn func(store.Conn) error) error {
	return e.read(ctx, asking, fn)
}

func (e *Engine) read(ctx context.Context, k kind, fn func(store.Conn) error) error {
	release, err := e.use()
	if err != nil {
		return err
	}
	defer release()
	for try := 1; ; try++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		err, begun := e.readOnce(ctx, k, fn)
		// A dead connection out of the pool is no reason to fail, as long as fn has
		// seen nothing.
		if err == nil || begun || !retriable(err) || try == maxTries {
			return e.explain(err)
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// readOnce also tells whether fn was given rows.
func (e *Engine) readOnce(ctx context.Context, k kind, fn func(store.Conn) error) (err error, given bool) {
	s, err := e.acquire(ctx)
	if err != nil {
		return err, false
	}
	t := &transaction{session: s, kind: k}
	calm := false
	defer func() { // a panic in fn leaves a transaction behind
		if !calm {
			s.abandon()
		}
		s.release(err)
	}()
	err = s.within(ctx, func() error {
		err := fn(t)
		if t.failed != nil {
			err = t.failed
		}
		if err == nil {
			err = t.end()
		}
		return err
	})
	if err != nil {
		err = t.rollback(ctx, err)
	}
	calm = true
	return err, t.given
}

var (
	_ store.Engine       = (*Engine)(nil)
	_ store.SingleReader = (*Engine)(nil)
	_ store.Notifier     = (*Engine)(nil)
	_ store.Locker       = (*transaction)(nil)
	_ store.Flusher      = (*transaction)(nil)
	_ store.Deferrer     = (*transaction)(nil)
)
