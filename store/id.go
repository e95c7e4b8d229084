package store

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

var ids = struct {
	sync.Mutex
	entropy *ulid.MonotonicEntropy
	last    uint64
}{entropy: ulid.Monotonic(rand.Reader, 0)}

// NewID is a new ULID: 26 characters, ordered by time, and within one process
// strictly increasing even when the clock stands still or steps back.
func NewID(now time.Time) string {
	ids.Lock()
	defer ids.Unlock()
	ms := ulid.Timestamp(now)
	if ms < ids.last {
		ms = ids.last
	}
	ids.last = ms
	id, err := ulid.New(ms, ids.entropy)
	if err != nil { // the millisecond's 2^80 counter overflowed: take the next one
		ids.last++
		id = ulid.MustNew(ids.last, ids.entropy)
	}
	return id.String()
}

// ValidID reports whether s is a canonical ULID.
func ValidID(s string) bool {
	id, err := ulid.ParseStrict(s)
	return err == nil && id.String() == s
}
