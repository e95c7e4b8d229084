package plugin_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/plugins/cache"
	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/sqlite"
)

// counting is a cache that counts what it is asked.
type counting struct {
	plugin.Cache
	gets, changes atomic.Int64
}

func (c *counting) Get(ctx context.Context, key string) plugin.CacheValue {
	c.gets.Add(1)
	return c.Cache.Get(ctx, key)
}

func (c *counting) GetMany(ctx context.Context, keys []string) []plugin.CacheValue {
	c.gets.Add(int64(len(keys)))
	return c.Cache.GetMany(ctx, keys)
}

func (c *counting) Set(ctx context.Context, t *plugin.CacheToken, key, value string, life plugin.CacheLife) {
	c.changes.Add(1)
	c.Cache.Set(ctx, t, key, value, life)
}

func (c *counting) Delete(ctx context.Context, t *plugin.CacheToken, key string) error {
	c.changes.Add(1)
	return c.Cache.Delete(ctx, t, key)
}

func (c *counting) Invalidate(ctx context.Context, t *plugin.CacheToken, prefix string) error {
	c.changes.Add(1)
	return c.Cache.Invalidate(ctx, t, prefix)
}

func newCache(t testing.TB) (*counting, *clockwork.FakeClock) {
	t.Helper()
	clock := clockwork.NewFakeClock()
	e, err := cache.New(cache.Options{MaxEntries: 10000, DefaultTTL: time.Minute, Clock: clock})
	must(t, err)
	t.Cleanup(func() { must(t, e.Close(context.Background())) })
	return &counting{Cache: e}, clock
}

func begin(c plugin.Cache) *plugin.CacheView { return plugin.BeginCache(c, plugin.CacheOptions{}) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantView says what views see under a key; "" is a miss.
func wantView(t testing.TB, v *plugin.CacheView, key, want string) {
	t.Helper()
	if got, ok := v.Get(context.Background(), key); got != want || ok != (want != "") {
		t.Errorf("%q is %q, %t, want %q", key, got, ok, want)
	}
}

func TestViewRemembers(t *testing.T) {
	c, _ := newCache(t)
	ctx := t.Context()
	begin(c).Set(ctx, "a", "1", 0)
	v := begin(c)
	for range 3 {
		wantView(t, v, "a", "1")
		wantView(t, v, "none", "")
		if got := v.GetMany(ctx, []string{"a", "none"}); !maps.Equal(got, map[string]string{"a": "1"}) {
			t.Errorf("%v", got)
		}
	}
	if n := c.gets.Load(); n != 2 {
		t.Errorf("the cache was asked %d times for two keys", n)
	}
	// Others do not change what the call has seen; its own changes do.
	other := begin(c)
	other.Set(ctx, "a", "2", 0)
	other.Set(ctx, "none", "2", 0)
	wantView(t, v, "a", "1")
	wantView(t, v, "none", "")
	v.Set(ctx, "a", "3", 0)
	wantView(t, v, "a", "3")
	must(t, v.Delete(ctx, "a"))
	wantView(t, v, "a", "")
	v.Set(ctx, "b:1", "1", 0)
	must(t, v.Invalidate(ctx, "b:"))
	wantView(t, v, "b:1", "")
	wantView(t, begin(c), "a", "")

	// GetMany asks for what is not known yet, and remembers it.
	before := c.gets.Load()
	for range 2 {
		if got := v.GetMany(ctx, []string{"a", "none", "x", "y"}); len(got) != 0 {
			t.Errorf("%v", got)
		}
	}
	if n := c.gets.Load() - before; n != 2 {
		t.Errorf("%d keys were asked for", n)
	}
	// Having read many keys does not make a view grow without end.
	before = c.gets.Load()
	for range 2 {
		for i := range 5000 {
			wantView(t, v, fmt.Sprint("many", i), "")
		}
	}
	if n := c.gets.Load() - before; n <= 5000 || n > 7000 {
		t.Errorf("5000 keys twice: the cache was asked %d times", n)
	}
}

// A view's token is as old as the view: a miss later than an invalidation does not
// show that what was read is younger than it.
func TestViewFence(t *testing.T) {
	c, _ := newCache(t)
	ctx := t.Context()
	v := begin(c)
	must(t, begin(c).Invalidate(ctx, "post:"))
	wantView(t, v, "post:1", "")
	v.Set(ctx, "post:1", "from a snapshot of before", 0)
	v.Set(ctx, "user:1", "u", 0)
	wantView(t, v, "post:1", "from a snapshot of before") // its own write it sees
	wantView(t, begin(c), "post:1", "")
	wantView(t, begin(c), "user:1", "u")

	// Own invalidations do not count, in and out of order.
	v = begin(c)
	must(t, v.Invalidate(ctx, "post:"))
	must(t, v.Delete(ctx, "user:1"))
	v.Set(ctx, "post:1", "fresh", 0)
	v.Set(ctx, "user:1", "fresh", 0)
	wantView(t, begin(c), "post:1", "fresh")
	wantView(t, begin(c), "user:1", "fresh")
}

// database is a real one with an entity whose rows are cached.
type database struct {
	*store.DB
	post *store.Entity
	ctx  context.Context
}

func newDatabase(t testing.TB, wrap func(store.Engine) store.Engine) *database {
	t.Helper()
	d := &database{post: &store.Entity{Name: "Post", Fields: []store.Field{{Name: "title", Type: store.TypeString}}},
		ctx: store.WithActor(context.Background(), store.System("test"))}
	engine, err := sqlite.Open(filepath.Join(t.TempDir(), "a.db"), sqlite.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	schema, err := store.NewSchema([]*store.Entity{d.post}, nil)
	must(t, err)
	plan, err := engine.Plan(d.ctx, schema.AllTables(), false)
	must(t, err)
	must(t, engine.Apply(d.ctx, plan))
	var e store.Engine = engine
	if wrap != nil {
		e = wrap(engine)
	}
	d.DB = store.New(e, schema, store.Options{Logger: slog.New(slog.DiscardHandler)})
	return d
}

func (d *database) insert(tx *store.Tx, title string) error {
	p := store.NewPatch(d.post)
	if err := p.Put("title", store.String(title)); err != nil {
		return err
	}
	_, err := tx.Insert(p)
	return err
}

// change does a bit of everything in a transaction and looks at it.
func change(t testing.TB, c *counting, in *plugin.CacheView) {
	t.Helper()
	ctx := context.Background()
	changes := c.changes.Load()
	in.Set(ctx, "new", "n", 0)
	in.Set(ctx, "old", "2", 0)
	must(t, in.Delete(ctx, "gone"))
	in.Set(ctx, "p:2", "dropped below", 0)
	must(t, in.Invalidate(ctx, "p:"))
	in.Set(ctx, "p:3", "3", 0)
	must(t, in.Delete(ctx, "p:4"))
	// The call sees it, and nobody else does.
	for key, want := range map[string]string{"new": "n", "old": "2", "gone": "", "p:1": "", "p:2": "", "p:3": "3", "p:4": "", "kept": "k"} {
		wantView(t, in, key, want)
	}
	got := in.GetMany(ctx, []string{"new", "old", "gone", "p:1", "p:3", "kept"})
	if !maps.Equal(got, map[string]string{"new": "n", "old": "2", "p:3": "3", "kept": "k"}) {
		t.Errorf("%v", got)
	}
	untouched(t, begin(c))
	if c.changes.Load() != changes {
		t.Error("the cache was changed before the commit")
	}
}

func prepare(c *counting) {
	v := begin(c)
	for key, value := range map[string]string{"old": "1", "gone": "g", "p:1": "1", "p:4": "4", "kept": "k"} {
		v.Set(context.Background(), key, value, 0)
	}
}

func untouched(t testing.TB, v *plugin.CacheView) {
	t.Helper()
	for key, want := range map[string]string{"new": "", "old": "1", "gone": "g", "p:1": "1", "p:2": "", "p:3": "", "p:4": "4", "kept": "k"} {
		wantView(t, v, key, want)
	}
}

func changed(t testing.TB, v *plugin.CacheView) {
	t.Helper()
	for key, want := range map[string]string{"new": "n", "old": "2", "gone": "", "p:1": "", "p:2": "", "p:3": "3", "p:4": "", "kept": "k"} {
		wantView(t, v, key, want)
	}
}

func TestTransaction(t *testing.T) {
	t.Run("commit", func(t *testing.T) {
		d := newDatabase(t, nil)
		c, _ := newCache(t)
		prepare(c)
		v := begin(c)
		wantView(t, v, "old", "1")
		must(t, d.Update(d.ctx, func(tx *store.Tx) error {
			change(t, c, v.In(tx))
			wantView(t, v, "old", "1") // outside of the transaction the call itself sees nothing yet
			return d.insert(tx, "a")
		}))
		changed(t, v)
		changed(t, begin(c))
	})
	t.Run("error", func(t *testing.T) {
		d := newDatabase(t, nil)
		c, _ := newCache(t)
		prepare(c)
		v := begin(c)
		failed := errors.New("no")
		err := d.Update(d.ctx, func(tx *store.Tx) error {
			must(t, d.insert(tx, "a"))
			change(t, c, v.In(tx))
			return failed
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		untouched(t, v)
		untouched(t, begin(c))
	})
	t.Run("panic", func(t *testing.T) {
		d := newDatabase(t, nil)
		c, _ := newCache(t)
		prepare(c)
		v := begin(c)
		err := d.Update(d.ctx, func(tx *store.Tx) error {
			in := v.In(tx)
			change(t, c, in)
			_, err := in.Wrap(d.ctx, "wrapped", plugin.CacheLife{}, func(context.Context) (string, error) { panic("in a loader") })
			return err
		})
		if err == nil {
			t.Fatal("no error")
		}
		untouched(t, v)
		untouched(t, begin(c))
	})
	t.Run("no commit", func(t *testing.T) {
		d := newDatabase(t, func(e store.Engine) store.Engine { return &conflicting{Engine: e, fail: true} })
		c, _ := newCache(t)
		prepare(c)
		v := begin(c)
		if err := d.Update(d.ctx, func(tx *store.Tx) error { change(t, c, v.In(tx)); return nil }); !errors.Is(err, errConflict) {
			t.Fatal(err)
		}
		untouched(t, v)
		untouched(t, begin(c))
	})
	t.Run("run again", func(t *testing.T) {
		d := newDatabase(t, func(e store.Engine) store.Engine { return &conflicting{Engine: e} })
		c, _ := newCache(t)
		prepare(c)
		v := begin(c)
		runs := 0
		must(t, d.Update(d.ctx, func(tx *store.Tx) error {
			in := v.In(tx)
			if runs++; runs == 1 {
				in.Set(d.ctx, "only in the first run", "x", 0)
				return in.Invalidate(d.ctx, "kept")
			}
			wantView(t, in, "only in the first run", "")
			change(t, c, in)
			return nil
		}))
		if runs != 2 {
			t.Fatalf("%d runs", runs)
		}
		wantView(t, begin(c), "only in the first run", "")
		changed(t, v)
		changed(t, begin(c))
	})
	t.Run("reading", func(t *testing.T) {
		d := newDatabase(t, nil)
		c, _ := newCache(t)
		v := begin(c)
		must(t, d.View(d.ctx, func(tx *store.Tx) error {
			v.In(tx).Set(d.ctx, "a", "1", 0)
			return nil
		}))
		wantView(t, begin(c), "a", "1")
	})
}

var errConflict = errors.New("conflict")

// conflicting is an engine that finds a conflict at the first commit: it runs the
// function again or, with fail, gives up.
type conflicting struct {
	store.Engine
	fail bool
	once bool
}

func (e *conflicting) Write(ctx context.Context, fn func(store.Conn) error) error {
	if !e.once {
		e.once = true
		err := e.Engine.Write(ctx, func(c store.Conn) error { return errors.Join(fn(c), errConflict) })
		if e.fail || !errors.Is(err, errConflict) {
			return err
		}
	}
	return e.Engine.Write(ctx, fn)
}

// Two transactions that commit in one order may reach the cache in the other.
// Neither may leave what the other has made obsolete.
func TestCommitsOutOfOrder(t *testing.T) {
	d := newDatabase(t, nil)
	for _, explicit := range []bool{true, false} { // with an invalidation, or by setting alone
		c, _ := newCache(t)
		first, second := begin(c), begin(c)
		set := func(v *plugin.CacheView, value string, meanwhile func()) {
			t.Helper()
			must(t, d.Update(d.ctx, func(tx *store.Tx) error {
				tx.OnCommit(meanwhile) // before what In adds
				in := v.In(tx)
				if explicit {
					must(t, in.Invalidate(d.ctx, "post:"))
				}
				in.Set(d.ctx, "post:1", value, 0)
				return d.insert(tx, value)
			}))
		}
		reader := begin(c) // has read the row before either
		set(first, "1", func() { set(second, "2", func() {}) })
		if v, ok := begin(c).Get(d.ctx, "post:1"); ok && v != "2" {
			t.Errorf("the cache kept %q, which the second transaction replaced", v)
		}
		reader.Set(d.ctx, "post:1", "0", 0)
		if v, ok := begin(c).Get(d.ctx, "post:1"); ok && v != "2" {
			t.Errorf("the cache kept %q, loaded before the transactions", v)
		}
	}
}
