package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/pylon-go/pylon/store"
)

// isolation is about writers side by side: above the engine one may write as if
// they took turns.
func (s *suite) isolation(t *testing.T) {
	// together runs fn by many callers at once and answers their errors.
	together := func(callers int, fn func(caller int) error) []error {
		errs := make([]error, callers)
		var all sync.WaitGroup
		begin := make(chan struct{})
		for i := range callers {
			all.Go(func() {
				<-begin
				errs[i] = fn(i)
			})
		}
		close(begin)
		all.Wait()
		return errs
	}
	full := errors.New("taken")

	t.Run("who reads that something is free and takes it is the only one", func(t *testing.T) {
		e := s.numbered(t)
		errs := together(12, func(i int) error {
			return e.Write(context.Background(), func(c store.Conn) error {
				n, err := column(c, store.TypeInt, `SELECT count(*) FROM "_pylon_counter" WHERE "who" = ?`, store.String("slot"))
				if err != nil {
					return err
				}
				if n[0].Int() > 0 {
					return full
				}
				return addNumber(c, i, "slot")
			})
		})
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, full):
				t.Error(err)
			}
		}
		if rows := ints(t, e, counterCount); won != 1 || rows[0] != 1 {
			t.Fatalf("%d took it, there are %d rows", won, rows[0])
		}
	})
	t.Run("also when a write comes before the read", func(t *testing.T) {
		e := s.numbered(t)
		errs := together(8, func(i int) error {
			return e.Write(context.Background(), func(c store.Conn) error {
				// The result is read, so that no engine can keep the insert for later.
				if _, err := column(c, store.TypeInt, `INSERT INTO "_pylon_counter" ("n","who") VALUES (?,?) RETURNING "n"`, store.Int(int64(100+i)), store.String("asked")); err != nil {
					return err
				}
				n, err := column(c, store.TypeInt, `SELECT count(*) FROM "_pylon_counter" WHERE "who" = ?`, store.String("slot"))
				if err != nil {
					return err
				}
				if n[0].Int() > 0 {
					return full
				}
				return addNumber(c, i, "slot")
			})
		})
		for _, err := range errs {
			if err != nil && !errors.Is(err, full) {
				t.Error(err)
			}
		}
		wantEqual(t, "rows with the slot", len(ints(t, e, `SELECT "n" FROM "_pylon_counter" WHERE "who" = ?`, store.String("slot"))), 1)
		wantEqual(t, "rows in all", ints(t, e, counterCount), []int64{2})
	})
	t.Run("no update is lost", func(t *testing.T) {
		e := &store.Entity{Name: "Account", Fields: []store.Field{{Name: "balance", Type: store.TypeInt}}}
		r := s.rig(t, []*store.Entity{e})
		row := r.add(e, fields{"balance": store.Int(0)})
		for i, err := range together(10, func(int) error {
			for range 5 {
				err := r.db.Update(store.WithActor(context.Background(), store.System("storetest")), func(tx *store.Tx) error {
					now, err := tx.Get(e, row.ID)
					if err != nil {
						return err
					}
					p, err := patch(e, fields{"balance": store.Int(now.Values[0].Int() + 1)})
					if err != nil {
						return err
					}
					_, err = tx.Update(row.ID, p)
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		}) {
			if err != nil {
				t.Errorf("caller %d: %v", i, err)
			}
		}
		got, err := r.db.Get(r.ctx, e, row.ID)
		must(t, err)
		wantEqual(t, "balance", got.Values[0], store.Int(50))
	})
	t.Run("a busy row is waited for", func(t *testing.T) {
		e := &store.Entity{Name: "Door", Fields: []store.Field{{Name: "by", Type: store.TypeInt}}}
		r := s.rig(t, []*store.Entity{e})
		row := r.add(e, fields{"by": store.Int(-1)})
		for i, err := range together(40, func(i int) error {
			return r.db.Update(store.WithActor(context.Background(), store.System("storetest")), func(tx *store.Tx) error {
				p, err := patch(e, fields{"by": store.Int(int64(i))})
				if err == nil {
					_, err = tx.Update(row.ID, p)
				}
				return err
			})
		}) {
			if err != nil {
				t.Errorf("caller %d: %v", i, err)
			}
		}
	})
	t.Run("crosswise writers do not stay locked", func(t *testing.T) {
		e := s.numbered(t)
		must(t, e.Write(t.Context(), func(c store.Conn) error {
			if err := addNumber(c, 0, ""); err != nil {
				return err
			}
			return addNumber(c, 1, "")
		}))
		for i, err := range together(6, func(i int) error {
			return e.Write(context.Background(), func(c store.Conn) error {
				for _, n := range []int{i % 2, 1 - i%2} {
					if _, err := column(c, store.TypeInt, `UPDATE "_pylon_counter" SET "who" = ? WHERE "n" = ? RETURNING "n"`, store.String(fmt.Sprint(i)), store.Int(int64(n))); err != nil {
						return err
					}
				}
				return nil
			})
		}) {
			if err != nil {
				t.Errorf("caller %d: %v", i, err)
			}
		}
	})

	// Each caller takes the next number: it must see what the one before took.
	next := func(c store.Conn, i int) error {
		n, err := column(c, store.TypeInt, `SELECT coalesce(max("n"),0) FROM "_pylon_counter"`)
		if err != nil {
			return err
		}
		return addNumber(c, int(n[0].Int())+1, fmt.Sprint(i))
	}
	lock := func(c store.Conn) error {
		if l, ok := c.(store.Locker); ok {
			return l.Lock("numbers")
		}
		return nil
	}
	for name, run := range map[string]struct {
		ctx context.Context
		fn  func(c store.Conn, i int) error
	}{
		"whoever has a lock sees what others did under it": {context.Background(), func(c store.Conn, i int) error {
			if err := lock(c); err != nil {
				return err
			}
			return next(c, i)
		}},
		"also when it read before": {context.Background(), func(c store.Conn, i int) error {
			if _, err := column(c, store.TypeInt, counterCount); err != nil {
				return err
			}
			if err := lock(c); err != nil {
				return err
			}
			return next(c, i)
		}},
		"also when reads are its own care": {store.ReadCommitted(context.Background()), func(c store.Conn, i int) error {
			if _, err := column(c, store.TypeInt, counterCount); err != nil {
				return err
			}
			if err := lock(c); err != nil {
				return err
			}
			return next(c, i)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e := s.numbered(t)
			for i, err := range together(12, func(i int) error {
				return e.Write(run.ctx, func(c store.Conn) error { return run.fn(c, i) })
			}) {
				if err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
			}
			wantEqual(t, "numbers", len(ints(t, e, counterAll)), 12)
		})
	}

	t.Run("a flush tells of what was sent late", func(t *testing.T) {
		r := s.rig(t, nil, counter())
		must(t, r.engine.Write(t.Context(), func(c store.Conn) error { return addNumber(c, 1, "") }))
		err := r.db.Update(r.ctx, func(tx *store.Tx) error {
			if err := tx.Exec(counterInsert, store.Int(1), store.Null); err != nil {
				return err
			}
			if err := tx.Flush(); err != nil {
				return err
			}
			t.Error("the flush does not tell")
			return nil
		})
		wantCode(t, err, "UNIQUE_VIOLATION", "n")
	})
	t.Run("many statements in one transaction", func(t *testing.T) {
		e := s.numbered(t)
		must(t, e.Write(t.Context(), func(c store.Conn) error {
			for i := range 2000 {
				if err := addNumber(c, i, "x"); err != nil {
					return err
				}
			}
			return nil
		}))
		wantEqual(t, "rows", ints(t, e, counterCount), []int64{2000})
		must(t, e.Read(t.Context(), func(c store.Conn) error { // more rows than come at a time, with questions in between
			n := 0
			return c.Query(counterAll, nil, func(r store.Rows) error {
				if r.Value(0, store.TypeInt) != store.Int(int64(n)) {
					t.Fatalf("row %d is %#v", n, r.Value(0, store.TypeInt))
				}
				n++
				if n%500 == 0 {
					got, err := column(c, store.TypeInt, counterCount)
					if err == nil && got[0] != store.Int(2000) {
						t.Errorf("in between: %#v", got)
					}
					return err
				}
				return nil
			})
		}))
	})
}
