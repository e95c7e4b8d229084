package webhooks

import (
	"context"
	"time"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// HookStatus is how a hook does.
type HookStatus struct {
	Name   string   `json:"name"`
	Entity string   `json:"entity"`
	Events []string `json:"events"`
	URL    string   `json:"url"`
	// State is active, failing (probed until it works again), paused (by the
	// administrator) or disabled (by its receiver, or for failing too long).
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	// Since is when it was paused or disabled, or began to fail.
	Since *time.Time `json:"since,omitempty"`
	// Waiting deliveries, the ones under way included, and when the oldest was enqueued.
	Waiting int        `json:"waiting"`
	Oldest  *time.Time `json:"oldest,omitempty"`
	// Failed deliveries in WebhookDelivery.
	Failed int `json:"failed"`
}

// Hooks tells how every hook does.
func (p *Plugin) Hooks(ctx context.Context) ([]HookStatus, error) {
	list := make([]HookStatus, 0, len(p.hooks))
	err := p.db.View(ctx, func(tx *store.Tx) error {
		lanes, err := p.queue.Lanes(tx, name)
		if err != nil {
			return err
		}
		for _, h := range p.hooks {
			s := h.status()
			if lane, ok := lanes[h.name]; ok {
				s.Waiting, s.Oldest = lane.Items, &lane.Oldest
			}
			filter, err := p.filter(Selection{Hook: h.name})
			if err != nil {
				return err
			}
			if s.Failed, err = tx.As(store.System(name)).Count(&store.Query{Entity: p.deliveries, Filter: filter}); err != nil {
				return err
			}
			list = append(list, s)
		}
		return nil
	})
	return list, err
}

func (h *hook) status() HookStatus {
	s := HookStatus{Name: h.name, Entity: h.entity, URL: h.url.String()}
	for _, e := range allEvents {
		if h.events[store.Op(e)] {
			s.Events = append(s.Events, e)
		}
	}
	h.health.mu.Lock()
	defer h.health.mu.Unlock()
	s.State, s.Reason = h.health.state(), h.health.reason
	for _, since := range []time.Time{h.health.disabled, h.health.paused, h.health.since} {
		if !since.IsZero() && s.State != "active" {
			s.Since = &since
			break
		}
	}
	return s
}

// hookNamed finds a hook by its name.
func (p *Plugin) hookNamed(hook string) (*hook, error) {
	if h := p.byName[hook]; h != nil {
		return h, nil
	}
	var names []string
	for _, h := range p.hooks {
		names = append(names, h.name)
	}
	err := store.Errorf(store.NotFound, "UNKNOWN_HOOK", "no hook %q", hook)
	if near := manifest.Nearest(hook, names); near != "" {
		return nil, err.WithHint("did you mean %q?", near)
	}
	return nil, err.WithHint("GET /api/webhooks/hooks lists them")
}

// Pause keeps a hook from being worked on; its deliveries are enqueued and wait.
func (p *Plugin) Pause(ctx context.Context, hook string) error {
	return p.decide(ctx, hook, false, func(tx *store.Tx) error { return savePaused(tx, hook, tx.Now()) })
}

// Resume ends a pause, takes a disabled hook up again, or tries a failing one at once.
func (p *Plugin) Resume(ctx context.Context, hook string) error {
	return p.decide(ctx, hook, true, func(tx *store.Tx) error { return saveResumed(tx, hook) })
}

func (p *Plugin) decide(ctx context.Context, hook string, resume bool, change func(*store.Tx) error) error {
	h, err := p.hookNamed(hook)
	if err != nil {
		return err
	}
	return p.db.Update(ctx, func(tx *store.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		saved, err := loadHooks(tx)
		if err != nil {
			return err
		}
		tx.OnCommit(func() {
			p.adopt(h, saved[hook], resume)
			p.log.Info("a webhook's state was changed", "hook", hook, "state", h.status().State, "by", store.ActorFrom(ctx).ID)
		})
		return nil
	})
}

// TestResult is what came of a test delivery.
type TestResult struct {
	DeliveryID string `json:"delivery_id"`
	Delivered  bool   `json:"delivered"`
	Status     int    `json:"status,omitempty"`
	Error      string `json:"error,omitempty"`
	Response   string `json:"response,omitempty"`
	MS         int64  `json:"ms"`
	Body       string `json:"body"`
}

// eventTest is the event of a test delivery, which no write causes.
const eventTest store.Op = "test"

// Test sends a made-up row to a hook, at once and once, also when it is paused.
func (p *Plugin) Test(ctx context.Context, hook string) (*TestResult, error) {
	h, err := p.hookNamed(hook)
	if err != nil {
		return nil, err
	}
	now := p.clock.Now().UTC()
	e := p.db.Schema().Entity(h.entity)
	w := &store.Write{Op: eventTest, Entity: e, Time: now, After: sample(e, now)}
	w.ID = w.After.ID
	id := newDeliveryID(w)
	b, whole := body(id, w)
	ctx, cancel := queue.WithTimeout(ctx, p.clock, attemptTimeout)
	defer cancel()
	a := p.send(ctx, h, message{id: id, body: b, attempt: 1, idOnly: !whole})
	result := &TestResult{DeliveryID: id, Delivered: a.succeeded(), Status: a.status, Response: a.response, MS: a.took.Milliseconds(), Body: string(b)}
	if !a.succeeded() {
		result.Error = a.Error()
	}
	return result, nil
}

// sample is a row with a value of the right type in every field.
func sample(e *store.Entity, now time.Time) *store.Row {
	row := &store.Row{Entity: e, ID: store.NewID(now), Values: make([]store.Value, len(e.Fields))}
	for i := range e.Fields {
		f := &e.Fields[i]
		switch {
		case f.HasDefault:
			row.Values[i] = f.Default
		case len(f.Enum) > 0:
			row.Values[i] = store.String(f.Enum[0])
		default:
			row.Values[i] = sampleValues[f.Type]
		}
		switch f.Type {
		case store.TypeDatetime:
			row.Values[i] = store.Time(now)
		case store.TypeID:
			row.Values[i] = store.ID(store.NewID(now))
		}
	}
	return row
}

var sampleValues = map[store.Type]store.Value{
	store.TypeString: store.String("example"), store.TypeRichtext: store.Richtext("example"), store.TypeInt: store.Int(1),
	store.TypeFloat: store.Float(1.5), store.TypeBool: store.Bool(true), store.TypeJSON: store.JSON("{}"),
}
