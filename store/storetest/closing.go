package storetest

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pylon-go/pylon/store"
)

func (s *suite) backup(t *testing.T) {
	if s.restore == nil {
		t.Run("without a copy of its own it says what to use", func(t *testing.T) {
			e := s.numbered(t)
			dir := t.TempDir()
			err := e.Backup(t.Context(), filepath.Join(dir, "copy"), nil)
			wantCode(t, err, "BACKUP_UNSUPPORTED", "")
			if err.(*store.Error).Hint == "" {
				t.Error("there is no hint")
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*")); left != nil {
				t.Errorf("left behind: %v", left)
			}
		})
		return
	}
	t.Run("a copy made during writes is a whole prefix of them", func(t *testing.T) {
		e := s.numbered(t)
		ctx, stop := context.WithCancel(t.Context())
		written := make(chan int, 1)
		some := make(chan struct{})
		go func() { // pairs 1,-1 then 2,-2 …: a prefix is whole pairs without a gap
			n := 0
			for ctx.Err() == nil {
				n++
				err := e.Write(context.Background(), func(c store.Conn) error {
					if err := addNumber(c, n, "x"); err != nil {
						return err
					}
					return addNumber(c, -n, "x")
				})
				if err != nil {
					t.Error(err)
					break
				}
				if n == 50 {
					close(some)
				}
			}
			written <- n
		}()
		<-some
		file := filepath.Join(t.TempDir(), "copy")
		var done, total int
		err := e.Backup(t.Context(), file, func(d, of int) { done, total = d, of })
		stop()
		n := <-written
		must(t, err)
		if done == 0 || done != total {
			t.Errorf("progress ended at %d of %d", done, total)
		}
		got := ints(t, s.restore(t, file), `SELECT "n" FROM "_pylon_counter" WHERE "n" > 0 ORDER BY "n"`)
		negative := ints(t, s.restore(t, file), `SELECT -"n" FROM "_pylon_counter" WHERE "n" < 0 ORDER BY "n" DESC`)
		wantEqual(t, "halves of pairs", negative, got)
		if len(got) < 50 || len(got) > n || got[len(got)-1] != int64(len(got)) {
			t.Fatalf("the copy has %d pairs, the last is %d; 50 were there before and %d after", len(got), got[len(got)-1], n)
		}
	})
	t.Run("a copy does not overwrite", func(t *testing.T) {
		e := s.numbered(t)
		file := filepath.Join(t.TempDir(), "copy")
		must(t, e.Backup(t.Context(), file, nil))
		if err := e.Backup(t.Context(), file, nil); err == nil {
			t.Fatal("it did")
		}
	})
	t.Run("a copy that was given up leaves no file", func(t *testing.T) {
		e := s.numbered(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		dir := t.TempDir()
		if err := e.Backup(ctx, filepath.Join(dir, "copy"), nil); err == nil {
			t.Error("no error")
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); left != nil {
			t.Errorf("left behind: %v", left)
		}
		must(t, e.Ping(t.Context()))
	})
}

func (s *suite) closing(t *testing.T) {
	t.Run("a closed engine refuses", func(t *testing.T) {
		e := s.numbered(t)
		must(t, e.Close())
		nothing := func(store.Conn) error { t.Error("fn ran"); return nil }
		for name, err := range map[string]error{
			"Read":   e.Read(t.Context(), nothing),
			"Write":  e.Write(t.Context(), nothing),
			"Ping":   e.Ping(t.Context()),
			"Backup": e.Backup(t.Context(), filepath.Join(t.TempDir(), "copy"), nil),
		} {
			if !store.HasCode(err, "DATABASE_CLOSED") || !store.IsKind(err, store.Unavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, e.Close())
	})
	t.Run("close lets calls under way finish, and refuses calls they make", func(t *testing.T) {
		e := s.numbered(t)
		var all sync.WaitGroup
		running, closing := make(chan struct{}), make(chan struct{})
		var wrote, inner error
		all.Go(func() {
			wrote = e.Write(context.Background(), func(c store.Conn) error {
				close(running)
				<-closing
				for inner == nil { // until Close is seen to have begun
					inner = e.Ping(context.Background())
				}
				return addNumber(c, 1, "x")
			})
		})
		<-running
		all.Go(func() {
			close(closing)
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		must(t, wrote)
		if !store.HasCode(inner, "DATABASE_CLOSED") {
			t.Errorf("the call inside: %v", inner)
		}
		if s.reopen != nil {
			wantEqual(t, "numbers", ints(t, s.reopen(t, e), counterAll), []int64{1})
		}
	})
	t.Run("close waits for a read under way", func(t *testing.T) {
		e := s.numbered(t)
		must(t, e.Write(t.Context(), func(c store.Conn) error { return addNumber(c, 1, "x") }))
		var all sync.WaitGroup
		running, closing := make(chan struct{}), make(chan struct{})
		var read error
		var got []store.Value
		all.Go(func() {
			read = e.Read(context.Background(), func(c store.Conn) (err error) {
				close(running)
				<-closing
				for e.Ping(context.Background()) == nil { // until Close is seen to have begun
				}
				// Long enough for a Close that does not wait to come first.
				if _, err := column(c, store.TypeInt, endless+"count(*) FROM (SELECT i FROM c LIMIT 300000) AS few"); err != nil {
					return err
				}
				got, err = column(c, store.TypeInt, counterAll)
				return err
			})
		})
		<-running
		all.Go(func() {
			close(closing)
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		must(t, read)
		wantEqual(t, "numbers", got, []store.Value{store.Int(1)})
	})
	t.Run("close among many writers: acknowledged means there", func(t *testing.T) {
		if s.reopen == nil {
			t.Skip("the engine gave no WithReopen")
		}
		e := s.numbered(t)
		var (
			all   sync.WaitGroup
			mu    sync.Mutex
			acked = map[int64]bool{}
			ready = make(chan struct{})
			once  sync.Once
		)
		for w := range 16 {
			all.Go(func() {
				for i := 0; ; i++ {
					n := w*100_000 + i
					err := e.Write(context.Background(), func(c store.Conn) error { return addNumber(c, n, "x") })
					if err != nil {
						var known *store.Error
						if !errors.As(err, &known) || known.Code != "DATABASE_CLOSED" {
							t.Error(err)
						}
						return
					}
					mu.Lock()
					acked[int64(n)] = true
					if len(acked) >= 100 {
						once.Do(func() { close(ready) })
					}
					mu.Unlock()
				}
			})
		}
		<-ready
		must(t, e.Close())
		all.Wait()
		there := ints(t, s.reopen(t, e), counterAll)
		if len(there) != len(acked) {
			t.Errorf("%d rows, %d were acknowledged", len(there), len(acked))
		}
		for _, n := range there {
			if !acked[n] {
				t.Errorf("%d is there and was never acknowledged", n)
			}
		}
	})
}
