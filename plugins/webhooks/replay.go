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
}

// replayBatch is how many deliveries are put back in one transaction.
const replayBatch = 200

// Replay puts failed deliveries back to work, oldest first, with their ids and
// bodies. It answers how many; what is being replayed already is not counted.
func (p *Plugin) Replay(ctx context.Context, s Selection) (n int, err error) {
	filter, err := p.filter(s)
	if err != nil {
		return 0, err
	}
	if s.DryRun {
		return p.db.Count(ctx, &store.Query{Entity: p.deliveries, Filter: filter})
	}
	after := ""
	for {
		batch := 0
		err := p.db.Update(ctx, func(tx *store.Tx) error {
			batch = 0
			rows, err := tx.Find(&store.Query{Entity: p.deliveries, Limit: replayBatch, Order: []store.Order{{Field: store.FieldIDIndex}},
				Filter: store.And{filter, store.Compare{Field: store.FieldIDIndex, Op: store.Gt, Value: store.ID(after)}}})
			if err != nil {
				return err
			}
			for _, row := range rows {
				if err := p.replay(tx, row, s.To); err != nil {
					return err
				}
			}
			if batch = len(rows); batch > 0 {
				after = rows[batch-1].ID
			}
			return nil
		})
		if err != nil {
			if n > 0 {
				return n, fmt.Errorf("%d deliveries are being replayed, then: %w", n, err)
			}
			return 0, err
		}
		if n += batch; batch < replayBatch {
			return n, nil
		}
	}
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
	field := func(name string) int { i, _ := p.deliveries.Lookup(name); return i }
	equal := func(name string, v store.Value) store.Filter {
		return store.Compare{Field: field(name), Op: store.Eq, Value: v}
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
	if s.IDs != nil {
		in := store.In{Field: field("deliveryId")}
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
		all = append(all, store.Compare{Field: field("failedAt"), Op: store.Ge, Value: store.Time(*s.Since)})
	}
	if s.Until != nil {
		all = append(all, store.Compare{Field: field("failedAt"), Op: store.Lt, Value: store.Time(*s.Until)})
	}
	return all, nil
}
