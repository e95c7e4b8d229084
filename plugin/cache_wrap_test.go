package plugin_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/plugins/cache"
	"github.com/pylon-go/pylon/store"
)

func give(value string) plugin.CacheLoader {
	return func(context.Context) (string, error) { return value, nil }
}

// never is a loader for values that are there.
func never(t testing.TB) plugin.CacheLoader {
	return func(context.Context) (string, error) {
		t.Error("loaded what is there")
		return "", nil
	}
}

func wantWrap(t testing.TB, v *plugin.CacheView, key, want string, load plugin.CacheLoader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // a load that waits for the test would hang it
	defer cancel()
	got, err := v.Wrap(ctx, key, plugin.CacheLife{}, load)
	if err != nil || got != want {
		t.Errorf("%q is %q (%v), want %q", key, got, err, want)
	}
}

func TestWrapLoadsOnce(t *testing.T) {
	c, _ := newCache(t)
	var loads, running atomic.Int64
	var wg sync.WaitGroup
	const callers = 1000
	for range callers {
		v := begin(c)
		wg.Go(func() {
			running.Add(1)
			wantWrap(t, v, "a", "value", func(context.Context) (string, error) {
				loads.Add(1)
				for running.Load() < callers { // the rest comes while it loads, and perhaps after
					runtime.Gosched()
				}
				return "value", nil
			})
		})
	}
	wg.Wait()
	if n := loads.Load(); n != 1 {
		t.Errorf("loaded %d times", n)
	}
	wantWrap(t, begin(c), "a", "value", never(t))

	// Callers who missed while a load was under way and come after it find its value.
	for i := range 200 {
		loads.Store(0)
		for range 8 {
			v := begin(c)
			wg.Go(func() {
				wantWrap(t, v, strconv.Itoa(i), "value", func(context.Context) (string, error) { loads.Add(1); return "value", nil })
			})
		}
		wg.Wait()
		if n := loads.Load(); n != 1 {
			t.Fatalf("round %d: loaded %d times", i, n)
		}
	}
}

func TestWrapErrors(t *testing.T) {
	c, _ := newCache(t)
	failed := errors.New("no")
	v := begin(c)
	for range 2 { // it is not kept
		loads := 0
		if _, err := v.Wrap(t.Context(), "a", plugin.CacheLife{}, func(context.Context) (string, error) { loads++; return "x", failed }); !errors.Is(err, failed) || loads != 1 {
			t.Errorf("%v, %d loads", err, loads)
		}
	}
	if _, err := v.Wrap(t.Context(), "a", plugin.CacheLife{}, func(context.Context) (string, error) { panic("oh") }); err == nil || !strings.Contains(err.Error(), "oh") {
		t.Error(err)
	}
	if _, err := v.Wrap(t.Context(), "a", plugin.CacheLife{}, func(context.Context) (string, error) { runtime.Goexit(); return "", nil }); err == nil {
		t.Error("no error")
	}
	// A loader may say that it was cancelled itself; that must not go round in circles.
	if _, err := v.Wrap(t.Context(), "a", plugin.CacheLife{}, func(context.Context) (string, error) { return "", context.Canceled }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	wantWrap(t, v, "a", "1", give("1"))
	wantView(t, begin(c), "a", "1")
}

// flight is a load that others join, and that ends when told.
type flight struct {
	c       plugin.Cache
	started chan context.Context
	end     chan struct{}
	value   string
	err     error
	panics  bool
}

func newFlight(c plugin.Cache) *flight {
	return &flight{c: c, started: make(chan context.Context, 1), end: make(chan struct{}), value: "value"}
}

func (f *flight) load(ctx context.Context) (string, error) {
	f.started <- ctx
	select {
	case <-f.end:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if f.panics {
		panic("oh")
	}
	return f.value, f.err
}

type result struct {
	value string
	err   error
}

func wrap(ctx context.Context, v *plugin.CacheView, load plugin.CacheLoader) <-chan result {
	done := make(chan result, 1)
	go func() {
		value, err := v.Wrap(ctx, "a", plugin.CacheLife{}, load)
		done <- result{value, err}
	}()
	return done
}

func TestWrapFreesWaiters(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*flight)
		want string
	}{
		{"value", func(*flight) {}, ""},
		{"error", func(f *flight) { f.err = errors.New("no luck") }, "no luck"},
		{"panic", func(f *flight) { f.panics = true }, "oh"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := newCache(t)
			f := newFlight(c)
			tt.set(f)
			all := []<-chan result{wrap(t.Context(), begin(c), f.load)}
			<-f.started
			for range 10 {
				all = append(all, wrap(t.Context(), begin(c), never(t)))
			}
			waitFor(t, func() bool { return plugin.Waiting(c.Flights(), "a") == 11 })
			close(f.end)
			for _, done := range all {
				r := <-done
				if tt.want == "" && (r.err != nil || r.value != "value") || tt.want != "" && (r.err == nil || !strings.Contains(r.err.Error(), tt.want)) {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

// waitFor gives other goroutines the time to get somewhere.
func waitFor(t testing.TB, there func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !there() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
		runtime.Gosched()
	}
}

func TestWrapContexts(t *testing.T) {
	c, _ := newCache(t)
	f := newFlight(c)
	leader, leave := context.WithCancel(t.Context())
	first := wrap(leader, begin(c), f.load)
	loading := <-f.started
	second := wrap(t.Context(), begin(c), never(t))
	waitFor(t, func() bool { return plugin.Waiting(c.Flights(), "a") == 2 })

	// The first one leaves, and only that: the load goes on for the other.
	leave()
	if r := <-first; !errors.Is(r.err, context.Canceled) {
		t.Errorf("%+v", r)
	}
	if loading.Err() != nil {
		t.Error("the load was ended although somebody waits for it")
	}
	close(f.end)
	if r := <-second; r.value != "value" || r.err != nil {
		t.Errorf("%+v", r)
	}

	// With the last one the load ends, and who comes then begins anew.
	must(t, c.Delete(t.Context(), nil, "a"))
	f = newFlight(c)
	leader, leave = context.WithCancel(t.Context())
	first = wrap(leader, begin(c), f.load)
	loading = <-f.started
	leave()
	<-loading.Done()
	if r := <-first; !errors.Is(r.err, context.Canceled) {
		t.Errorf("%+v", r)
	}
	wantWrap(t, begin(c), "a", "new", give("new"))

	// A loader that went away with its own call is no answer for the others: one of
	// them loads.
	must(t, c.Delete(t.Context(), nil, "a"))
	f = newFlight(c)
	f.err = context.DeadlineExceeded
	first = wrap(t.Context(), begin(c), f.load)
	<-f.started
	second = wrap(t.Context(), begin(c), give("mine"))
	waitFor(t, func() bool { return plugin.Waiting(c.Flights(), "a") == 2 })
	close(f.end)
	if r := <-first; !errors.Is(r.err, context.DeadlineExceeded) {
		t.Errorf("%+v", r)
	}
	if r := <-second; r.value != "mine" {
		t.Errorf("%+v", r)
	}
}

// Who comes after an invalidation does not get what was being loaded before it,
// and neither does anybody later.
func TestWrapDoesNotJoinObsoleteLoads(t *testing.T) {
	for _, who := range []string{"another", "the loader's own call"} {
		c, _ := newCache(t)
		f := newFlight(c)
		v := begin(c)
		first := wrap(t.Context(), v, f.load)
		<-f.started
		by := v
		if who == "another" {
			by = begin(c)
		}
		must(t, by.Invalidate(t.Context(), "a"))
		wantWrap(t, begin(c), "a", "new", give("new"))
		close(f.end)
		if r := <-first; r.value != "value" {
			t.Errorf("%+v", r)
		}
		wantView(t, begin(c), "a", "new")
	}
}

func TestWrapStale(t *testing.T) {
	c, clock := newCache(t)
	life := plugin.CacheLife{TTL: 100 * time.Second, Stale: 100 * time.Second}
	wrapped := func(v *plugin.CacheView, load plugin.CacheLoader) string {
		t.Helper()
		value, err := v.Wrap(t.Context(), "a", life, load)
		must(t, err)
		return value
	}
	if got := wrapped(begin(c), give("1")); got != "1" {
		t.Fatal(got)
	}
	clock.Advance(94 * time.Second)
	wrapped(begin(c), never(t))
	clock.Advance(12 * time.Second)

	// Past its time: a plain get misses, Wrap serves it and loads once.
	wantView(t, begin(c), "a", "")
	f := newFlight(c)
	f.value = "2"
	v := begin(c)
	if got := wrapped(v, f.load); got != "1" {
		t.Error(got)
	}
	<-f.started
	if got := wrapped(begin(c), never(t)); got != "1" {
		t.Error(got)
	}
	close(f.end)
	waitFor(t, func() bool { x, ok := begin(c).Get(t.Context(), "a"); return ok && x == "2" })
	wantView(t, v, "a", "1") // a call does not see two values
	if got := wrapped(begin(c), never(t)); got != "2" {
		t.Error(got)
	}

	// A load that fails leaves the stale value, and is told about.
	clock.Advance(106 * time.Second)
	failed := make(chan error, 1)
	c.Flights().RenewFailed = func(_ context.Context, err error) { failed <- err }
	no := errors.New("no")
	if got := wrapped(begin(c), func(context.Context) (string, error) { return "", no }); got != "2" {
		t.Error(got)
	}
	if err := <-failed; !errors.Is(err, no) {
		t.Error(err)
	}
	// Somebody else runs what is in the background, here nobody.
	var later []func(context.Context)
	v = plugin.BeginCache(c, plugin.CacheOptions{Background: func(f func(context.Context)) { later = append(later, f) }})
	if got := wrapped(v, give("3")); got != "2" || len(later) != 1 {
		t.Error(got, len(later))
	}
	wantView(t, begin(c), "a", "")
	later[0](t.Context())
	wantView(t, begin(c), "a", "3")

	// When even that time is over it is a miss.
	clock.Advance(211 * time.Second)
	if got := wrapped(begin(c), give("4")); got != "4" {
		t.Error(got)
	}
	// An invalidation leaves nothing stale either.
	clock.Advance(106 * time.Second)
	must(t, begin(c).Invalidate(t.Context(), "a"))
	if got := wrapped(begin(c), give("5")); got != "5" {
		t.Error(got)
	}
}

func TestStopEndsLoadsInTheBackground(t *testing.T) {
	c, clock := newCache(t)
	life := plugin.CacheLife{TTL: time.Second, Stale: time.Hour}
	_, err := begin(c).Wrap(t.Context(), "a", life, give("1"))
	must(t, err)
	clock.Advance(time.Minute)
	f := newFlight(c)
	_, err = begin(c).Wrap(t.Context(), "a", life, f.load)
	must(t, err)
	loading := <-f.started
	must(t, c.Flights().Stop(t.Context()))
	if loading.Err() == nil {
		t.Error("the load goes on")
	}
	if got, err := begin(c).Wrap(t.Context(), "a", life, never(t)); got != "1" || err != nil {
		t.Error(got, err)
	}
}

// In a write transaction nothing is shared: what the loader reads there is not
// committed.
func TestWrapInTransaction(t *testing.T) {
	d := newDatabase(t, nil)
	c, _ := newCache(t)
	f := newFlight(c)
	other := wrap(d.ctx, begin(c), f.load)
	<-f.started
	v := begin(c)
	must(t, d.Update(d.ctx, func(tx *store.Tx) error {
		in := v.In(tx)
		wantWrap(t, in, "a", "mine", give("mine"))
		wantWrap(t, in, "a", "mine", never(t))
		wantView(t, begin(c), "a", "")
		return nil
	}))
	wantView(t, begin(c), "a", "mine")
	close(f.end)
	if r := <-other; r.value != "value" {
		t.Errorf("%+v", r)
	}
	wantView(t, begin(c), "a", "mine") // the other load is older than the transaction
	err := d.Update(d.ctx, func(tx *store.Tx) error {
		must(t, v.In(tx).Delete(d.ctx, "a"))
		wantWrap(t, v.In(tx), "b", "b", give("b"))
		return errors.New("no")
	})
	if err == nil {
		t.Fatal("committed")
	}
	wantView(t, begin(c), "b", "")
}

// One view may be used by several goroutines.
func TestViewIsSafe(t *testing.T) {
	d := newDatabase(t, nil)
	e, err := cache.New(cache.Options{MaxEntries: 100, DefaultTTL: time.Minute})
	must(t, err)
	defer func() { must(t, e.Close(t.Context())) }()
	v := begin(e)
	must(t, d.Update(d.ctx, func(tx *store.Tx) error {
		var wg sync.WaitGroup
		for _, v := range []*plugin.CacheView{v, v.In(tx)} {
			for w := range 4 {
				wg.Go(func() {
					for i := range 300 {
						key := strconv.Itoa((w + i) % 7)
						v.Set(d.ctx, key, "v", 0)
						v.Get(d.ctx, key)
						v.GetMany(d.ctx, []string{key, "x"})
						if err := errors.Join(v.Delete(d.ctx, key), v.Invalidate(d.ctx, key)); err != nil {
							t.Error(err)
						}
						wantWrap(t, v, "w", "w", give("w"))
					}
				})
			}
		}
		wg.Wait()
		return nil
	}))
	wantView(t, v, "w", "w")
}
