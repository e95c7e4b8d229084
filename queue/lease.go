package queue

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pylon-go/pylon/store"
)

// leases are the claims of items by their seq, as the database has them.
type leases map[int64]string

// holding locks the rows of the jobs that are to be recorded, all at once, and
// reads who has their leases. A process that is alone has them in memory.
func (q *Queue) holding(tx *store.Tx, batch []finished) (leases, error) {
	var seqs []int64
	var keys []string
	for i := range batch {
		f := &batch[i]
		if f.pool.alone {
			continue
		}
		if f.job.Key != "" { // the next of its key may be on its way in
			keys = append(keys, keyLock(f.job.Queue, f.job.Lane, f.job.Key))
		}
		if !f.plain() {
			seqs = append(seqs, f.job.seq)
		}
	}
	slices.Sort(keys) // the same order in every process
	for _, key := range slices.Compact(keys) {
		if err := tx.Lock(key); err != nil {
			return nil, err
		}
	}
	held := leases{}
	if len(seqs) == 0 {
		return held, nil
	}
	list, args := seqList(seqs)
	err := tx.Query("SELECT seq, claim FROM _pylon_queue WHERE seq IN "+list+" ORDER BY seq"+tx.Dialect().ForUpdate, args, func(r store.Rows) error {
		held[r.Value(0, store.TypeInt).Int()] = r.Value(1, store.TypeString).Str()
		return nil
	})
	return held, err
}

// enqueueLeased adds an item that comes with a lease of this process, which has
// room for it: nobody has to claim it then, and the database changes it only once
// more, when it is done.
func (q *Queue) enqueueLeased(tx *store.Tx, p *pool, it Item, args []store.Value) error {
	now := tx.Now()
	j := &Job{Item: it, EnqueuedAt: now, TraceParent: args[len(args)-1].Str(), claim: q.owner + "." + it.ID}
	args = append(slices.Clone(args), store.String(j.claim))
	args[7] = micros(now.Add(p.lease()))
	if err := tx.ExecThen(func(r store.Rows) { j.seq = r.Value(0, store.TypeInt).Int() }, insertLeasedSQL, args...); err != nil {
		return fmt.Errorf("enqueue for %s: %w", it.Queue, err)
	}
	tx.OnCommit(func() {
		q.enqueued(p, it.Queue)
		if !p.take(j) {
			q.release(j)
		}
	})
	return nil
}

// promise keeps a place for one more item of a lane, of which nothing older waits.
func (p *pool) promise(tx *store.Tx, lane string, now int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lane(lane)
	if !p.started || p.stopping || l.due <= now || l.paused > now ||
		p.running+p.waiting+p.promised >= 2*p.cfg.Concurrency || l.running+len(l.jobs)+l.promised >= 2*p.laneLimit(l) {
		return false
	}
	p.promised++
	l.promised++
	kept := func() {
		p.mu.Lock()
		p.promised--
		l.promised--
		p.mu.Unlock()
	}
	tx.OnCommit(kept)
	tx.OnUndone(kept)
	return true
}

// take puts a job in line that this process has a lease of already.
func (p *pool) take(j *Job) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lane(j.Lane)
	if p.stopping || l.paused > p.q.clock.Now().UnixMicro() {
		return false
	}
	p.held[j.seq] = j
	p.append(l, j)
	p.dispatch()
	return true
}

// release ends the lease of a job that was not taken after all.
func (q *Queue) release(j *Job) {
	now := q.clock.Now().UnixMicro()
	if err := q.db.Update(context.WithoutCancel(q.ctx), func(tx *store.Tx) error {
		tx.OnCommit(func() { q.wake(j.Queue, j.Lane, now) })
		return tx.Exec("UPDATE _pylon_queue SET due=?, claim=NULL WHERE seq=? AND claim=?", store.Int(now), store.Int(j.seq), store.String(j.claim))
	}); err != nil {
		q.log.Error("an item waits for the end of its lease", "queue", j.Queue, "item", j.ID, "error", err)
	}
}

// deleteDone deletes at once all items that only need that, and are still leased to
// this process; one that is not is left to whoever has it.
func (q *Queue) deleteDone(tx *store.Tx, batch []finished) error {
	var seqs []int64
	for i := range batch {
		if f := &batch[i]; f.plain() && !f.pool.alone {
			seqs = append(seqs, f.job.seq)
		}
	}
	if len(seqs) == 0 {
		return nil
	}
	slices.Sort(seqs) // the order in which others lock
	list, args := seqList(seqs)
	mine := q.owner + "."
	return tx.Exec("DELETE FROM _pylon_queue WHERE seq IN "+list+" AND substr(claim,1,"+strconv.Itoa(len(mine))+")=?", append(args, store.String(mine))...)
}

// seqList is a list for IN. There are few different numbers of placeholders, so
// that few statements are prepared.
func seqList(seqs []int64) (sql string, args []store.Value) {
	n := 1
	for n < len(seqs) {
		n *= 2
	}
	args = make([]store.Value, n, n+1)
	for i := range args {
		args[i] = store.Int(seqs[min(i, len(seqs)-1)])
	}
	return "(?" + strings.Repeat(",?", n-1) + ")", args
}

// plain reports whether an outcome only deletes its item, which needs no lock.
func (f *finished) plain() bool {
	return f.outcome.kind == outcomeDone && f.outcome.InTx == nil && f.job.Key == ""
}

// holds reports whether the lease of a job is still ours.
func (q *Queue) holds(tx *store.Tx, f *finished, held leases) bool {
	if f.pool.alone || held[f.job.seq] == f.job.claim {
		return true
	}
	tx.OnCommit(func() {
		q.log.Warn("a lease ran out before the work ended; its outcome is not recorded", "queue", f.job.Queue, "item", f.job.ID)
	})
	return false
}
