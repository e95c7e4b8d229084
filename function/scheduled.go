package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// scheduledQueue holds calls for later; each function is a lane of it.
const scheduledQueue = "functions"

const (
	scheduledAttempts = 5
	maxScheduledArgs  = 1 << 20
)

// doneTable remembers scheduled calls whose mutation is committed, while the queue does
// not know of it yet: a mutation runs once, whatever crashes in between.
const doneTable = "_pylon_function_done"

// Tables are the host's private tables.
func Tables() []*store.Table {
	return []*store.Table{{
		Name:       doneTable,
		Columns:    []store.Column{{Name: "id", Type: store.TypeString}, {Name: "at", Type: store.TypeDatetime}},
		PrimaryKey: []string{"id"},
	}}
}

// scheduledCall is the payload of an item.
type scheduledCall struct {
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

func (h *Host) handleScheduled() error {
	return h.queue.Handle(scheduledQueue, queue.Config{
		Worker: queue.WorkerFunc(h.runScheduled), Concurrency: 32, LaneConcurrency: 8,
		Timeout: h.limits.Background + time.Minute,
		Backoff: func(*queue.Job) queue.Backoff {
			return queue.Backoff{Base: 5 * time.Second, Max: 5 * time.Minute, Jitter: 0.2, MaxAttempts: scheduledAttempts}
		},
		OnDead: func(_ *store.Tx, j *queue.Job, err error) error {
			h.log.Error("a scheduled function failed for good", "function", j.Lane, "id", j.ID, "attempts", j.Attempts, "error", err)
			return nil
		},
	})
}

// Schedule calls a function at a time, if the transaction commits. A mutation runs
// once; an action may run again when the server dies while it does. One that fails is
// tried again, up to five times.
func (h *Host) Schedule(tx *store.Tx, name string, args []byte, at time.Time) (id string, err error) {
	if h.queue == nil {
		return "", errors.New("there is no queue to schedule with")
	}
	if _, ok := h.Find(name); !ok {
		return "", h.unknown(name)
	}
	if len(args) > maxScheduledArgs {
		return "", store.Errorf(store.TooLarge, "ARGS_TOO_LARGE", "the arguments of a scheduled call have at most %s", mebibytes(maxScheduledArgs))
	}
	payload, err := json.Marshal(scheduledCall{name, args})
	if err != nil {
		return "", fmt.Errorf("schedule %s: %w", name, err)
	}
	// A moment later at least, so that it can be cancelled in the same transaction.
	if soon := tx.Now().Add(time.Microsecond); at.Before(soon) {
		at = soon
	}
	return h.queue.Enqueue(tx, queue.Item{Queue: scheduledQueue, Lane: name, Payload: payload, NotBefore: at})
}

// Cancel takes a scheduled call back; was reports whether it was still waiting.
func (h *Host) Cancel(tx *store.Tx, id string) (was bool, err error) {
	if h.queue == nil {
		return false, errors.New("there is no queue to schedule with")
	}
	return h.queue.Cancel(tx, scheduledQueue, id)
}

// runScheduled is the queue's worker.
func (h *Host) runScheduled(ctx context.Context, j *queue.Job) queue.Outcome {
	var s scheduledCall
	if err := json.Unmarshal(j.Payload, &s); err != nil {
		return queue.Dead(fmt.Errorf("the payload of a scheduled call: %w", err))
	}
	_, err := h.Call(scheduledActor(ctx, j.ID), Request{Name: s.Name, Args: s.Args, internal: true, background: h.limits.Background, once: j.ID})
	switch {
	case err == nil:
		return queue.Done().With(func(tx *store.Tx) error {
			return tx.Exec("DELETE FROM "+doneTable+" WHERE id=?", store.String(j.ID))
		})
	case ctx.Err() != nil:
		return queue.Retry(err, 0)
	}
	if e := asVisible(err); e != nil {
		switch e.Kind {
		case store.Invalid, store.Denied, store.NotFound, store.Unauthentic, store.TooLarge:
			return queue.Dead(err) // it would say the same again
		}
	}
	return queue.Retry(err, 0)
}

// scheduledActor is the caller of what nobody calls at the moment.
func scheduledActor(ctx context.Context, id string) context.Context {
	a := store.System("scheduler")
	a.RequestID = id
	return store.WithActor(ctx, a)
}

// ranBefore reports whether the call's mutation is committed already, and notes that
// it will be.
func (c *call) ranBefore(tx *store.Tx) (bool, error) { return c.host.ranBefore(tx, c.request.once) }

func (h *Host) ranBefore(tx *store.Tx, once string) (before bool, err error) {
	if once == "" {
		return false, nil
	}
	if err := tx.Query("SELECT id FROM "+doneTable+" WHERE id=?", []store.Value{store.String(once)}, func(store.Rows) error {
		before = true
		return nil
	}); err != nil || before {
		return before, err
	}
	return false, tx.Exec("INSERT INTO "+doneTable+" (id,at) VALUES (?,?)", store.String(once), store.Time(tx.Now()))
}
