package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/pylon-go/pylon/store"
)

// periodicQueue holds one item for each piece of periodic work. It is never
// removed, only put off to its next time, and the lease makes one process its runner.
const periodicQueue = "periodic"

// periodicTimeout bounds one run.
const periodicTimeout = 10 * time.Minute

type periodic struct {
	next func(now time.Time) time.Time
	run  func(ctx context.Context) error
}

// Every runs work periodically, by exactly one process among all that share the
// database; the first run is one interval after the first start. A run that fails
// is repeated a minute later, or at the next time when that is sooner.
func (q *Queue) Every(name string, every time.Duration, run func(ctx context.Context) error) error {
	if every < time.Second {
		return fmt.Errorf("periodic work %s: the interval is at least a second", name)
	}
	return q.At(name, func(now time.Time) time.Time { return now.Add(every) }, run)
}

// At is Every for work whose next time after now is what next says.
func (q *Queue) At(name string, next func(now time.Time) time.Time, run func(ctx context.Context) error) error {
	if next == nil || run == nil {
		return fmt.Errorf("periodic work %s: what and when must be set", name)
	}
	if q.periodic[name] != nil {
		return fmt.Errorf("periodic work %s exists", name)
	}
	q.periodic[name] = &periodic{next: next, run: run}
	return nil
}

func (q *Queue) startPeriodic(ctx context.Context) error {
	if len(q.periodic) == 0 {
		return nil
	}
	q.pools[periodicQueue] = newPool(q, periodicQueue, Config{
		Worker: WorkerFunc(q.runPeriodic), Concurrency: 4, LaneConcurrency: 1, Timeout: periodicTimeout,
		Backoff: func(*Job) Backoff { return Backoff{Base: time.Minute, Max: time.Minute} },
	})
	return q.db.Update(ctx, func(tx *store.Tx) error {
		for name, p := range q.periodic {
			next := p.next(tx.Now())
			if _, err := q.Enqueue(tx, Item{Queue: periodicQueue, Lane: name, Unique: name, NotBefore: next}); err != nil {
				return err
			}
			// A shortened interval counts from now.
			if err := tx.Exec("UPDATE _pylon_queue SET due=? WHERE queue=? AND uniq=? AND claim IS NULL AND due>?",
				micros(next), store.String(periodicQueue), store.String(name), micros(next)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (q *Queue) runPeriodic(ctx context.Context, j *Job) Outcome {
	p := q.periodic[j.Lane]
	if p == nil {
		return Done() // of an older version of the app
	}
	now := q.clock.Now()
	next := p.next(now)
	if err := p.run(ctx); err != nil {
		if q.ctx.Err() == nil {
			q.log.Error("periodic work failed", "work", j.Lane, "error", err)
		}
		if soon := now.Add(time.Minute); soon.Before(next) {
			next = soon
		}
	}
	return Snooze(next)
}
