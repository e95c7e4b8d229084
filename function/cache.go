package function

import (
	"context"
	"encoding/json"
	"time"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// The operations of `cache` from @pylonsync/sdk (runtime/plugins/cache.ts). A value is
// kept as the JSON it was given as.
var cacheOperations = map[string]operation{
	"cache.get":        {kind: inline, run: cacheGet},
	"cache.getMany":    {kind: inline, run: cacheGetMany},
	"cache.set":        {kind: inline, run: cacheSet},
	"cache.delete":     {kind: inline, run: cacheDelete},
	"cache.invalidate": {kind: inline, run: cacheInvalidate},
	"cache.wrap":       {kind: unlessInTx, run: cacheWrap},
}

const (
	maxCacheKey   = 1024
	maxCacheValue = 1 << 20
	maxCacheKeys  = 1000
)

type cacheArgs struct {
	Key    string          `json:"key"`
	Keys   []string        `json:"keys"`
	Prefix *string         `json:"prefix"`
	Value  json.RawMessage `json:"value"`
	TTL    *float64        `json:"ttl_secs"`
	Stale  *float64        `json:"stale_secs"`
	Loader float64         `json:"loader"`
}

// cached reads the arguments and finds the view that the call has of the cache.
func (c *call) cached(args []byte) (in cacheArgs, v *plugin.CacheView, err error) {
	if err := json.Unmarshal(args, &in); err != nil {
		return in, nil, store.Errorf(store.Invalid, "INVALID_CACHE_CALL", "wrong arguments for the cache: %v", err)
	}
	if c.cacheView == nil {
		return in, nil, &store.Error{Code: "NO_CACHE", Message: "this app has no cache"}
	}
	if len(in.Key) > maxCacheKey || len(in.Keys) > maxCacheKeys {
		return in, nil, store.Errorf(store.TooLarge, "CACHE_KEY_TOO_LARGE", "a key has at most %d bytes, and one call gets at most %d", maxCacheKey, maxCacheKeys)
	}
	if len(in.Value) > maxCacheValue {
		return in, nil, store.Errorf(store.TooLarge, "CACHE_VALUE_TOO_LARGE", "a cached value has at most %s", mebibytes(maxCacheValue)).WithField("value")
	}
	if in.TTL != nil && !(*in.TTL > 0 && *in.TTL <= maxDelay.Seconds()) {
		return in, nil, notSeconds("ttl_secs")
	}
	if in.Stale != nil && !(*in.Stale >= 0 && *in.Stale <= maxDelay.Seconds()) {
		return in, nil, notSeconds("stale_secs")
	}
	if c.tx == nil {
		return in, c.cacheView, nil
	}
	if c.cacheInTx == nil {
		c.cacheInTx = c.cacheView.In(c.tx)
	}
	return in, c.cacheInTx, nil
}

func notSeconds(name string) error {
	return store.Errorf(store.Invalid, "INVALID_CACHE_CALL", "%s must be a number of seconds greater than 0", name).WithField(name)
}

func (in *cacheArgs) life() plugin.CacheLife {
	return plugin.CacheLife{TTL: seconds(in.TTL), Stale: seconds(in.Stale)}
}

func seconds(n *float64) time.Duration {
	if n == nil {
		return 0
	}
	return time.Duration(*n * float64(time.Second))
}

func cacheGet(ctx context.Context, c *call, args, _ []byte) (answer, error) {
	in, v, err := c.cached(args)
	if err != nil {
		return answer{}, err
	}
	if value, ok := v.Get(ctx, in.Key); ok {
		return answer{json: []byte(value)}, nil
	}
	return answer{json: null}, nil
}

func cacheGetMany(ctx context.Context, c *call, args, _ []byte) (answer, error) {
	in, v, err := c.cached(args)
	if err != nil {
		return answer{}, err
	}
	found := v.GetMany(ctx, in.Keys)
	b := []byte{'['}
	for i, key := range in.Keys {
		if i > 0 {
			b = append(b, ',')
		}
		if value, ok := found[key]; ok {
			b = append(b, value...)
		} else {
			b = append(b, null...)
		}
	}
	return answer{json: append(b, ']')}, nil
}

func cacheSet(ctx context.Context, c *call, args, _ []byte) (answer, error) {
	in, v, err := c.cached(args)
	if err != nil {
		return answer{}, err
	}
	if in.Value == nil {
		return answer{}, store.Errorf(store.Invalid, "INVALID_CACHE_CALL", "set needs a value").WithField("value")
	}
	v.Set(ctx, in.Key, string(in.Value), seconds(in.TTL))
	return answer{}, nil
}

func cacheDelete(ctx context.Context, c *call, args, _ []byte) (answer, error) {
	in, v, err := c.cached(args)
	if err != nil {
		return answer{}, err
	}
	return answer{}, v.Delete(ctx, in.Key)
}

func cacheInvalidate(ctx context.Context, c *call, args, _ []byte) (answer, error) {
	in, v, err := c.cached(args)
	if err != nil {
		return answer{}, err
	}
	if in.Prefix == nil {
		return answer{}, store.Errorf(store.Invalid, "INVALID_CACHE_CALL", `invalidate needs a prefix; "" clears the cache`).WithField("prefix")
	}
	return answer{}, v.Invalidate(ctx, *in.Prefix)
}

// cacheWrap answers {"value"} or, when the handler is to load it for itself, {"load"}.
// In a transaction it always is: waiting there for what another call loads could mean
// that the two wait for each other.
func cacheWrap(ctx context.Context, c *call, args, _ []byte) (answer, error) {
	in, v, err := c.cached(args)
	if err != nil {
		return answer{}, err
	}
	if c.tx != nil {
		if value, ok := v.Get(ctx, in.Key); ok {
			return wrapped(value), nil
		}
		return answer{json: []byte(`{"load":true}`)}, nil
	}
	value, err := v.Wrap(ctx, in.Key, in.life(), func(load context.Context) (string, error) {
		return c.load(load, ctx, in.Loader)
	})
	if err != nil {
		return answer{}, err
	}
	return wrapped(value), nil
}

func wrapped(value string) answer { return answer{json: []byte(`{"value":` + value + `}`)} }

// loadedValue is what a loader of the handler's made.
type loadedValue struct {
	json string
	err  error
}

// loading is a loader of the handler's at work: for which operation, and where its
// value goes.
type loading struct {
	loader    float64
	operation float64 // 0 for the renewal of a stale value
	reply     chan loadedValue
}

// load asks the handler's loader for the value. It runs outside of the call's loop, and
// while other calls may wait for the value too. When this one ends, which waiting tells,
// that is no answer for them: one of them loads then. A renewal has nobody who waits.
func (c *call) load(ctx, waiting context.Context, loader float64) (string, error) {
	l := &loading{loader: loader, reply: make(chan loadedValue, 1)}
	l.operation, _ = ctx.Value(operationKey{}).(float64)
	ended := waiting.Done()
	if l.operation == 0 {
		ended = nil
	}
	select {
	case c.answers <- answered{load: l}:
	case <-ended:
		return "", context.Canceled
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	select {
	case v := <-l.reply:
		return v.json, v.err
	case <-ended:
		return "", context.Canceled
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// runLoader starts a loader. The operation that waits for it is not one to wait for
// before a transaction, since the loader may need one.
func (c *call) runLoader(l *loading) error {
	if c.loaders == nil {
		c.loaders, c.wraps = map[float64]*loading{}, map[float64]bool{}
	}
	c.loaders[l.loader] = l
	if l.operation != 0 {
		c.wraps[l.operation] = false
		c.timers++
	}
	return c.enter("load", l.loader)
}

// loaded takes what a loader made. Its operation lands in a moment.
func (c *call) loaded(loader float64, ok bool, json string) {
	l := c.loaders[loader]
	if l == nil {
		return
	}
	delete(c.loaders, loader)
	if _, waits := c.wraps[l.operation]; waits {
		c.wraps[l.operation] = true
		c.landing++
	}
	if ok {
		l.reply <- loadedValue{json: json}
	} else {
		l.reply <- loadedValue{err: c.failure(json)}
	}
}

// wrapLanded counts an operation with a loader out again.
func (c *call) wrapLanded(operation float64) {
	done, was := c.wraps[operation]
	if !was {
		return
	}
	delete(c.wraps, operation)
	c.timers--
	if done {
		c.landing--
	}
}

// later keeps the loader of a stale value for after the call. That of a mutation would
// need a write transaction of its own, so it is left to somebody else.
func (c *call) later(work func(context.Context)) {
	if c.info.Type != Mutation {
		c.stale.Lock()
		c.renewals = append(c.renewals, work)
		c.stale.Unlock()
	}
}

const renewTime = 30 * time.Second

// renew runs the loaders of stale values, after the caller has its answer.
func (c *call) renew() {
	// A call made by another has that one's operation in its context.
	ctx, cancel := context.WithTimeout(context.WithValue(context.WithoutCancel(c.ctx), operationKey{}, float64(0)), renewTime)
	defer cancel()
	defer c.vm.Until(ctx)()
	// What was under way ended with the call.
	c.ctx, c.renewing, c.queue = ctx, true, nil
	c.waits, c.timers, c.landing = 0, 0, 0
	clear(c.cancels)
	clear(c.wraps)
	for _, work := range c.renewals {
		c.waits++
		c.timers++
		go func() {
			work(ctx)
			select {
			case c.answers <- answered{renewed: true, timer: true}:
			case <-ctx.Done():
			}
		}()
	}
	for {
		begin, err := c.loop()
		if begin {
			err = c.transaction()
		}
		if err != nil {
			c.host.log.WarnContext(ctx, "a stale value was not renewed", "function", c.name, "request_id", c.requestID, "error", err)
			return
		}
		if c.waits == 0 {
			return
		}
	}
}
