package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pylon-go/pylon/store"
)

func (s *suite) write(t *testing.T) {
	t.Run("many callers at once: each has all of its work or none", s.writeTogether)

	t.Run("an error undoes the caller's work", func(t *testing.T) {
		e := s.numbered(t)
		mine := errors.New("mine")
		err := e.Write(t.Context(), func(c store.Conn) error {
			if err := addNumber(c, 1, "x"); err != nil {
				return err
			}
			return mine
		})
		if !errors.Is(err, mine) {
			t.Fatalf("got %v", err)
		}
		wantEqual(t, "numbers", ints(t, e, counterAll), []int64(nil))
	})
	t.Run("a failed Exec that the caller overlooks fails the transaction", func(t *testing.T) {
		e := s.numbered(t)
		must(t, e.Write(t.Context(), func(c store.Conn) error { return addNumber(c, 1, "first") }))
		err := e.Write(t.Context(), func(c store.Conn) error {
			addNumber(c, 2, "good")  //nolint:errcheck // the point of the test
			addNumber(c, 1, "clash") //nolint:errcheck
			addNumber(c, 3, "later") //nolint:errcheck
			return nil
		})
		wantCode(t, err, "UNIQUE_VIOLATION", "n")
		wantEqual(t, "numbers", ints(t, e, counterAll), []int64{1})
	})
	t.Run("one caller's failed Exec does not stick to the next", func(t *testing.T) {
		e := s.numbered(t)
		for i := range 3 {
			e.Write(t.Context(), func(c store.Conn) error { return c.Exec("nonsense", nil) }) //nolint:errcheck // fails
			must(t, e.Write(t.Context(), func(c store.Conn) error { return addNumber(c, i, "x") }))
		}
		wantEqual(t, "numbers", ints(t, e, counterAll), []int64{0, 1, 2})
	})
	t.Run("a panic is the caller's error and nobody else's", func(t *testing.T) {
		e := s.numbered(t)
		must(t, e.Write(t.Context(), func(c store.Conn) error { return addNumber(c, 1, "x") }))
		for range 3 {
			err := e.Write(t.Context(), func(c store.Conn) error {
				addNumber(c, 2, "x") //nolint:errcheck // rolled back
				return c.Query(counterAll, nil, func(store.Rows) error { panic("in the middle of rows") })
			})
			if err == nil || !strings.Contains(err.Error(), "in the middle of rows") {
				t.Fatalf("got %v, want an error that tells of the panic", err)
			}
		}
		must(t, e.Write(t.Context(), func(c store.Conn) error { return addNumber(c, 3, "x") }))
		wantEqual(t, "numbers", ints(t, e, counterAll), []int64{1, 3})
	})
	t.Run("a context that has ended writes nothing", func(t *testing.T) {
		e := s.numbered(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := e.Write(ctx, func(c store.Conn) error { return addNumber(c, 1, "x") })
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		wantEqual(t, "numbers", ints(t, e, counterAll), []int64(nil))
	})
	t.Run("a write that was acknowledged is in every later read", func(t *testing.T) {
		e := s.numbered(t)
		var all sync.WaitGroup
		for w := range 8 {
			all.Go(func() {
				for i := range 25 {
					n := w*1000 + i
					if err := e.Write(context.Background(), func(c store.Conn) error { return addNumber(c, n, "x") }); err != nil {
						t.Error(err)
						return
					}
					err := e.Read(context.Background(), func(c store.Conn) error {
						got, err := column(c, store.TypeInt, `SELECT "n" FROM "_pylon_counter" WHERE "n" = ?`, store.Int(int64(n)))
						if err == nil && len(got) != 1 {
							err = fmt.Errorf("%d was acknowledged and is not there", n)
						}
						return err
					})
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
	})
}

// writeTogether lets many callers wait behind one that holds the database, so
// that an engine which shares commits shares this one. Every third fails after
// its first rows, in one of five ways.
func (s *suite) writeTogether(t *testing.T) {
	e := s.numbered(t)
	must(t, e.Write(t.Context(), func(c store.Conn) error { return addNumber(c, 0, "taken") }))
	const callers = 120
	var (
		all     sync.WaitGroup
		started sync.WaitGroup
		hold    = make(chan struct{})
		holding = make(chan struct{})
		first   sync.Once
		errs    = make([]error, callers+1)
	)
	all.Go(func() {
		errs[0] = e.Write(context.Background(), func(c store.Conn) error {
			first.Do(func() { close(holding) })
			<-hold
			return addNumber(c, 1, "holder")
		})
	})
	<-holding
	for i := 1; i <= callers; i++ {
		started.Add(1)
		all.Go(func() {
			started.Done()
			errs[i] = e.Write(context.Background(), func(c store.Conn) error {
				for k := range 3 {
					if err := addNumber(c, i*10+k, fmt.Sprint("caller ", i)); err != nil {
						return err
					}
				}
				if i%3 != 0 {
					return nil
				}
				switch i / 3 % 5 {
				case 0:
					return errors.New("changed my mind")
				case 1:
					panic("bug")
				case 2:
					return addNumber(c, 0, "clash")
				case 3:
					addNumber(c, 0, "clash, overlooked") //nolint:errcheck // the point
					return nil
				default:
					if err := c.Exec(`DELETE FROM "_pylon_counter"`, nil); err != nil {
						return err
					}
					return errors.New("deleted everything and thought better of it")
				}
			})
		})
	}
	started.Wait()
	close(hold)
	all.Wait()

	want := []int64{0, 1}
	for i := 1; i <= callers; i++ {
		failed := i%3 == 0
		if (errs[i] != nil) != failed {
			t.Errorf("caller %d: %v, should fail: %v", i, errs[i], failed)
		}
		if failed && (i/3%5 == 2 || i/3%5 == 3) {
			wantCode(t, errs[i], "UNIQUE_VIOLATION", "n")
		}
		if !failed {
			want = append(want, int64(i*10), int64(i*10+1), int64(i*10+2))
		}
	}
	must(t, errs[0])
	wantEqual(t, "numbers", ints(t, e, counterAll), want)
}
