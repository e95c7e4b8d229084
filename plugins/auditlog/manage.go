package auditlog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/pylon-go/pylon/store"
)

// EraseRequest says which entries lose their values.
type EraseRequest struct {
	// IDs of entries, or
	IDs []string `json:"ids,omitempty"`
	// a row, all of whose entries are meant, or
	Entity string `json:"entity,omitempty"`
	RowID  string `json:"row_id,omitempty"`
	// an actor, whose ip and user agent go, and the values of what he wrote.
	ActorID string `json:"actor_id,omitempty"`
	// Reason is kept for ever.
	Reason string `json:"reason"`
	DryRun bool   `json:"dry_run,omitempty"`
}

// Erased is what an erasure did.
type Erased struct {
	Erased int `json:"erased"`
	// Held entries are under a legal hold and kept.
	Held []string `json:"held,omitempty"`
}

const (
	eraseBatch = 200 // one event names them all
	pruneEvery = time.Hour
	pruneBatch = 500
)

// Erase deletes the values of entries: before, after, ip, user agent, and the salt,
// without which nobody can guess them from their commitments. An event in the log
// says so, and makes it lawful. The entry itself stays.
func (p *Plugin) Erase(ctx context.Context, req EraseRequest) (*Erased, error) {
	ways := 0
	for _, given := range []bool{len(req.IDs) > 0, req.Entity != "" || req.RowID != "", req.ActorID != ""} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1 || (req.Entity == "") != (req.RowID == ""):
		return nil, store.Errorf(store.Invalid, "INVALID_SELECTION", "say which entries: ids, or entity and row_id, or actor_id")
	case strings.TrimSpace(req.Reason) == "" && !req.DryRun:
		return nil, store.Errorf(store.Invalid, "MISSING_REASON", "an erasure needs a reason").WithField("reason")
	}
	if err := p.Seal(ctx); err != nil { // what is erased must be in the tree
		return nil, err
	}
	ids, held, err := p.selected(ctx, req)
	if err != nil {
		return nil, err
	}
	out := &Erased{Erased: len(ids), Held: held}
	if req.DryRun {
		return out, nil
	}
	by := store.ActorFrom(ctx)
	for some := range slices.Chunk(ids, eraseBatch) {
		if err := p.eraseSome(ctx, some, req.Reason, by); err != nil {
			return nil, err
		}
	}
	if len(ids) == 0 {
		return out, nil
	}
	return out, p.recordAct(ctx, by, "erase", map[string]any{"erased": len(ids), "reason": req.Reason,
		"entity": req.Entity, "row_id": req.RowID, "actor_id": req.ActorID})
}

func (p *Plugin) eraseSome(ctx context.Context, ids []string, reason string, by *store.Actor) error {
	return p.sealWith(ctx, func(s *sealing) error {
		if err := s.event(eventErased, erasedEvent{IDs: ids, Reason: reason, By: by.ID}); err != nil {
			return err
		}
		patch := store.NewPatch(p.entity)
		for _, f := range []int{fBefore, fAfter, fIP, fUserAgent, fSalt} {
			if err := patch.PutAt(f, store.Null); err != nil {
				return err
			}
		}
		for _, id := range ids {
			if _, err := s.tx.Update(id, patch); err != nil {
				return err
			}
		}
		return nil
	})
}

// selected are the entries that an erasure is about and that have values, and those
// of them that are held.
func (p *Plugin) selected(ctx context.Context, req EraseRequest) (ids, held []string, err error) {
	err = p.db.View(store.WithActor(ctx, store.System(name)), func(tx *store.Tx) error {
		h, err := readHolds(tx)
		if err != nil {
			return err
		}
		take := func(row *store.Row) error {
			switch {
			case row.Values[fSalt].IsNull(): // done before
			case h.covers(row.ID, row.Values):
				held = append(held, row.ID)
			default:
				ids = append(ids, row.ID)
			}
			return nil
		}
		if req.Entity != "" {
			return p.eachOf(tx, req.Entity, req.RowID, take)
		}
		q := &store.Query{Entity: p.entity, Filter: store.Compare{Field: fActorID, Op: store.Eq, Value: store.ID(req.ActorID)}}
		if len(req.IDs) == 0 {
			return tx.Each(q, take)
		}
		for _, id := range req.IDs {
			row, err := tx.Get(p.entity, id)
			if err != nil {
				return err
			}
			if err := take(row); err != nil {
				return err
			}
		}
		return nil
	})
	return ids, held, err
}

// eachOf calls fn for the sealed entries of a row, in the order of the log.
func (p *Plugin) eachOf(tx *store.Tx, entity, rowID string, fn func(*store.Row) error) error {
	return tx.Query("SELECT "+entryColumns+" FROM "+leafTable+" l JOIN "+store.Quote(entityName)+" a ON a.id = l.audit_id WHERE l.row_key=? AND a."+store.Quote("entity")+"=? AND a."+store.Quote("rowId")+"=? ORDER BY l.idx",
		[]store.Value{rowKey(entity, rowID), store.String(entity), store.String(rowID)}, func(r store.Rows) error {
			id, v := scanEntry(p.entity, r, 0)
			return fn(&store.Row{Entity: p.entity, ID: id, Values: v})
		})
}

// recordAct writes an entry of what somebody did to the log.
func (p *Plugin) recordAct(ctx context.Context, by *store.Actor, operation string, what any) error {
	b, err := json.Marshal(what)
	if err != nil {
		return err
	}
	return p.db.Update(ctx, func(tx *store.Tx) error {
		return p.record(tx, entry{entity: entityName, rowID: p.origin, operation: operation, outcome: outcomeOK, after: store.String(string(b)), actor: by})
	})
}

// PruneRequest says how many days of entries stay.
type PruneRequest struct {
	Days   int  `json:"days"`
	DryRun bool `json:"dry_run,omitempty"`
}

// Pruned is what pruning did.
type Pruned struct {
	// Pruned entries, or those that would be.
	Pruned int `json:"pruned"`
	Held   int `json:"held"`
	// Before is the leaf from which on entries are kept.
	Before int64 `json:"before"`
}

// Prune deletes the entries at the beginning of the log that are older than so many
// days. Leaves and tiles stay, so that the tree can be verified; an event in it
// says that the entries are gone. Entries under a legal hold stay.
func (p *Plugin) Prune(ctx context.Context, req PruneRequest) (*Pruned, error) {
	if req.Days < 1 {
		return nil, store.Errorf(store.Invalid, "INVALID_VALUE", "days must be at least 1").WithField("days")
	}
	if p.config.RetentionDays > 0 && req.Days < p.config.RetentionDays {
		return nil, store.Errorf(store.Denied, "RETENTION", "retention_days is %d: entries are kept at least so long", p.config.RetentionDays).WithField("days")
	}
	by := *store.ActorFrom(ctx)
	if by.Type == store.ActorAnonymous { // the schedule
		by = store.System(name)
	}
	ctx = store.WithActor(ctx, store.System(name))
	out := &Pruned{}
	cut := store.Time(p.clock.Now().AddDate(0, 0, -req.Days))
	err := p.db.View(ctx, func(tx *store.Tx) error {
		// The first entry that is young enough ends what is pruned.
		out.Before = -1
		return tx.Query("SELECT l.idx FROM "+leafTable+" l JOIN "+store.Quote(entityName)+" a ON a.id = l.audit_id WHERE a."+store.Quote("createdAt")+" >= ? ORDER BY l.idx LIMIT 1",
			[]store.Value{cut}, func(r store.Rows) error {
				out.Before = r.Value(0, store.TypeInt).Int()
				return nil
			})
	})
	if err != nil {
		return nil, err
	}
	err = p.sealWith(ctx, func(s *sealing) error {
		if out.Before < 0 { // all are old
			out.Before = s.edge.size
		}
		var err error
		if out.Pruned, out.Held, err = p.prunable(s.tx, out.Before, nil); err != nil || out.Pruned == 0 || req.DryRun {
			return err
		}
		root, err := tlog.TreeHash(out.Before, newTileReader(tilesIn(s.tx)))
		if err != nil {
			return fmt.Errorf("the root of what is pruned: %w", err)
		}
		return s.event(eventPruned, prunedEvent{Before: out.Before, Root: root[:], Days: req.Days, By: by.ID})
	})
	if err != nil || out.Pruned == 0 || req.DryRun {
		return out, err
	}
	// The event is on disk: from here on it is lawful, and a crash leaves entries, which
	// is right too.
	if err := p.deletePruned(ctx, out.Before); err != nil {
		return out, err
	}
	return out, p.recordAct(ctx, &by, "prune", out)
}

// prunable counts the entries below a leaf that are there, and calls fn for those
// that are not held.
func (p *Plugin) prunable(tx *store.Tx, before int64, fn func(id string) error) (n, held int, err error) {
	h, err := readHolds(tx)
	if err != nil {
		return 0, 0, err
	}
	err = tx.Query("SELECT "+entryColumns+" FROM "+leafTable+" l JOIN "+store.Quote(entityName)+" a ON a.id = l.audit_id WHERE l.idx < ? ORDER BY l.idx", []store.Value{store.Int(before)}, func(r store.Rows) error {
		id, v := scanEntry(p.entity, r, 0)
		if h.covers(id, v) {
			held++
			return nil
		}
		n++
		if fn == nil {
			return nil
		}
		return fn(id)
	})
	return n, held, err
}

func (p *Plugin) deletePruned(ctx context.Context, before int64) error {
	for {
		n := 0
		err := p.db.Update(store.ReadCommitted(ctx), func(tx *store.Tx) error {
			var ids []string
			if _, _, err := p.prunable(tx, before, func(id string) error {
				if ids = append(ids, id); len(ids) == pruneBatch {
					return store.Stop
				}
				return nil
			}); err != nil {
				return err
			}
			n = len(ids)
			for _, id := range ids {
				if _, err := tx.Delete(p.entity, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || n < pruneBatch {
			return err
		}
	}
}

// Hold keeps entries from being erased and pruned.
type Hold struct {
	ID string `json:"id"`
	// Kind is entry, row (Entity/ID), tenant or actor.
	Kind   string    `json:"kind"`
	Value  string    `json:"value"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

var holdKinds = []string{"entry", "row", "tenant", "actor"}

// AddHold puts entries under a legal hold.
func (p *Plugin) AddHold(ctx context.Context, h Hold) (*Hold, error) {
	switch {
	case !slices.Contains(holdKinds, h.Kind):
		return nil, store.Errorf(store.Invalid, "INVALID_VALUE", "kind must be one of: %s", strings.Join(holdKinds, ", ")).WithField("kind")
	case h.Value == "" || h.Kind == "row" && !strings.Contains(h.Value, "/"):
		return nil, store.Errorf(store.Invalid, "INVALID_VALUE", "value must name the %s; a row is Entity/ID", h.Kind).WithField("value")
	case strings.TrimSpace(h.Reason) == "":
		return nil, store.Errorf(store.Invalid, "MISSING_REASON", "a hold needs a reason").WithField("reason")
	}
	by := store.ActorFrom(ctx)
	h.By = by.ID
	err := p.db.Update(ctx, func(tx *store.Tx) error {
		h.At, h.ID = tx.Now(), "hold_"+store.NewID(tx.Now())
		return tx.Exec("INSERT INTO "+holdTable+" (id,kind,value,reason,"+store.Quote("by")+",at) VALUES (?,?,?,?,?,?)",
			store.String(h.ID), store.String(h.Kind), store.String(h.Value), store.String(h.Reason), store.String(h.By), store.Time(h.At))
	})
	if err != nil {
		return nil, err
	}
	return &h, p.recordAct(ctx, by, "hold", h)
}

// ReleaseHold ends a legal hold.
func (p *Plugin) ReleaseHold(ctx context.Context, id string) error {
	err := p.db.Update(ctx, func(tx *store.Tx) error {
		all, err := readHolds(tx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(h Hold) bool { return h.ID == id }) {
			return store.Errorf(store.NotFound, "UNKNOWN_HOLD", "no hold %q", id)
		}
		return tx.Exec("DELETE FROM "+holdTable+" WHERE id=?", store.String(id))
	})
	if err != nil {
		return err
	}
	return p.recordAct(ctx, store.ActorFrom(ctx), "release", map[string]string{"hold": id})
}

// Holds are the legal holds there are.
func (p *Plugin) Holds(ctx context.Context) (all []Hold, err error) {
	err = p.db.View(ctx, func(tx *store.Tx) (err error) {
		all, err = readHolds(tx)
		return err
	})
	return all, err
}

type holds []Hold

func readHolds(tx *store.Tx) (holds, error) {
	all := holds{}
	err := tx.Query("SELECT id,kind,value,reason,"+store.Quote("by")+",at FROM "+holdTable+" ORDER BY id", nil, func(r store.Rows) error {
		text := func(i int) string { return r.Value(i, store.TypeString).Str() }
		all = append(all, Hold{text(0), text(1), text(2), text(3), text(4), r.Value(5, store.TypeDatetime).Time()})
		return nil
	})
	return all, err
}

// covers reports whether an entry is under a hold.
func (all holds) covers(id string, v []store.Value) bool {
	for _, h := range all {
		switch h.Kind {
		case "entry":
			if h.Value == id {
				return true
			}
		case "row":
			if h.Value == v[fEntity].Str()+"/"+v[fRowID].Str() {
				return true
			}
		case "tenant":
			if h.Value == v[fTenantID].Str() {
				return true
			}
		case "actor":
			if h.Value == v[fActorID].Str() {
				return true
			}
		}
	}
	return false
}
