package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/pylon-go/pylon/plugins/cache"
)

// invalidations measures what an invalidation costs itself, and the gets beside it.
func (b *bench) invalidations(policy string, w *work, round int) error {
	made, n, err := w.filled(kind{policy, func(n int) (subject, error) { return newPylon(n, policy) }})
	if err != nil {
		return err
	}
	e := made.(pylon).Engine
	zipf := newZipf(n, 0.99)
	ranks := make([]int32, 1<<20) // drawn beforehand, since that takes longer than a get
	for i := range ranks {
		ranks[i] = int32(zipf.at(float64(w.order[0][i]) / math.MaxInt32))
	}
	gets := func(name string, pick func(g, i int, at int32) string) error {
		// The two take turns, in short measurements: the machine's other work comes in
		// bursts.
		const turns = 6
		var sum [2]float64
		for turn := range 2 * turns {
			beside := (turn + turn/2 + round) % 2
			for _, key := range w.keys[:n] { // so that the last measurement's invalidations are paid for
				e.Get(context.Background(), key)
			}
			ns, err := w.spent(b.gets/2, func(g, i int, at int32) {
				if beside == 1 && i%1000 == 0 { // as long as the keys' prefixes, and matching none
					invalidate(e, fmt.Sprintf("none:%d:%d", g, i))
				}
				e.Get(context.Background(), pick(g, i, at))
			})
			if err != nil {
				return err
			}
			sum[beside] += ns / turns
		}
		b.note(fmt.Sprintf("get %s false %s", name, policy), sum[0])
		b.note(fmt.Sprintf("get %s true %s", name, policy), sum[1])
		return nil
	}
	if err := gets("uniform", func(_, _ int, at int32) string { return w.keys[int(at)%n] }); err != nil {
		return err
	}
	if err := gets("zipf", func(g, i int, _ int32) string { return w.keys[ranks[(i+g<<18)&(len(ranks)-1)]] }); err != nil {
		return err
	}

	const narrow = 200_000 // enough for the sweeps they cause to count
	before, err := processorTime()
	if err != nil {
		return err
	}
	for i := range narrow { // up to 10 keys each
		invalidate(e, w.keys[i*10%n][:strings.LastIndex(w.keys[i*10%n], "c:")])
	}
	if err := e.Close(context.Background()); err != nil { // waits for the sweeps
		return err
	}
	after, err := processorTime()
	if err != nil {
		return err
	}
	b.note("narrow "+policy, float64(after-before)/narrow)

	const wide = 1000
	began := time.Now()
	for range wide {
		invalidate(e, "post:")
	}
	b.note("wide "+policy, float64(time.Since(began))/wide)
	if policy == cache.LRU {
		b.scan(w, n)
	}
	return nil
}

func invalidate(e *cache.Engine, prefix string) {
	_ = e.Invalidate(context.Background(), nil, prefix) // is always nil
}

// scan is the alternative at its cheapest: one walk over a plain map of the keys
// and nothing else.
func (b *bench) scan(w *work, n int) {
	keys := make(map[string]struct{}, n)
	for _, key := range w.keys[:n] {
		keys[key] = struct{}{}
	}
	const scans = 5
	began := time.Now()
	for i := range scans {
		prefix := fmt.Sprintf("post:%d:", i)
		for key := range keys {
			if strings.HasPrefix(key, prefix) {
				delete(keys, key)
			}
		}
	}
	b.note("scan", float64(time.Since(began))/scans)
}
