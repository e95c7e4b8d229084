package webhooks

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// Selection says which failed deliveries are meant. Empty fields do not limit it.
type Selection struct {
	// IDs of deliveries (wh_...).
	IDs []string `json:"ids,omitempty"`
	// Hook they were for.
	Hook string `json:"hook,omitempty"`
	// Entity and event they tell of.
	Entity string `json:"entity,omitempty"`
	Event  string `json:"event,omitempty"`
	// Status the receiver answered with last.
	Status int `json:"status,omitempty"`
	// Since and Until bound the time at which they failed.
	Since *time.Time `json:"since,omitempty"`
	Until *time.Time `json:"until,omitempty"`
	// Delivered takes those in that were replayed and arrived.
	Delivered bool `json:"delivered,omitempty"`
	// To sends them to another hook than the one they were for.
	To string `json:"to,omitempty"`
	// DryRun only counts.
	DryRun bool `json:"dry_run,omitempty"`
	// Limit ends the call after so many, 1000 when left out; After goes on where
	// an earlier call ended.
	Limit int    `json:"limit,omitempty"`
	After string `json:"after,omitempty"`
}

// Replayed is what a replay did.
type Replayed struct {
	Replayed int `json:"replayed"`
	// Skipped were for a hook that is not declared any more.
	Skipped int `json:"skipped"`
	// Matched is how many a dry run found.
	Matched int `json:"matched,omitempty"`
	// After is where the next call goes on, empty when there is no more.
	After string `json:"after,omitempty"`
}

const (
	// replayBatch is how many deliveries are put back in one transaction.
	replayBatch = 200
	// maxReplay bounds a call, and the ids it may name.
	maxReplay = 1000
)

// Replay puts failed deliveries back to work, oldest first, with their ids and
// bodies. What is being replayed already does not match.
func (p *Plugin) Replay(ctx context.Context, s Selection) (did Replayed, err error) {
	filter, err := p.filter(s)
	if err != nil {
		return did, err
	}
	if s.DryRun {
		did.Matched, err = p.db.Count(ctx, &store.Query{Entity: p.deliveries, Filter: filter})
		return did, err
	}
	switch {
	case s.Limit == 0:
		s.Limit = maxReplay
	case s.Limit < 0 || s.Limit > maxReplay:
		return did, store.Errorf(store.Invalid, "INVALID_VALUE", "limit must be 1 to %d", maxReplay).WithField("limit")
	}
	did.After = s.After
	for left := s.Limit; left > 0; {
		n := min(left, replayBatch)
		var batch Replayed
		err := p.db.Update(ctx, func(tx *store.Tx) error {
			batch = Replayed{}
			rows, err := tx.Find(&store.Query{Entity: p.deliveries, Limit: n, Order: []store.Order{{Field: store.FieldIDIndex}},
				Filter: store.And{filter, store.Compare{Field: store.FieldIDIndex, Op: store.Gt, Value: store.ID(did.After)}}})
			if err != nil {
				return err
			}
			for _, row := range rows {
				switch err := p.replay(tx, row, s.To); {
				case err == nil:
					batch.Replayed++
				case store.HasCode(err, "HOOK_NOT_DECLARED"):
					batch.Skipped++
				default:
					return err
				}
				batch.After = row.ID
			}
			return nil
		})
		if err != nil {
			if did.Replayed > 0 {
				err = fmt.Errorf("%d deliveries are being replayed, then: %w", did.Replayed, err)
			}
			return did, err
		}
		did.Replayed, did.Skipped = did.Replayed+batch.Replayed, did.Skipped+batch.Skipped
		if batch.Replayed+batch.Skipped < n {
			did.After = ""
			return did, nil
		}
		did.After = batch.After
		left -= n
	}
	return did, nil
}

// replay puts one delivery back to work.
func (p *Plugin) replay(tx *store.Tx, row *store.Row, to string) error {
	get := func(field string) store.Value { v, _ := row.Get(field); return v }
	if to == "" {
		to = get("hook").Str()
	}
	h := p.byName[to]
	if h == nil {
		return store.Errorf(store.Conflict, "HOOK_NOT_DECLARED", "the hook %q of delivery %s is not declared any more", to, get("deliveryId").Str()).
			WithHint(`name another one to send it to: "to"`)
	}
	if state := get("state").Str(); state == stateReplaying {
		return store.Errorf(store.Conflict, "ALREADY_REPLAYING", "the delivery %s is being replayed", get("deliveryId").Str())
	}
	patch, err := p.patch(fields{"hook": store.String(h.name), "state": store.String(stateReplaying), "replayedAt": store.Time(tx.Now()), "deliveredAt": store.Null})
	if err != nil {
		return err
	}
	if _, err := tx.As(store.System(name)).Update(row.ID, patch); err != nil {
		return err
	}
	var sent map[string]string // null when there was no attempt
	if raw := get("requestHeaders"); !raw.IsNull() {
		if err := json.Unmarshal([]byte(raw.Str()), &sent); err != nil {
			return fmt.Errorf("read the request of delivery %s: %w", get("deliveryId").Str(), err)
		}
	}
	_, err = p.queue.Enqueue(tx, queue.Item{
		ID: get("deliveryId").Str(), Queue: name, Lane: h.name, Key: h.key(get("rowId").Str()), Payload: []byte(get("body").Str()),
		Note: note{IDOnly: sent[HeaderPayload] != "", Replay: true}.encode(),
	})
	return err
}

// filter selects the deliveries that are not being replayed already.
func (p *Plugin) filter(s Selection) (store.Filter, error) {
	equal := func(name string, v store.Value) store.Filter {
		return store.Compare{Field: p.field(name), Op: store.Eq, Value: v}
	}
	var all store.And
	if s.Delivered {
		all = append(all, store.Not{Filter: equal("state", store.String(stateReplaying))})
	} else {
		all = append(all, equal("state", store.String(stateFailed)))
	}
	if s.Hook != "" {
		if len(s.IDs) == 0 && s.To == "" {
			if _, err := p.hookNamed(s.Hook); err != nil {
				return nil, err
			}
		}
		all = append(all, equal("hook", store.String(s.Hook)))
	}
	if s.To != "" {
		if _, err := p.hookNamed(s.To); err != nil {
			return nil, err
		}
	}
	if len(s.IDs) > maxReplay {
		return nil, store.Errorf(store.Invalid, "INVALID_VALUE", "ids lists %d deliveries, it may list %d", len(s.IDs), maxReplay).WithField("ids")
	}
	if s.IDs != nil {
		in := store.In{Field: p.field("deliveryId")}
		for _, id := range s.IDs {
			in.Values = append(in.Values, store.String(id))
		}
		all = append(all, in)
	}
	if s.Entity != "" {
		all = append(all, equal("entity", store.String(s.Entity)))
	}
	if s.Event != "" {
		all = append(all, equal("event", store.String(s.Event)))
	}
	if s.Status != 0 {
		all = append(all, equal("responseStatus", store.Int(int64(s.Status))))
	}
	if s.Since != nil {
		all = append(all, store.Compare{Field: p.field("failedAt"), Op: store.Ge, Value: store.Time(*s.Since)})
	}
	if s.Until != nil {
		all = append(all, store.Compare{Field: p.field("failedAt"), Op: store.Lt, Value: store.Time(*s.Until)})
	}
	return all, nil
}
