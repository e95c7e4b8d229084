// Package sqlite is the embedded engine: SQLite in WAL mode with
// synchronous=FULL, one writer that gathers waiting writes into one commit (group
// commit), and a pool of readers.
//
// The driver is zombiezen.com/go/sqlite on the pure-Go modernc engine; only the
// schema inspection of migrations goes through database/sql, because atlas asks for it.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pylon-go/pylon/store"
)

// Engine is a SQLite database file.
type Engine struct {
	path    string
	lock    *fileLock
	jobs    chan *job
	readers chan *conn
	all     []*conn // every reader, for closing

	mu     sync.Mutex // of closed and of the growth of calls
	closed bool
	calls  sync.WaitGroup // under way
	writer sync.WaitGroup
}

// Options say how a database is opened.
type Options struct {
	// Exclusive takes the right to serve the database, which one process may
	// have at a time. Tools that only look or add work beside a server leave it.
	Exclusive bool
	// Readers is the number of reading connections; 0 means one per core.
	Readers int
}

var dialect = store.Dialect{
	Name: "sqlite",
	// SQLite's LIKE has no escape character unless one is given and ignores ASCII case.
	// The + hides the placeholder from the planner, which would look at its value for
	// an index that LIKE cannot use here, and plan again at every use because it did.
	Like: func(column, placeholder string) string { return column + " LIKE +" + placeholder },
	EndsWith: func(column string, n int, placeholder string) string {
		return "substr(" + column + ",-" + strconv.Itoa(n) + ") = " + placeholder
	},
}

// Open opens the database file, making it and its folder when missing.
func Open(path string, o Options) (*Engine, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the database's folder: %w", err)
	}
	e := &Engine{path: path, jobs: make(chan *job, maxGroup)}
	if o.Exclusive {
		lock, err := lockFile(path + ".lock")
		if err != nil {
			return nil, err
		}
		e.lock = lock
	}
	w, err := openConn(path, false)
	if err != nil {
		e.lock.release()
		return nil, err
	}
	n := o.Readers
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	e.readers = make(chan *conn, n)
	for range n {
		r, err := openConn(path, true)
		if err != nil {
			for _, c := range e.all {
				c.close()
			}
			w.close()
			e.lock.release()
			return nil, err
		}
		e.all = append(e.all, r)
		e.readers <- r
	}
	e.writer.Go(func() { e.write(w) })
	return e, nil
}

// openConn opens a connection with the durability we promise, and reads the
// settings back: a pragma that does not take is silent otherwise.
func openConn(path string, readOnly bool) (*conn, error) {
	raw, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", filepath.Base(path), err)
	}
	for _, p := range []struct{ name, value, want string }{
		{"journal_mode", "wal", "wal"},
		{"synchronous", "full", "2"},
		{"foreign_keys", "off", "0"},
		{"cache_size", "-8192", "-8192"}, // 8 MiB a connection
		{"temp_store", "memory", "2"},
		{"query_only", strconv.FormatBool(readOnly), map[bool]string{true: "1", false: "0"}[readOnly]},
	} {
		if err := sqlitex.ExecuteTransient(raw, "PRAGMA "+p.name+"="+p.value, nil); err != nil {
			raw.Close()
			return nil, fmt.Errorf("set %s on the database: %w", p.name, err)
		}
		var got string
		err := sqlitex.ExecuteTransient(raw, "PRAGMA "+p.name, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			got = s.ColumnText(0)
			return nil
		}})
		if err != nil || got != p.want {
			raw.Close()
			return nil, fmt.Errorf("the database did not take %s=%s (it says %q, %v)", p.name, p.value, got, err)
		}
	}
	return newConn(raw), nil
}

func (e *Engine) Dialect() *store.Dialect { return &dialect }

// Path is the database file.
func (e *Engine) Path() string { return e.path }

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

// Read runs fn on a reader's snapshot.
func (e *Engine) Read(ctx context.Context, fn func(store.Conn) error) error {
	release, err := e.use()
	if err != nil {
		return err
	}
	defer release()
	if err := ctx.Err(); err != nil {
		return err
	}
	var c *conn
	select {
	case c = <-e.readers:
	default:
		select {
		case c = <-e.readers:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() { e.readers <- c }()
	return c.snapshot(ctx, fn)
}

func (e *Engine) Ping(ctx context.Context) error {
	return e.Read(ctx, func(c store.Conn) error {
		return c.Query("SELECT 1", nil, func(store.Rows) error { return nil })
	})
}

// Close waits for calls under way, writes what is queued and closes the file.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	e.calls.Wait() // not a lock: a call inside a call must be refused then, not wait for ever
	close(e.jobs)
	e.writer.Wait() // the writer closes its connection
	var errs []error
	for _, c := range e.all {
		errs = append(errs, c.close())
	}
	return errors.Join(append(errs, e.lock.release())...)
}

// explain turns an engine's error into one the caller may see.
func explain(err error) error {
	if err == nil {
		return nil
	}
	switch code := sqlite.ErrCode(err); code {
	case sqlite.ResultConstraintUnique, sqlite.ResultConstraintPrimaryKey:
		_, list, _ := strings.Cut(err.Error(), "UNIQUE constraint failed: ")
		var table string
		var columns []string
		for part := range strings.SplitSeq(list, ", ") {
			t, column, ok := strings.Cut(strings.TrimSpace(part), ".")
			if !ok {
				return err
			}
			table, columns = t, append(columns, column)
		}
		u := store.UniqueViolation(table, columns)
		u.Cause = err
		return u
	default:
		switch code.ToPrimary() {
		case sqlite.ResultFull, sqlite.ResultIOErr, sqlite.ResultReadOnly, sqlite.ResultBusy, sqlite.ResultCantOpen, sqlite.ResultCorrupt, sqlite.ResultNotADB:
			return &store.Error{Kind: store.Unavailable, Code: "DATABASE_UNAVAILABLE", Message: "the database cannot be used at the moment", Cause: err}
		}
	}
	return err
}

// Exclusive reports whether nobody else serves this database.
func (e *Engine) Exclusive() bool { return e.lock != nil }
