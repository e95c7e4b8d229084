package plugin

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Cache is the capability of keeping values for a while: the plugins cache and
// cache_client have it, and everybody else asks for it with Find[Cache](host).
// Code that serves one call or request uses it through [BeginCache], which adds
// what a single call needs. Methods may be called from many goroutines.
//
// # The fence
//
// The usual bug of caches: somebody misses and reads the database; somebody else
// commits a change and invalidates; then the first one sets what it read, and the
// old value stays for its whole life. Here, who is going to load takes a token
// with Observe before reading, and gives it to Set. An invalidation after the
// token and before the Set makes that Set do nothing; one after the Set makes the
// value unreadable. So whoever invalidates after the commit, and not before, can
// rely on this: a Get that begins after Invalidate or Delete returned does not
// see what was loaded from before.
type Cache interface {
	// Observe is a token for loads that begin from now on. It must be taken before
	// the first read of what is loaded: for reads in a transaction, before its
	// snapshot. An older token is always safe; the older it is, the more
	// invalidations it may collide with. It is local and costs no round trip.
	Observe() *CacheToken
	// Live reports whether nobody else has invalidated the key since the token,
	// as far as this process knows. It is local; in doubt it says no.
	Live(t *CacheToken, key string) bool

	// Get is the value under the key, a miss when there is none, when it has
	// expired or was invalidated, or when the cache cannot tell.
	Get(ctx context.Context, key string) CacheValue
	// GetMany is Get for each of the keys, in their order, in one round trip.
	GetMany(ctx context.Context, keys []string) []CacheValue
	// Set keeps a value. It is kept as long as life says and there is room for it,
	// and not at all when the token is no longer live; Gets see it when Set
	// returns. Without a token it always is: for values that were read nowhere.
	Set(ctx context.Context, t *CacheToken, key, value string, life CacheLife)
	// Delete drops one key, and Sets of it with earlier tokens. The token, if
	// there is one, stays good for the key: it is the caller's own doing. An error
	// says that it could not be carried out at once; it is then as soon as possible.
	Delete(ctx context.Context, t *CacheToken, key string) error
	// Invalidate does the same for all keys that start with the prefix, however
	// many these are; the empty prefix clears the cache.
	Invalidate(ctx context.Context, t *CacheToken, prefix string) error

	// Flights are the loads under way, which all users of the cache share.
	// Implementations embed a CacheFlights.
	Flights() *CacheFlights
}

// CacheValue is what a cache has under a key; the zero value is a miss.
type CacheValue struct {
	// Bytes are the value as it was set. They are opaque to the cache, and a
	// string, so that nobody can change what others will get.
	Bytes string
	Found bool
	// Stale marks a value past its time to live that may still be served while
	// it is loaded anew.
	Stale bool
}

// CacheLife says how long a value is kept.
type CacheLife struct {
	// TTL is the time for which the value is fresh: the cache's default when zero
	// or less. It is varied by 5 % up or down, so that what was set together does
	// not expire together.
	TTL time.Duration
	// Stale is the time after that in which [CacheView.Wrap] may still serve it,
	// while it loads a new one. Everything else sees a miss by then.
	Stale time.Duration
}

// CacheToken is a point in the order of a cache's invalidations, and the
// invalidations its owner made since then: to those it does not fall victim.
// Implementations make tokens and read them; to others they are opaque.
type CacheToken struct {
	seq uint64
	mu  sync.RWMutex
	own []uint64 // ascending
}

// NewCacheToken is a token at a sequence number.
func NewCacheToken(seq uint64) *CacheToken { return &CacheToken{seq: seq} }

// Seq is the sequence number of the last invalidation that the token knows of.
func (t *CacheToken) Seq() uint64 { return t.seq }

// Fork is a token of its own at the same point: what the owner of t invalidates
// from here on counts against it.
func (t *CacheToken) Fork() *CacheToken {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return &CacheToken{seq: t.seq, own: slices.Clone(t.own)}
}

// Own notes that the invalidation with that number is the token's owner's. A nil
// token has no owner.
func (t *CacheToken) Own(seq uint64) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i, _ := slices.BinarySearch(t.own, seq) // nearly always the end
	t.own = slices.Insert(t.own, i, seq)
}

// Owns reports whether the invalidation with that number is the token's owner's.
func (t *CacheToken) Owns(seq uint64) bool {
	if t == nil {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, found := slices.BinarySearch(t.own, seq)
	return found
}
