package plugin

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// CacheLoader makes a value that the cache does not have. Its context goes on
// when the caller's ends, as long as somebody waits for the value.
type CacheLoader func(ctx context.Context) (string, error)

// Wrap is the value under the key or, when there is none, what load makes of it,
// which is then kept. Callers that miss the same key at the same time share one
// load, though never one that began before an invalidation they come after. Its
// errors go to all who wait for it and are not kept; a panic becomes an error. A
// context that ends frees its caller; the load ends with the last of them. It has the
// values of the first one's context, the actor among them: what the value depends on
// belongs into the key.
//
// With life.Stale, a value past its time to live is served at once, and loaded
// anew in the background.
//
// In a write transaction load runs in the caller's goroutine and is shared with
// nobody, because what it reads is not committed.
func (v *CacheView) Wrap(ctx context.Context, key string, life CacheLife, load CacheLoader) (string, error) {
	flights := v.cache.Flights()
	landed := flights.landed.Load()
	changes := v.version()
	c := v.lookup(ctx, key)
	switch {
	case c.Found && !c.Stale:
		return c.Bytes, nil
	case v.tx != nil:
		value, err := load(ctx)
		if err != nil {
			return "", err
		}
		v.set(ctx, key, value, life)
		return value, nil
	case c.Found:
		v.renew(ctx, key, life, load)
		v.remember(key, CacheValue{Bytes: c.Bytes, Found: true}, changes)
		return c.Bytes, nil
	}
	for {
		f, leads := flights.board(v, ctx, key)
		if leads {
			go f.run(v.cache, life, landed, load)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			flights.leave(f)
			return "", context.Cause(ctx)
		}
		if f.err != nil {
			// The one whose loader ran went away. That is no answer for the others.
			if gone := errors.Is(f.err, context.Canceled) || errors.Is(f.err, context.DeadlineExceeded); gone && !leads && ctx.Err() == nil {
				landed = flights.landed.Load()
				continue
			}
			return "", f.err
		}
		v.remember(key, CacheValue{Bytes: f.value, Found: true}, changes)
		return f.value, nil
	}
}

// renewTimeout bounds a load that nobody waits for.
const renewTimeout = 30 * time.Second

// renew loads a stale value anew in the background, unless somebody does.
func (v *CacheView) renew(ctx context.Context, key string, life CacheLife, load CacheLoader) {
	flights := v.cache.Flights()
	landed := flights.landed.Load()
	work := func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, renewTimeout)
		defer cancel()
		f, leads := flights.board(v, ctx, key)
		if !leads {
			flights.leave(f)
			return
		}
		defer context.AfterFunc(ctx, func() { flights.leave(f) })()
		f.run(v.cache, life, landed, load)
		if f.err != nil && flights.RenewFailed != nil {
			flights.RenewFailed(ctx, f.err)
		}
	}
	if v.background != nil {
		v.background(work)
		return
	}
	flights.spawn(context.WithoutCancel(ctx), work)
}

// run loads the value and tells everybody.
func (f *cacheFlight) run(c Cache, life CacheLife, landed uint64, load CacheLoader) {
	defer f.flights.land(f)
	// Between the miss and the take-off another flight may have landed.
	if f.flights.landed.Load() != landed {
		if hit := c.Get(f.ctx, f.key); hit.Found && !hit.Stale {
			f.value = hit.Bytes
			return
		}
	}
	if f.value, f.err = f.load(load); f.err == nil {
		c.Set(f.ctx, f.token, f.key, f.value, life)
	}
}

var errLoaderEnded = errors.New("the loader's goroutine ended without a result")

// load runs the loader; however it ends, there is an answer.
func (f *cacheFlight) load(load CacheLoader) (value string, err error) {
	err = errLoaderEnded
	defer func() {
		if p := recover(); p != nil {
			value, err = "", fmt.Errorf("panic in the loader of a cached value: %v\n%s", p, debug.Stack())
		} else if err == errLoaderEnded { // runtime.Goexit: nothing is returned to the caller any more
			f.err = err
		}
	}()
	value, err = load(f.ctx)
	return value, err
}
