package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pylon-go/pylon/bench/process"
)

const (
	// liveRows is how many rows a writer keeps changing.
	liveRows = 20
	// maxBurst is how many writes follow one another without a pause.
	maxBurst = 30
	maxPause = 120 * time.Millisecond
	// entries is the share of writes that go to Entry.
	entries = 0.06
	// pairs is the share of writes that are two in one transaction.
	pairs = 0.05
)

// writer is one client. It sends one write at a time.
type writer struct {
	number  int
	rng     *rand.Rand
	client  *http.Client
	app     *process.Pylon
	gate    *gate
	load    *load
	problem func(format string, args ...any)

	n      int
	live   map[string][]*row // by entity
	writes []write
}

// row is one that the writer goes on changing.
type row struct {
	entity, id string
	birth      int
	version    int // the last one known
}

// load is what the writers have done so far.
type load struct {
	acknowledged atomic.Int64
	expected     atomic.Int64   // deliveries of acknowledged writes
	cut          atomic.Int64   // requests that ended without an answer
	refused      atomic.Int64   // answers with 5xx
	hooks        map[string]int // by entity
	// full says that the receiver is too far behind.
	full func() bool
}

func newWriter(number int, seed uint64, app *process.Pylon, g *gate, l *load, p *problems) *writer {
	return &writer{
		number: number, rng: rand.New(rand.NewPCG(seed, 100+uint64(number))), app: app, gate: g, load: l, problem: p.add,
		client: &http.Client{Transport: &http.Transport{}, Timeout: 45 * time.Second},
		live:   map[string][]*row{},
	}
}

// run writes until ctx ends; the write under way is finished.
func (w *writer) run(ctx context.Context) {
	defer w.client.CloseIdleConnections()
	for w.gate.wait(ctx) == nil {
		for range 1 + w.rng.IntN(maxBurst) {
			if w.gate.wait(ctx) != nil {
				return
			}
			w.write(ctx)
		}
		pause := time.After(time.Duration(w.rng.Int64N(int64(maxPause))))
		for {
			select {
			case <-pause:
			case <-ctx.Done():
				return
			}
			if !w.load.full() {
				break
			}
			pause = time.After(maxPause)
		}
	}
}

// write inserts a row or changes one.
func (w *writer) write(ctx context.Context) {
	entity := "Item"
	if w.rng.Float64() < entries {
		entity = "Entry"
	}
	if w.rng.Float64() < pairs {
		w.insertPair(entity)
		return
	}
	rows := w.live[entity]
	if len(rows) == 0 || w.rng.IntN(4) == 0 {
		w.insert(entity)
		return
	}
	i := w.rng.IntN(len(rows))
	if !w.update(ctx, rows[i]) {
		w.retire(entity, i)
	}
}

func (w *writer) retire(entity string, i int) {
	rows := w.live[entity]
	rows[i] = rows[len(rows)-1]
	w.live[entity] = rows[:len(rows)-1]
}

// fresh is the body of a new row, made by the writer's next write.
func (w *writer) fresh() string {
	w.n++
	return fmt.Sprintf(`{"writer":%d,"birth":%d,"n":%d,"version":1,"pad":%q}`, w.number, w.n, w.n, w.pad())
}

// insertPair inserts two rows in one transaction. They are not changed any more.
func (w *writer) insertPair(entity string) {
	first := w.n + 1
	_, o := w.send(http.MethodPost, "/api/transact", fmt.Sprintf(`[{"op":"insert","entity":%[1]q,"data":%[2]s},{"op":"insert","entity":%[1]q,"data":%[3]s}]`, entity, w.fresh(), w.fresh()))
	for n := first; n <= w.n; n++ {
		w.note(write{key: key{w.number, n}, Entity: entity, Row: key{w.number, n}, Version: 1, Outcome: o, Group: first})
	}
}

func (w *writer) insert(entity string) {
	answer, o := w.send(http.MethodPost, "/api/entities/"+entity, w.fresh())
	w.note(write{key: key{w.number, w.n}, Entity: entity, Row: key{w.number, w.n}, Version: 1, Outcome: o})
	if o != acknowledged {
		return
	}
	var created struct{ ID string }
	if err := json.Unmarshal(answer, &created); err != nil || created.ID == "" {
		w.problem("an insert was answered with %.300q", answer)
		return
	}
	w.live[entity] = append(w.live[entity], &row{entity, created.ID, w.n, 1})
	if len(w.live[entity]) > liveRows {
		w.retire(entity, w.rng.IntN(liveRows))
	}
}

// update writes a row's next version and says whether the row can be written again:
// when nobody answered, what the row says decides what happened.
func (w *writer) update(ctx context.Context, r *row) bool {
	w.n++
	next := write{key: key{w.number, w.n}, Entity: r.entity, Row: key{w.number, r.birth}, Version: r.version + 1}
	path := "/api/entities/" + r.entity + "/" + r.id
	_, next.Outcome = w.send(http.MethodPatch, path, fmt.Sprintf(`{"n":%d,"version":%d,"pad":%q}`, w.n, next.Version, w.pad()))
	for next.Outcome == unanswered && w.gate.wait(ctx) == nil {
		answer, o := w.send(http.MethodGet, path, "")
		if o != acknowledged {
			continue
		}
		var is struct{ N, Version int }
		if err := json.Unmarshal(answer, &is); err != nil {
			w.problem("a row was answered as %.300q", answer)
			break
		}
		switch {
		case is.Version == next.Version && is.N == next.N:
			next.Outcome = acknowledged
		case is.Version == r.version:
			next.Outcome = absent
		default:
			w.problem("row %s has version %d of write %d, after version %d was known and write %d with version %d sent", r.id, is.Version, is.N, r.version, next.N, next.Version)
			w.note(next)
			return false
		}
	}
	w.note(next)
	if next.Outcome == acknowledged {
		r.version = next.Version
	}
	return next.Outcome != unanswered
}

func (w *writer) note(x write) {
	w.writes = append(w.writes, x)
	if x.Outcome == acknowledged {
		w.load.acknowledged.Add(1)
		w.load.expected.Add(int64(w.load.hooks[x.Entity]))
	}
}

// send makes a request and says what is known of its outcome.
func (w *writer) send(method, path, body string) ([]byte, outcome) {
	res, err := w.client.Do(w.app.Request(method, path, body))
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, absent
	}
	if err != nil {
		w.load.cut.Add(1)
		return nil, unanswered
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	switch {
	case res.StatusCode/100 == 2 && err == nil:
		return answer, acknowledged
	case res.StatusCode/100 == 2: // the status is the acknowledgement; the rest did not arrive
		if method == http.MethodPatch {
			return nil, acknowledged
		}
		return nil, unanswered // without its id the row cannot be written again
	case res.StatusCode >= 500:
		w.load.refused.Add(1)
		return nil, unanswered
	}
	w.problem("%s %s was answered with %s: %.300q", method, path, res.Status, answer)
	return nil, unanswered
}

// pad makes rows, and so pages and frames of the log, of very different size.
func (w *writer) pad() string {
	n := w.rng.IntN(200)
	if w.rng.IntN(20) == 0 {
		n = w.rng.IntN(6000)
	}
	return strings.Repeat("x", n)
}
