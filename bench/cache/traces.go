package main

import (
	"container/list"
	"context"
	"math"
	"math/rand/v2"
	"sort"
	"strconv"
	"time"

	"github.com/pylon-go/pylon/plugins/cache"
)

// trace is a sequence of keys, and the hit ratios in percent it gave.
type trace struct {
	name  string
	next  func(i int, random *rand.Rand) int
	ratio map[string]float64
}

const accesses = 2_000_000

// zipf draws ranks whose frequency falls with a power of the rank.
type zipf []float64 // cumulated

func newZipf(n int, s float64) zipf {
	z, sum := make(zipf, n), 0.0
	for i := range z {
		sum += 1 / math.Pow(float64(i+1), s)
		z[i] = sum
	}
	return z
}

// at is the rank at a point from 0 to 1.
func (z zipf) at(x float64) int {
	return min(sort.SearchFloat64s(z, x*z[len(z)-1]), len(z)-1)
}

func traces() []trace {
	million, window := newZipf(1_000_000, 0.9), newZipf(100_000, 0.9)
	const scanEvery, scanned = 20_000, 5_000
	return []trace{
		// Keys of different popularity that stays.
		{name: "zipf", next: func(_ int, r *rand.Rand) int { return million.at(r.Float64()) }},
		// The same, and now and then rows that are read once.
		{name: "zipf+scan", next: func(i int, r *rand.Rand) int {
			if i%scanEvery < scanned {
				return 10_000_000 + i
			}
			return million.at(r.Float64())
		}},
		// Popularity moves on, a key every 20 accesses.
		{name: "drift", next: func(i int, r *rand.Rand) int { return window.at(r.Float64()) + i/20 }},
	}
}

// strictLRU is the yardstick: one list, no shards.
type strictLRU struct {
	entries int
	order   *list.List
	byKey   map[string]*list.Element
}

func newStrictLRU(entries int) *strictLRU {
	return &strictLRU{entries, list.New(), map[string]*list.Element{}}
}

func (l *strictLRU) get(key string) bool {
	x, ok := l.byKey[key]
	if ok {
		l.order.MoveToFront(x)
	}
	return ok
}

func (l *strictLRU) set(key, _ string, _ time.Duration) {
	if len(l.byKey) == l.entries {
		oldest := l.order.Back()
		l.order.Remove(oldest)
		delete(l.byKey, oldest.Value.(string))
	}
	l.byKey[key] = l.order.PushFront(key)
}

func (l *strictLRU) settle()      {}
func (l *strictLRU) close() error { return nil }

// ratios replays the traces in one goroutine: who misses sets.
func (b *bench) ratios(ctx context.Context) error {
	all := append([]kind{{"strict lru", func(n int) (subject, error) { return newStrictLRU(n), nil }}}, subjects...)
	for _, t := range traces() {
		t.ratio = map[string]float64{}
		for _, k := range all {
			if err := ctx.Err(); err != nil {
				return err
			}
			s, err := k.make(small)
			if err != nil {
				return err
			}
			random, hits := rand.New(rand.NewPCG(1, 2)), 0
			for i := range accesses {
				key := strconv.Itoa(t.next(i, random))
				if s.get(key) {
					hits++
				} else {
					s.set(key, value, cache.MaxTTL)
				}
				if i%100 == 0 {
					s.settle()
				}
			}
			t.ratio[k.name] = 100 * float64(hits) / accesses
			if err := s.close(); err != nil {
				return err
			}
		}
		b.hits = append(b.hits, t)
	}
	return nil
}
