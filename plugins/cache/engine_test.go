package cache

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pylon-go/pylon/plugin"
)

func TestNewRefuses(t *testing.T) {
	good := Options{MaxEntries: 1, DefaultTTL: time.Second}
	for _, change := range []func(*Options){
		func(o *Options) { o.MaxEntries = 0 },
		func(o *Options) { o.MaxEntries = MaxEntries + 1 },
		func(o *Options) { o.DefaultTTL = 0 },
		func(o *Options) { o.DefaultTTL = MaxTTL + 1 },
		func(o *Options) { o.Policy = "lfu" },
	} {
		o := good
		change(&o)
		if e, err := New(o); err == nil {
			t.Errorf("%+v made %v", o, e)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

func TestReadYourWrite(t *testing.T) {
	for _, policy := range []string{LRU, S3FIFO} {
		e, _ := newEngine(t, 3000, policy)
		for i := range 20000 {
			put(e, k(i), k(i))
			wantGet(t, e, k(i), k(i))
			put(e, k(i), "again")
			wantGet(t, e, k(i), "again")
		}
	}
}

func TestKeys(t *testing.T) {
	e, _ := newEngine(t, 100, LRU)
	long := strings.Repeat("é", 1<<16)
	keys := []string{"", " ", "\x00", "\xff\xfe", "é", "e\u0301", "日本", long, long + "x"}
	for i, key := range keys {
		put(e, key, k(i))
	}
	for i, key := range keys {
		wantGet(t, e, key, k(i))
	}
	for i, v := range e.GetMany(ctx, append(keys, "no")) {
		if i == len(keys) {
			if v.Found {
				t.Error("found what is not there")
			}
		} else if v.Bytes != k(i) {
			t.Errorf("number %d is %q", i, v.Bytes)
		}
	}
	put(e, "empty", "")
	wantGet(t, e, "empty", "")
}

func TestBounds(t *testing.T) {
	for _, tt := range []struct{ entries, shards int }{{1, 1}, {100, 1}, {2047, 1}, {2048, 2}, {10000, 8}, {10007, 8}, {1_000_000, 512}, {MaxEntries, 1024}} {
		e, _ := newEngine(t, tt.entries, LRU)
		sum := 0
		for i := range e.shards {
			sum += e.shards[i].capacity
		}
		if len(e.shards) != tt.shards || sum != tt.entries {
			t.Errorf("%d entries: %d shards for %d", tt.entries, len(e.shards), sum)
		}
	}
}

// The bound holds at every moment, and filling once uses nearly all of it.
func TestHardBoundUnderConcurrency(t *testing.T) {
	for _, policy := range []string{LRU, S3FIFO} {
		for _, entries := range []int{1, 10, 1024, 5000, 10000} {
			e, _ := newEngine(t, entries, policy)
			done, most := make(chan struct{}), make(chan int)
			go func() {
				n := 0
				for {
					select {
					case <-done:
						most <- n
						return
					default:
						n = max(n, e.Len())
					}
				}
			}()
			var wg sync.WaitGroup
			for w := range 4 {
				wg.Go(func() {
					for i := range 2 * entries {
						put(e, fmt.Sprintf("%d:%d", w, i), "v")
						if i%100 == 0 {
							if err := e.Delete(ctx, nil, fmt.Sprintf("%d:%d", w, i)); err != nil {
								t.Error(err)
							}
						}
					}
				})
			}
			wg.Wait()
			close(done)
			if n := <-most; n > entries {
				t.Errorf("%s: %d entries of %d", policy, n, entries)
			}
		}
		for _, entries := range []int{10000, 100000} {
			e, _ := newEngine(t, entries, policy)
			for i := range entries {
				put(e, k(i), "v")
			}
			if n := e.Len(); n < entries*97/100 || n > entries {
				t.Errorf("%s: filled once, %d of %d", policy, n, entries)
			}
		}
	}
}

func TestTimeToLive(t *testing.T) {
	e, clock := newEngine(t, 5000, LRU)
	life := func(ttl time.Duration) plugin.CacheLife { return plugin.CacheLife{TTL: ttl} }
	for i := range 1000 {
		e.Set(ctx, nil, k(i), "v", life(100*time.Second))
	}
	put(e, "default", "v")
	e.Set(ctx, nil, "negative", "v", life(-1))
	e.Set(ctx, nil, "for ever", "v", life(1<<62))

	clock.Advance(95*time.Second - 1)
	for i := range 1000 {
		wantGet(t, e, k(i), "v")
	}
	clock.Advance(5*time.Second + 1)
	left := 0
	for i := range 1000 {
		if e.Get(ctx, k(i)).Found {
			left++
		}
	}
	if left < 400 || left > 600 {
		t.Errorf("in the middle of the jitter %d of 1000 are left", left)
	}
	clock.Advance(5 * time.Second)
	for i := range 1000 {
		wantMiss(t, e, k(i))
	}
	if s := e.Stats(); s.Expirations != 1000 || s.Entries != 3 {
		t.Errorf("%+v", s)
	}
	wantGet(t, e, "default", "v")
	wantGet(t, e, "negative", "v")
	clock.Advance(5*time.Minute + 15*time.Second - 105*time.Second)
	wantMiss(t, e, "default")
	wantMiss(t, e, "negative")
	wantGet(t, e, "for ever", "v")
	clock.Advance(MaxTTL + MaxTTL/20)
	wantMiss(t, e, "for ever")

	// Setting anew is a new life, and reading is not.
	put(e, "a", "1")
	clock.Advance(4 * time.Minute)
	wantGet(t, e, "a", "1")
	put(e, "a", "2")
	clock.Advance(4 * time.Minute)
	wantGet(t, e, "a", "2")
	clock.Advance(2 * time.Minute)
	wantMiss(t, e, "a")
}

func TestStaleness(t *testing.T) {
	e, clock := newEngine(t, 10, LRU)
	e.Set(ctx, nil, "a", "v", plugin.CacheLife{TTL: 100 * time.Second, Stale: 50 * time.Second})
	for _, tt := range []struct {
		after time.Duration
		want  plugin.CacheValue
	}{
		{94 * time.Second, plugin.CacheValue{Bytes: "v", Found: true}},
		{12 * time.Second, plugin.CacheValue{Bytes: "v", Found: true, Stale: true}},
		{38 * time.Second, plugin.CacheValue{Bytes: "v", Found: true, Stale: true}},
		{12 * time.Second, plugin.CacheValue{}},
	} {
		clock.Advance(tt.after)
		if v := e.Get(ctx, "a"); v != tt.want {
			t.Errorf("%v later: %+v", tt.after, v)
		}
	}
}

func TestStats(t *testing.T) {
	e, clock := newEngine(t, 2, LRU)
	put(e, "aa", "1")
	put(e, "bb", "22")
	put(e, "cc", "333") // evicts aa
	put(e, "cc", "4444")
	e.Get(ctx, "cc")
	e.Get(ctx, "aa")
	if s := e.Stats(); s != (Stats{Hits: 1, Misses: 1, Sets: 4, Evictions: 1, Entries: 2, Bytes: 10}) {
		t.Errorf("%+v", s)
	}
	token := e.Observe()
	if err := e.Invalidate(ctx, nil, "c"); err != nil {
		t.Fatal(err)
	}
	e.Set(ctx, token, "cc", "late", plugin.CacheLife{})
	e.Get(ctx, "cc")
	if err := e.Delete(ctx, nil, "bb"); err != nil {
		t.Fatal(err)
	}
	if s := e.Stats(); s != (Stats{Hits: 1, Misses: 2, Sets: 4, Evictions: 1, Invalidated: 1, Refused: 1, Invalidations: 1, Deletions: 1}) {
		t.Errorf("%+v", s)
	}
	put(e, "d", "")
	put(e, "e", "")
	clock.Advance(time.Hour)
	put(e, "f", "") // makes room of one that has expired
	if s := e.Stats(); s.Expirations != 1 || s.Evictions != 1 || s.Bytes != 2 {
		t.Errorf("%+v", s)
	}
	if err := e.Invalidate(ctx, nil, ""); err != nil {
		t.Fatal(err)
	}
	if s := e.Stats(); s.Entries != 0 || s.Bytes != 0 {
		t.Errorf("%+v", s)
	}
}

func TestHitsAllocateNothing(t *testing.T) {
	for _, policy := range []string{LRU, S3FIFO} {
		e, err := New(Options{MaxEntries: 5000, DefaultTTL: time.Minute, Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		keys := make([]string, 4000)
		for i := range keys {
			keys[i] = fmt.Sprintf("post:%d", i)
			put(e, keys[i], "value")
		}
		i := 0
		var view plugin.Cache = e // as everybody calls it
		allocations := testing.AllocsPerRun(10000, func() {
			if i++; i%100 == 0 { // entries must be judged anew after it
				if err := e.Invalidate(ctx, nil, "other:"); err != nil {
					t.Fatal(err)
				}
			}
			if !view.Get(ctx, keys[i%len(keys)]).Found {
				t.Fatal("a miss")
			}
		})
		if allocations != 0 {
			t.Errorf("%s: a hit allocates %.2f times", policy, allocations)
		}
		fresh := make([]string, 20000)
		for i := range fresh {
			fresh[i] = fmt.Sprintf("new:%d", i)
		}
		i = 0
		if n := testing.AllocsPerRun(15000, func() { put(e, fresh[i], "v"); i++ }); n > 1.1 {
			t.Errorf("%s: a set allocates %.2f times", policy, n)
		}
	}
}
