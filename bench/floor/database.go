package main

import (
	"errors"
	"fmt"
	"runtime"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// maxGroup bounds how many inserts share a commit.
const maxGroup = 256

// database is a SQLite file with one writer and a reader for each core.
type database struct {
	writer  *sqlite.Conn
	queue   chan insertion
	done    chan struct{}
	readers chan *sqlite.Conn
}

type insertion struct {
	row *message
	err chan<- error
}

func open(file string) (*database, error) {
	db := &database{queue: make(chan insertion, maxGroup), done: make(chan struct{}), readers: make(chan *sqlite.Conn, runtime.NumCPU())}
	var err error
	if db.writer, err = connect(file); err != nil {
		return nil, err
	}
	if err := sqlitex.ExecuteTransient(db.writer, `CREATE TABLE IF NOT EXISTS m (id TEXT PRIMARY KEY, room TEXT NOT NULL, body TEXT NOT NULL, created_at INTEGER NOT NULL)`, nil); err != nil {
		return nil, fmt.Errorf("creating the table: %w", err)
	}
	for range cap(db.readers) {
		c, err := connect(file)
		if err != nil {
			return nil, err
		}
		db.readers <- c
	}
	go db.write()
	return db, nil
}

// connect opens a connection and makes sure that a commit is on disk when it
// returns: a benchmark against a database that is not durable is worth nothing.
func connect(file string) (*sqlite.Conn, error) {
	c, err := sqlite.OpenConn(file, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", file, err)
	}
	if err := sqlitex.ExecuteTransient(c, "PRAGMA synchronous=FULL", nil); err != nil {
		return nil, err
	}
	const full = "2"
	for pragma, want := range map[string]string{"synchronous": full, "journal_mode": "wal"} {
		var got string
		err := sqlitex.ExecuteTransient(c, "PRAGMA "+pragma, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			got = s.ColumnText(0)
			return nil
		}})
		if err != nil {
			return nil, err
		}
		if got != want {
			return nil, fmt.Errorf("PRAGMA %s is %q, not %q", pragma, got, want)
		}
	}
	return c, nil
}

// close ends the writer; no insert may be under way.
func (db *database) close() {
	close(db.queue)
	<-db.done
	for range cap(db.readers) {
		_ = (<-db.readers).Close()
	}
	_ = db.writer.Close()
}

func (db *database) insert(m *message) error {
	err := make(chan error, 1)
	db.queue <- insertion{m, err}
	return <-err
}

// write carries out inserts: all that wait share one transaction and one commit,
// each within a savepoint of its own.
func (db *database) write() {
	defer close(db.done)
	group := make([]insertion, 0, maxGroup)
	errs := make([]error, maxGroup)
	for first := range db.queue {
		group = append(group[:0], first)
	collect:
		for len(group) < maxGroup {
			select {
			case next, ok := <-db.queue:
				if !ok {
					break collect
				}
				group = append(group, next)
			default:
				break collect
			}
		}
		failed := db.commit(group, errs)
		for i, in := range group {
			if failed != nil {
				in.err <- failed
			} else {
				in.err <- errs[i]
			}
		}
	}
}

func (db *database) commit(group []insertion, errs []error) error {
	if err := db.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for i, in := range group {
		errs[i] = db.savepoint(in.row)
	}
	if err := db.exec("COMMIT"); err != nil {
		return errors.Join(err, db.exec("ROLLBACK"))
	}
	return nil
}

func (db *database) savepoint(m *message) error {
	if err := db.exec("SAVEPOINT s"); err != nil {
		return err
	}
	err := db.insertRow(m)
	if err != nil {
		err = errors.Join(err, db.exec("ROLLBACK TO s"))
	}
	return errors.Join(err, db.exec("RELEASE s"))
}

func (db *database) exec(sql string) error {
	s, err := db.writer.Prepare(sql)
	if err != nil {
		return err
	}
	_, err = s.Step()
	return errors.Join(err, s.Reset())
}

func (db *database) insertRow(m *message) error {
	s, err := db.writer.Prepare("INSERT INTO m (id, room, body, created_at) VALUES (?, ?, ?, ?)")
	if err != nil {
		return err
	}
	s.BindText(1, m.ID)
	s.BindText(2, m.Room)
	s.BindText(3, m.Body)
	s.BindInt64(4, m.CreatedAt)
	_, err = s.Step()
	return errors.Join(err, s.Reset())
}

// get is the row with that id, nil when there is none.
func (db *database) get(id string) (*message, error) {
	c := <-db.readers
	defer func() { db.readers <- c }()
	s, err := c.Prepare("SELECT room, body, created_at FROM m WHERE id = ?")
	if err != nil {
		return nil, err
	}
	defer s.Reset()
	s.BindText(1, id)
	found, err := s.Step()
	if err != nil || !found {
		return nil, err
	}
	return &message{ID: id, Room: s.ColumnText(0), Body: s.ColumnText(1), CreatedAt: s.ColumnInt64(2)}, nil
}
