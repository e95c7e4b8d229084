package auth

import (
	"net/netip"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/store"
)

// RateLimited is the refusal of too many attempts. It wraps a [store.Error] with
// the code RATE_LIMITED.
type RateLimited struct {
	err   *store.Error
	after time.Duration
}

func (e *RateLimited) Error() string { return e.err.Error() }
func (e *RateLimited) Unwrap() error { return e.err }

// RetryAfter is when the next attempt will be let through.
func (e *RateLimited) RetryAfter() time.Duration { return e.after }

func rateLimited(after time.Duration) error {
	after = max(after.Truncate(time.Second)+time.Second, time.Second)
	return &RateLimited{after: after, err: store.Errorf(store.Limited, "RATE_LIMITED", "too many failed attempts").
		WithHint("try again in %s", after)}
}

// limiter lets each key fail so many times in a sliding window. An attempt counts
// from its beginning and is taken back when it succeeds: otherwise any number of
// guesses made at the same time would all pass before the first has failed. It
// lives in memory, so each replica counts for itself.
type limiter struct {
	clock  clockwork.Clock
	max    int
	window time.Duration

	mu       sync.Mutex
	attempts map[string][]time.Time // oldest first
}

// maxKeys bounds the limiter's memory.
const maxKeys = 50_000

func newLimiter(clock clockwork.Clock, max int, window time.Duration) *limiter {
	return &limiter{clock: clock, max: max, window: window, attempts: map[string][]time.Time{}}
}

// take counts an attempt, or says how long to wait for the next.
func (l *limiter) take(key string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	times := l.attempts[key]
	for len(times) > 0 && now.Sub(times[0]) >= l.window {
		times = times[1:]
	}
	if len(times) >= l.max {
		return rateLimited(l.window - now.Sub(times[0]))
	}
	if _, known := l.attempts[key]; !known && len(l.attempts) >= maxKeys {
		l.evict(now)
	}
	l.attempts[key] = append(times, now)
	return nil
}

// evict makes room: it looks at a few keys and drops the one that has been quiet
// longest. Going through all would let a flood of keys cost more than it gains.
func (l *limiter) evict(now time.Time) {
	oldest, oldestTime, looked := "", now, 0
	for key, times := range l.attempts {
		if last := times[len(times)-1]; oldest == "" || last.Before(oldestTime) {
			oldest, oldestTime = key, last
		}
		if looked++; looked == 16 {
			break
		}
	}
	delete(l.attempts, oldest)
}

// forgive takes the newest attempt back.
func (l *limiter) forgive(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if times := l.attempts[key]; len(times) > 1 {
		l.attempts[key] = times[:len(times)-1]
	} else {
		delete(l.attempts, key)
	}
}

// reset forgets all attempts of a key.
func (l *limiter) reset(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.attempts, key)
}

// network is what an address is limited by: with IPv6, where anybody has 2^64
// addresses, its /64.
func network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	if addr = addr.Unmap().WithZone(""); addr.Is4() {
		return addr.String()
	}
	prefix, _ := addr.Prefix(64)
	return prefix.String()
}
