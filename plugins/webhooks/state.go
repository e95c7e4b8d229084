package webhooks

import (
	"context"
	"time"

	"github.com/pylon-go/pylon/store"
)

const hookTable = "_pylon_webhooks_hook"

// Tables adds what is remembered of hooks: those that are paused, disabled or failing.
func (p *Plugin) Tables() []*store.Table {
	return []*store.Table{{
		Name: hookTable,
		Columns: []store.Column{
			{Name: "name", Type: store.TypeString},
			{Name: "paused_at", Type: store.TypeDatetime, Null: true},
			{Name: "disabled_at", Type: store.TypeDatetime, Null: true},
			{Name: "reason", Type: store.TypeString, Null: true},
			{Name: "failing_since", Type: store.TypeDatetime, Null: true},
		},
		PrimaryKey: []string{"name"},
	}}
}

// savedHook is a row of the table.
type savedHook struct {
	decision
	since time.Time
}

func loadHooks(tx *store.Tx) (map[string]savedHook, error) {
	saved := map[string]savedHook{}
	err := tx.Query("SELECT name,paused_at,disabled_at,reason,failing_since FROM "+hookTable, nil, func(r store.Rows) error {
		saved[r.Value(0, store.TypeString).Str()] = savedHook{
			decision{r.Value(1, store.TypeDatetime).Time(), r.Value(2, store.TypeDatetime).Time(), r.Value(3, store.TypeString).Str()},
			r.Value(4, store.TypeDatetime).Time(),
		}
		return nil
	})
	return saved, err
}

// Each of these changes its own columns only, since several processes write here.

func saveSince(tx *store.Tx, hook string, since time.Time) error {
	return tx.Exec("INSERT INTO "+hookTable+" (name,failing_since) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET failing_since=excluded.failing_since",
		store.String(hook), store.OptTime(since))
}

func saveDisabled(tx *store.Tx, hook string, at time.Time, reason string) error {
	return tx.Exec("INSERT INTO "+hookTable+" (name,disabled_at,reason) VALUES (?,?,?) ON CONFLICT (name) DO UPDATE SET disabled_at=excluded.disabled_at, reason=excluded.reason",
		store.String(hook), store.Time(at), store.String(reason))
}

func savePaused(tx *store.Tx, hook string, at time.Time) error {
	return tx.Exec("INSERT INTO "+hookTable+" (name,paused_at) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET paused_at=excluded.paused_at",
		store.String(hook), store.Time(at))
}

// saveResumed forgets what was decided, and with it since when the receiver fails.
func saveResumed(tx *store.Tx, hook string) error {
	return tx.Exec("DELETE FROM "+hookTable+" WHERE name=?", store.String(hook))
}

// refreshEvery is how often a process looks for what others that share its
// database decided about hooks.
const refreshEvery = 10 * time.Second

// Start takes up what was decided about hooks before.
func (p *Plugin) Start(ctx context.Context) error {
	if err := p.refresh(ctx, true); err != nil {
		return err
	}
	if p.db.Alone() {
		return nil
	}
	ctx, p.stopRefresh = context.WithCancel(context.WithoutCancel(ctx))
	p.refreshing.Go(func() {
		tick := p.clock.NewTicker(refreshEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.Chan():
				if err := p.refresh(ctx, false); err != nil && ctx.Err() == nil {
					p.log.Error("the state of webhooks could not be read", "error", err)
				}
			}
		}
	})
	return nil
}

// refresh reads what was decided about hooks; at start also which receivers failed.
func (p *Plugin) refresh(ctx context.Context, start bool) error {
	var saved map[string]savedHook
	err := p.db.View(ctx, func(tx *store.Tx) (err error) {
		saved, err = loadHooks(tx)
		return err
	})
	if err != nil {
		return err
	}
	for _, h := range p.hooks {
		s := saved[h.name]
		if start && !s.since.IsZero() { // begins with a probe
			h.health.failures, h.health.since, h.health.open, h.health.saved = breakAfter, s.since, true, true
			p.queue.Limit(name, h.name, 1)
		}
		p.adopt(h, s, false)
		if start && s.held() {
			p.log.Warn("deliveries of a webhook wait until it is resumed", "hook", h.name, "state", h.health.state(), "reason", s.reason)
		}
	}
	return nil
}
