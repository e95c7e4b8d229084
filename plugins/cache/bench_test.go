package cache

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pylon-go/pylon/plugin"
)

// The command bench/cache compares; these are for profiles.

func benchmark(b *testing.B, entries int, op func(b *testing.B, e *Engine, keys []string, order []int32)) {
	for _, policy := range []string{LRU, S3FIFO} {
		b.Run(fmt.Sprintf("%s/%d", policy, entries), func(b *testing.B) {
			e, err := New(Options{MaxEntries: entries, DefaultTTL: time.Hour, Policy: policy})
			if err != nil {
				b.Fatal(err)
			}
			keys := make([]string, entries*9/10)
			for i := range keys {
				keys[i] = fmt.Sprintf("post:%d:c:%d", i/10, i%10)
				put(e, keys[i], "0123456789abcdef0123456789abcdef")
			}
			order := make([]int32, 1<<16)
			for i := range order {
				order[i] = rand.Int32N(int32(len(keys)))
			}
			b.ReportAllocs()
			b.ResetTimer()
			op(b, e, keys, order)
			b.StopTimer()
			if err := e.Close(ctx); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkHit(b *testing.B) {
	for _, entries := range []int{10_000, 1_000_000} {
		benchmark(b, entries, func(b *testing.B, e *Engine, keys []string, order []int32) {
			for i := range b.N {
				e.Get(ctx, keys[order[i&(1<<16-1)]])
			}
		})
	}
}

func BenchmarkHitBesideInvalidations(b *testing.B) {
	benchmark(b, 1_000_000, func(b *testing.B, e *Engine, keys []string, order []int32) {
		for i := range b.N {
			if i%1000 == 0 {
				if err := e.Invalidate(ctx, nil, fmt.Sprintf("none:%d:", i)); err != nil {
					b.Fatal(err)
				}
			}
			e.Get(ctx, keys[order[i&(1<<16-1)]])
		}
	})
}

// BenchmarkView is the way of one call: a view, a miss that is loaded, a hit.
func BenchmarkView(b *testing.B) {
	benchmark(b, 10_000, func(b *testing.B, e *Engine, keys []string, order []int32) {
		for i := range b.N {
			v := plugin.BeginCache(e, plugin.CacheOptions{})
			if _, ok := v.Get(ctx, keys[order[i&(1<<16-1)]]); !ok {
				b.Fatal("a miss")
			}
		}
	})
}
