package queue

import (
	"fmt"
	"slices"

	"github.com/pylon-go/pylon/store"
)

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
		seen := int64(0)
		if p.alone {
			seen, err = p.readDue(wants, now)
		} else {
			err = p.leaseDue(wants, now)
		}
		if err != nil {
			p.accept(nil, now, 0)
			return 0, fmt.Errorf("claim items: %w", err)
		}
		p.accept(wants, now, seen)
	}
}

const jobColumns = "seq,id,key,uniq,payload,attempts,enqueued_at,first_failure,last_error,trace,note"

// leaseDue claims by writing a lease that other processes see.
func (p *pool) leaseDue(wants []*want, now int64) error {
	claim := p.q.owner + "." + store.NewID(p.q.clock.Now())
	// Materialized: a plan that asked for the locked rows again and again would take
	// more than the limit.
	sql := "WITH mine AS MATERIALIZED (SELECT seq FROM _pylon_queue WHERE queue=? AND lane=? AND due<=? ORDER BY due, seq LIMIT ?" + p.q.db.Engine().Dialect().SkipLocked +
		") UPDATE _pylon_queue SET due=?, claim=? WHERE seq IN (SELECT seq FROM mine) RETURNING " + jobColumns
	return p.q.db.Update(p.q.ctx, func(tx *store.Tx) error {
		for _, w := range wants {
			w.jobs = w.jobs[:0]
			args := []store.Value{store.String(p.name), store.String(w.lane.name), store.Int(now), store.Int(int64(w.n)), store.Int(now + p.lease().Microseconds()), store.String(claim)}
			if err := tx.Query(sql, args, func(r store.Rows) error {
				j := p.job(w.lane, r)
				j.claim = claim
				w.jobs = append(w.jobs, j)
				return nil
			}); err != nil {
				return err
			}
			slices.SortFunc(w.jobs, func(a, b *Job) int { return int(min(1, max(-1, a.seq-b.seq))) })
			var err error
			if w.due, err = nextDue(tx, p.name, w.lane.name); err != nil {
				return err
			}
		}
		return nil
	})
}

// readDue finds what is due and not held. Nothing is written: nobody else serves
// the database. It answers the last seq that its snapshot holds.
func (p *pool) readDue(wants []*want, now int64) (seen int64, err error) {
	p.mu.Lock()
	p.claiming = true
	held := make(map[int64]struct{}, len(p.held))
	perLane := map[string]int{}
	for seq, j := range p.held {
		held[seq] = struct{}{}
		perLane[j.Lane]++
	}
	p.mu.Unlock()
	err = p.q.db.View(p.q.ctx, func(tx *store.Tx) error {
		if err := tx.Query("SELECT max(seq) FROM _pylon_queue", nil, func(r store.Rows) error {
			seen = r.Value(0, store.TypeInt).Int()
			return nil
		}); err != nil {
			return err
		}
		for _, w := range wants {
			if err := p.readLane(tx, w, now, held, perLane[w.lane.name]); err != nil {
				return err
			}
		}
		return nil
	})
	return seen, err
}

func (p *pool) readLane(tx *store.Tx, w *want, now int64, held map[int64]struct{}, heldHere int) error {
	w.jobs, w.due = w.jobs[:0], never
	var due []int64
	// The index has all this needs; rows that are held are not touched.
	if err := tx.Query("SELECT seq,due FROM _pylon_queue WHERE queue=? AND lane=? ORDER BY due, seq LIMIT ?",
		[]store.Value{store.String(p.name), store.String(w.lane.name), store.Int(int64(w.n + heldHere + 1))}, func(r store.Rows) error {
			seq := r.Value(0, store.TypeInt).Int()
			if _, is := held[seq]; is {
				return nil
			}
			if at := r.Value(1, store.TypeInt).Int(); at > now || len(due) == w.n {
				w.due = at
				return store.Stop
			}
			due = append(due, seq)
			return nil
		}); err != nil {
		return err
	}
	for _, seq := range due {
		if err := tx.Query("SELECT "+jobColumns+" FROM _pylon_queue WHERE seq=?", []store.Value{store.Int(seq)}, func(r store.Rows) error {
			w.jobs = append(w.jobs, p.job(w.lane, r))
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (p *pool) job(l *lane, r store.Rows) *Job {
	j := &Job{
		seq: r.Value(0, store.TypeInt).Int(),
		Item: Item{ID: r.Value(1, store.TypeString).Str(), Queue: p.name, Lane: l.name, Key: r.Value(2, store.TypeString).Str(),
			Unique: r.Value(3, store.TypeString).Str(), Payload: []byte(r.Value(4, store.TypeBytes).Str())},
		Attempts:     int(r.Value(5, store.TypeInt).Int()),
		EnqueuedAt:   r.Value(6, store.TypeDatetime).Time(),
		FirstFailure: r.Value(7, store.TypeDatetime).Time(),
		LastError:    r.Value(8, store.TypeString).Str(),
		TraceParent:  r.Value(9, store.TypeString).Str(),
	}
	if note := r.Value(10, store.TypeBytes); !note.IsNull() {
		j.Note = []byte(note.Str())
	}
	return j
}

// nextDue is when the first item of a lane is due.
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

// accept takes claimed jobs over and starts what may run.
func (p *pool) accept(wants []*want, now, seen int64) {
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
		if p.alone {
			w.jobs = slices.DeleteFunc(w.jobs, func(j *Job) bool {
				_, let := p.let[j.seq]
				return let || p.held[j.seq] != nil // what was handed over meanwhile
			})
		}
		for _, j := range w.jobs {
			p.held[j.seq] = j
		}
		if p.stopping || l.paused > now {
			back = append(back, w.jobs...)
			continue
		}
		p.append(l, w.jobs...)
	}
	clear(p.let)
	p.claiming, p.seen = false, max(p.seen, seen)
	if !p.stopping {
		p.dispatch()
	}
	p.mu.Unlock()
	p.giveBack(back)
}

// append puts claimed jobs in line. p.mu is held.
func (p *pool) append(l *lane, jobs ...*Job) {
	if len(jobs) == 0 {
		return
	}
	if len(l.jobs) == 0 {
		p.order = append(p.order, l)
	}
	l.jobs = append(l.jobs, jobs...)
	p.waiting += len(jobs)
}

// offer hands over an item that was just committed, without reading it back, when
// its lane has room and nothing older waits. Otherwise it is claimed in its turn.
func (p *pool) offer(j *Job, due int64) {
	p.mu.Lock()
	l := p.lane(j.Lane)
	taken := p.started && !p.stopping && l.due > due && l.paused <= due &&
		j.seq > p.seen && // no claim can have read it
		l.running+len(l.jobs) < 2*p.laneLimit(l) && p.running+p.waiting < 2*p.cfg.Concurrency
	if taken {
		p.held[j.seq] = j
		p.append(l, j)
		p.dispatch()
	} else {
		l.due = min(l.due, due)
		l.version++
	}
	p.mu.Unlock()
	if !taken {
		p.nudge()
	}
}

// giveBack ends leases without an attempt.
func (p *pool) giveBack(jobs []*Job) {
	if p.alone {
		now := p.q.clock.Now().UnixMicro()
		for _, j := range jobs {
			p.recorded(j, now)
		}
		return
	}
	for _, j := range jobs {
		p.q.finished <- finished{pool: p, job: j, outcome: Outcome{kind: outcomeReleased}}
	}
}

// recorded forgets a job whose outcome is on disk, or whose lease runs out by
// itself. Its lane has something to do at next.
func (p *pool) recorded(j *Job, next int64) {
	p.mu.Lock()
	if p.held[j.seq] == j {
		delete(p.held, j.seq)
	}
	if p.claiming {
		p.let[j.seq] = struct{}{}
	}
	if next != never {
		l := p.lane(j.Lane)
		l.due = min(l.due, next)
		l.version++
	}
	p.idle.Broadcast()
	p.mu.Unlock()
	if next != never {
		p.nudge()
	}
}
