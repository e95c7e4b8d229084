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
	every time.Duration
	run   func(ctx context.Context) error
}

// Every runs work periodically, by exactly one process among all that share the
// database; the first run is one interval after the first start. A run that fails
// is repeated a minute later, or at the next time when that is sooner.
func (q *Queue) Every(name string, every time.Duration, run func(ctx context.Context) error) error {
	if every < time.Second || run == nil {
		return fmt.Errorf("periodic work %s: the interval is at least a second", name)
	}
	if q.periodic[name] != nil {
		return fmt.Errorf("periodic work %s exists", name)
	}
	q.periodic[name] = &periodic{every: every, run: run}
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
			next := tx.Now().Add(p.every)
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
	next := q.clock.Now().Add(p.every)
	if err := p.run(ctx); err != nil {
		if q.ctx.Err() == nil {
			q.log.Error("periodic work failed", "work", j.Lane, "error", err)
		}
		next = q.clock.Now().Add(min(p.every, time.Minute))
	}
	return Snooze(next)
}
