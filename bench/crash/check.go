package main

import (
	"fmt"
	"slices"
)

// Kinds of violations.
const (
	lostWrite     = "lost write"                 // acknowledged, and not in the database
	wrongRow      = "wrong row"                  // a row that no write explains
	halfWrite     = "half of a transaction"      // one of its writes is in the database, another is not
	lostDelivery  = "lost delivery"              // in the database, and never accepted by the receiver
	orphan        = "delivery without its write" // accepted, and not in the database
	twoIDs        = "two ids for one delivery"
	oneIDTwice    = "one id for two deliveries"
	changedBody   = "other bytes under the same id"
	outOfOrder    = "out of order"
	leftInQueue   = "left in the queue"
	failedForGood = "failed for good" // a delivery that was given up
	falseAlarm    = "false alarm"     // the audit log says that it was tampered with
	misbehaved    = "misbehaved"      // an answer, a request or an end that must not be
)

// violation is one broken promise.
type violation struct{ Kind, Text string }

// verdict is what came of holding everything together.
type verdict struct {
	violations   []violation
	acknowledged int // writes
	unanswered   int // writes nobody was told the outcome of
	committed    int // of those, writes that are in the database
	deliveries   int // that there had to be
	duplicates   int // accepted again under the same id, with the same body
}

func (v *verdict) add(kind, format string, args ...any) {
	v.violations = append(v.violations, violation{kind, fmt.Sprintf(format, args...)})
}

// check holds the writers' history, the rows and what the receiver accepted against
// one another.
func check(hooks []hook, writes []write, rows map[key]state, accepted []acceptance) *verdict {
	v := &verdict{}
	inDatabase := v.checkRows(writes, rows)
	v.checkDeliveries(hooks, writes, inDatabase, accepted)
	v.checkOrder(hooks, accepted)
	return v
}

// checkRows finds out which writes are in the database.
func (v *verdict) checkRows(writes []write, rows map[key]state) (inDatabase map[key]bool) {
	inDatabase = map[key]bool{}
	last := map[key]write{}    // of each row, the last write that is in the database
	groups := map[key][2]int{} // of each transaction, how many writes are not in the database and how many are
	for _, w := range slices.SortedFunc(slices.Values(writes), func(a, b write) int { return a.N - b.N }) {
		row, exists := rows[w.Row]
		in := exists && row.Entity == w.Entity && row.Version >= w.Version
		switch w.Outcome {
		case acknowledged:
			v.acknowledged++
			if !in {
				v.add(lostWrite, "%s: version %d, acknowledged as write %d of writer %d, is not in the database (the row: %s)", rowName(w), w.Version, w.N, w.Writer, shown(row, exists))
			}
		case unanswered:
			v.unanswered++
			if in = in && row.N >= w.N; in {
				v.committed++
			}
		case absent:
			in = false
		}
		if w.Group != 0 {
			count := groups[key{w.Writer, w.Group}]
			if in {
				count[1]++
			} else {
				count[0]++
			}
			groups[key{w.Writer, w.Group}] = count
		}
		if in {
			inDatabase[w.key] = true
			last[w.Row] = w
		}
	}
	for id, count := range groups {
		if count[0] > 0 && count[1] > 0 {
			v.add(halfWrite, "of the transaction of writer %d that began with its write %d, %d writes are in the database and %d are not", id.Writer, id.N, count[1], count[0])
		}
	}
	for id, row := range rows {
		if w, known := last[id]; !known || row.N != w.N || row.Version != w.Version || row.Entity != w.Entity {
			v.add(wrongRow, "the row of writer %d that its write %d inserted is %s; its last known write is number %d, version %d", id.Writer, id.N, shown(row, true), w.N, w.Version)
		}
	}
	return inDatabase
}

func rowName(w write) string {
	return fmt.Sprintf("%s of writer %d, inserted as its write %d", w.Entity, w.Row.Writer, w.Row.N)
}

func shown(s state, exists bool) string {
	if !exists {
		return "missing"
	}
	return fmt.Sprintf("%s version %d of write %d", s.Entity, s.Version, s.N)
}

// delivered names a delivery: there is one for each hook and write.
type delivered struct {
	hook string
	key
}

// checkDeliveries looks for deliveries that are missing, too many or changed.
func (v *verdict) checkDeliveries(hooks []hook, writes []write, inDatabase map[key]bool, accepted []acceptance) {
	type known struct {
		of   delivered
		body uint64
	}
	ids := map[string]known{}
	got := map[delivered]string{} // its id
	for _, a := range accepted {
		d := delivered{a.Hook, a.Write}
		before, again := ids[a.ID]
		switch {
		case again && before.of != d:
			v.add(oneIDTwice, "%s is write %d of writer %d for %s, and was write %d of writer %d for %s", a.ID, d.N, d.Writer, d.hook, before.of.N, before.of.Writer, before.of.hook)
			continue
		case again && before.body != a.Body:
			v.add(changedBody, "%s (write %d of writer %d for %s)", a.ID, d.N, d.Writer, d.hook)
			continue
		case again:
			v.duplicates++
			continue
		}
		ids[a.ID] = known{d, a.Body}
		if other, twice := got[d]; twice {
			v.add(twoIDs, "write %d of writer %d came to %s as %s and as %s", d.N, d.Writer, d.hook, other, a.ID)
			continue
		}
		got[d] = a.ID
		if !inDatabase[a.Write] {
			v.add(orphan, "%s accepted %s, write %d of writer %d, which is not in the database", a.Hook, a.ID, a.Write.N, a.Write.Writer)
		}
	}
	for _, w := range writes {
		for _, h := range hooks {
			if h.entity != w.Entity || !inDatabase[w.key] {
				continue
			}
			v.deliveries++
			if _, ok := got[delivered{h.name, w.key}]; !ok {
				v.add(lostDelivery, "%s never accepted version %d of %s: write %d of writer %d, %s", h.name, w.Version, rowName(w), w.N, w.Writer, w.Outcome)
			}
		}
	}
}

// checkOrder looks at the first acceptance of each delivery.
func (v *verdict) checkOrder(hooks []hook, accepted []acceptance) {
	for _, h := range hooks {
		if h.order == "" {
			continue
		}
		seen := map[key]bool{}
		version := map[key]acceptance{} // of each row, the last one
		latest := map[int]acceptance{}  // of each writer, the last one
		for _, a := range accepted {
			if a.Hook != h.name || seen[a.Write] {
				continue
			}
			seen[a.Write] = true
			if before, ok := version[a.Row]; ok && before.Version > a.Version {
				v.add(outOfOrder, "%s accepted version %d (%s) of the row of writer %d that its write %d inserted after version %d (%s)", h.name, a.Version, a.ID, a.Row.Writer, a.Row.N, before.Version, before.ID)
			}
			version[a.Row] = a
			if before, ok := latest[a.Write.Writer]; ok && h.order == "hook" && before.Write.N > a.Write.N {
				v.add(outOfOrder, "%s accepted write %d (%s) of writer %d after its write %d (%s)", h.name, a.Write.N, a.ID, a.Write.Writer, before.Write.N, before.ID)
			}
			latest[a.Write.Writer] = a
		}
	}
}
