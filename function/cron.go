package function

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// Crons schedules the manifest's crons. Call before the queue starts. At its time an
// entry becomes a scheduled call like any other, with its retries; while that waits or
// runs, the entry's later times pass by.
func (h *Host) Crons(list []manifest.Cron) error {
	for _, c := range list {
		payload, err := json.Marshal(scheduledCall{c.Function, c.Args.Raw()})
		if err != nil {
			return fmt.Errorf("cron %s: %w", c.Name, err)
		}
		next := func(now time.Time) time.Time {
			t, err := c.Next(now)
			if err != nil { // the manifest was checked; a date that never comes, like 30 February
				return now.AddDate(1, 0, 0)
			}
			return t
		}
		enqueue := func(ctx context.Context) error {
			return h.db.Update(ctx, func(tx *store.Tx) error {
				_, err := h.queue.Enqueue(tx, queue.Item{Queue: scheduledQueue, Lane: c.Function, Unique: "cron:" + c.Name, Payload: payload})
				return err
			})
		}
		if err := h.queue.At("cron:"+c.Name, next, enqueue); err != nil {
			return err
		}
	}
	return nil
}
