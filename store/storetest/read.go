package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pylon-go/pylon/store"
)

// endless counts far beyond any test's patience.
const endless = `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 2000000000) SELECT `

func (s *suite) read(t *testing.T) {
	t.Run("a snapshot does not move while others write", func(t *testing.T) {
		e := s.numbered(t)
		// Writers keep an invariant: numbers come in pairs, n and -n, in one
		// transaction. A reader that ever sees a half, or two states, is wrong.
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for w := range 2 {
			all.Go(func() {
				for i := 1; ctx.Err() == nil; i++ {
					n := w*1_000_000 + i
					err := e.Write(context.Background(), func(c store.Conn) error {
						if err := addNumber(c, n, "x"); err != nil {
							return err
						}
						return addNumber(c, -n, "x")
					})
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		last := int64(-1)
		for range 60 {
			err := e.Read(t.Context(), func(c store.Conn) error {
				sum, err := column(c, store.TypeInt, `SELECT coalesce(max("n"),0) + coalesce(min("n"),0) FROM "_pylon_counter"`)
				if err != nil {
					return err
				}
				if sum[0].Int() != 0 {
					return fmt.Errorf("half of a transaction is visible: %#v", sum)
				}
				first, err := column(c, store.TypeInt, counterCount)
				if err != nil {
					return err
				}
				rows, err := column(c, store.TypeInt, counterAll)
				if err != nil {
					return err
				}
				again, err := column(c, store.TypeInt, counterCount)
				if err != nil {
					return err
				}
				n := first[0].Int()
				if n != int64(len(rows)) || first[0] != again[0] || n%2 != 0 {
					return fmt.Errorf("one snapshot counts %d, lists %d, counts %d again", n, len(rows), again[0].Int())
				}
				if n < last {
					return fmt.Errorf("a later snapshot has %d rows, an earlier one had %d", n, last)
				}
				last = n
				return nil
			})
			if err != nil {
				t.Error(err)
				break
			}
		}
		stop()
		all.Wait()
	})

	t.Run("a snapshot does not see what is acknowledged during it", func(t *testing.T) {
		e := s.numbered(t)
		must(t, e.Write(t.Context(), func(c store.Conn) error { return addNumber(c, 1, "x") }))
		must(t, e.Read(t.Context(), func(c store.Conn) error {
			for n := 2; n < 5; n++ {
				got, err := column(c, store.TypeInt, counterCount)
				if err != nil {
					return err
				}
				if got[0] != store.Int(1) {
					t.Errorf("before write %d the snapshot has %#v rows, want 1", n, got[0])
				}
				if err := e.Write(context.Background(), func(c store.Conn) error { return addNumber(c, n, "x") }); err != nil {
					return err
				}
			}
			return nil
		}))
		wantEqual(t, "numbers afterwards", ints(t, e, counterAll), []int64{1, 2, 3, 4})
	})

	usable := func(t *testing.T, e store.Engine) {
		t.Helper()
		for range 8 { // meets every connection of a small pool
			must(t, e.Ping(t.Context()))
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := e.Ping(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	t.Run("a context that has ended reads nothing", func(t *testing.T) {
		e := s.numbered(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 {
			err := e.Read(ctx, func(store.Conn) error { t.Error("fn ran"); return nil })
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
		}
		usable(t, e)
	})
	t.Run("a context that ends between rows ends the read", func(t *testing.T) {
		e := s.numbered(t)
		for range 5 {
			ctx, cancel := context.WithCancel(t.Context())
			rows := 0
			err := e.Read(ctx, func(c store.Conn) error {
				return c.Query(endless+"i FROM c", nil, func(store.Rows) error {
					if rows++; rows == 3 {
						cancel()
					}
					return nil
				})
			})
			cancel()
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v after %d rows", err, rows)
			}
		}
		usable(t, e)
	})
	t.Run("a context that ends inside a long statement ends it", func(t *testing.T) {
		e := s.numbered(t)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			begun := time.Now()
			err := e.Read(ctx, func(c store.Conn) error {
				_, err := column(c, store.TypeInt, endless+"count(*) FROM c")
				return err
			})
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("got %v", err)
			}
			if took := time.Since(begun); took > deadline/4 {
				t.Fatalf("it took %v to notice", took)
			}
		}
		usable(t, e)
	})
	t.Run("an ended read does not disturb others", func(t *testing.T) {
		e := s.numbered(t)
		must(t, e.Write(t.Context(), func(c store.Conn) error { return addNumber(c, 1, "x") }))
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 50 {
					ctx, cancel := context.WithCancel(context.Background())
					go cancel()
					err := e.Read(ctx, func(c store.Conn) error {
						_, err := column(c, store.TypeInt, counterCount)
						return err
					})
					if err != nil && !errors.Is(err, context.Canceled) {
						t.Errorf("a cancelled read: %v", err)
					}
				}
			})
			all.Go(func() {
				for range 50 {
					if err := e.Ping(context.Background()); err != nil {
						t.Errorf("a read that nobody cancelled: %v", err)
					}
				}
			})
		}
		all.Wait()
		usable(t, e)
	})
	t.Run("a panic leaves no transaction behind", func(t *testing.T) {
		e := s.numbered(t)
		must(t, e.Write(t.Context(), func(c store.Conn) error { return addNumber(c, 1, "x") }))
		for range 10 {
			ctx, cancel := context.WithCancel(t.Context())
			func() {
				defer func() {
					if p := recover(); p != "bug" {
						t.Errorf("recovered %v", p)
					}
				}()
				e.Read(ctx, func(c store.Conn) error { //nolint:errcheck // panics
					return c.Query(counterAll, nil, func(store.Rows) error { panic("bug") })
				})
			}()
			cancel() // the request of the panic ends later than its read
			usable(t, e)
		}
		must(t, e.Write(t.Context(), func(c store.Conn) error { return addNumber(c, 2, "x") }))
		wantEqual(t, "numbers", ints(t, e, counterAll), []int64{1, 2})
	})
	t.Run("more readers than connections", func(t *testing.T) {
		e := s.numbered(t)
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				err := e.Read(context.Background(), func(c store.Conn) error {
					_, err := column(c, store.TypeInt, counterCount)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}
