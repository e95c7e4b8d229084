package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/pylon-go/pylon/store"
)

const (
	// leaseMargin is how much longer than an attempt's timeout a lease lasts.
	leaseMargin = 30 * time.Second
	// rescan is how often a pool looks for lanes it was not told of: those filled
	// by another process.
	rescan = time.Minute
	// longestSleep bounds the sleep of a pool that nobody wakes.
	longestSleep = time.Hour
	// retryClaim is how long a pool waits after the database refused a claim.
	retryClaim = time.Second
)

// pool works on one queue: it claims what is due, lane by lane, and runs it.
type pool struct {
	q    *Queue
	name string
	cfg  Config

	labels metric.MeasurementOption

	// alone: no other process serves this database, so what is held in memory is a
	// lease that needs no word in the database and ends with the process.
	alone bool

	mu       sync.Mutex
	lanes    map[string]*lane
	order    []*lane // lanes with claimed jobs that wait, in turn
	running  int
	waiting  int            // claimed jobs that do not run yet
	promised int            // places kept for items that are on their way
	held     map[int64]*Job // by their seq, which is never used again
	stopping bool
	started  bool
	missed   atomic.Bool   // lanes may have got work that we were not told of
	idle     *sync.Cond    // held fell
	poke     chan struct{} // something changed for the loop

	// For a pool that is alone: seen is the last seq that a claim may have read;
	// while one reads, let are the jobs that were let go, of which it may see what
	// is no longer so.
	seen     int64
	claiming bool
	let      map[int64]struct{}
}

// lane is what the pool knows of a lane with work.
type lane struct {
	name    string
	due     int64  // when the next item may be claimed, as far as is known
	version uint64 // counts wake-ups, so that a claim does not overwrite one
	jobs    []*Job // claimed, waiting for their turn
	running int
	// promised is the pool's for this lane.
	promised int
	limit    int   // 0 means the pool's
	paused   int64 // not claimed before this time
}

func newPool(q *Queue, name string, c Config) *pool {
	p := &pool{q: q, name: name, cfg: c, lanes: map[string]*lane{}, held: map[int64]*Job{}, let: map[int64]struct{}{}, poke: make(chan struct{}, 1),
		labels: queueLabels(name)}
	p.alone = q.db.Alone()
	p.idle = sync.NewCond(&p.mu)
	return p
}

func (p *pool) lane(name string) *lane {
	l := p.lanes[name]
	if l == nil {
		l = &lane{name: name, due: never}
		p.lanes[name] = l
	}
	return l
}

func (p *pool) laneLimit(l *lane) int {
	if l.limit > 0 {
		return min(l.limit, p.cfg.LaneConcurrency)
	}
	return p.cfg.LaneConcurrency
}

func (p *pool) nudge() {
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

func (p *pool) wake(name string, due int64) {
	p.mu.Lock()
	l := p.lane(name)
	l.due = min(l.due, due)
	l.version++
	p.mu.Unlock()
	p.nudge()
}

// look makes the pool look for lanes it was not told of.
func (p *pool) look() {
	p.missed.Store(true)
	p.nudge()
}

// Forever is a pause without an end of its own.
var Forever = time.UnixMicro(never).UTC()

// Pause keeps a lane from being worked on until a time; the zero time ends a
// pause. Attempts under way go on. It lasts as long as the process: whoever pauses
// for longer remembers it.
func (q *Queue) Pause(queue, laneName string, until time.Time) {
	p := q.pools[queue]
	if p == nil {
		return
	}
	p.mu.Lock()
	l := p.lane(laneName)
	var back []*Job
	if l.paused = 0; !until.IsZero() {
		l.paused = until.UnixMicro()
		if back = l.jobs; len(back) > 0 {
			l.jobs = nil
			p.waiting -= len(back)
			p.order = slices.DeleteFunc(p.order, func(o *lane) bool { return o == l })
		}
	}
	p.mu.Unlock()
	go p.giveBack(back)
	p.nudge()
}

// Limit bounds the attempts under way in one lane; 0 means the queue's LaneConcurrency.
func (q *Queue) Limit(queue, laneName string, n int) {
	if p := q.pools[queue]; p != nil {
		p.mu.Lock()
		p.lane(laneName).limit = n
		p.mu.Unlock()
		p.nudge()
	}
}

// loop claims when something is due and sleeps otherwise.
func (p *pool) loop() {
	q := p.q
	p.mu.Lock()
	p.started = true
	p.mu.Unlock()
	timer := q.clock.NewTimer(0)
	defer timer.Stop()
	nextScan, nextRenewal := int64(0), never
	for {
		now := q.clock.Now()
		us := now.UnixMicro()
		var err error
		if p.missed.Swap(false) || us >= nextScan {
			if err = p.scan(); err == nil {
				if nextScan = never; !p.alone {
					nextScan = now.Add(rescan).UnixMicro()
				}
			}
		}
		if us >= nextRenewal {
			err = errors.Join(err, p.renew())
			nextRenewal = never
		}
		var until int64
		if err == nil {
			until, err = p.claim(us)
		}
		if err != nil && q.ctx.Err() == nil {
			q.log.Error("the queue cannot reach the database", "queue", p.name, "error", err)
			until = now.Add(retryClaim).UnixMicro()
		}
		p.mu.Lock()
		stopping, holding := p.stopping, len(p.held) > 0
		p.mu.Unlock()
		if stopping {
			return
		}
		if holding && nextRenewal == never && !p.alone {
			nextRenewal = now.Add(p.lease() / 3).UnixMicro()
		}
		// never is too far away for a Duration.
		sleep := min(min(until, nextScan, nextRenewal)-q.clock.Now().UnixMicro(), longestSleep.Microseconds())
		timer.Reset(time.Duration(max(0, sleep)) * time.Microsecond)
		select {
		case <-timer.Chan():
		case <-p.poke:
			if !timer.Stop() {
				select {
				case <-timer.Chan():
				default:
				}
			}
		}
	}
}

func (p *pool) lease() time.Duration { return p.cfg.Timeout + leaseMargin }

// scan finds every lane that has items: at start, and now and then for those that
// other processes filled. It seeks from lane to lane in the index.
func (p *pool) scan() error {
	type found struct {
		name string
		due  int64
	}
	var lanes []found
	blocked := map[string]bool{}
	err := p.q.db.View(p.q.ctx, func(tx *store.Tx) error {
		lanes = lanes[:0]
		last := store.String("")
		for {
			next := store.Null
			err := tx.Query("SELECT min(lane) FROM _pylon_queue WHERE queue=? AND lane>?", []store.Value{store.String(p.name), last}, func(r store.Rows) error {
				next = r.Value(0, store.TypeString)
				return nil
			})
			if err != nil || next.IsNull() {
				return err
			}
			due, err := nextDue(tx, p.name, next.Str())
			if err == nil && !p.alone {
				err = p.countBlocked(tx, next, blocked)
			}
			if err != nil {
				return err
			}
			lanes = append(lanes, found{next.Str(), due})
			last = next
		}
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	for _, f := range lanes {
		l := p.lane(f.name)
		l.due = min(l.due, f.due)
	}
	p.mu.Unlock()
	for lane := range blocked {
		if err := p.q.unblock(lane, p.name); err != nil {
			return err
		}
	}
	return nil
}

// wants decides how much to claim of which lanes. What is claimed and waits is at
// most as much again as may run, so that workers do not starve during a claim
// and little is held when the process ends.
func (p *pool) wants(now int64) (wants []*want, until int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	until = never
	if p.stopping {
		return nil, until
	}
	free := 2*p.cfg.Concurrency - p.running - p.waiting
	for name, l := range p.lanes {
		due := max(l.due, l.paused)
		switch room := 2*p.laneLimit(l) - l.running - len(l.jobs); {
		case due == never && l.running == 0 && len(l.jobs) == 0 && l.promised == 0 && l.limit == 0 && l.paused <= now:
			delete(p.lanes, name)
		case due > now:
			until = min(until, due)
		case room >= max(1, p.laneLimit(l)/4): // not one by one; a worker that ends asks again
			wants = append(wants, &want{lane: l, n: room, version: l.version})
		}
	}
	if free < max(1, p.cfg.Concurrency/4) && p.running > 0 { // a worker that ends asks again
		return nil, until
	}
	if len(wants) > free { // take turns; map order is random, so no lane is always last
		wants = wants[:free]
	}
	for i, w := range wants {
		w.n = max(1, min(w.n, free/(len(wants)-i)))
		free -= w.n
	}
	return wants, until
}

// next takes the job whose turn it is: lanes take turns. p.mu is held.
func (p *pool) next() (*lane, *Job) {
	for range p.order {
		l := p.order[0]
		p.order = p.order[1:]
		if l.running >= p.laneLimit(l) {
			p.order = append(p.order, l)
			continue
		}
		j := l.jobs[0]
		l.jobs[0] = nil
		if l.jobs = l.jobs[1:]; len(l.jobs) > 0 {
			p.order = append(p.order, l)
		}
		p.waiting--
		p.running++
		l.running++
		return l, j
	}
	return nil, nil
}

// dispatch starts workers for waiting jobs. p.mu is held.
func (p *pool) dispatch() {
	for p.running < p.cfg.Concurrency {
		l, j := p.next()
		if j == nil {
			return
		}
		go p.work(l, j)
	}
}

// work runs attempts, one after the other as long as there are any: a goroutine
// that goes on has its stack grown already.
func (p *pool) work(l *lane, j *Job) {
	for j != nil {
		outcome := p.attempt(j)
		if p.q.ctx.Err() != nil && outcome.kind != outcomeDone {
			outcome = Outcome{kind: outcomeReleased} // interrupted by the stop: not an attempt
		}
		p.q.finished <- finished{pool: p, job: j, outcome: outcome}
		p.mu.Lock()
		p.running--
		l.running--
		hungry := p.waiting < p.cfg.Concurrency/2 || p.running < p.cfg.Concurrency || len(l.jobs) < p.laneLimit(l)
		if j = nil; p.stopping {
			hungry = false
		} else {
			l, j = p.next()
			p.dispatch()
		}
		p.mu.Unlock()
		if hungry {
			p.nudge()
		}
	}
}

func (p *pool) attempt(j *Job) (o Outcome) {
	ctx, span := p.q.tracer.Start(withTraceParent(p.q.ctx, j.TraceParent), "queue "+p.name,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attribute.String("pylon.item", j.ID), attribute.String("pylon.lane", j.Lane), attribute.Int("pylon.attempt", j.Attempts+1)))
	ctx, cancel := WithTimeout(ctx, p.q.clock, p.cfg.Timeout)
	defer func() {
		cancel()
		if r := recover(); r != nil {
			p.q.log.Error("a worker panicked", "queue", p.name, "item", j.ID, "panic", r, "stack", string(debug.Stack()))
			o = Retry(fmt.Errorf("the worker panicked: %v", r), 0)
		}
		if o.err != nil {
			span.SetStatus(codes.Error, o.err.Error())
		}
		span.End()
	}()
	return p.cfg.Worker.Work(ctx, j)
}

// renew extends the leases of everything held.
func (p *pool) renew() error {
	p.mu.Lock()
	jobs := slices.Collect(maps.Values(p.held))
	p.mu.Unlock()
	if len(jobs) == 0 {
		return nil
	}
	return p.q.db.Update(context.WithoutCancel(p.q.ctx), func(tx *store.Tx) error {
		end := micros(tx.Now().Add(p.lease()))
		for _, j := range jobs {
			if err := tx.Exec("UPDATE _pylon_queue SET due=? WHERE seq=? AND claim=?", end, store.Int(j.seq), store.String(j.claim)); err != nil {
				return err
			}
		}
		return nil
	})
}

// stop keeps new attempts from starting and gives back what waits.
func (p *pool) stop() {
	p.mu.Lock()
	p.stopping = true
	var back []*Job
	for _, l := range p.lanes {
		back = append(back, l.jobs...)
		l.jobs = nil
	}
	p.order, p.waiting = nil, 0
	p.mu.Unlock()
	p.nudge()
	p.giveBack(back)
}

// drain waits until every outcome is recorded.
func (p *pool) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.held) > 0 {
		p.idle.Wait()
	}
}
