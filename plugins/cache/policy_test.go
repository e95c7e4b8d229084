package cache

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var sizes = []int{2, 3, 5, 10, 100}

// What both policies promise for caches of any size: full, the oldest entry
// touched, one more added: the touched one stays and the next oldest goes.
func TestTouchedStays(t *testing.T) {
	for _, policy := range []string{LRU, S3FIFO} {
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s/%d", policy, size), func(t *testing.T) {
				e, _ := newEngine(t, size, policy)
				for i := range size {
					put(e, k(i), "v")
				}
				wantGet(t, e, k(0), "v")
				put(e, "new", "v")
				for i := range size {
					if i == 1 {
						wantMiss(t, e, k(i))
					} else {
						wantGet(t, e, k(i), "v")
					}
				}
				wantGet(t, e, "new", "v")
				if n := e.Len(); n != size {
					t.Errorf("%d entries", n)
				}
			})
		}
	}
}

// A script is read left to right: +a sets a, a reads it, -a deletes it; the
// entries that are left are compared. Each policy at size 3, where they differ.
func TestScripts(t *testing.T) {
	for _, tt := range []struct{ policy, script, left string }{
		{LRU, "+a +b +c +d", "b c d"},
		{LRU, "+a +b +c a +d", "a c d"},
		{LRU, "+a +b +c +a +d", "a c d"}, // setting counts as using
		{LRU, "+a +b +c a b c +d", "b c d"},
		{LRU, "+a +b +c a a a +d +e", "a d e"},
		{LRU, "+a +b +c a a a +d +e +f", "d e f"},
		{LRU, "+a +b +c -b +d", "a c d"},
		{LRU, "+a +b +c x +d", "b c d"}, // a miss changes nothing
		{S3FIFO, "+a +b +c +d", "b c d"},
		{S3FIFO, "+a +b +c a +d", "a c d"},
		{S3FIFO, "+a +b +c a a a +d +e +f", "a e f"}, // here LRU has lost a
		{S3FIFO, "+a +b +c -b +d", "a c d"},
		{S3FIFO, "+a +b +c +d +a +e +f", "a e f"}, // a came back while its ghost was known: a scan does not drive it out
	} {
		t.Run(tt.policy+" "+tt.script, func(t *testing.T) {
			e, _ := newEngine(t, 3, tt.policy)
			for step := range strings.FieldsSeq(tt.script) {
				switch step[0] {
				case '+':
					put(e, step[1:], step[1:])
					wantThere(t, e, step[1:])
				case '-':
					if err := e.Delete(ctx, nil, step[1:]); err != nil {
						t.Fatal(err)
					}
				default:
					e.Get(ctx, step)
				}
			}
			if left := keysOf(e); strings.Join(left, " ") != tt.left {
				t.Errorf("left %q, want %q", left, tt.left)
			}
		})
	}
}

// wantThere looks without touching: a get would be a use.
func wantThere(t *testing.T, e *Engine, key string) {
	t.Helper()
	if !slices.Contains(keysOf(e), key) {
		t.Errorf("%q is not there right after it was set", key)
	}
}

func keysOf(e *Engine) (keys []string) {
	for i := range e.shards {
		e.shards[i].table.Load().each(func(x *entry) { keys = append(keys, x.key) })
	}
	slices.Sort(keys)
	return keys
}

// LRU against a model that is nothing but a list.
func TestLRUIsExact(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			e, _ := newEngine(t, size, LRU)
			random := rand.New(rand.NewPCG(1, uint64(size)))
			var order []string // the latest first
			touch := func(key string) {
				order = slices.Insert(slices.DeleteFunc(order, func(k string) bool { return k == key }), 0, key)
			}
			for step := range 5000 {
				key := k(random.IntN(2 * size))
				there := slices.Contains(order, key)
				switch random.IntN(10) {
				case 0:
					if err := e.Delete(ctx, nil, key); err != nil {
						t.Fatal(err)
					}
					order = slices.DeleteFunc(order, func(k string) bool { return k == key })
				case 1, 2, 3, 4:
					put(e, key, key)
					touch(key)
					order = order[:min(size, len(order))]
				default:
					if got := e.Get(ctx, key).Found; got != there {
						t.Fatalf("step %d: %s found: %t, the model says %t", step, key, got, there)
					}
					if there {
						touch(key)
					}
				}
			}
		})
	}
}

// S3-FIFO's own invariants, whatever happens.
func TestS3FIFOKeepsCount(t *testing.T) {
	for _, size := range sizes {
		e, _ := newEngine(t, size, S3FIFO)
		p := e.shards[0].policy.(*s3fifo)
		random := rand.New(rand.NewPCG(2, uint64(size)))
		for step := range 20000 {
			key := k(int(random.ExpFloat64() * float64(size)))
			if random.IntN(20) == 0 {
				if err := e.Delete(ctx, nil, key); err != nil {
					t.Fatal(err)
				}
			} else if !e.Get(ctx, key).Found {
				put(e, key, "v")
			}
			if n := p.small.n + p.main.n; n != e.Len() || n > size {
				t.Fatalf("size %d, step %d: %d in queues, %d entries", size, step, n, e.Len())
			}
		}
		for x := p.main.root.next; x != &p.main.root; x = x.next {
			if !x.main || x.uses.Load() > maxUses {
				t.Fatalf("in the main queue: %q, %d uses", x.key, x.uses.Load())
			}
		}
	}
}

// Keys that are read once must not drive out those that are read often: that is
// what the policy is for, and LRU fails it.
func TestScanResistance(t *testing.T) {
	const size = 1000
	survivors := func(policy string) (n int) {
		e, _ := newEngine(t, size, policy)
		for range 3 {
			for i := range size / 2 {
				if key := k(i); !e.Get(ctx, key).Found {
					put(e, key, "v")
				}
			}
		}
		for i := range 10 * size {
			put(e, fmt.Sprintf("scan%d", i), "v")
		}
		for i := range size / 2 {
			if e.Get(ctx, k(i)).Found {
				n++
			}
		}
		return n
	}
	if n := survivors(S3FIFO); n < size/2*95/100 {
		t.Errorf("s3fifo kept %d of %d", n, size/2)
	}
	if n := survivors(LRU); n != 0 {
		t.Errorf("lru kept %d: then this test shows nothing", n)
	}
}

func TestGhosts(t *testing.T) {
	g := ghosts{span: 900}
	if g.take(1) {
		t.Error("a ghost of nothing")
	}
	random := rand.New(rand.NewPCG(3, 3))
	var hashes []uint64
	for range 5000 {
		hashes = append(hashes, random.Uint64())
		g.add(hashes[len(hashes)-1])
	}
	known := 0
	for _, h := range hashes[len(hashes)-800:] {
		if g.take(h) {
			known++
		}
		if g.take(h) {
			t.Fatal("taken twice")
		}
	}
	if known < 780 {
		t.Errorf("%d of the last 800 are known", known)
	}
	for i, h := range hashes[:len(hashes)-1000] {
		if g.take(h) {
			t.Fatalf("number %d of %d is still known", i, len(hashes))
		}
	}
}
