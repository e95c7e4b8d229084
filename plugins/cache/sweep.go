package cache

import "context"

// sweepAfter starts a sweep in the background when there are enough tombstones,
// unless one is under way.
func (e *Engine) sweepAfter(recent int) {
	w := &e.sweeper
	w.mu.Lock()
	defer w.mu.Unlock()
	if recent < w.after || w.running || w.closed {
		return
	}
	// The cache may have grown since the limit was set.
	if w.after = e.sweepLimit(); recent < w.after {
		return
	}
	w.running = true
	w.wg.Go(func() {
		e.sweep()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.running, w.after = false, e.sweepLimit()
	})
}

func (e *Engine) sweepLimit() int { return max(minSweep, e.Len()/sweepShare) }

// sweep frees the memory of dead entries and then of tombstones. It holds one
// shard at a time.
func (e *Engine) sweep() {
	e.tombs.beginSweep(e.sweepLimit())
	for i := range e.shards {
		e.shards[i].sweep(&e.tombs, e.now())
	}
	e.tombs.endSweep()
}

// Close ends loads and sweeps in the background and waits for them within ctx's
// time. The cache can be used on.
func (e *Engine) Close(ctx context.Context) error {
	e.sweeper.mu.Lock()
	e.sweeper.closed = true
	e.sweeper.mu.Unlock()
	e.sweeper.wg.Wait() // it is short, and waits for nobody
	return e.CacheFlights.Stop(ctx)
}
