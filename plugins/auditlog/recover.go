package auditlog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pylon-go/pylon/store"
)

// A process that dies takes with it what it knew of its last entries: which are on
// disk, and which of its numbers are voids. Who comes next seals what it finds, and
// says so: the holes of a writer that was closed uncleanly are not proven to be
// voids. There are at most as many as transactions were under way.

// recover seals what dead writers left behind, and closes them.
func (p *Plugin) recover(s *sealing, self string) error {
	type left struct {
		writer, kid, floor string
		sealed             int64
		closed             bool
	}
	var all []left
	before := s.tx.Now().Add(-deadAfter)
	if err := s.tx.Query("SELECT writer, kid, floor, sealed, seen_at, closed FROM "+writerTable+" ORDER BY seen_at", nil, func(r store.Rows) error {
		l := left{r.Value(0, store.TypeString).Str(), r.Value(1, store.TypeString).Str(), r.Value(2, store.TypeString).Str(), r.Value(3, store.TypeInt).Int(), r.Value(5, store.TypeBool).Bool()}
		if l.writer != self && (p.db.Alone() || r.Value(4, store.TypeDatetime).Time().Before(before)) {
			all = append(all, l)
		}
		return nil
	}); err != nil {
		return err
	}
	const lately = 4
	for i, l := range all {
		// What a writer wrote after it was closed, in the last moments of its process, is
		// looked for a few starts long.
		if l.closed && i < len(all)-lately {
			continue
		}
		if err := p.recoverOne(s, l.writer, l.kid, l.floor, l.sealed, l.closed); err != nil {
			return fmt.Errorf("recover what the writer %s left: %w", l.writer, err)
		}
	}
	return nil
}

// leafOfEntry finds the leaf l of an entry a.
const leafOfEntry = "l.audit_id IS NOT NULL AND l.audit_id = a.id"

var entryColumns = func() string {
	e := newEntity()
	cols := []string{"a." + store.Quote("id")}
	for _, f := range e.FieldNames() {
		cols = append(cols, "a."+store.Quote(f))
	}
	return strings.Join(cols, ",")
}()

// scanEntry reads the columns of [entryColumns] that begin at from.
func scanEntry(e *store.Entity, r store.Rows, from int) (id string, v []store.Value) {
	v = make([]store.Value, fieldCount)
	for i := range v {
		v[i] = r.Value(from+1+i, e.Fields[i].Type)
	}
	return r.Value(from, store.TypeID).Str(), v
}

func (p *Plugin) recoverOne(s *sealing, writer, kid, floor string, sealed int64, closed bool) error {
	var seqs []int64
	var rows []pending
	last := floor
	err := s.tx.Query("SELECT l.idx,"+entryColumns+" FROM "+store.Quote(entityName)+" a LEFT JOIN "+leafTable+" l ON "+leafOfEntry+
		" WHERE a.id > ? AND a."+store.Quote("writer")+" = ? ORDER BY a.id", []store.Value{store.ID(floor), store.String(writer)}, func(r store.Rows) error {
		id, v := scanEntry(p.entity, r, 1)
		if r.Value(0, store.TypeInt).IsNull() {
			hash, found := p.trusted(id, v)
			if found != nil {
				p.alarm(s.tx.Context(), *found)
				return nil
			}
			rows = append(rows, pending{v[fWseq].Int(), id, hash, v[fEntity].Str(), v[fRowID].Str(), v[fCreatedAt].Time()})
		}
		last = id
		if n := v[fWseq].Int(); n > sealed {
			seqs = append(seqs, n)
		}
		return nil
	})
	if err != nil || closed && len(rows) == 0 {
		return err
	}
	for _, r := range rows {
		s.row(r)
	}
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	high, holes := sealed, []int64(nil)
	for _, n := range seqs {
		if n-high > maxHoles { // a forged number must not make millions of them
			break
		}
		for v := high + 1; v < n; v++ {
			holes = append(holes, v)
		}
		high = n
	}
	if len(holes) > 0 {
		p.log.Warn("a server that did not stop in order left numbers without entries in the audit log: transactions that were under way", "numbers", len(holes))
	}
	return s.epoch(epochEvent{Writer: writer, Kid: kid, Signed: p.config.SignEntries, High: high, Voids: ranges(holes), Closed: closedUnclean}, last)
}

// maxHoles bounds the numbers that a process may have given out in vain at the end.
const maxHoles = 100_000

// recoverDead does the same while others work.
func (p *Plugin) recoverDead(ctx context.Context) error {
	return p.sealWith(ctx, func(s *sealing) error { return p.recover(s, p.writer.Load().id) })
}

// beat says now and then that this process lives.
func (p *Plugin) beat(ctx context.Context) {
	for {
		p.pause(ctx, deadAfter/4)
		if ctx.Err() != nil {
			return
		}
		err := p.db.Update(store.WithActor(ctx, store.System(name)), func(tx *store.Tx) error {
			return tx.Exec("UPDATE "+writerTable+" SET seen_at=? WHERE writer=? AND NOT closed", store.Time(tx.Now()), store.String(p.writer.Load().id))
		})
		if err != nil && ctx.Err() == nil {
			p.log.Warn("this process could not say that it lives", "error", err)
		}
	}
}
