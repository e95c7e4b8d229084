package storetest

import (
	"testing"

	"github.com/pylon-go/pylon/store"
)

func person() *store.Entity {
	return &store.Entity{Name: "Person", Fields: []store.Field{
		{Name: "email", Type: store.TypeString, Unique: true},
		{Name: "nick", Type: store.TypeString, Optional: true, Unique: true},
		{Name: "team", Type: store.TypeID, Ref: "Team", Optional: true},
		{Name: "seat", Type: store.TypeInt, Optional: true},
	}, Indexes: []store.Index{{Name: "Person_team_seat", Columns: []string{"team", "seat"}, Unique: true}}}
}

func (s *suite) rows(t *testing.T) {
	e := person()
	r := s.rig(t, []*store.Entity{e})

	t.Run("insert, get, update, delete", func(t *testing.T) {
		row := r.add(e, fields{"email": store.String("a@x"), "seat": store.Int(4)})
		got, err := r.db.Get(r.ctx, e, row.ID)
		must(t, err)
		wantEqual(t, "inserted", got.Values, []store.Value{store.String("a@x"), store.Null, store.Null, store.Int(4)})

		must(t, r.db.Update(r.ctx, func(tx *store.Tx) error {
			p, err := patch(e, fields{"nick": store.String("al"), "seat": store.Null})
			if err == nil {
				_, err = tx.Update(row.ID, p)
			}
			return err
		}))
		got, err = r.db.Get(r.ctx, e, row.ID)
		must(t, err)
		wantEqual(t, "updated", got.Values, []store.Value{store.String("a@x"), store.String("al"), store.Null, store.Null})

		must(t, r.db.Update(r.ctx, func(tx *store.Tx) error {
			old, err := tx.Delete(e, row.ID)
			if err == nil && old.Values[1] != store.String("al") {
				t.Errorf("Delete gave %#v, not the row as it was", old.Values)
			}
			return err
		}))
		_, err = r.db.Get(r.ctx, e, row.ID)
		wantCode(t, err, "NOT_FOUND", "")
	})

	missing := store.NewID(r.db.Clock().Now())
	for name, do := range map[string]func(tx *store.Tx) error{
		"update of a row that is not there": func(tx *store.Tx) error { _, err := tx.Update(missing, store.NewPatch(e)); return err },
		"delete of a row that is not there": func(tx *store.Tx) error { _, err := tx.Delete(e, missing); return err },
		"get of a row that is not there":    func(tx *store.Tx) error { _, err := tx.Get(e, missing); return err },
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, r.db.Update(r.ctx, do), "NOT_FOUND", "") })
	}

	t.Run("a transaction reads its own writes", func(t *testing.T) {
		must(t, r.db.Update(r.ctx, func(tx *store.Tx) error {
			row, err := insert(tx, e, fields{"email": store.String("own@x")})
			if err != nil {
				return err
			}
			if _, err := tx.Get(e, row.ID); err != nil {
				return err
			}
			q := &store.Query{Entity: e, Filter: store.Compare{Field: 0, Op: store.Eq, Value: store.String("own@x")}}
			if n, err := tx.Count(q); err != nil || n != 1 {
				t.Errorf("Count inside the transaction: %d, %v; want 1", n, err)
			}
			if _, err := tx.Delete(e, row.ID); err != nil {
				return err
			}
			if n, err := tx.Count(q); err != nil || n != 0 {
				t.Errorf("Count after the delete: %d, %v; want 0", n, err)
			}
			return nil
		}))
	})

	t.Run("rows survive a restart", func(t *testing.T) {
		if s.reopen == nil {
			t.Skip("the engine gave no WithReopen")
		}
		r := s.rig(t, []*store.Entity{e})
		row := r.add(e, fields{"email": store.String("kept@x")})
		r.engine = s.reopen(t, r.engine)
		r.use([]*store.Entity{e})
		got, err := r.db.Get(r.ctx, e, row.ID)
		must(t, err)
		wantEqual(t, "row", got.Values, row.Values)
	})
}

func (s *suite) unique(t *testing.T) {
	e := person()
	r := s.rig(t, []*store.Entity{e})
	first := r.add(e, fields{"email": store.String("a@x"), "nick": store.String("al"), "team": store.ID("t1"), "seat": store.Int(1)})
	other := r.add(e, fields{"email": store.String("b@x"), "nick": store.String("bo"), "team": store.ID("t1"), "seat": store.Int(2)})

	clashes := []struct {
		name, field, message string
		given                fields
	}{
		{"of a field", "email", "another Person has this email", fields{"email": store.String("a@x")}},
		{"of an optional field", "nick", "another Person has this nick", fields{"nick": store.String("al")}},
		{"of two fields together", "", "another Person has this team and seat", fields{"team": store.ID("t1"), "seat": store.Int(1)}},
	}
	for _, c := range clashes {
		t.Run("violation "+c.name, func(t *testing.T) {
			given := fields{"email": store.String("new@x")}
			for k, v := range c.given {
				given[k] = v
			}
			_, err := r.insert(e, given)
			wantCode(t, err, "UNIQUE_VIOLATION", c.field)
			wantEqual(t, "message", err.(*store.Error).Message, c.message)
			wantEqual(t, "kind", err.(*store.Error).Kind, store.Conflict)

			err = r.db.Update(r.ctx, func(tx *store.Tx) error {
				p, err := patch(e, c.given)
				if err == nil {
					_, err = tx.Update(other.ID, p)
				}
				if err == nil { // an engine may send the statement only now
					_, err = tx.Get(e, other.ID)
				}
				return err
			})
			wantCode(t, err, "UNIQUE_VIOLATION", c.field)
			got, err := r.db.Get(r.ctx, e, other.ID)
			must(t, err)
			wantEqual(t, "the other row", got.Values, other.Values)
		})
	}

	t.Run("violation of the id", func(t *testing.T) {
		err := r.db.Update(r.ctx, func(tx *store.Tx) error {
			p, err := patch(e, fields{"email": store.String("id@x")})
			if err != nil {
				return err
			}
			p.ID = first.ID
			_, err = tx.Insert(p)
			return err
		})
		wantCode(t, err, "UNIQUE_VIOLATION", "id")
		wantEqual(t, "message", err.(*store.Error).Message, "Person with this id exists")
	})
	t.Run("nulls do not clash", func(t *testing.T) {
		r.add(e, fields{"email": store.String("n1@x")})
		r.add(e, fields{"email": store.String("n2@x")})
		r.add(e, fields{"email": store.String("n3@x"), "team": store.ID("t1")})
		r.add(e, fields{"email": store.String("n4@x"), "team": store.ID("t1")})
	})
	t.Run("letter case and length make a difference", func(t *testing.T) {
		r.add(e, fields{"email": store.String("A@x")})
		r.add(e, fields{"email": store.String("a@x ")})
		r.add(e, fields{"email": store.String("")})
	})
	t.Run("a value is free after its row is gone, in the same transaction too", func(t *testing.T) {
		row := r.add(e, fields{"email": store.String("again@x")})
		must(t, r.db.Update(r.ctx, func(tx *store.Tx) error {
			if _, err := tx.Delete(e, row.ID); err != nil {
				return err
			}
			_, err := insert(tx, e, fields{"email": store.String("again@x")})
			return err
		}))
	})
	t.Run("a row keeps its own value", func(t *testing.T) {
		must(t, r.db.Update(r.ctx, func(tx *store.Tx) error {
			p, err := patch(e, fields{"email": store.String("a@x"), "seat": store.Int(9)})
			if err == nil {
				_, err = tx.Update(first.ID, p)
			}
			return err
		}))
	})
}
