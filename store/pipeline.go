package store

import (
	"errors"
	"slices"
	"strings"
)

// Insert adds a row.
func (tx *Tx) Insert(p *Patch) (*Row, error) {
	row, err := p.newRow(tx.state.now)
	if err != nil {
		return nil, err
	}
	w := tx.write(Insert, p.Entity, row.ID, nil, row)
	w.Given = p.Set
	if err := tx.run(w); err != nil {
		return nil, err
	}
	return w.After, nil
}

// Update changes the given fields of a row and returns the row as it is then.
func (tx *Tx) Update(id string, p *Patch) (*Row, error) {
	before, err := tx.get(p.Entity, id, true)
	if err != nil {
		return nil, err
	}
	after := before.Clone()
	for i, on := range p.Set {
		if on {
			after.Values[i] = p.Values[i]
		}
	}
	w := tx.write(Update, p.Entity, id, before, after)
	w.Given = p.Set
	if err := tx.run(w); err != nil {
		return nil, err
	}
	return w.After, nil
}

// Delete removes a row and returns it as it was.
func (tx *Tx) Delete(e *Entity, id string) (*Row, error) {
	before, err := tx.get(e, id, true)
	if err != nil {
		return nil, err
	}
	return before, tx.run(tx.write(Delete, e, id, before, nil))
}

func (tx *Tx) write(op Op, e *Entity, id string, before, after *Row) *Write {
	return &Write{Op: op, Entity: e, ID: id, Before: before, After: after,
		Actor: tx.actor, Time: tx.state.now, TxID: tx.ID()}
}

// run takes one write through the pipeline.
func (tx *Tx) run(w *Write) error {
	if tx.state.readOnly {
		return errors.New("write in a read-only transaction")
	}
	tx.state.depth++
	defer func() { tx.state.depth-- }()
	if tx.state.depth > maxWriteDepth {
		return errors.New("writes made by hooks are nested too deep; does a hook cause itself?")
	}

	if err := tx.allow(w); err != nil {
		if len(tx.db.refused) > 0 {
			tx.state.refused = append(tx.state.refused, refusal{*w, err})
		}
		return err
	}
	for _, h := range tx.db.before {
		if err := h.BeforeWrite(tx.ctx, tx, w); err != nil {
			return err
		}
	}
	if len(tx.db.before) > 0 && w.After != nil {
		if err := w.After.check(); err != nil {
			return err
		}
	}
	w.Changed = changed(w)
	if err := tx.apply(w); err != nil {
		return err
	}
	for _, h := range tx.db.inTx {
		if err := h.InTx(tx.ctx, tx, w); err != nil {
			if tx.state.failed == nil {
				tx.state.failed = err
			}
			return err
		}
	}
	if len(tx.db.after) > 0 {
		tx.state.writes = append(tx.state.writes, *w)
	}
	return nil
}

func (tx *Tx) allow(w *Write) error {
	if owner := w.Entity.Owner; owner != "" && !(tx.actor.Type == ActorSystem && tx.actor.ID == owner) {
		return Errorf(Denied, "READ_ONLY_ENTITY", "%s is kept by the plugin %s and cannot be written", w.Entity.Name, owner)
	}
	if tx.actor.Bypass() {
		return nil
	}
	if tx.db.guard == nil {
		return Errorf(Denied, "POLICY_DENIED", "no policy allows this %s on %s", w.Op, w.Entity.Name)
	}
	return tx.db.guard.Allow(tx.ctx, w)
}

func changed(w *Write) FieldSet {
	set := make(FieldSet, len(w.Entity.Fields))
	for i := range set {
		set[i] = w.Op != Update || w.Before.Values[i] != w.After.Values[i]
	}
	return set
}

// apply makes the change in the database.
func (tx *Tx) apply(w *Write) error {
	sql := &w.Entity.sql
	switch w.Op {
	case Insert:
		args := make([]Value, 0, 1+len(w.After.Values))
		args = append(append(args, ID(w.ID)), w.After.Values...)
		return tx.conn.Exec(sql.insert, args)
	case Delete:
		return tx.conn.Exec(sql.delete, []Value{ID(w.ID)})
	}
	if !w.Changed.Any() {
		return nil
	}
	var b strings.Builder
	b.WriteString("UPDATE " + Quote(w.Entity.Name) + " SET ")
	args := make([]Value, 0, 1+len(w.After.Values))
	for i, on := range w.Changed {
		if on {
			if len(args) > 0 {
				b.WriteByte(',')
			}
			b.WriteString(Quote(w.Entity.Fields[i].Name) + "=?")
			args = append(args, w.After.Values[i])
		}
	}
	b.WriteString(" WHERE " + Quote("id") + " = ?")
	return tx.conn.Exec(b.String(), append(args, ID(w.ID)))
}

// UniqueViolation is what an engine answers when a unique index refuses a row.
func UniqueViolation(table string, columns []string) *Error {
	err := Errorf(Conflict, "UNIQUE_VIOLATION", "another %s has this %s", table, strings.Join(columns, " and "))
	if slices.Equal(columns, []string{"id"}) {
		err.Message = table + " with this id exists"
	}
	if len(columns) == 1 {
		err.Field = columns[0]
	}
	return err
}
