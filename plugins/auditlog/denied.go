package auditlog

import (
	"context"

	"github.com/pylon-go/pylon/store"
)

// Refused records a write that a policy refused: who wanted to do what, without the
// values, which anybody could make as large as a request may be.
func (p *Plugin) Refused(ctx context.Context, w *store.Write, _ error) {
	r := p.byEntity[w.Entity]
	if !p.config.RecordDenied || r == nil && w.Entity != p.entity {
		return
	}
	e := entry{entity: w.Entity.Name, rowID: w.ID, operation: string(w.Op), outcome: outcomeDenied, actor: w.Actor}
	if r != nil && w.Op == store.Update {
		asked := *w
		asked.Changed = w.Given
		e.changed = r.changed(&asked)
	}
	// In a transaction of its own: that of the write is gone.
	err := p.db.Update(store.WithActor(context.WithoutCancel(ctx), store.System(name)), func(tx *store.Tx) error { return p.record(tx, e) })
	if err != nil {
		p.log.Error("a refused write could not be recorded", "entity", w.Entity.Name, "error", err)
	}
}

// Watches says that reads of the log are recorded, if the config wants it.
func (p *Plugin) Watches(e *store.Entity) bool { return p.config.RecordViews && e == p.entity }

// AfterRead records that somebody read the log. What cannot be recorded is not read.
func (p *Plugin) AfterRead(ctx context.Context, tx *store.Tx, _ *store.Entity, by *store.Actor) error {
	if by.Type == store.ActorSystem && by.ID == name {
		return nil
	}
	e := entry{entity: entityName, rowID: p.origin, operation: "view", outcome: outcomeOK, actor: by}
	if tx != nil {
		return p.record(tx, e)
	}
	return p.db.Update(store.WithActor(context.WithoutCancel(ctx), store.System(name)), func(tx *store.Tx) error { return p.record(tx, e) })
}
