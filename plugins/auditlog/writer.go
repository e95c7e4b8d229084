package auditlog

import (
	"cmp"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/pylon-go/pylon/store"
)

// writer is this process as one that writes entries. It numbers them: a number
// whose transaction was rolled back is a void, and said to be one in the tree, so
// that every other hole is a deletion. It keeps the leaves of what was committed
// until they are sealed: what happens to a row in between then shows, too.
type writer struct {
	id string

	mu       sync.Mutex
	last     int64            // number given out
	lastID   string           // id given with it
	inflight map[int64]string // numbers of transactions under way, with the id given before
	ready    []pending
	voids    []int64
	oldest   time.Time // of ready, zero when there is nothing
	wake     chan struct{}
}

// pending is an entry that is on disk and not in the tree yet.
type pending struct {
	seq           int64
	id            string
	hash          tlog.Hash
	entity, rowID string
	at            time.Time
}

func newWriter(wake chan struct{}) *writer {
	return &writer{id: rand.Text(), inflight: map[int64]string{}, wake: wake}
}

// take gives out a number and an id; both rise together. Ids are never older than
// after, so that a clock that went back over a restart does not mix them up.
func (w *writer) take(now, after time.Time) (seq int64, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Before(after) {
		now = after
	}
	id = store.NewID(now)
	w.last++
	w.inflight[w.last] = w.lastID
	w.lastID = id
	return w.last, id
}

// committed says that an entry is on disk.
func (w *writer) committed(p pending) {
	w.mu.Lock()
	delete(w.inflight, p.seq)
	w.ready = append(w.ready, p)
	if w.oldest.IsZero() {
		w.oldest = p.at
	}
	n := len(w.ready)
	w.mu.Unlock()
	if n == 1 || n%burst == 0 {
		w.rouse()
	}
}

// undone says that the number's transaction did not happen.
func (w *writer) undone(seq int64) {
	w.mu.Lock()
	delete(w.inflight, seq)
	w.voids = append(w.voids, seq)
	w.mu.Unlock()
}

func (w *writer) rouse() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake
	}
}

// batch is what is sealed at once.
type batch struct {
	rows  []pending
	voids []int64
	// high is the number up to which every one is settled: sealed with this batch
	// at the latest, or void. floor is the id given with it.
	high  int64
	floor string
}

// batch takes what there is. What could not be sealed comes back with giveBack.
func (w *writer) batch() batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := batch{rows: w.ready, high: w.last, floor: w.lastID}
	w.ready, w.oldest = nil, time.Time{}
	for seq, before := range w.inflight {
		if seq-1 < b.high {
			b.high, b.floor = seq-1, before
		}
	}
	var later []int64
	for _, v := range w.voids {
		if v <= b.high {
			b.voids = append(b.voids, v)
		} else {
			later = append(later, v)
		}
	}
	w.voids = later
	slices.Sort(b.voids)
	slices.SortFunc(b.rows, func(x, y pending) int { return cmp.Compare(x.seq, y.seq) })
	return b
}

func (w *writer) giveBack(b batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ready = append(b.rows, w.ready...)
	w.voids = append(b.voids, w.voids...)
	if len(w.ready) > 0 {
		w.oldest = w.ready[0].at
	}
}

// waiting is how many entries are to be sealed, and since when.
func (w *writer) waiting() (n int, oldest time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.ready), w.oldest
}

// full reports whether sealing should not wait for the next interval.
func (w *writer) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.ready) >= burst
}

// ranges writes ascending numbers as ranges.
func ranges(numbers []int64) [][2]int64 {
	var out [][2]int64
	for _, n := range numbers {
		if last := len(out) - 1; last >= 0 && out[last][1]+1 == n {
			out[last][1] = n
		} else {
			out = append(out, [2]int64{n, n})
		}
	}
	return out
}
