package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/enginetest"
	"github.com/pylon-go/pylon/store/postgres"
)

// deadline ends a test that waits for something that does not come. Nothing
// waits this long when it works.
const deadline = 20 * time.Second

// rig is a queue on a real database with a clock that the test moves.
type rig struct {
	t        *testing.T
	database *enginetest.Database
	// shared: other processes may serve the database too.
	shared bool
	life   *mortal // on PostgreSQL
	deaf   bool    // nobody tells it of work
	clock  *clockwork.FakeClock
	db     *store.DB
	q      *queue.Queue
	close  func()
	ctx    context.Context
}

func newRig(t *testing.T) *rig { return openRig(t, false) }

func openRig(t *testing.T, shared bool) *rig {
	r := &rig{t: t, shared: shared, database: enginetest.New(t), clock: clockwork.NewFakeClockAt(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
		ctx: store.WithActor(t.Context(), store.System("test"))}
	r.open()
	t.Cleanup(func() { r.close() })
	return r
}

// open starts from the database as a new process would.
func (r *rig) open() {
	r.t.Helper()
	e := r.database.Open(r.t, !r.shared)
	if p, ok := e.(*postgres.Engine); ok {
		r.life = &mortal{Engine: p}
		e = r.life
	}
	if r.deaf {
		e = struct{ store.Engine }{e}
	}
	s, err := store.NewSchema(nil, queue.Tables())
	must(r.t, err)
	m, err := e.Plan(r.ctx, s.AllTables(), false)
	must(r.t, err)
	must(r.t, e.Apply(r.ctx, m))
	quiet := slog.New(slog.DiscardHandler)
	r.db = store.New(e, s, store.Options{Clock: r.clock, Logger: quiet})
	r.q, err = queue.New(r.db, queue.Options{Logger: quiet})
	must(r.t, err)
	r.close = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		r.q.Stop(ctx)
		e.Close()
	})
	r.t.Cleanup(r.close) // before the engine is closed, which would wait for it
}

// mortal is an engine whose process can die: from then on it reaches nothing.
type mortal struct {
	*postgres.Engine
	dead atomic.Bool
}

var errDead = errors.New("this process is dead")

func (m *mortal) Write(ctx context.Context, fn func(store.Conn) error) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Engine.Write(ctx, fn)
}

func (m *mortal) Read(ctx context.Context, fn func(store.Conn) error) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Engine.Read(ctx, fn)
}

// die ends the process as a crash would and starts a new one. On SQLite a copy of
// the file is what it finds, on PostgreSQL the leases of the dead one, which end.
func (r *rig) die() {
	r.t.Helper()
	if r.life != nil {
		r.life.dead.Store(true)
	} else {
		copied := filepath.Join(r.t.TempDir(), "copy.db")
		must(r.t, r.db.Engine().Backup(r.ctx, copied, nil))
		r.database = &enginetest.Database{Engine: r.database.Engine, Path: copied}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) handle(c queue.Config) {
	r.t.Helper()
	if c.Concurrency == 0 {
		c.Concurrency = 8
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.Backoff == nil {
		c.Backoff = func(*queue.Job) queue.Backoff { return queue.Backoff{Base: time.Second, Max: time.Hour} }
	}
	must(r.t, r.q.Handle("work", c))
}

func (r *rig) enqueue(items ...queue.Item) (ids []string) {
	r.t.Helper()
	must(r.t, r.db.Update(r.ctx, func(tx *store.Tx) error {
		ids = ids[:0]
		for _, it := range items {
			it.Queue = "work"
			if it.Lane == "" {
				it.Lane = "a"
			}
			id, err := r.q.Enqueue(tx, it)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	}))
	return ids
}

// depth is how many items are left; the recorder works behind the worker, so it
// is asked until it is what is wanted.
func (r *rig) waitDepth(want int) {
	r.t.Helper()
	end := time.Now().Add(deadline)
	for {
		var n int
		must(r.t, r.db.View(r.ctx, func(tx *store.Tx) (err error) {
			n, err = r.q.Depth(tx, "work")
			return err
		}))
		if n == want {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("%d items are left, want %d", n, want)
		}
		time.Sleep(time.Millisecond)
	}
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(deadline):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func nothing[T any](t *testing.T, c <-chan T) {
	t.Helper()
	select {
	case v := <-c:
		t.Fatalf("got %v, want nothing", v)
	case <-time.After(50 * time.Millisecond):
	}
}

// advance moves the clock once everybody who will sleep does.
func (r *rig) advance(d time.Duration) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, deadline)
	defer cancel()
	must(r.t, r.clock.BlockUntilContext(ctx, 1))
	r.clock.Advance(d)
}

func TestItemExistsOnlyIfTheTransactionCommits(t *testing.T) {
	r := newRig(t)
	done := make(chan string, 8)
	r.handle(queue.Config{Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
		done <- j.ID
		return queue.Done()
	})})
	must(t, r.q.Start(r.ctx))
	refused := errors.New("refused")
	err := r.db.Update(r.ctx, func(tx *store.Tx) error {
		if _, err := r.q.Enqueue(tx, queue.Item{Queue: "work", Lane: "a"}); err != nil {
			return err
		}
		return refused
	})
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	id := r.enqueue(queue.Item{})[0]
	if got := receive(t, done); got != id {
		t.Fatalf("worked on %s, want %s", got, id)
	}
	r.waitDepth(0)
	nothing(t, done)
}

func TestRetryWaitsByBackoffAndDeadLetterKeepsTheItem(t *testing.T) {
	r := newRig(t)
	type try struct {
		attempts int
		at       time.Time
	}
	tries := make(chan try, 8)
	died := make(chan string, 1)
	r.handle(queue.Config{
		Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
			tries <- try{j.Attempts, r.clock.Now()}
			return queue.Retry(errors.New("no luck"), 0)
		}),
		Backoff: func(*queue.Job) queue.Backoff {
			return queue.Backoff{Base: 10 * time.Second, Max: time.Hour, MaxAttempts: 3}
		},
		OnDead: func(tx *store.Tx, j *queue.Job, err error) error {
			tx.OnCommit(func() { died <- j.ID + ": " + err.Error() })
			return nil
		},
	})
	must(t, r.q.Start(r.ctx))
	start := r.clock.Now()
	id := r.enqueue(queue.Item{Payload: []byte("x")})[0]
	for i, want := range []time.Duration{0, 10 * time.Second, 30 * time.Second} {
		got := receive(t, tries)
		if got.attempts != i || got.at.Sub(start) != want {
			t.Fatalf("attempt %d came as %d after %s, want after %s", i, got.attempts, got.at.Sub(start), want)
		}
		if i < 2 {
			r.settle("no luck", i+1)
			if i == 0 {
				r.advance(9 * time.Second)
				nothing(t, tries)
				r.advance(time.Second)
			} else {
				r.advance(20 * time.Second)
			}
		}
	}
	if got := receive(t, died); got != id+": no luck" {
		t.Fatal(got)
	}
	r.waitDepth(0)

	// A dead letter can be brought back, with its id and payload.
	must(t, r.db.Update(r.ctx, func(tx *store.Tx) error { return r.q.Revive(tx, id) }))
	if got := receive(t, tries); got.attempts != 0 {
		t.Fatalf("the revived item has %d attempts", got.attempts)
	}
	if err := r.db.Update(r.ctx, func(tx *store.Tx) error { return r.q.Revive(tx, id) }); !store.IsKind(err, store.NotFound) {
		t.Fatalf("reviving twice: %v", err)
	}
}

// settle waits until a failure is recorded.
func (r *rig) settle(lastError string, attempts int) {
	r.t.Helper()
	end := time.Now().Add(deadline)
	for {
		var message string
		var n int64
		must(r.t, r.db.View(r.ctx, func(tx *store.Tx) error {
			return tx.Query("SELECT coalesce(last_error,''), attempts FROM _pylon_queue", nil, func(row store.Rows) error {
				message, n = row.Value(0, store.TypeString).Str(), row.Value(1, store.TypeInt).Int()
				return nil
			})
		}))
		if message == lastError && n == int64(attempts) {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("recorded %q after %d attempts", message, n)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRetryAfterIsALowerBound(t *testing.T) {
	r := newRig(t)
	tries := make(chan time.Time, 8)
	r.handle(queue.Config{Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
		tries <- r.clock.Now()
		if j.Attempts == 0 {
			return queue.Retry(errors.New("later"), time.Minute)
		}
		return queue.Done()
	})})
	must(t, r.q.Start(r.ctx))
	start := r.clock.Now()
	r.enqueue(queue.Item{})
	receive(t, tries)
	r.settle("later", 1)
	r.advance(59 * time.Second)
	nothing(t, tries)
	r.advance(time.Second)
	if got := receive(t, tries).Sub(start); got != time.Minute {
		t.Fatalf("came after %s", got)
	}
}

func TestKeysRunInCommitOrderAndARetryHoldsBackItsOwnKeyOnly(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex
	var order []string
	failed := false
	r.handle(queue.Config{Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
		mu.Lock()
		defer mu.Unlock()
		if string(j.Payload) == "x0" && !failed {
			failed = true
			return queue.Retry(errors.New("once"), 0)
		}
		order = append(order, string(j.Payload))
		return queue.Done()
	})})
	must(t, r.q.Start(r.ctx))
	for i := range 5 {
		for _, key := range []string{"x", "y"} {
			r.enqueue(queue.Item{Key: key, Payload: fmt.Append(nil, key, i)})
		}
	}
	r.waitDepth(5) // y is through, x waits for its first
	r.advance(time.Second)
	r.waitDepth(0)
	var xs, ys []string
	for _, s := range order {
		if s[0] == 'x' {
			xs = append(xs, s)
		} else {
			ys = append(ys, s)
		}
	}
	if !slices.Equal(xs, []string{"x0", "x1", "x2", "x3", "x4"}) || !slices.Equal(ys, []string{"y0", "y1", "y2", "y3", "y4"}) {
		t.Fatalf("order: %v", order)
	}
	if order[0][0] != 'y' {
		t.Fatalf("y waited for x: %v", order)
	}
}

func TestADeadLetterLetsTheNextOfItsKeyGo(t *testing.T) {
	r := newRig(t)
	done := make(chan string, 8)
	r.handle(queue.Config{Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
		if string(j.Payload) == "bad" {
			return queue.Dead(errors.New("hopeless"))
		}
		done <- string(j.Payload)
		return queue.Done()
	})})
	r.enqueue(queue.Item{Key: "k", Payload: []byte("bad")}, queue.Item{Key: "k", Payload: []byte("good")})
	must(t, r.q.Start(r.ctx))
	if got := receive(t, done); got != "good" {
		t.Fatal(got)
	}
	r.waitDepth(0)
}

func TestABlockedLaneDoesNotSlowTheOthers(t *testing.T) {
	r := newRig(t)
	release := make(chan struct{})
	done := make(chan string, 256)
	r.handle(queue.Config{Concurrency: 8, LaneConcurrency: 4, Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
		if j.Lane == "stuck" {
			<-release
		}
		done <- j.Lane
		return queue.Done()
	})})
	var items []queue.Item
	for range 100 {
		items = append(items, queue.Item{Lane: "stuck"})
	}
	r.enqueue(items...)
	must(t, r.q.Start(r.ctx))
	for range 50 {
		r.enqueue(queue.Item{Lane: "well"})
	}
	for range 50 {
		if lane := receive(t, done); lane != "well" {
			t.Fatal(lane)
		}
	}
	close(release)
	for range 100 {
		receive(t, done)
	}
	r.waitDepth(0)
}

func TestLimitsHold(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex
	running, most, laneMost := 0, 0, map[string]int{}
	lane := map[string]int{}
	r.handle(queue.Config{Concurrency: 6, LaneConcurrency: 3, Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
		mu.Lock()
		running++
		lane[j.Lane]++
		most, laneMost[j.Lane] = max(most, running), max(laneMost[j.Lane], lane[j.Lane])
		mu.Unlock()
		time.Sleep(100 * time.Microsecond) // so that attempts overlap
		mu.Lock()
		running--
		lane[j.Lane]--
		mu.Unlock()
		return queue.Done()
	})})
	var items []queue.Item
	for i := range 300 {
		items = append(items, queue.Item{Lane: fmt.Sprint("l", i%3)})
	}
	r.q.Limit("work", "l0", 1)
	r.enqueue(items...)
	must(t, r.q.Start(r.ctx))
	r.waitDepth(0)
	if most > 6 || laneMost["l0"] != 1 || laneMost["l1"] > 3 || laneMost["l2"] > 3 {
		t.Fatalf("ran %d at once, lanes %v", most, laneMost)
	}
	if most < 2 {
		t.Fatal("nothing ran side by side")
	}
}

func TestPauseHoldsALaneBack(t *testing.T) {
	r := newRig(t)
	done := make(chan string, 8)
	r.handle(queue.Config{Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
		done <- j.Lane
		return queue.Done()
	})})
	r.q.Pause("work", "a", r.clock.Now().Add(time.Minute))
	must(t, r.q.Start(r.ctx))
	r.enqueue(queue.Item{Lane: "a"}, queue.Item{Lane: "b"})
	if got := receive(t, done); got != "b" {
		t.Fatal(got)
	}
	nothing(t, done)
	r.advance(time.Minute)
	if got := receive(t, done); got != "a" {
		t.Fatal(got)
	}
}

func TestNotBefore(t *testing.T) {
	r := newRig(t)
	done := make(chan string, 8)
	r.handle(queue.Config{Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
		done <- string(j.Payload)
		return queue.Done()
	})})
	must(t, r.q.Start(r.ctx))
	r.enqueue(queue.Item{Payload: []byte("later"), NotBefore: r.clock.Now().Add(time.Minute)}, queue.Item{Payload: []byte("now")})
	if got := receive(t, done); got != "now" {
		t.Fatal(got)
	}
	nothing(t, done)
	r.advance(time.Minute)
	if got := receive(t, done); got != "later" {
		t.Fatal(got)
	}
}

func TestUniqueItemsWaitOnce(t *testing.T) {
	r := newRig(t)
	r.handle(queue.Config{Worker: queue.WorkerFunc(func(context.Context, *queue.Job) queue.Outcome { return queue.Done() })})
	r.enqueue(queue.Item{Unique: "u"}, queue.Item{Unique: "u"}, queue.Item{Unique: "v"})
	r.waitDepth(2)
	must(t, r.q.Start(r.ctx))
	r.waitDepth(0)
	r.enqueue(queue.Item{Unique: "u"})
	r.waitDepth(0)
}

func TestWorkCutShortIsRepeatedAfterARestartWithTheSameID(t *testing.T) {
	r := newRig(t)
	started := make(chan *queue.Job, 8)
	block := make(chan struct{})
	r.handle(queue.Config{Worker: queue.WorkerFunc(func(ctx context.Context, j *queue.Job) queue.Outcome {
		started <- j
		<-block
		return queue.Done()
	})})
	must(t, r.q.Start(r.ctx))
	id := r.enqueue(queue.Item{Payload: []byte("p")})[0]
	receive(t, started)

	r.die()
	close(block)
	r.close()

	r.open()
	again := make(chan *queue.Job, 8)
	r.handle(queue.Config{Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
		again <- j
		return queue.Done()
	})})
	must(t, r.q.Start(r.ctx))
	if r.database.Shared() { // the lease of the dead one has to end
		nothing(t, again)
		r.advance(2 * time.Minute)
	}
	if j := receive(t, again); j.ID != id || j.Attempts != 0 || string(j.Payload) != "p" {
		t.Fatalf("%+v", j)
	}
	r.waitDepth(0)
}

func TestALostLeaseRecordsNothing(t *testing.T) {
	r := openRig(t, true)
	started := make(chan struct{}, 8)
	proceed := make(chan struct{})
	r.handle(queue.Config{Concurrency: 1, Worker: queue.WorkerFunc(func(context.Context, *queue.Job) queue.Outcome {
		started <- struct{}{}
		<-proceed
		return queue.Done().With(func(tx *store.Tx) error {
			t.Error("what a worker without a lease learnt was recorded")
			return nil
		})
	})})
	must(t, r.q.Start(r.ctx))
	r.enqueue(queue.Item{})
	receive(t, started)
	// Another process took the item over.
	must(t, r.db.Update(r.ctx, func(tx *store.Tx) error {
		return tx.Exec("UPDATE _pylon_queue SET claim='somebody else', due=?", store.Int(r.clock.Now().Add(time.Hour).UnixMicro()))
	}))
	close(proceed)
	stop, cancel := context.WithTimeout(r.ctx, deadline)
	defer cancel()
	must(t, r.q.Stop(stop))
	r.waitDepth(1)
}

func TestOutcomeAndItsRecordCommitTogether(t *testing.T) {
	r := newRig(t)
	tries := make(chan int, 8)
	r.handle(queue.Config{Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
		tries <- j.Attempts
		return queue.Done().With(func(*store.Tx) error { return errors.New("cannot be written") })
	})})
	must(t, r.q.Start(r.ctx))
	r.enqueue(queue.Item{})
	receive(t, tries)
	stop, cancel := context.WithTimeout(r.ctx, deadline)
	defer cancel()
	must(t, r.q.Stop(stop))
	r.waitDepth(1) // not done, since what it learnt could not be kept
}

func TestPanicIsAFailedAttempt(t *testing.T) {
	r := newRig(t)
	r.handle(queue.Config{Worker: queue.WorkerFunc(func(context.Context, *queue.Job) queue.Outcome { panic("oh") })})
	must(t, r.q.Start(r.ctx))
	r.enqueue(queue.Item{})
	r.settle("the worker panicked: oh", 1)
}

func TestStopInterruptsAndGivesBack(t *testing.T) {
	r := newRig(t)
	started := make(chan struct{}, 64)
	r.handle(queue.Config{Concurrency: 2, Worker: queue.WorkerFunc(func(ctx context.Context, _ *queue.Job) queue.Outcome {
		started <- struct{}{}
		<-ctx.Done()
		return queue.Retry(ctx.Err(), 0)
	})})
	must(t, r.q.Start(r.ctx))
	r.enqueue(make([]queue.Item, 10)...)
	receive(t, started)
	receive(t, started)
	gone, cancel := context.WithCancel(r.ctx)
	cancel()
	if err := r.q.Stop(gone); err == nil {
		t.Fatal("the stop says that nothing was interrupted")
	}
	must(t, r.db.View(r.ctx, func(tx *store.Tx) error {
		return tx.Query("SELECT count(*), count(claim), sum(attempts) FROM _pylon_queue", nil, func(row store.Rows) error {
			n, leased, attempts := row.Value(0, store.TypeInt).Int(), row.Value(1, store.TypeInt).Int(), row.Value(2, store.TypeInt).Int()
			if n != 10 || leased != 0 || attempts != 0 {
				t.Errorf("%d items, %d leased, %d attempts counted; want 10, 0, 0", n, leased, attempts)
			}
			return nil
		})
	}))
}

func TestPeriodicWorkRunsAtItsTimes(t *testing.T) {
	r := newRig(t)
	runs := make(chan time.Time, 8)
	fail := true
	must(t, r.q.Every("tick", time.Hour, func(context.Context) error {
		runs <- r.clock.Now()
		if fail {
			fail = false
			return errors.New("once")
		}
		return nil
	}))
	start := r.clock.Now()
	must(t, r.q.Start(r.ctx))
	nothing(t, runs)
	for i, want := range []time.Duration{time.Hour, time.Hour + time.Minute, 2*time.Hour + time.Minute} {
		step := time.Hour
		if i == 1 {
			step = time.Minute
		}
		r.waitClaim(0)
		r.advance(step)
		if got := receive(t, runs).Sub(start); got != want {
			t.Fatalf("run %d after %s, want %s", i, got, want)
		}
	}
	// A restart does not run it again, nor anew.
	r.waitClaim(0)
	r.close()
	r.open()
	must(t, r.q.Every("tick", time.Hour, func(context.Context) error { runs <- r.clock.Now(); return nil }))
	must(t, r.q.Start(r.ctx))
	nothing(t, runs)
	r.advance(time.Hour)
	receive(t, runs)
}

// waitClaim waits until so many items are leased.
func (r *rig) waitClaim(want int64) {
	r.t.Helper()
	end := time.Now().Add(deadline)
	for {
		var n int64
		must(r.t, r.db.View(r.ctx, func(tx *store.Tx) error {
			return tx.Query("SELECT count(claim) FROM _pylon_queue", nil, func(row store.Rows) error {
				n = row.Value(0, store.TypeInt).Int()
				return nil
			})
		}))
		if n == want {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("%d items are leased, want %d", n, want)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestBackoffDoublesUpToItsLimit(t *testing.T) {
	b := queue.Backoff{Base: 10 * time.Second, Max: time.Minute}
	for failures, want := range map[int]time.Duration{0: 10 * time.Second, 1: 20 * time.Second, 2: 40 * time.Second, 3: time.Minute, 100: time.Minute} {
		if got := b.Delay(failures); got != want {
			t.Errorf("after %d failures %s, want %s", failures, got, want)
		}
	}
	b.Jitter = 0.2
	for range 1000 {
		if got := b.Delay(0); got < 8*time.Second || got > 12*time.Second {
			t.Fatalf("jitter of 20 %% made %s of 10s", got)
		}
	}
}

// Items are handed over at their commit, read back when their lane is full, put
// off and paused, all at once: each is worked on by one at a time and done once.
func TestNothingIsWorkedOnTwice(t *testing.T) {
	for name, shared := range map[string]bool{"alone": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			r := openRig(t, shared)
			var mu sync.Mutex
			working, done, attempts := map[string]bool{}, map[string]int{}, 0
			r.handle(queue.Config{Concurrency: 16, LaneConcurrency: 6,
				Backoff: func(*queue.Job) queue.Backoff { return queue.Backoff{Base: time.Microsecond, Max: time.Microsecond} },
				Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
					mu.Lock()
					defer mu.Unlock()
					if working[j.ID] {
						t.Errorf("%s is worked on by two", j.ID)
					}
					attempts++
					working[j.ID] = true
					mu.Unlock()
					runtime.Gosched()
					mu.Lock()
					working[j.ID] = false
					if attempts%7 == 0 {
						return queue.Retry(errors.New("once more"), 0)
					}
					done[j.ID]++
					return queue.Done()
				})})
			must(t, r.q.Start(r.ctx))
			const writers, each = 8, 100
			over := make(chan struct{})
			var clock, all sync.WaitGroup
			clock.Go(func() { // time goes on, and a lane is paused now and then
				for i := 0; ; i++ {
					select {
					case <-over:
						r.q.Pause("work", "l0", time.Time{})
						return
					default:
						r.clock.Advance(time.Millisecond)
						if i%100 == 0 {
							r.q.Pause("work", "l0", r.clock.Now().Add(3*time.Millisecond))
						}
						// The pace of the clock; nothing waits for it. Slower than the database
						// answers, or leases would end before it does.
						time.Sleep(time.Millisecond)
					}
				}
			})
			for w := range writers {
				all.Go(func() {
					for i := range each {
						it := queue.Item{ID: fmt.Sprintf("%d-%d", w, i), Queue: "work", Lane: fmt.Sprint("l", i%3)}
						if i%5 == 0 {
							it.Key = fmt.Sprint("k", w)
						}
						if err := r.db.Update(r.ctx, func(tx *store.Tx) error { _, err := r.q.Enqueue(tx, it); return err }); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			r.waitDepth(0)
			close(over)
			clock.Wait()
			if len(done) != writers*each {
				t.Errorf("%d items are done, want %d", len(done), writers*each)
			}
			for id, n := range done {
				if n != 1 {
					t.Errorf("%s is done %d times", id, n)
				}
			}
		})
	}
}

func TestDropLetsTheNextOfAKeyGo(t *testing.T) {
	r := newRig(t)
	done := make(chan string, 8)
	r.handle(queue.Config{Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
		done <- string(j.Payload)
		return queue.Done()
	})})
	r.q.Pause("work", "a", queue.Forever)
	must(t, r.q.Start(r.ctx))
	r.enqueue(queue.Item{Key: "k", Payload: []byte("old")}, queue.Item{Payload: []byte("old too")}, queue.Item{Lane: "b", Payload: []byte("elsewhere")})
	if got := receive(t, done); got != "elsewhere" {
		t.Fatal(got)
	}
	r.waitDepth(2)
	r.clock.Advance(time.Hour)
	r.enqueue(queue.Item{Key: "k", Payload: []byte("new")})
	must(t, r.db.View(r.ctx, func(tx *store.Tx) error {
		lanes, err := r.q.Lanes(tx, "work")
		if err == nil && (len(lanes) != 1 || lanes["a"].Items != 3 || !lanes["a"].Oldest.Equal(r.clock.Now().Add(-time.Hour))) {
			t.Errorf("lanes: %+v", lanes)
		}
		return err
	}))
	must(t, r.db.Update(r.ctx, func(tx *store.Tx) error {
		n, err := r.q.Drop(tx, "work", "a", r.clock.Now())
		if err == nil && n != 2 {
			t.Errorf("%d items were dropped, want 2", n)
		}
		return err
	}))
	nothing(t, done)
	r.q.Pause("work", "a", time.Time{})
	if got := receive(t, done); got != "new" {
		t.Fatal(got)
	}
	r.waitDepth(0)
}

func TestANoteIsRememberedBetweenAttempts(t *testing.T) {
	r := newRig(t)
	notes := make(chan string, 8)
	r.handle(queue.Config{
		NoDeadLetters: true,
		Backoff: func(*queue.Job) queue.Backoff {
			return queue.Backoff{Base: time.Second, Max: time.Second, MaxAttempts: 3}
		},
		Worker: queue.WorkerFunc(func(_ context.Context, j *queue.Job) queue.Outcome {
			notes <- string(j.Note)
			return queue.Retry(errors.New("no"), 0).WithNote(append(j.Note, 'x'))
		}),
		OnDead: func(_ *store.Tx, j *queue.Job, _ error) error {
			notes <- "dead " + string(j.Note)
			return nil
		},
	})
	must(t, r.q.Start(r.ctx))
	id := r.enqueue(queue.Item{Note: []byte("a")})[0]
	for i, want := range []string{"a", "ax", "axx"} {
		if got := receive(t, notes); got != want {
			t.Fatalf("attempt %d has the note %q, want %q", i+1, got, want)
		}
		if i < 2 {
			r.settle("no", i+1)
			r.advance(time.Second)
		}
	}
	if got := receive(t, notes); got != "dead axxx" {
		t.Fatal(got)
	}
	r.waitDepth(0)
	if err := r.db.Update(r.ctx, func(tx *store.Tx) error { return r.q.Revive(tx, id) }); !store.IsKind(err, store.NotFound) {
		t.Errorf("a dead letter was kept: %v", err)
	}
}

// countingClock counts how often a timer is set.
type countingClock struct {
	clockwork.Clock
	set atomic.Int64
}

func (c *countingClock) NewTimer(d time.Duration) clockwork.Timer {
	return &countingTimer{c.Clock.NewTimer(d), c}
}

type countingTimer struct {
	clockwork.Timer
	clock *countingClock
}

func (t *countingTimer) Reset(d time.Duration) bool {
	t.clock.set.Add(1)
	return t.Timer.Reset(d)
}

func TestNothingRunsWhileNothingIsDue(t *testing.T) {
	for name, shared := range map[string]bool{"alone": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			r := openRig(t, shared)
			clock := &countingClock{Clock: clockwork.NewRealClock()}
			r.db = store.New(r.db.Engine(), r.db.Schema(), store.Options{Clock: clock, Logger: slog.New(slog.DiscardHandler)})
			var err error
			r.q, err = queue.New(r.db, queue.Options{Logger: slog.New(slog.DiscardHandler)})
			must(t, err)
			r.handle(queue.Config{Worker: queue.WorkerFunc(func(context.Context, *queue.Job) queue.Outcome { return queue.Done() })})
			must(t, r.q.Start(r.ctx))
			r.enqueue(queue.Item{})
			r.waitDepth(0)
			time.Sleep(20 * time.Millisecond) // what is left to do is done
			before := clock.set.Load()
			time.Sleep(100 * time.Millisecond)
			if n := clock.set.Load() - before; n > 2 {
				t.Errorf("an idle queue woke %d times in 100 ms", n)
			}
		})
	}
}
