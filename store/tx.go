package store

import (
	"context"
	"time"
)

// Tx is a transaction as callers and hooks see it. It acts for one actor; what
// the actor may not do fails.
type Tx struct {
	ctx   context.Context
	db    *DB
	conn  Conn
	actor *Actor
	state *txState
}

// txState is shared by every view of one transaction.
type txState struct {
	now      time.Time
	id       string
	readOnly bool
	depth    int
	writes   []Write
	onCommit []func()
	onUndone []func()
	// failed is the first error of an in-transaction hook: the row has changed by
	// then, so a caller who overlooks it must not commit the half of it.
	failed error
	// refused are writes that the guard refused, reads what was read of entities
	// that somebody watches.
	refused []refusal
	reads   []readBy
}

// maxWriteDepth bounds hooks whose writes cause writes.
const maxWriteDepth = 16

func (tx *Tx) Context() context.Context { return tx.ctx }
func (tx *Tx) Actor() *Actor            { return tx.actor }
func (tx *Tx) Schema() *Schema          { return tx.db.schema }
func (tx *Tx) Dialect() *Dialect        { return tx.db.engine.Dialect() }

// Now is the transaction's time; every row it writes carries the same.
func (tx *Tx) Now() time.Time { return tx.state.now }

// ReadOnly reports whether the transaction is one that only reads ([DB.View]).
func (tx *Tx) ReadOnly() bool { return tx.state.readOnly }

// ID identifies the transaction on audit entries and the like.
func (tx *Tx) ID() string {
	if tx.state.id == "" {
		tx.state.id = NewID(tx.state.now)
	}
	return tx.state.id
}

// As is the same transaction for another actor, used by the host and by plugins
// for work of their own.
func (tx *Tx) As(a Actor) *Tx {
	other := *tx
	other.actor = &a
	other.ctx = WithActor(tx.ctx, a)
	return &other
}

// OnCommit runs f after the transaction is on disk, and not at all otherwise.
func (tx *Tx) OnCommit(f func()) { tx.state.onCommit = append(tx.state.onCommit, f) }

// OnUndone runs f when what the transaction did so far does not count: it was
// rolled back, will be run again, or nobody knows.
func (tx *Tx) OnUndone(f func()) { tx.state.onUndone = append(tx.state.onUndone, f) }

// Exec and Query reach private tables. Entities are not written this way: their
// writes must pass the pipeline.
func (tx *Tx) Exec(query string, args ...Value) error { return tx.conn.Exec(query, args) }

// Query runs a statement on private tables; see [Conn.Query].
func (tx *Tx) Query(query string, args []Value, each func(Rows) error) error {
	if err := tx.conn.Query(query, args, each); err != nil && !isStop(err) {
		return err
	}
	return nil
}

func notFound(e *Entity, id string) *Error {
	return Errorf(NotFound, "NOT_FOUND", "no %s with id %q", e.Name, id)
}

// get reads a row without asking the guard.
func (tx *Tx) get(e *Entity, id string, lock bool) (*Row, error) {
	if idField.storable(ID(id)) != nil { // no row has such an id, and not every engine can be asked
		return nil, notFound(e, id)
	}
	sql := e.sql.get
	if lock {
		sql += tx.Dialect().ForUpdate
	}
	var row *Row
	if err := tx.Query(sql, []Value{ID(id)}, func(r Rows) error {
		row = readRow(e, r)
		return nil
	}); err != nil {
		return nil, err
	}
	if row == nil {
		return nil, notFound(e, id)
	}
	return row, nil
}

func readRow(e *Entity, r Rows) *Row {
	row := &Row{Entity: e, ID: r.Value(0, TypeID).Str(), Values: make([]Value, len(e.Fields))}
	for i := range e.Fields {
		row.Values[i] = r.Value(i+1, e.Fields[i].Type)
	}
	return row
}

// readable is the actor's read rule for an entity.
func (tx *Tx) readable(e *Entity) (ReadRule, error) {
	if tx.db.watched[e] != nil {
		tx.state.read(e, tx.actor)
	}
	if tx.actor.Bypass() {
		return ReadRule{}, nil
	}
	if tx.db.guard == nil {
		return ReadRule{}, Errorf(Denied, "POLICY_DENIED", "no policy allows reading %s", e.Name)
	}
	return tx.db.guard.Readable(tx.ctx, tx.actor, e)
}

// Get reads one row. A missing row is NOT_FOUND, one the actor may not see POLICY_DENIED.
func (tx *Tx) Get(e *Entity, id string) (*Row, error) {
	rule, err := tx.readable(e)
	if err != nil {
		return nil, err
	}
	row, err := tx.get(e, id, false)
	if err != nil {
		return nil, err
	}
	if !rule.Allows(row) {
		return nil, Errorf(Denied, "POLICY_DENIED", "you may not read this %s", e.Name)
	}
	return row, nil
}

// Each calls fn for the rows of a query that the actor may see, in order, until
// fn returns an error ([Stop] ends without one).
func (tx *Tx) Each(q *Query, fn func(*Row) error) error {
	rule, err := tx.readable(q.Entity)
	if err != nil {
		return err
	}
	filter := q.Filter
	if rule.Filter != nil {
		filter = rule.Filter
		if q.Filter != nil {
			filter = And{q.Filter, rule.Filter}
		}
	}
	paged := rule.Check == nil && q.Limit > 0
	skip, left := q.Offset, q.Limit
	if paged {
		skip = 0
	}
	sql, args := selectSQL(tx.Dialect(), q, filter, paged)
	return tx.Query(sql, args, func(r Rows) error {
		row := readRow(q.Entity, r)
		if rule.Check != nil && !rule.Check(row) {
			return nil
		}
		if skip > 0 {
			skip--
			return nil
		}
		if err := fn(row); err != nil {
			return err
		}
		if q.Limit > 0 {
			if left--; left == 0 {
				return Stop
			}
		}
		return nil
	})
}

// Find reads the rows of a query that the actor may see.
func (tx *Tx) Find(q *Query) ([]*Row, error) {
	var rows []*Row
	err := tx.Each(q, func(r *Row) error {
		rows = append(rows, r)
		return nil
	})
	return rows, err
}

// Count counts the rows of a query that the actor may see; limit and order do not matter.
func (tx *Tx) Count(q *Query) (int, error) {
	rule, err := tx.readable(q.Entity)
	if err != nil {
		return 0, err
	}
	n := 0
	if rule.Check != nil {
		err := tx.Each(&Query{Entity: q.Entity, Filter: q.Filter}, func(*Row) error { n++; return nil })
		return n, err
	}
	b := &sqlBuilder{dialect: tx.Dialect(), entity: q.Entity}
	b.text("SELECT count(*) FROM " + Quote(q.Entity.Name) + " WHERE ")
	And(notNilFilters(q.Filter, rule.Filter)).appendSQL(b)
	err = tx.Query(string(b.sql), b.args, func(r Rows) error {
		n = int(r.Value(0, TypeInt).Int())
		return nil
	})
	return n, err
}

func notNilFilters(fs ...Filter) []Filter {
	var out []Filter
	for _, f := range fs {
		if f != nil {
			out = append(out, f)
		}
	}
	return out
}
