package auditlog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pylon-go/pylon/store"
)

func (v *Verification) finish(ctx context.Context, src Source) (*Report, error) {
	if err := src.Events(ctx, v.scanned, v.scan); err != nil {
		return nil, err
	}
	out := *v
	out.Report = v.Report
	out.Report.Findings = slices.Clone(v.Report.Findings)
	out.Report.Warnings = slices.Clone(v.Report.Warnings)
	out.Report.Counts = map[string]int{}
	for k, n := range v.Report.Counts {
		out.Report.Counts[k] = n
	}
	out.Writers = map[string]*writerSeen{}
	for id, w := range v.Writers {
		c := *w
		c.Seen, c.Settled = slices.Clone(w.Seen), slices.Clone(w.Settled)
		out.Writers[id] = &c
	}
	r := &out.Report
	for _, m := range v.Missing {
		if v.erased[m.ID] {
			r.Erased++
		} else {
			r.find(m)
		}
	}
	if err := src.Unsealed(ctx, out.unsealed); err != nil {
		return nil, fmt.Errorf("read the entries that are not sealed: %w", err)
	}
	out.numbers()
	out.trust()
	out.anchored()
	r.Size, r.MACs = out.Next, len(out.keys) > 0
	for _, c := range out.Chain {
		if c.VKey != "" {
			r.Keys = append(r.Keys, c.VKey)
		}
	}
	switch {
	case len(r.Counts) > 0:
		r.Verdict = VerdictTampered
	case r.Anchored > 0 && !slices.ContainsFunc(r.Warnings, func(f Finding) bool { return f.Code == codeAnchorSilence }):
		r.Verdict = VerdictAnchored
	default:
		r.Verdict = VerdictNotAnchored
	}
	return r, nil
}

func (v *Verification) unsealed(id string, row []store.Value) error {
	r := &v.Report
	r.Unsealed++
	writer := row[fWriter].Str()
	if v.Writers[writer] == nil {
		r.find(Finding{Code: codeUnknownWriter, ID: id, Writer: writer, Detail: "the entry has no leaf, and the log does not know who wrote it"})
	}
	before := len(r.Findings)
	v.entry(id, row, nil) //nolint:errcheck // it is found
	if v.o.Now.Sub(row[fCreatedAt].Time()) <= v.o.MaxLag {
		return nil
	}
	f := Finding{Code: codeUnsealedStale, ID: id, Detail: "the entry has no leaf since " + store.FormatTime(row[fCreatedAt].Time())}
	if kid, mac, _ := splitSignature(row[fSignature]); mac != nil && v.key(kid) != nil && len(r.Findings) == before {
		// Its signature is right: a server wrote it and died, and none started since.
		r.warn(f)
		return nil
	}
	r.find(f)
	return nil
}

func (v *Verification) numbers() {
	lawful := v.Report.Pruned
	var found []Finding
	var holes int64
	for id, w := range v.Writers {
		top := w.Seen.top()
		w.Settled.holes(w.High, func(from, to int64) {
			holes += to - from + 1
			f := Finding{Code: codeWseqGap, Writer: id, Detail: fmt.Sprintf("no entries with the numbers %d to %d", from, to)}
			if from > top {
				f.Code = codeHeadAhead
				f.Detail = fmt.Sprintf("the writer wrote up to number %d, entries are there up to %d", w.High, top)
			}
			found = append(found, f)
		})
		// What a writer that is not closed wrote last is claimed by no epoch yet.
		if top > w.High {
			w.Settled.holes(top, func(from, to int64) {
				if to > w.High {
					v.recent(id, max(from, w.High+1), to)
				}
			})
		}
	}
	if holes <= lawful {
		return
	}
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.Writer+a.Detail, b.Writer+b.Detail) })
	for _, f := range found {
		v.Report.find(f)
	}
}

func (v *Verification) recent(writer string, from, to int64) {
	v.Report.Warnings = append(v.Report.Warnings, Finding{Code: codeUnclean, Writer: writer,
		Detail: fmt.Sprintf("the numbers %d to %d are not settled yet", from, to)})
}
