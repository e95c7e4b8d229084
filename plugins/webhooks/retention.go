package webhooks

import (
	"context"
	"time"

	"github.com/pylon-go/pylon/store"
)

const (
	defaultRetention = 30 // days
	// purgeEvery is how often what is too old is deleted, purgeBatch how much of it
	// in one transaction.
	purgeEvery = time.Hour
	purgeBatch = 500
)

// purge deletes what is older than the retention: deliveries that failed for good,
// and what waits for a hook that is disabled.
func (p *Plugin) purge(ctx context.Context) error {
	before := p.clock.Now().AddDate(0, 0, -p.config.RetentionDays)
	ctx = store.WithActor(ctx, store.System(name))
	for {
		n, err := p.purgeFailed(ctx, before)
		if err != nil {
			return err
		}
		if n < purgeBatch {
			break
		}
	}
	return p.db.Update(ctx, func(tx *store.Tx) error {
		saved, err := loadHooks(tx)
		if err != nil {
			return err
		}
		for hook, s := range saved {
			if s.disabled.IsZero() {
				continue
			}
			n, err := p.queue.Drop(tx, name, hook, before)
			if err != nil {
				return err
			}
			if err := p.dropped(tx.As(store.System(name)), hook, before); err != nil {
				return err
			}
			if n > 0 {
				tx.OnCommit(func() {
					p.log.Warn("deliveries of a disabled webhook were deleted: they waited longer than retention_days", "hook", hook, "deliveries", n)
				})
			}
		}
		return nil
	})
}

// dropped ends the replays of a hook that began before a time: what they put into
// the queue is not there any more.
func (p *Plugin) dropped(tx *store.Tx, hook string, before time.Time) error {
	patch, err := p.patch(fields{"state": store.String(stateFailed)})
	if err != nil {
		return err
	}
	for {
		rows, err := tx.Find(&store.Query{Entity: p.deliveries, Limit: purgeBatch, Filter: store.And{
			store.Compare{Field: p.field("hook"), Op: store.Eq, Value: store.String(hook)},
			store.Compare{Field: p.field("state"), Op: store.Eq, Value: store.String(stateReplaying)},
			store.Compare{Field: p.field("replayedAt"), Op: store.Lt, Value: store.Time(before)},
		}})
		if err != nil {
			return err
		}
		for _, row := range rows {
			if _, err := tx.Update(row.ID, patch); err != nil {
				return err
			}
		}
		if len(rows) < purgeBatch {
			return nil
		}
	}
}

func (p *Plugin) purgeFailed(ctx context.Context, before time.Time) (n int, err error) {
	err = p.db.Update(ctx, func(tx *store.Tx) error {
		rows, err := tx.Find(&store.Query{Entity: p.deliveries, Limit: purgeBatch, Filter: store.And{
			store.Compare{Field: p.field("failedAt"), Op: store.Lt, Value: store.Time(before)},
			store.Compare{Field: p.field("state"), Op: store.Ne, Value: store.String(stateReplaying)},
		}})
		if err != nil {
			return err
		}
		for _, row := range rows {
			if _, err := tx.Delete(p.deliveries, row.ID); err != nil {
				return err
			}
		}
		n = len(rows)
		return nil
	})
	return n, err
}
