package auditlog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/pylon-go/pylon/store"
)

// Verify verifies all of the log, and with drift the app's rows against it: a row
// that was changed by another way than Pylon is not what its last entry says.
func (p *Plugin) Verify(ctx context.Context, drift bool) (*Report, error) {
	if err := p.Seal(ctx); err != nil {
		p.log.Warn("the audit log is verified without its newest entries: it could not be sealed", "error", err)
	}
	report, err := p.verify(ctx, new(Verification), false)
	if err != nil || !drift {
		return report, err
	}
	for _, r := range p.recorders {
		if err := p.drift(ctx, r, report); err != nil {
			return nil, fmt.Errorf("hold the rows of %s against the log: %w", r.entity.Name, err)
		}
	}
	report.Drift = true
	if len(report.Counts) > 0 {
		report.Verdict = VerdictTampered
	}
	for _, f := range report.Findings {
		p.alarm(ctx, f)
	}
	return report, nil
}

// last is the newest entry of a row.
type last struct {
	id, writer string
	at         time.Time
	operation  string
	after      string
}

// drift holds the rows of one entity against their last entries, all in one snapshot.
func (p *Plugin) drift(ctx context.Context, r *recorder, report *Report) error {
	ctx = store.WithActor(ctx, store.System(name))
	return p.db.View(ctx, func(tx *store.Tx) error {
		var since time.Time
		if err := tx.Query("SELECT min(a."+store.Quote("createdAt")+") FROM "+store.Quote(entityName)+" a WHERE a."+store.Quote("entity")+"=?",
			[]store.Value{store.String(r.entity.Name)}, func(rows store.Rows) error {
				since = rows.Value(0, store.TypeDatetime).Time()
				return nil
			}); err != nil {
			return err
		}
		if since.IsZero() {
			return nil // nothing was recorded of it yet
		}
		unsealed, err := p.unsealedOf(tx, r.entity.Name)
		if err != nil {
			return err
		}
		there := map[string]bool{}
		if err := tx.Each(&store.Query{Entity: r.entity}, func(row *store.Row) error {
			there[row.ID] = true
			if unsealed[row.ID] {
				return nil // what is on its way into the tree is not known here
			}
			return p.driftOf(tx, r, row, since, report)
		}); err != nil {
			return err
		}
		return p.vanished(tx, r, there, unsealed, report)
	})
}

// unsealedOf are the rows of an entity with entries that have no leaf yet.
func (p *Plugin) unsealedOf(tx *store.Tx, entity string) (map[string]bool, error) {
	rows := map[string]bool{}
	w := p.writer.Load()
	w.mu.Lock()
	floor := w.lastID
	for _, r := range w.ready {
		rows[r.rowID] = true
		floor = min(floor, r.id)
	}
	for _, before := range w.inflight {
		floor = min(floor, before)
	}
	w.mu.Unlock()
	err := tx.Query("SELECT a."+store.Quote("rowId")+" FROM "+store.Quote(entityName)+" a WHERE a.id >= ? AND a."+store.Quote("entity")+"=? AND NOT EXISTS (SELECT 1 FROM "+leafTable+" l WHERE "+leafOfEntry+")",
		[]store.Value{store.ID(floor), store.String(entity)}, func(r store.Rows) error {
			rows[r.Value(0, store.TypeString).Str()] = true
			return nil
		})
	return rows, err
}

const lastQueryTail = " FROM " + leafTable + " l JOIN \"" + entityName + "\" a ON a.id = l.audit_id WHERE l.row_key=? AND a.\"entity\"=? AND a.\"rowId\"=? ORDER BY l.idx DESC"

var lastQuery = "SELECT a.id, a." + store.Quote("writer") + ", a." + store.Quote("createdAt") + ", a." + store.Quote("operation") + ", a." + store.Quote("after") + ", a." + store.Quote("outcome") + lastQueryTail

// lastOf are the entries that may be the newest of a row: where servers write side
// by side, the order of their leaves is not exactly that of their commits.
func lastOf(tx *store.Tx, entity, rowID string) (all []last, erased bool, err error) {
	err = tx.Query(lastQuery, []store.Value{rowKey(entity, rowID), store.String(entity), store.String(rowID)}, func(r store.Rows) error {
		if r.Value(5, store.TypeString).Str() != outcomeOK {
			return nil
		}
		l := last{r.Value(0, store.TypeID).Str(), r.Value(1, store.TypeString).Str(), r.Value(2, store.TypeDatetime).Time(), r.Value(3, store.TypeString).Str(), r.Value(4, store.TypeString).Str()}
		if len(all) > 0 && (l.writer == all[0].writer || all[0].at.Sub(l.at) > 10*time.Second) {
			return store.Stop
		}
		if r.Value(4, store.TypeString).IsNull() && l.operation != string(store.Delete) {
			erased = true
		}
		all = append(all, l)
		return nil
	})
	return all, erased, err
}

func (p *Plugin) driftOf(tx *store.Tx, r *recorder, row *store.Row, since time.Time, report *Report) error {
	candidates, erased, err := lastOf(tx, r.entity.Name, row.ID)
	if err != nil || erased {
		return err
	}
	where := r.entity.Name + "/" + row.ID
	if len(candidates) == 0 {
		if at, ok := ulidTime(row.ID); ok && at.After(since.Add(clockSlack)) {
			report.find(Finding{Code: codeUnrecorded, Detail: where + " was made without an entry"})
		}
		return nil // older than the log, as far as one can tell
	}
	live, err := r.appendRow(nil, row)
	if err != nil {
		return err
	}
	for _, c := range candidates {
		if c.operation != string(store.Delete) && sameRow(c.after, string(live), len(report.Keys) > 1) {
			return nil
		}
	}
	f := Finding{Code: codeDrift, ID: candidates[0].id, Detail: where + " is not as its last entry says"}
	if candidates[0].operation == string(store.Delete) {
		f.Detail = where + " is there although its last entry is its deletion"
	}
	report.find(f)
	return nil
}

// vanished looks for rows that are gone without an entry.
func (p *Plugin) vanished(tx *store.Tx, r *recorder, there, unsealed map[string]bool, report *Report) error {
	var gone []string
	if err := tx.Query("SELECT DISTINCT a."+store.Quote("rowId")+" FROM "+store.Quote(entityName)+" a WHERE a."+store.Quote("entity")+"=?", []store.Value{store.String(r.entity.Name)}, func(rows store.Rows) error {
		if id := rows.Value(0, store.TypeString).Str(); !there[id] && !unsealed[id] {
			gone = append(gone, id)
		}
		return nil
	}); err != nil {
		return err
	}
next:
	for _, id := range gone {
		candidates, _, err := lastOf(tx, r.entity.Name, id)
		if err != nil {
			return err
		}
		for _, c := range candidates {
			if c.operation == string(store.Delete) {
				continue next
			}
		}
		if len(candidates) > 0 {
			report.find(Finding{Code: codeDrift, ID: candidates[0].id, Detail: r.entity.Name + "/" + id + " is gone without an entry"})
		}
	}
	return nil
}

// sameRow compares what was recorded of a row with what would be now. Fields that
// were added or are recorded in another way since do not count, nor do hashes made
// with another key.
func sameRow(recorded, live string, rotated bool) bool {
	if recorded == live {
		return true
	}
	var was, is map[string]json.RawMessage
	if json.Unmarshal([]byte(recorded), &was) != nil || json.Unmarshal([]byte(live), &is) != nil {
		return false
	}
	for key, value := range is {
		old, known := was[key]
		// Two that are disguised in the same way are compared; of two ways, nothing is known.
		if !known || string(old) == string(value) || disguised(old) != disguised(value) || rotated && hashedIn(old) && hashedIn(value) {
			continue
		}
		if strings.HasPrefix(string(value), "{") || strings.HasPrefix(string(value), "[") {
			if disguisedIn(old) != disguisedIn(value) {
				continue
			}
		}
		return false
	}
	return true
}

func disguised(raw json.RawMessage) bool {
	return string(raw) == mask || strings.HasPrefix(string(raw), `"hmac:`)
}

func hashedIn(raw json.RawMessage) bool { return strings.Contains(string(raw), `"hmac:`) }

func disguisedIn(raw json.RawMessage) bool {
	return strings.Contains(string(raw), mask) || strings.Contains(string(raw), `"hmac:`)
}
