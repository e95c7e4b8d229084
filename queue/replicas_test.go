package queue_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// replica is another process on the rig's database.
func (r *rig) replica() *rig {
	r.t.Helper()
	if !r.database.Shared() {
		r.t.Skip("one process serves this engine's database")
	}
	other := &rig{t: r.t, shared: r.shared, deaf: r.deaf, database: r.database, clock: r.clock, ctx: r.ctx}
	other.open()
	r.t.Cleanup(func() { other.close() })
	return other
}

// tally counts what was worked on, by payload.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
	order  []string
}

func (c *tally) add(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[s]++
	c.order = append(c.order, s)
}

func TestReplicasShareWorkAndNothingIsDoneTwice(t *testing.T) {
	a := newRig(t)
	rigs := []*rig{a, a.replica(), a.replica()}
	var all tally
	// Nothing is done before every replica has something to do.
	var helping sync.WaitGroup
	helping.Add(len(rigs))
	everybody := make(chan struct{})
	go func() { helping.Wait(); close(everybody) }()
	for i, r := range rigs {
		helps := sync.OnceFunc(helping.Done)
		r.handle(queue.Config{Concurrency: 4, Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
			all.add(string(j.Payload))
			helps()
			select {
			case <-everybody:
			case <-time.After(deadline):
				t.Errorf("not every replica has work; this is %d", i)
			}
			return queue.Done()
		})})
		must(t, r.q.Start(r.ctx))
	}
	const n = 600
	var items []queue.Item
	for i := range n {
		items = append(items, queue.Item{Lane: fmt.Sprint("lane ", i%5), Payload: []byte(strconv.Itoa(i))})
	}
	a.enqueue(items...)
	a.waitDepth(0)
	for i := range n {
		if c := all.counts[strconv.Itoa(i)]; c != 1 {
			t.Errorf("item %d was worked on %d times", i, c)
		}
	}
}

// The clock stands still: without a word the other process would not look.
func TestAnotherProcessIsToldOfWork(t *testing.T) {
	a := newRig(t)
	b := a.replica()
	done := make(chan string, 64)
	b.handle(queue.Config{Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
		done <- j.Lane
		return queue.Done()
	})})
	must(t, a.q.Start(a.ctx)) // has no worker for it
	must(t, b.q.Start(b.ctx))
	for _, lane := range []string{"one", "two", "tab\tin it", "line\nbreak", string(make([]rune, 8000))} {
		lane = string(slices.DeleteFunc([]rune(lane), func(r rune) bool { return r == 0 }))
		if lane == "" {
			lane = fmt.Sprintf("%08000d", 1)
		}
		a.enqueue(queue.Item{Lane: lane})
		if got := receive(t, done); got != lane {
			t.Fatalf("worked on lane %.40q, want %.40q", got, lane)
		}
	}
}

// Without words, for a connection may break: a look now and then finds the work.
func TestALaneThatNobodyToldOfIsFound(t *testing.T) {
	a := newRig(t)
	a.deaf = true
	b := a.replica()
	done := make(chan string, 8)
	b.handle(queue.Config{Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
		done <- j.Lane
		return queue.Done()
	})})
	must(t, b.q.Start(b.ctx))
	ctx, cancel := context.WithTimeout(a.ctx, deadline)
	defer cancel()
	must(t, a.clock.BlockUntilContext(ctx, 1)) // it has looked and found nothing
	a.enqueue(queue.Item{Lane: "quiet"})
	nothing(t, done)
	b.advance(2 * time.Minute)
	if got := receive(t, done); got != "quiet" {
		t.Fatal(got)
	}
}

// Two writers of one row: numbers of items are given in another order than
// transactions commit, and deliveries have to follow the commits.
func TestKeysFollowTheCommitsOfConcurrentWriters(t *testing.T) {
	counter := &store.Entity{Name: "Counter", Fields: []store.Field{{Name: "n", Type: store.TypeInt}}}
	for name, readFirst := range map[string]bool{"the row is locked first": false, "the row is read first": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			other := r.replica()
			var worked tally
			var row *store.Row
			rigs := []*rig{r, other}
			for i, r := range rigs {
				s, err := store.NewSchema([]*store.Entity{counter}, queue.Tables())
				must(t, err)
				if i == 0 {
					m, err := r.db.Engine().Plan(r.ctx, s.AllTables(), false)
					must(t, err)
					must(t, r.db.Engine().Apply(r.ctx, m))
				}
				quiet := slog.New(slog.DiscardHandler)
				r.db = store.New(r.db.Engine(), s, store.Options{Clock: r.clock, Logger: quiet})
				r.q, err = queue.New(r.db, queue.Options{Logger: quiet})
				must(t, err)
				r.handle(queue.Config{Concurrency: 4, Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
					worked.add(string(j.Payload))
					return queue.Done()
				})})
				if i == 0 {
					must(t, r.db.Update(r.ctx, func(tx *store.Tx) error {
						p := store.NewPatch(counter)
						if err := p.Put("n", store.Int(0)); err != nil {
							return err
						}
						row, err = tx.Insert(p)
						return err
					}))
				}
				must(t, r.q.Start(r.ctx))
			}
			const writers, each = 6, 25
			var all sync.WaitGroup
			for w := range writers {
				r := rigs[w%2]
				all.Go(func() {
					for range each {
						err := r.db.Update(r.ctx, func(tx *store.Tx) error {
							if readFirst {
								if _, err := tx.Get(counter, row.ID); err != nil {
									return err
								}
							}
							// Locks the row; what it was is what the next is made of.
							was, err := tx.Update(row.ID, store.NewPatch(counter))
							if err != nil {
								return err
							}
							n := was.Values[0].Int() + 1
							p := store.NewPatch(counter)
							if err := p.Put("n", store.Int(n)); err != nil {
								return err
							}
							if _, err := tx.Update(row.ID, p); err != nil {
								return err
							}
							_, err = r.q.Enqueue(tx, queue.Item{Queue: "work", Lane: "a", Key: row.ID, Payload: []byte(strconv.FormatInt(n, 10))})
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
			r.waitDepth(0)
			if len(worked.order) != writers*each {
				t.Fatalf("%d items, want %d", len(worked.order), writers*each)
			}
			for i, got := range worked.order {
				if got != strconv.Itoa(i+1) {
					t.Fatalf("item %d is version %s: %v", i+1, got, worked.order)
				}
			}
		})
	}
}

// An item may come in while the one before it is being recorded, which then does
// not see it. The clock stands still, so no look at everything helps it out.
func TestNoItemIsLeftBehindByTheOneBeforeIt(t *testing.T) {
	r := newRig(t)
	rigs := []*rig{r, r.replica()}
	for _, r := range rigs {
		r.handle(queue.Config{Worker: queue.WorkerFunc(func(context.Context, *queue.Job) queue.Outcome { return queue.Done() })})
		must(t, r.q.Start(r.ctx))
	}
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 40 {
				rigs[w%2].enqueue(queue.Item{Key: fmt.Sprint("key ", i%3)})
			}
		})
	}
	all.Wait()
	r.waitDepth(0)
}

// An item whose predecessor went without letting it go is found by a look.
func TestAnItemLeftBehindIsFound(t *testing.T) {
	r := newRig(t)
	if !r.database.Shared() {
		t.Skip("one process serves this engine's database")
	}
	done := make(chan string, 8)
	r.handle(queue.Config{Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
		done <- string(j.Payload)
		return queue.Done()
	})})
	r.enqueue(queue.Item{Key: "k", Payload: []byte("first")}, queue.Item{Key: "k", Payload: []byte("second")}, queue.Item{Key: "k", Payload: []byte("third")})
	must(t, r.db.Update(r.ctx, func(tx *store.Tx) error {
		return tx.Exec("DELETE FROM _pylon_queue WHERE payload=?", store.Bytes([]byte("first")))
	}))
	must(t, r.q.Start(r.ctx))
	for _, want := range []string{"second", "third"} {
		if got := receive(t, done); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	r.waitDepth(0)
}

func TestOneReplicaDoesPeriodicWork(t *testing.T) {
	a := newRig(t)
	rigs := []*rig{a, a.replica(), a.replica()}
	runs := make(chan int, 64)
	for i, r := range rigs {
		must(t, r.q.Every("tick", time.Hour, func(context.Context) error { runs <- i; return nil }))
	}
	var started sync.WaitGroup
	for _, r := range rigs {
		started.Go(func() {
			if err := r.q.Start(r.ctx); err != nil {
				t.Error(err)
			}
		})
	}
	started.Wait()
	for range 4 {
		a.waitClaim(0)
		nothing(t, runs)
		ctx, cancel := context.WithTimeout(a.ctx, deadline)
		must(t, a.clock.BlockUntilContext(ctx, len(rigs)))
		cancel()
		a.clock.Advance(time.Hour)
		receive(t, runs)
	}
	a.waitClaim(0)
	nothing(t, runs)
}
