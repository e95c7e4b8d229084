package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/pylon-go/pylon/store"
)

const (
	// leaseMargin is how much longer than an attempt's timeout a lease lasts.
	leaseMargin = 30 * time.Second
	// rescan is how often a pool looks for lanes it was not told of: those filled
	// by another process.
	rescan = time.Minute
	// retryClaim is how long a pool waits after the database refused a claim.
	retryClaim = time.Second
)

// pool works on one queue: it claims what is due, lane by lane, and runs it.
type pool struct {
	q    *Queue
	name string
	cfg  Config

	mu       sync.Mutex
	lanes    map[string]*lane
	order    []*lane // lanes with claimed jobs that wait, in turn
	running  int
	waiting  int // claimed jobs that do not run yet
	held     map[*Job]struct{}
	stopping bool
	idle     *sync.Cond    // held fell
	poke     chan struct{} // something changed for the loop
}

// lane is what the pool knows of a lane with work.
type lane struct {
	name    string
	due     int64  // when the next item may be claimed, as far as is known
	version uint64 // counts wake-ups, so that a claim does not overwrite one
	jobs    []*Job // claimed, waiting for their turn
	running int
	limit   int   // 0 means the pool's
	paused  int64 // not claimed before this time
}

func newPool(q *Queue, name string, c Config) *pool {
	p := &pool{q: q, name: name, cfg: c, lanes: map[string]*lane{}, held: map[*Job]struct{}{}, poke: make(chan struct{}, 1)}
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
	timer := q.clock.NewTimer(0)
	defer timer.Stop()
	nextScan, nextRenewal := int64(0), never
	for {
		now := q.clock.Now()
		us := now.UnixMicro()
		var err error
		if us >= nextScan {
			if err = p.scan(); err == nil {
				nextScan = now.Add(rescan).UnixMicro()
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
		if holding && nextRenewal == never {
			nextRenewal = now.Add(p.lease() / 3).UnixMicro()
		}
		timer.Reset(time.Duration(max(0, min(until, nextScan, nextRenewal)-q.clock.Now().UnixMicro())) * time.Microsecond)
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
	defer p.mu.Unlock()
	for _, f := range lanes {
		l := p.lane(f.name)
		l.due = min(l.due, f.due)
	}
	return nil
}

func nextDue(tx *store.Tx, queue, lane string) (due int64, err error) {
	due = never
	err = tx.Query("SELECT min(due) FROM _pylon_queue WHERE queue=? AND lane=?", []store.Value{store.String(queue), store.String(lane)}, func(r store.Rows) error {
		if v := r.Value(0, store.TypeInt); !v.IsNull() {
			due = v.Int()
		}
		return nil
	})
	return due, err
}

// want is a claim to make in one lane.
type want struct {
	lane    *lane
	n       int
	version uint64
	jobs    []*Job
	due     int64
}

// claim takes what is due into memory, as much as can soon run, and starts it. It
// answers when there will be more to claim.
func (p *pool) claim(now int64) (until int64, err error) {
	for {
		wants, until := p.wants(now)
		if len(wants) == 0 {
			return until, nil
		}
		claim := p.q.owner + "." + store.NewID(p.q.clock.Now())
		leaseEnd := now + p.lease().Microseconds()
		err := p.q.db.Update(p.q.ctx, func(tx *store.Tx) error {
			for _, w := range wants {
				w.jobs = w.jobs[:0]
				if err := claimLane(tx, p.name, w, now, leaseEnd, claim); err != nil {
					return err
				}
				var err error
				if w.due, err = nextDue(tx, p.name, w.lane.name); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("claim items: %w", err)
		}
		p.accept(wants, now)
	}
}

const jobColumns = "seq,id,key,uniq,payload,attempts,enqueued_at,first_failure,last_error,trace,note"

func claimLane(tx *store.Tx, queue string, w *want, now, leaseEnd int64, claim string) error {
	sql := "UPDATE _pylon_queue SET due=?, claim=? WHERE seq IN (SELECT seq FROM _pylon_queue WHERE queue=? AND lane=? AND due<=? ORDER BY due, seq LIMIT ?" +
		tx.Dialect().SkipLocked + ") RETURNING " + jobColumns
	args := []store.Value{store.Int(leaseEnd), store.String(claim), store.String(queue), store.String(w.lane.name), store.Int(now), store.Int(int64(w.n))}
	err := tx.Query(sql, args, func(r store.Rows) error {
		j := &Job{
			seq: r.Value(0, store.TypeInt).Int(),
			Item: Item{ID: r.Value(1, store.TypeString).Str(), Queue: queue, Lane: w.lane.name, Key: r.Value(2, store.TypeString).Str(),
				Unique: r.Value(3, store.TypeString).Str(), Payload: []byte(r.Value(4, store.TypeBytes).Str())},
			Attempts:     int(r.Value(5, store.TypeInt).Int()),
			EnqueuedAt:   r.Value(6, store.TypeDatetime).Time(),
			FirstFailure: r.Value(7, store.TypeDatetime).Time(),
			LastError:    r.Value(8, store.TypeString).Str(),
			TraceParent:  r.Value(9, store.TypeString).Str(),
			claim:        claim,
		}
		if note := r.Value(10, store.TypeBytes); !note.IsNull() {
			j.Note = []byte(note.Str())
		}
		w.jobs = append(w.jobs, j)
		return nil
	})
	slices.SortFunc(w.jobs, func(a, b *Job) int { return int(min(1, max(-1, a.seq-b.seq))) })
	return err
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
		case due == never && l.running == 0 && len(l.jobs) == 0 && l.limit == 0 && l.paused <= now:
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

// accept takes claimed jobs over and starts what may run.
func (p *pool) accept(wants []*want, now int64) {
	p.mu.Lock()
	var back []*Job
	for _, w := range wants {
		l := w.lane
		if p.lanes[l.name] == nil {
			p.lanes[l.name] = l
		}
		if l.version == w.version {
			l.due = w.due
		}
		if len(w.jobs) == 0 {
			continue
		}
		if p.stopping || l.paused > now {
			back = append(back, w.jobs...)
			for _, j := range w.jobs {
				p.held[j] = struct{}{}
			}
			continue
		}
		if len(l.jobs) == 0 {
			p.order = append(p.order, l)
		}
		l.jobs = append(l.jobs, w.jobs...)
		p.waiting += len(w.jobs)
		for _, j := range w.jobs {
			p.held[j] = struct{}{}
		}
	}
	if !p.stopping {
		p.dispatch()
	}
	p.mu.Unlock()
	p.giveBack(back)
}

// giveBack ends leases without an attempt.
func (p *pool) giveBack(jobs []*Job) {
	for _, j := range jobs {
		p.q.finished <- finished{pool: p, job: j, outcome: Outcome{kind: outcomeReleased}}
	}
}

// recorded forgets jobs whose outcome is on disk, or whose lease runs out by itself.
func (p *pool) recorded(j *Job) {
	p.mu.Lock()
	delete(p.held, j)
	p.idle.Broadcast()
	p.mu.Unlock()
}

// dispatch starts waiting jobs, a lane at a time in turn. p.mu is held.
func (p *pool) dispatch() {
	for skipped := 0; p.running < p.cfg.Concurrency && skipped < len(p.order); {
		l := p.order[0]
		p.order = p.order[1:]
		if l.running >= p.laneLimit(l) {
			p.order = append(p.order, l)
			skipped++
			continue
		}
		skipped = 0
		j := l.jobs[0]
		l.jobs[0] = nil
		if l.jobs = l.jobs[1:]; len(l.jobs) > 0 {
			p.order = append(p.order, l)
		}
		p.waiting--
		p.running++
		l.running++
		go p.work(l, j)
	}
}

// work runs one attempt.
func (p *pool) work(l *lane, j *Job) {
	outcome := p.attempt(j)
	p.mu.Lock()
	p.running--
	l.running--
	stopping := p.stopping
	if !stopping {
		p.dispatch()
	}
	hungry := p.waiting < p.cfg.Concurrency/2 || p.running < p.cfg.Concurrency || len(l.jobs) < p.laneLimit(l)
	p.mu.Unlock()
	if p.q.ctx.Err() != nil && outcome.kind != outcomeDone {
		outcome = Outcome{kind: outcomeReleased} // interrupted by the stop: not an attempt
	}
	p.q.finished <- finished{pool: p, job: j, outcome: outcome}
	if hungry && !stopping {
		p.nudge()
	}
}

func (p *pool) attempt(j *Job) (o Outcome) {
	ctx, span := p.q.tracer.Start(withTraceParent(p.q.ctx, j.TraceParent), "queue "+p.name,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attribute.String("pylon.item", j.ID), attribute.String("pylon.lane", j.Lane), attribute.Int("pylon.attempt", j.Attempts+1)))
	ctx, cancel := clockwork.WithTimeout(ctx, p.q.clock, p.cfg.Timeout)
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
	jobs := make([]*Job, 0, len(p.held))
	for j := range p.held {
		jobs = append(jobs, j)
	}
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
