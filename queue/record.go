package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/pylon-go/pylon/store"
)

// maxBatch bounds how many outcomes share one transaction.
const maxBatch = 256

// finished is an attempt that came to its end.
type finished struct {
	pool    *pool
	job     *Job
	outcome Outcome
	next    int64 // when its lane has something to do, as its record says
}

// record writes outcomes down, as many as wait at a time: while one batch is on
// its way to the disk the next one gathers.
func (q *Queue) record() {
	batch := make([]finished, 0, maxBatch)
	for first := range q.finished {
		batch = append(batch[:0], first)
	gather:
		for len(batch) < maxBatch {
			select {
			case f, open := <-q.finished:
				if !open {
					break gather
				}
				batch = append(batch, f)
			default:
				break gather
			}
		}
		if err := q.recordBatch(batch); err != nil && len(batch) > 1 {
			for i := range batch { // find the one that fails; the others must not suffer
				q.recordOne(batch[i : i+1])
			}
		} else if err != nil {
			q.recordOne(batch)
		}
		for _, f := range batch {
			f.pool.recorded(f.job, f.next)
		}
		clear(batch)
	}
}

// recordOne writes one outcome, trying again while the database is away. What
// cannot be recorded is worked on again when its lease ends: at least once.
func (q *Queue) recordOne(one []finished) {
	for try := 0; ; try++ {
		err := q.recordBatch(one)
		if err == nil {
			return
		}
		if !store.IsKind(err, store.Unavailable) || try == 3 || q.ctx.Err() != nil {
			if one[0].pool.alone { // no lease ends by itself
				one[0].next = q.clock.Now().Add(leaseMargin).UnixMicro()
			}
			q.log.Error("an outcome could not be recorded; the item will be worked on again",
				"queue", one[0].job.Queue, "item", one[0].job.ID, "error", err)
			return
		}
		q.clock.Sleep(retryClaim)
	}
}

func (q *Queue) recordBatch(batch []finished) error {
	ctx := context.WithoutCancel(q.ctx) // a stop must not lose what was done
	return q.db.Update(ctx, func(tx *store.Tx) error {
		held, err := q.holding(tx, batch)
		if err != nil {
			return err
		}
		if err := q.deleteDone(tx, batch); err != nil {
			return err
		}
		for i := range batch {
			batch[i].next = never
			if err := q.recordJob(tx, &batch[i], held); err != nil {
				return err
			}
		}
		return nil
	})
}

// recordJob applies one outcome, provided that the lease is still ours.
func (q *Queue) recordJob(tx *store.Tx, f *finished, held leases) error {
	j, o := f.job, f.outcome
	if f.plain() {
		tx.OnCommit(func() { q.metrics.count(q.metrics.done, f.pool.labels) })
		if !f.pool.alone {
			return nil // deleted with the others
		}
		return q.delete(tx, j)
	}
	if !q.holds(tx, f, held) {
		return nil
	}
	if o.InTx != nil {
		if err := o.InTx(tx); err != nil {
			return fmt.Errorf("record what %s learnt: %w", j.Queue, err)
		}
	}
	if o.Note != nil {
		j.Note = o.Note
	}
	now := tx.Now()
	switch o.kind {
	case outcomeDone:
		tx.OnCommit(func() { q.metrics.count(q.metrics.done, f.pool.labels) })
		return q.remove(tx, f)
	case outcomeReleased:
		return q.reschedule(tx, f, now)
	case outcomeSnooze:
		return q.reschedule(tx, f, o.at)
	case outcomeRetry:
		b := f.pool.cfg.Backoff(j)
		if b.MaxAttempts > 0 && j.Attempts+1 >= b.MaxAttempts {
			return q.bury(tx, f)
		}
		tx.OnCommit(func() { q.metrics.count(q.metrics.failed, f.pool.labels) })
		first := j.FirstFailure
		if first.IsZero() {
			first = now
		}
		due := now.Add(max(b.Delay(j.Attempts), o.delay))
		f.next = due.UnixMicro()
		return tx.Exec("UPDATE _pylon_queue SET due=?, claim=NULL, attempts=attempts+1, first_failure=?, last_error=?, note=? WHERE seq=?",
			micros(due), store.Time(first), store.String(message(o.err)), optBytes(j.Note), store.Int(j.seq))
	default:
		return q.bury(tx, f)
	}
}

// Delay is how long to wait after the given number of earlier failures.
func (b Backoff) Delay(failures int) time.Duration {
	d := b.Base
	for range failures {
		if d *= 2; d >= b.Max || d <= 0 {
			d = b.Max
			break
		}
	}
	d = min(d, b.Max)
	if b.Jitter > 0 {
		d += time.Duration(float64(d) * b.Jitter * (2*rand.Float64() - 1))
	}
	return d
}

func (q *Queue) reschedule(tx *store.Tx, f *finished, at time.Time) error {
	f.next = at.UnixMicro()
	return tx.Exec("UPDATE _pylon_queue SET due=?, claim=NULL, note=? WHERE seq=?", micros(at), optBytes(f.job.Note), store.Int(f.job.seq))
}

// delete removes an item that is still ours; one that is not is left to whoever has it.
func (q *Queue) delete(tx *store.Tx, j *Job) error {
	if j.claim == "" {
		return tx.Exec("DELETE FROM _pylon_queue WHERE seq=?", store.Int(j.seq))
	}
	return tx.Exec("DELETE FROM _pylon_queue WHERE seq=? AND claim=?", store.Int(j.seq), store.String(j.claim))
}

// remove deletes an item and lets the next one with its key go.
func (q *Queue) remove(tx *store.Tx, f *finished) error {
	j := f.job
	if err := q.delete(tx, j); err != nil {
		return err
	}
	if j.Key == "" {
		return nil
	}
	now := micros(tx.Now())
	f.next = now.Int()
	return tx.Exec("UPDATE _pylon_queue SET due=CASE WHEN not_before>? THEN not_before ELSE ? END "+
		"WHERE seq=(SELECT min(seq) FROM _pylon_queue WHERE queue=? AND lane=? AND key=?) AND due=?",
		now, now, store.String(j.Queue), store.String(j.Lane), store.String(j.Key), store.Int(never))
}

// bury makes an item a dead letter.
func (q *Queue) bury(tx *store.Tx, f *finished) error {
	j := f.job
	err := f.outcome.err
	if err == nil {
		err = errors.New("the worker gave up")
	}
	if f.pool.cfg.OnDead != nil {
		if err := f.pool.cfg.OnDead(tx, j, err); err != nil {
			return fmt.Errorf("record the dead letter of %s: %w", j.Queue, err)
		}
	}
	tx.OnCommit(func() {
		q.metrics.count(q.metrics.dead, f.pool.labels)
		q.log.Warn("an item failed for good", "queue", j.Queue, "lane", j.Lane, "item", j.ID, "attempts", j.Attempts+1, "error", err)
	})
	if f.pool.cfg.NoDeadLetters {
		return q.remove(tx, f)
	}
	if err := tx.Exec("INSERT INTO _pylon_queue_dead (id,queue,lane,key,payload,attempts,enqueued_at,died_at,last_error,trace) VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING",
		store.String(j.ID), store.String(j.Queue), store.String(j.Lane), store.OptString(j.Key), store.Bytes(j.Payload), store.Int(int64(j.Attempts+1)),
		store.Time(j.EnqueuedAt), store.Time(tx.Now()), store.String(message(err)), store.OptString(j.TraceParent)); err != nil {
		return err
	}
	return q.remove(tx, f)
}

// message is an error's text within bounds, as every database can hold it.
func message(err error) string {
	if err == nil {
		return ""
	}
	const limit = 1024
	s := strings.ReplaceAll(err.Error(), "\x00", "")
	return strings.ToValidUTF8(s[:min(len(s), limit)], "")
}
