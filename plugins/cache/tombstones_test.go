package cache

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/pylon-go/pylon/plugin"
)

func invalidate(t testing.TB, e *Engine, token *plugin.CacheToken, prefix string) {
	t.Helper()
	if err := e.Invalidate(ctx, token, prefix); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, e *Engine, token *plugin.CacheToken, key string) {
	t.Helper()
	if err := e.Delete(ctx, token, key); err != nil {
		t.Fatal(err)
	}
}

func TestInvalidate(t *testing.T) {
	keys := []string{"", "a", "ab", "abc", "b", "post:1", "post:10", "post:2", "é", "\xc3", "日本"}
	for _, prefix := range append(keys, "x", "post", "post:", "post:1", "日") {
		e, _ := newEngine(t, 100, LRU)
		for _, key := range keys {
			put(e, key, "v")
		}
		invalidate(t, e, nil, prefix)
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) {
				wantMiss(t, e, key)
			} else {
				wantGet(t, e, key, "v")
			}
			put(e, key, "new")
			wantGet(t, e, key, "new")
		}
	}
}

// The fence: a load that began before an invalidation leaves nothing behind.
func TestLateSetIsDeadOnArrival(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(e *Engine)
		dead bool
	}{
		{"invalidate", func(e *Engine) { invalidate(t, e, nil, "post:") }, true},
		{"invalidate the key", func(e *Engine) { invalidate(t, e, nil, "post:1") }, true},
		{"clear", func(e *Engine) { invalidate(t, e, nil, "") }, true},
		{"delete", func(e *Engine) { remove(t, e, nil, "post:1") }, true},
		{"invalidate and sweeps", func(e *Engine) { invalidate(t, e, nil, "post:"); e.sweep(); e.sweep(); e.sweep() }, true},
		{"others", func(e *Engine) {
			invalidate(t, e, nil, "post:10")
			remove(t, e, nil, "post:")
			invalidate(t, e, nil, "b")
		}, false},
		{"others and a sweep", func(e *Engine) { invalidate(t, e, nil, "b"); e.sweep() }, false},
		{"too old to know", func(e *Engine) { invalidate(t, e, nil, "b"); e.sweep(); e.sweep() }, true},
		{"sweeps alone", func(e *Engine) { e.sweep(); e.sweep(); e.sweep() }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, _ := newEngine(t, 100, LRU)
			token := e.Observe()
			tt.do(e)
			if e.Live(token, "post:1") == tt.dead {
				t.Errorf("live: %t", !tt.dead)
			}
			e.Set(ctx, token, "post:1", "old", plugin.CacheLife{})
			if tt.dead {
				wantMiss(t, e, "post:1")
			} else {
				wantGet(t, e, "post:1", "old")
			}
			// A value that is in the cache by then survives a Set that is refused.
			e.Set(ctx, e.Observe(), "post:1", "new", plugin.CacheLife{})
			e.Set(ctx, token, "post:1", "old", plugin.CacheLife{})
			if tt.dead {
				wantGet(t, e, "post:1", "new")
			}
		})
	}
}

// What one invalidates oneself does not count against what one sets then, and
// what others invalidate does, before, after and in between.
func TestOwnInvalidation(t *testing.T) {
	const me, other = true, false
	type step struct {
		mine   bool
		prefix string // "=x" deletes x
	}
	for _, tt := range []struct {
		steps []step
		live  bool
	}{
		{[]step{{me, "a:"}}, true},
		{[]step{{me, "=a:1"}}, true},
		{[]step{{me, ""}}, true},
		{[]step{{me, "a:"}, {me, "a:"}, {me, "a"}, {me, "=a:1"}}, true},
		{[]step{{other, "a:"}, {me, "a:"}}, false},
		{[]step{{other, "a:"}, {me, "a:"}, {me, "a:"}}, false},
		{[]step{{me, "a:"}, {other, "a:"}, {me, "a:"}}, false},
		{[]step{{me, "a:"}, {other, "a:"}}, false},
		{[]step{{other, "a:1"}, {me, "a:"}}, false},
		{[]step{{other, "=a:1"}, {me, "=a:1"}}, false},
		{[]step{{other, "=a:1"}, {me, "a:1"}}, false},
		{[]step{{other, "a:2"}, {me, "a:"}, {other, "=a:"}}, true},
	} {
		t.Run(fmt.Sprint(tt.steps), func(t *testing.T) {
			e, _ := newEngine(t, 10, LRU)
			put(e, "a:1", "before")
			token, others := e.Observe(), e.Observe()
			for _, s := range tt.steps {
				by := others
				if s.mine {
					by = token
				}
				if key, exact := strings.CutPrefix(s.prefix, "="); exact {
					remove(t, e, by, key)
				} else {
					invalidate(t, e, by, s.prefix)
				}
			}
			if len(tt.steps) == 1 {
				wantMiss(t, e, "a:1") // for all, its maker included, what was there is gone
			}
			forked := token.Fork()
			e.Set(ctx, token, "a:1", "mine", plugin.CacheLife{})
			if found := e.Get(ctx, "a:1").Bytes == "mine"; found != tt.live {
				t.Errorf("live: %t", found)
			}
			invalidate(t, e, token, "a:")
			e.Set(ctx, forked, "a:1", "forked", plugin.CacheLife{})
			wantMiss(t, e, "a:1")
		})
	}
}

// The engine against a model that keeps every invalidation and compares
// everything with everything. What the model calls dead, the engine never serves;
// what it calls live the engine does, unless the token is older than what sweeps
// have left, when the engine must refuse.
func TestTombstonesAgainstModel(t *testing.T) {
	type invalidation struct {
		seq    uint64
		prefix string
		exact  bool
		by     *plugin.CacheToken
	}
	type value struct {
		bytes     string
		set       uint64 // the sequence when it was set
		expiresAt time.Time
	}
	for seed := range uint64(8) {
		e, clock := newEngine(t, 4000, []string{LRU, S3FIFO}[seed%2])
		random := rand.New(rand.NewPCG(seed, 7))
		var log []invalidation
		values := map[string]value{}
		var tokens []*plugin.CacheToken
		text := func() string {
			var b strings.Builder
			for range random.IntN(6) {
				b.WriteString([]string{"a", "b", "é"}[random.IntN(3)])
			}
			return b.String()
		}
		killed := func(key string, since uint64, t *plugin.CacheToken) bool {
			for _, i := range log {
				if i.seq > since && (t == nil || i.by != t) && (i.exact && key == i.prefix || !i.exact && strings.HasPrefix(key, i.prefix)) {
					return true
				}
			}
			return false
		}
		refused, hits, dead := 0, 0, 0
		for step := range 12000 {
			var token *plugin.CacheToken
			if len(tokens) > 0 && random.IntN(3) > 0 {
				token = tokens[random.IntN(len(tokens))]
			}
			key := text()
			switch n := random.IntN(100); {
			case n < 5:
				if tokens = append(tokens, e.Observe()); len(tokens) > 12 {
					tokens = tokens[1:]
				}
			case n < 40:
				bytes := k(step)
				before := e.Stats()
				e.Set(ctx, token, key, bytes, plugin.CacheLife{TTL: time.Hour})
				kept := e.Stats().Sets == before.Sets+1
				live := token == nil || !killed(key, token.Seq(), token)
				old := token != nil && token.Seq() < e.tombs.view.Load().floor
				if kept != (live && !old) {
					t.Fatalf("seed %d step %d: set of %q kept: %t, the model says live: %t, too old: %t", seed, step, key, kept, live, old)
				}
				if kept {
					values[key] = value{bytes, e.tombs.cur.Load(), clock.Now()}
				} else {
					refused++
				}
			case n < 55:
				exact := n < 48
				if exact {
					remove(t, e, token, key)
				} else {
					if random.IntN(3) > 0 { // short ones kill everything
						key += text()
					}
					invalidate(t, e, token, key)
				}
				log = append(log, invalidation{e.tombs.cur.Load(), key, exact, token})
			case n == 55 && random.IntN(4) == 0:
				e.sweep()
			default:
				want, ok := values[key]
				live := ok && !killed(key, want.set, nil)
				got := e.Get(ctx, key)
				if got.Found != live || live && got.Bytes != want.bytes {
					t.Fatalf("seed %d step %d: %q is %+v, the model says %+v, live: %t", seed, step, key, got, want, live)
				}
				if live {
					hits++
				} else if ok {
					dead++
				}
			}
		}
		if hits < 300 || dead < 300 || refused < 300 {
			t.Errorf("seed %d shows little: %d hits, %d dead, %d refused", seed, hits, dead, refused)
		}
	}
}

// Many invalidations start sweeps, which free the memory of entries and of
// tombstones; their number stays in proportion.
func TestSweeps(t *testing.T) {
	e, clock := newEngine(t, 5000, LRU)
	for i := range 4000 {
		put(e, fmt.Sprintf("dead:%d", i), "v")
	}
	put(e, "alive", "v")
	e.Set(ctx, nil, "expired", "v", plugin.CacheLife{TTL: time.Second})
	clock.Advance(time.Minute)
	for i := range 4000 {
		invalidate(t, e, nil, fmt.Sprintf("dead:%d", i))
	}
	for i := range 20 * minSweep {
		invalidate(t, e, nil, fmt.Sprintf("none:%d", i))
	}
	e.sweeper.wg.Wait()
	e.sweep()
	if n := e.Len(); n != 1 {
		t.Errorf("%d entries are left", n)
	}
	wantGet(t, e, "alive", "v")
	e.sweep()
	view := e.tombs.view.Load()
	left := 0
	for _, gen := range view.generations {
		left += len(gen.prefixes) + len(gen.keys)
	}
	if len(view.generations) != 2 || left > 0 || len(view.lengths) > 0 || view.floor == 0 {
		t.Errorf("%d generations, %d tombstones, lengths %v, floor %d", len(view.generations), left, view.lengths, view.floor)
	}
	// A cache that is closed does not sweep any more, and works.
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * minSweep {
		invalidate(t, e, nil, fmt.Sprintf("none:%d", i))
	}
	if e.tombs.recent != 2*minSweep {
		t.Error("swept after it was closed")
	}
	put(e, "a", "v")
	wantGet(t, e, "a", "v")
}

// The filter must have no false negatives, and few false positives, or gets are
// slowed by every invalidation.
func TestFilter(t *testing.T) {
	f := newFilter(10000)
	random := rand.New(rand.NewPCG(1, 1))
	added := make([]uint64, 10000)
	for i := range added {
		added[i] = random.Uint64()
		f.add(added[i])
	}
	for _, h := range added {
		if !f.has(h) {
			t.Fatal("not found")
		}
	}
	wrong := 0
	for range 100000 {
		if f.has(random.Uint64()) {
			wrong++
		}
	}
	if wrong > 4000 {
		t.Errorf("%.1f %% found that were not added", float64(wrong)/1000)
	}
}

// However many tombstones there are before a sweep, the filter keeps up.
func TestFilterGrows(t *testing.T) {
	var g tombstones
	seed := maphash.MakeSeed()
	g.init(seed)
	const n = 20 * minSweep
	for i := range n {
		g.invalidate(fmt.Sprintf("p:%05d:", i), nil)
		g.remove(fmt.Sprintf("k:%05d:", i), nil)
	}
	view := g.view.Load()
	maybe := func(key string) bool { return g.mayBeCovered(view, key, maphash.String(seed, key), 0) }
	wrong := 0
	for i := range n {
		if !maybe(fmt.Sprintf("p:%05d:x", i)) || !maybe(fmt.Sprintf("k:%05d:", i)) {
			t.Fatal("a tombstone that the filter does not know")
		}
		if maybe(fmt.Sprintf("q:%05d:x", i)) {
			wrong++
		}
	}
	if wrong > n/20 {
		t.Errorf("%d of %d keys must be looked up for nothing", wrong, n)
	}
}

func FuzzPrefix(f *testing.F) {
	f.Add("post:1", "post:", "v")
	f.Add("", "", "")
	f.Add("é", "\xc3", "日本")
	f.Add(strings.Repeat("x", 5000), strings.Repeat("x", 4999), "\x00")
	f.Fuzz(func(t *testing.T, key, prefix, value string) {
		e, _ := newEngine(t, 10, LRU)
		token := e.Observe()
		put(e, key, value)
		wantGet(t, e, key, value)
		invalidate(t, e, nil, prefix)
		covered := strings.HasPrefix(key, prefix)
		if covered {
			wantMiss(t, e, key)
		} else {
			wantGet(t, e, key, value)
		}
		e.Set(ctx, token, key, "late", plugin.CacheLife{})
		if got := e.Get(ctx, key); got.Found == covered {
			t.Errorf("%q after %q was invalidated: %+v", key, prefix, got)
		}
		e.sweep()
		put(e, key, value)
		remove(t, e, nil, prefix)
		if got := e.Get(ctx, key); got.Found == (key == prefix) {
			t.Errorf("%q after %q was deleted: %+v", key, prefix, got)
		}
	})
}
