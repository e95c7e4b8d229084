// Package storetest is the conformance suite of store's engines. It holds every
// engine to what store.Engine, store.Conn and the write pipeline promise, in SQL
// and Go that know no particular database.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pylon-go/pylon/store"
)

// deadline ends a test that waits for something that does not come. Nothing
// waits this long when it works.
const deadline = 20 * time.Second

// Option adds what an engine can be tested for beside the common part.
type Option func(*suite)

// WithReopen lets the suite close an engine and open the same database again, as
// a new process would.
func WithReopen(reopen func(t *testing.T, e store.Engine) store.Engine) Option {
	return func(s *suite) { s.reopen = reopen }
}

// WithBackup lets the suite open a file that Backup wrote. Without it Backup must
// refuse.
func WithBackup(restore func(t *testing.T, file string) store.Engine) Option {
	return func(s *suite) { s.restore = restore }
}

type suite struct {
	open    func(t *testing.T) store.Engine
	reopen  func(t *testing.T, e store.Engine) store.Engine
	restore func(t *testing.T, file string) store.Engine
}

// Run runs the suite. open gives an engine on an empty database of its own,
// which it closes when the test ends; closing twice must do no harm.
func Run(t *testing.T, open func(t *testing.T) store.Engine, options ...Option) {
	s := &suite{open: open}
	for _, o := range options {
		o(s)
	}
	for _, group := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"Values", s.values},
		{"Rows", s.rows},
		{"Unique", s.unique},
		{"Filters", s.filters},
		{"Query", s.query},
		{"Conn", s.conn},
		{"Write", s.write},
		{"Isolation", s.isolation},
		{"Read", s.read},
		{"Migrate", s.migrate},
		{"Backup", s.backup},
		{"Close", s.closing},
	} {
		t.Run(group.name, group.run)
	}
}

// rig is a schema on an engine, with an actor that no policy stops.
type rig struct {
	t      *testing.T
	ctx    context.Context
	engine store.Engine
	db     *store.DB
}

func (s *suite) rig(t *testing.T, entities []*store.Entity, tables ...*store.Table) *rig {
	t.Helper()
	r := &rig{t: t, engine: s.open(t), ctx: store.WithActor(t.Context(), store.System("storetest"))}
	r.use(entities, tables...)
	return r
}

// use migrates the rig's database to entities and tables and puts a DB on it.
func (r *rig) use(entities []*store.Entity, tables ...*store.Table) {
	r.t.Helper()
	schema, err := store.NewSchema(entities, tables)
	must(r.t, err)
	plan, err := r.engine.Plan(r.ctx, schema.AllTables(), false)
	must(r.t, err)
	must(r.t, r.engine.Apply(r.ctx, plan))
	r.db = store.New(r.engine, schema, store.Options{})
}

// fields are a row's given values by name.
type fields map[string]store.Value

func patch(e *store.Entity, given fields) (*store.Patch, error) {
	p := store.NewPatch(e)
	for name, v := range given {
		if err := p.Put(name, v); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// insert adds a row through the pipeline. It may fail.
func (r *rig) insert(e *store.Entity, given fields) (row *store.Row, err error) {
	err = r.db.Update(r.ctx, func(tx *store.Tx) error {
		row, err = insert(tx, e, given)
		return err
	})
	return row, err
}

func insert(tx *store.Tx, e *store.Entity, given fields) (*store.Row, error) {
	p, err := patch(e, given)
	if err != nil {
		return nil, err
	}
	return tx.Insert(p)
}

// add is insert that must work.
func (r *rig) add(e *store.Entity, given fields) *store.Row {
	r.t.Helper()
	row, err := r.insert(e, given)
	must(r.t, err)
	return row
}

// column reads the first column of a query.
func column(c store.Conn, typ store.Type, query string, args ...store.Value) (out []store.Value, err error) {
	err = c.Query(query, args, func(r store.Rows) error {
		out = append(out, r.Value(0, typ))
		return nil
	})
	return out, err
}

// ints reads the first column of a query in a snapshot of its own.
func ints(t *testing.T, e store.Engine, query string, args ...store.Value) (out []int64) {
	t.Helper()
	must(t, e.Read(t.Context(), func(c store.Conn) error {
		values, err := column(c, store.TypeInt, query, args...)
		for _, v := range values {
			out = append(out, v.Int())
		}
		return err
	}))
	return out
}

// counter is a private table of numbers with a text beside them.
func counter() *store.Table {
	return &store.Table{Name: "_pylon_counter", PrimaryKey: []string{"n"}, Columns: []store.Column{
		{Name: "n", Type: store.TypeInt},
		{Name: "who", Type: store.TypeString, Null: true},
	}}
}

const (
	counterInsert = `INSERT INTO "_pylon_counter" ("n","who") VALUES (?,?)`
	counterAll    = `SELECT "n" FROM "_pylon_counter" ORDER BY "n"`
	counterCount  = `SELECT count(*) FROM "_pylon_counter"`
)

func addNumber(c store.Conn, n int, who string) error {
	return c.Exec(counterInsert, []store.Value{store.Int(int64(n)), store.String(who)})
}

// numbered is an engine with the counter table and nothing else.
func (s *suite) numbered(t *testing.T) store.Engine {
	t.Helper()
	return s.rig(t, nil, counter()).engine
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code, field string) {
	t.Helper()
	e, ok := err.(*store.Error)
	if !ok {
		t.Fatalf("got %v, want a store.Error with the code %s", err, code)
	}
	if e.Code != code || e.Field != field {
		t.Fatalf("got code %q field %q (%v), want code %q field %q", e.Code, e.Field, e, code, field)
	}
}

func wantEqual[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", want); g != w {
		t.Fatalf("%s:\n got %s\nwant %s", what, g, w)
	}
}
