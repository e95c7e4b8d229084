package plugin

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// CacheFlights are the loads of a cache's values that are under way, at most one
// for a key and a state of its invalidations. The zero value is ready.
type CacheFlights struct {
	// RenewFailed hears of loads in the background that failed: nobody waits for
	// them. Set it before the first use.
	RenewFailed func(ctx context.Context, err error)

	mu      sync.Mutex
	byKey   map[string]*cacheFlight
	landed  atomic.Uint64 // how many there were
	renewal sync.WaitGroup
	life    context.Context // of the renewals, once there are any
	end     context.CancelFunc
	stopped bool
}

// Flights makes what embeds a CacheFlights satisfy [Cache].
func (fs *CacheFlights) Flights() *CacheFlights { return fs }

// cacheFlight is one load.
type cacheFlight struct {
	flights *CacheFlights
	key     string
	token   *CacheToken
	ctx     context.Context // ends when nobody waits any more
	cancel  context.CancelFunc
	waiting int // guarded by the flights' lock

	done  chan struct{}
	value string // once done
	err   error
}

// board joins the flight for the key or, when there is none that will do, is the
// first on a new one. One that began before an invalidation the view comes after
// will not do.
func (fs *CacheFlights) board(v *CacheView, ctx context.Context, key string) (f *cacheFlight, leads bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f = fs.byKey[key]; f != nil && v.cache.Live(f.token, key) {
		f.waiting++
		return f, false
	}
	// A fork, because the view may go on and invalidate what is being read here.
	f = &cacheFlight{flights: fs, key: key, token: v.token.Fork(), waiting: 1, done: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if fs.byKey == nil {
		fs.byKey = map[string]*cacheFlight{}
	}
	fs.byKey[key] = f
	return f, true
}

// leave is for who does not wait any longer. The last one ends the flight, and
// nobody joins it after that.
func (fs *CacheFlights) leave(f *cacheFlight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
		fs.forget(f)
	}
}

// land ends a flight whose result is there, and in the cache.
func (fs *CacheFlights) land(f *cacheFlight) {
	fs.mu.Lock()
	fs.landed.Add(1)
	fs.forget(f)
	fs.mu.Unlock()
	close(f.done)
	f.cancel()
}

func (fs *CacheFlights) forget(f *cacheFlight) {
	if fs.byKey[f.key] == f {
		delete(fs.byKey, f.key)
	}
}

// spawn runs work in a goroutine of its own, whose context Stop ends.
func (fs *CacheFlights) spawn(ctx context.Context, work func(context.Context)) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.stopped {
		return
	}
	if fs.life == nil {
		fs.life, fs.end = context.WithCancel(context.Background())
	}
	life := fs.life
	fs.renewal.Go(func() {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(life, cancel)()
		work(ctx)
	})
}

// Stop ends the loads in the background and waits for them within ctx's time.
// Later ones do not begin.
func (fs *CacheFlights) Stop(ctx context.Context) error {
	fs.mu.Lock()
	fs.stopped = true
	if fs.end != nil {
		fs.end()
	}
	fs.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		fs.renewal.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for values loaded in the background: %w", ctx.Err())
	}
}
