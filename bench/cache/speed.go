package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// work is the keys of a measurement, made beforehand.
type work struct {
	entries int
	keys    []string // four for each entry
	order   [goroutines][]int32
}

func newWork(entries int) *work {
	w := &work{entries: entries, keys: make([]string, 4*entries)}
	for i := range w.keys {
		w.keys[i] = fmt.Sprintf("post:%d:c:%d", i/10, i%10)
	}
	for g := range w.order {
		random := rand.New(rand.NewPCG(uint64(g), uint64(entries)))
		w.order[g] = make([]int32, 1<<20)
		for i := range w.order[g] {
			w.order[g][i] = random.Int32()
		}
	}
	return w
}

const value = "0123456789abcdef0123456789abcdef"

// filled is a cache with the first share of the keys in it, small enough for all
// of them to stay.
func (w *work) filled(k kind) (subject, int, error) {
	s, err := k.make(w.entries)
	if err != nil {
		return nil, 0, err
	}
	n := w.entries * 9 / 10
	for _, key := range w.keys[:n] {
		s.set(key, value, time.Hour)
	}
	s.settle()
	for _, key := range w.keys[:n] {
		s.get(key)
	}
	s.settle()
	runtime.GC()
	return s, n, nil
}

// spent runs op from all goroutines, n times in all, and returns the processor
// time of one in nanoseconds.
func (w *work) spent(n int, op func(g, i int, at int32)) (float64, error) {
	before, err := processorTime()
	if err != nil {
		return 0, err
	}
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			order := w.order[g]
			for i := range n / goroutines {
				op(g, i, order[i&(len(order)-1)])
			}
		})
	}
	wg.Wait()
	after, err := processorTime()
	return float64(after-before) / float64(n/goroutines*goroutines), err
}

func processorTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("asking for the processor time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// speed measures gets that hit, and a churn of three sets to one get over four
// times as many keys as there is room for, with lives of 1 to 5 seconds.
func (b *bench) speed(k kind, w *work) error {
	s, n, err := w.filled(k)
	if err != nil {
		return err
	}
	var misses [goroutines]int
	ns, err := w.spent(b.gets, func(g, _ int, at int32) {
		if !s.get(w.keys[int(at)%n]) {
			misses[g]++
		}
	})
	if err != nil {
		return err
	}
	if m := misses[0]; m > b.gets/goroutines/100 {
		return fmt.Errorf("%s: %d misses where all should hit", k.name, m)
	}
	b.note(fmt.Sprintf("hit %d %s", w.entries, k.name), ns)

	all := len(w.keys)
	ns, err = w.spent(b.gets, func(_, i int, at int32) {
		key := w.keys[int(at)%all]
		if i%4 == 0 {
			s.get(key)
		} else {
			s.set(key, value, time.Second*time.Duration(1+at%5))
		}
	})
	if err != nil {
		return err
	}
	b.note(fmt.Sprintf("churn %d %s", w.entries, k.name), ns)
	return s.close()
}

// memory measures the heap of a full cache that has evicted, without the bytes of
// keys and values, which are there before.
func (b *bench) memory(k kind, w *work) error {
	before := heap()
	s, err := k.make(w.entries)
	if err != nil {
		return err
	}
	for _, key := range w.keys[:2*w.entries] {
		s.set(key, value, time.Hour)
	}
	s.settle()
	b.note(fmt.Sprintf("memory %d %s", w.entries, k.name), float64(heap()-before)/float64(w.entries))
	runtime.KeepAlive(w)
	return s.close()
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
