package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pylon-go/pylon/store"
)

// conn is about store.Conn in the hands of plugins: private tables, SQL of their own.
func (s *suite) conn(t *testing.T) {
	fill := func(t *testing.T, n int) store.Engine {
		e := s.numbered(t)
		must(t, e.Write(t.Context(), func(c store.Conn) error {
			for i := range n {
				if err := addNumber(c, i, fmt.Sprint("row ", i)); err != nil {
					return err
				}
			}
			return nil
		}))
		return e
	}

	t.Run("Stop ends the rows and is no error", func(t *testing.T) {
		e := fill(t, 10)
		n := 0
		must(t, e.Read(t.Context(), func(c store.Conn) error {
			return c.Query(counterAll, nil, func(store.Rows) error {
				if n++; n == 4 {
					return store.Stop
				}
				return nil
			})
		}))
		wantEqual(t, "rows before Stop", n, 4)
	})
	t.Run("an error of the callback comes back as it is", func(t *testing.T) {
		e := fill(t, 3)
		mine := errors.New("mine")
		err := e.Read(t.Context(), func(c store.Conn) error {
			return c.Query(counterAll, nil, func(store.Rows) error { return mine })
		})
		if !errors.Is(err, mine) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("rows inside rows, the same SQL too", func(t *testing.T) {
		e := fill(t, 6)
		for name, run := range map[string]func(func(store.Conn) error) error{
			"read":  func(fn func(store.Conn) error) error { return e.Read(t.Context(), fn) },
			"write": func(fn func(store.Conn) error) error { return e.Write(t.Context(), fn) },
		} {
			pairs := 0
			must(t, run(func(c store.Conn) error {
				return c.Query(counterAll, nil, func(outer store.Rows) error {
					before := outer.Value(0, store.TypeInt)
					err := c.Query(counterAll, nil, func(store.Rows) error {
						pairs++
						return nil
					})
					if again := outer.Value(0, store.TypeInt); again != before {
						t.Errorf("%s: the outer row became %#v, was %#v", name, again, before)
					}
					return err
				})
			}))
			wantEqual(t, name+": pairs", pairs, 36)
		}
	})
	t.Run("writes inside rows", func(t *testing.T) {
		e := fill(t, 5)
		must(t, e.Write(t.Context(), func(c store.Conn) error {
			return c.Query(counterAll, nil, func(r store.Rows) error {
				if n := int(r.Value(0, store.TypeInt).Int()); n < 5 {
					return addNumber(c, 100+n, "copy")
				}
				return nil
			})
		}))
		wantEqual(t, "numbers", ints(t, e, counterAll), []int64{0, 1, 2, 3, 4, 100, 101, 102, 103, 104})
	})
	t.Run("a statement used again knows nothing of its last arguments", func(t *testing.T) {
		e := fill(t, 5)
		one := `SELECT "n" FROM "_pylon_counter" WHERE "n" = ? OR "who" = ?`
		for range 3 {
			wantEqual(t, "first", ints(t, e, one, store.Int(1), store.String("row 3")), []int64{1, 3})
			wantEqual(t, "second", ints(t, e, one, store.Int(2), store.Null), []int64{2})
		}
		err := e.Read(t.Context(), func(c store.Conn) error {
			_, err := column(c, store.TypeInt, one, store.Int(1))
			return err
		})
		if err == nil {
			t.Fatal("a placeholder without a value was accepted")
		}
		wantEqual(t, "afterwards", ints(t, e, one, store.Int(4), store.Null), []int64{4})
	})
	t.Run("a number is never given twice", func(t *testing.T) {
		e := s.numbered(t)
		for want := int64(1); want <= 3; want++ {
			var got int64
			must(t, e.Write(t.Context(), func(c store.Conn) error {
				if err := c.Query(`INSERT INTO "_pylon_counter" ("who") VALUES (?) RETURNING "n"`, []store.Value{store.String("x")}, func(r store.Rows) error {
					got = r.Value(0, store.TypeInt).Int()
					return nil
				}); err != nil {
					return err
				}
				return c.Exec(`DELETE FROM "_pylon_counter"`, nil)
			}))
			if got != want {
				t.Fatalf("numbered %d, want %d", got, want)
			}
		}
	})
	t.Run("a number is given to a row that leaves its key out", func(t *testing.T) {
		e := fill(t, 0)
		must(t, e.Write(t.Context(), func(c store.Conn) error {
			for range 3 {
				if err := c.Exec(`INSERT INTO "_pylon_counter" ("who") VALUES (?)`, []store.Value{store.String("x")}); err != nil {
					return err
				}
			}
			return nil
		}))
		if got := ints(t, e, counterAll); len(got) != 3 || got[0] >= got[1] || got[1] >= got[2] {
			t.Fatalf("got the numbers %v, want three rising ones", got)
		}
	})
	t.Run("broken SQL is an error and no more", func(t *testing.T) {
		e := fill(t, 1)
		for _, sql := range []string{"SELEC 1", `SELECT * FROM "no_such_table"`, `SELECT "no_such_column" FROM "_pylon_counter"`} {
			if err := e.Read(t.Context(), func(c store.Conn) error { return c.Query(sql, nil, nil) }); err == nil {
				t.Errorf("%s: no error", sql)
			}
			if err := e.Write(t.Context(), func(c store.Conn) error { return c.Exec(sql, nil) }); err == nil {
				t.Errorf("%s: no error in a write", sql)
			}
		}
		wantEqual(t, "afterwards", ints(t, e, counterAll), []int64{0})
	})
	t.Run("a read cannot write", func(t *testing.T) {
		e := fill(t, 1)
		if err := e.Read(t.Context(), func(c store.Conn) error { return addNumber(c, 9, "x") }); err == nil {
			t.Error("no error")
		}
		wantEqual(t, "numbers", ints(t, e, counterAll), []int64{0})
	})
}
