package sqlite

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/pylon-go/pylon/store"
)

// maxStatements bounds the prepared statements a connection keeps: filters make
// an open number of different ones.
const maxStatements = 256

// conn is one connection with its prepared statements. It serves one caller at a time.
type conn struct {
	raw   *sqlite.Conn
	stmts map[string]*statement
	// interrupt ends what runs when it is closed; armed anew after that.
	interrupt chan struct{}
	// failed keeps the first failed Exec of a transaction, so that a caller who
	// overlooks it cannot commit half of its work.
	failed error
}

type statement struct {
	raw  *sqlite.Stmt
	busy bool
}

func newConn(raw *sqlite.Conn) *conn {
	c := &conn{raw: raw, stmts: map[string]*statement{}}
	c.arm()
	return c
}

func (c *conn) arm() {
	c.interrupt = make(chan struct{})
	c.raw.SetInterrupt(c.interrupt)
}

func (c *conn) close() error {
	for _, s := range c.stmts {
		s.raw.Finalize()
	}
	c.raw.SetInterrupt(nil)
	return c.raw.Close()
}

// snapshot runs fn in a read transaction that ends with the context.
func (c *conn) snapshot(ctx context.Context, fn func(store.Conn) error) (err error) {
	interrupt := c.interrupt
	stop := context.AfterFunc(ctx, func() { close(interrupt) })
	c.failed = nil
	defer func() { // also when fn panics: the next caller gets this connection
		if !stop() { // an interrupted connection refuses statements until it is armed anew
			<-interrupt
			c.arm()
			if err != nil {
				err = ctx.Err()
			}
		}
		if !c.raw.AutocommitEnabled() {
			if end := c.Exec("ROLLBACK", nil); err == nil {
				err = end
			}
		}
	}()
	if err = c.Exec("BEGIN", nil); err != nil {
		return err
	}
	if err = fn(c); err == nil {
		err = c.failed
	}
	return err
}

// prepare gives a statement for one use. The same text may be in use already,
// when rows are read inside rows; that use gets one of its own.
func (c *conn) prepare(query string) (*statement, error) {
	if s := c.stmts[query]; s != nil && !s.busy {
		s.busy = true
		return s, nil
	} else if s != nil {
		raw, _, err := c.raw.PrepareTransient(query)
		return &statement{raw: raw, busy: true}, err
	}
	raw, rest, err := c.raw.PrepareTransient(query)
	if err != nil {
		return nil, err
	}
	if rest > 0 || raw == nil {
		return nil, errors.Join(errors.New("not exactly one statement: "+query), raw.Finalize())
	}
	s := &statement{raw: raw, busy: true}
	if len(c.stmts) >= maxStatements {
		for text, old := range c.stmts { // any one; the hot ones come back at once
			if !old.busy {
				old.raw.Finalize()
				delete(c.stmts, text)
				break
			}
		}
	}
	c.stmts[query] = s
	return s, nil
}

// maxKept bounds the bytes of text that a statement at rest may hold bound.
const maxKept = 64 << 10

// release gives the statement back. Its bindings stay: clearing them expires a
// statement whose plan looked at them (SQLite 3.54; a join or ORDER BY with
// "column = ?" is enough), which would then be prepared again at every use. The
// next use replaces every one of them; only large ones are let go.
func (c *conn) release(query string, s *statement, args []store.Value) error {
	s.busy = false
	err := s.raw.Reset()
	if c.stmts[query] != s {
		return errors.Join(err, s.raw.Finalize())
	}
	kept := 0
	for _, v := range args {
		kept += len(v.Str())
	}
	if kept > maxKept {
		err = errors.Join(err, s.raw.ClearBindings())
	}
	return err
}

// bind gives every placeholder its value. One left out would silently keep that
// of the last use.
func bind(s *sqlite.Stmt, args []store.Value) error {
	if n := s.BindParamCount(); n != len(args) {
		return fmt.Errorf("the statement has %d placeholders, but got %d values", n, len(args))
	}
	for i, v := range args {
		switch v.Type() {
		case 0:
			s.BindNull(i + 1)
		case store.TypeInt, store.TypeBool, store.TypeDatetime:
			s.BindInt64(i+1, v.Int())
		case store.TypeFloat:
			s.BindFloat(i+1, v.Float())
		case store.TypeBytes:
			s.BindBytes(i+1, []byte(v.Str()))
		default:
			s.BindText(i+1, v.Str())
		}
	}
	return nil
}

// Exec runs a statement at once; see [store.Conn].
func (c *conn) Exec(query string, args []store.Value) error {
	err := c.Query(query, args, nil)
	if err != nil && c.failed == nil {
		c.failed = err
	}
	return err
}

// Query runs a statement; see [store.Conn].
func (c *conn) Query(query string, args []store.Value, each func(store.Rows) error) (err error) {
	s, err := c.prepare(query)
	if err != nil {
		return explain(err)
	}
	defer func() { // also when each panics: a statement left running holds its snapshot open
		if released := c.release(query, s, args); err == nil {
			err = released
		}
		err = explain(err)
	}()
	if err := bind(s.raw, args); err != nil {
		return err
	}
	for {
		more, err := s.raw.Step()
		if err != nil || !more {
			return err
		}
		if each == nil {
			continue
		}
		if err := each(rows{s.raw}); err == store.Stop {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// rows reads the current row of a statement.
type rows struct{ stmt *sqlite.Stmt }

func (r rows) Value(col int, t store.Type) store.Value {
	if r.stmt.ColumnIsNull(col) {
		return store.Null
	}
	switch t {
	case store.TypeInt:
		return store.Int(r.stmt.ColumnInt64(col))
	case store.TypeBool:
		return store.Bool(r.stmt.ColumnInt64(col) != 0)
	case store.TypeDatetime:
		return store.Micros(r.stmt.ColumnInt64(col))
	case store.TypeFloat:
		return store.Float(r.stmt.ColumnFloat(col))
	case store.TypeBytes:
		b := make([]byte, r.stmt.ColumnLen(col))
		r.stmt.ColumnBytes(col, b)
		return store.Bytes(b)
	default:
		return store.String(r.stmt.ColumnText(col)).As(t)
	}
}
