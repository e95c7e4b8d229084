package plugin

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/pylon-go/pylon/store"
)

// CacheView is a cache as one call of a function, or one request, sees it.
//
//   - What it got once it gets again without asking the cache, and always the
//     same; what it set itself it gets, even when the cache had no use for it.
//   - It takes its token when it begins and uses it for everything it sets. A
//     token of the moment of the miss would be too late: the transaction in which
//     the call reads may be older.
//   - Its own invalidations do not count against what it sets afterwards.
//   - In a write transaction (see [CacheView.In]) changes take effect with the commit.
//
// A view is made for what takes moments, and thrown away after it: it neither
// learns what others do meanwhile nor forgets. It may be used by many goroutines.
type CacheView struct {
	cache      Cache
	token      *CacheToken
	background func(func(context.Context))

	parent *CacheView // of a view in a transaction
	tx     *cacheTx   // nil outside of one

	mu      sync.Mutex
	memo    map[string]CacheValue
	changes int // of this view, so that a slow Get does not bring back what was before one
}

// maxMemo bounds the keys that a view remembers for having read them.
const maxMemo = 4096

// CacheOptions say how a view works; the zero value will do.
type CacheOptions struct {
	// Background runs the loaders that renew stale values while the call goes on;
	// in goroutines of their own when nil. It may run them later, or not at all.
	Background func(func(context.Context))
}

// BeginCache begins a view, at the start of the call it is for: before the first
// read of the database.
func BeginCache(c Cache, o CacheOptions) *CacheView {
	return &CacheView{cache: c, token: c.Observe(), background: o.Background, memo: map[string]CacheValue{}}
}

// Get is the value under the key; ok is false for a miss.
func (v *CacheView) Get(ctx context.Context, key string) (value string, ok bool) {
	c := v.lookup(ctx, key)
	if !c.Found || c.Stale {
		return "", false
	}
	return c.Bytes, true
}

// GetMany is Get for many keys at once: the answer holds those that were found.
func (v *CacheView) GetMany(ctx context.Context, keys []string) map[string]string {
	found := make(map[string]string, len(keys))
	var ask []string
	root := v.root()
	root.mu.Lock()
	changes := root.changes
	for _, key := range keys {
		c, known := v.known(key)
		if !known {
			ask = append(ask, key)
		} else if c.Found && !c.Stale {
			found[key] = c.Bytes
		}
	}
	root.mu.Unlock()
	if len(ask) == 0 {
		return found
	}
	for i, c := range v.cache.GetMany(ctx, ask) {
		root.remember(ask[i], c, changes)
		if c.Found && !c.Stale {
			found[ask[i]] = c.Bytes
		}
	}
	return found
}

// Set keeps a value; a ttl of zero is the cache's default.
func (v *CacheView) Set(ctx context.Context, key, value string, ttl time.Duration) {
	v.set(ctx, key, value, CacheLife{TTL: ttl})
}

func (v *CacheView) set(ctx context.Context, key, value string, life CacheLife) {
	if v.tx != nil {
		v.buffer(func(tx *cacheTx) { tx.set(key, value, life) })
		return
	}
	v.change(func() { v.cache.Set(ctx, v.token, key, value, life) }, func() {
		v.memo[key] = CacheValue{Bytes: value, Found: true}
	})
}

// Delete drops a key; see [Cache.Delete].
func (v *CacheView) Delete(ctx context.Context, key string) (err error) {
	if v.tx != nil {
		v.buffer(func(tx *cacheTx) { tx.drop(key) })
		return nil
	}
	v.change(func() { err = v.cache.Delete(ctx, v.token, key) }, func() { v.memo[key] = CacheValue{} })
	return err
}

// Invalidate drops all keys that start with the prefix; see [Cache.Invalidate].
func (v *CacheView) Invalidate(ctx context.Context, prefix string) (err error) {
	if v.tx != nil {
		v.buffer(func(tx *cacheTx) { tx.invalidate(prefix) })
		return nil
	}
	v.change(func() { err = v.cache.Invalidate(ctx, v.token, prefix) }, func() {
		maps.DeleteFunc(v.memo, func(key string, _ CacheValue) bool { return strings.HasPrefix(key, prefix) })
	})
	return err
}

// In is the view within a transaction. What is set, deleted and invalidated
// through it takes effect after the commit and before Update returns, and not at
// all when the transaction is rolled back; until then this view sees it, and
// nobody else does. Get a new one each time the transaction's function runs, and
// go on with v after it.
//
// A transaction that only reads commits nothing: its view is v itself.
func (v *CacheView) In(tx *store.Tx) *CacheView {
	if tx.ReadOnly() {
		return v
	}
	in := &CacheView{cache: v.cache, token: v.token, parent: v.root(), tx: newCacheTx()}
	ctx := context.WithoutCancel(tx.Context())
	tx.OnCommit(func() { in.commit(ctx) })
	return in
}

// root is the view that remembers.
func (v *CacheView) root() *CacheView {
	if v.parent != nil {
		return v.parent
	}
	return v
}

// lookup is what the view knows about a key or, then, what the cache does.
func (v *CacheView) lookup(ctx context.Context, key string) CacheValue {
	root := v.root()
	root.mu.Lock()
	c, known := v.known(key)
	changes := root.changes
	root.mu.Unlock()
	if known {
		return c
	}
	c = v.cache.Get(ctx, key)
	root.remember(key, c, changes)
	return c
}

// version changes with every change the view makes.
func (v *CacheView) version() int {
	root := v.root()
	root.mu.Lock()
	defer root.mu.Unlock()
	return root.changes
}

// known is what the view knows about a key without asking. The root is locked.
func (v *CacheView) known(key string) (c CacheValue, known bool) {
	if v.tx != nil {
		if c, known = v.tx.get(key); known {
			return c, true
		}
	}
	c, known = v.root().memo[key]
	return c, known
}

// remember notes what the cache said, unless the view changed something since it
// was asked.
func (v *CacheView) remember(key string, c CacheValue, changes int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.changes == changes && len(v.memo) < maxMemo {
		v.memo[key] = c
	}
}

// change makes a change in the cache and in what the view remembers.
func (v *CacheView) change(inCache, inMemo func()) {
	inCache()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.changes++
	inMemo()
}

func (v *CacheView) buffer(change func(*cacheTx)) {
	v.parent.mu.Lock()
	defer v.parent.mu.Unlock()
	change(v.tx)
}

// commit carries out what the transaction changed. Errors are the cache's to
// make good (see [Cache.Delete]); the write stands, and nobody is left to be told.
func (v *CacheView) commit(ctx context.Context) {
	root := v.root()
	root.mu.Lock()
	tx := v.tx
	v.tx = newCacheTx() // what is buffered from here on has no commit to wait for
	root.mu.Unlock()
	for prefix := range tx.prefixes {
		_ = root.Invalidate(ctx, prefix) //nolint:errcheck // see above
	}
	for key, c := range tx.keys {
		if !c.value.Found && tx.covers(key) {
			continue
		}
		// A value set in a transaction outdates those that others loaded before it,
		// whether or not it was invalidated in so many words.
		if !tx.covers(key) {
			_ = root.Delete(ctx, key) //nolint:errcheck // see above
		}
		if c.value.Found {
			root.set(ctx, key, c.value.Bytes, c.life)
		}
	}
}
