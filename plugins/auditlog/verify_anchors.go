package auditlog

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// head is a tree head that an anchor holds.
type head struct {
	checkpoint
	anchor string
	at     time.Time
}

// silence is how long an anchor may say nothing while entries are written: it gets a
// head every ten minutes at least.
const silence = 3 * republishEvery

// anchored holds the log against what its anchors hold.
func (v *Verification) anchored() {
	r := &v.Report
	var all []head
	for _, set := range v.o.Anchors {
		all = append(all, v.headsOf(set)...)
	}
	slices.SortStableFunc(all, func(a, b head) int { return cmp.Compare(a.Size, b.Size) })
	for i, h := range all {
		if i > 0 && all[i-1].Size == h.Size && all[i-1].Root != h.Root {
			r.find(Finding{Code: codeEquivocation, Size: h.Size, Detail: fmt.Sprintf("%s and %s hold different logs", all[i-1].anchor, h.anchor)})
		}
		if h.Size > v.Next {
			if i == len(all)-1 {
				detail := fmt.Sprintf("%s holds %d leaves, the log has %d", h.anchor, h.Size, v.Next)
				r.find(Finding{Code: codeTruncated, Size: h.Size, Detail: detail})
				r.find(Finding{Code: codeRollback, Size: h.Size, Detail: detail})
			}
			continue
		}
		root, seen := v.Roots[h.Size]
		if !seen && h.Size <= v.resumed {
			continue // not known when its leaves were verified; the next run from the first leaf on will
		}
		if seen && root == h.Root {
			r.Anchored = max(r.Anchored, h.Size)
			continue
		}
		r.find(Finding{Code: codeRoot, Size: h.Size, Detail: "the log has another root than " + h.anchor + " holds"})
		if seen && h.Size <= v.Good {
			// The log's own checkpoint of that size has the other root: two heads were signed.
			r.find(Finding{Code: codeEquivocation, Size: h.Size, Detail: "the log and " + h.anchor + " have different heads"})
		}
	}
	r.Unanchored = v.Next - r.Anchored
	v.backdated(all)
}

// headsOf opens what an anchor holds of this log.
func (v *Verification) headsOf(set AnchorSet) (heads []head) {
	r := &v.Report
	other := map[string]bool{}
	mine := int64(0)
	for _, rec := range set.Records {
		c, _, err := openCheckpoint(rec.Note, v.verifiers())
		switch {
		case c.Origin != "" && c.Origin != v.Origin:
			if !other[c.Origin] && (v.Origin == "" || sameApp(c.Origin, v.Origin)) {
				other[c.Origin] = true
				r.find(Finding{Code: codeLogReplaced, Size: c.Size, Detail: fmt.Sprintf("%s holds the log %s, this one is %q", set.Name, c.Origin, v.Origin)})
			}
			if v.Origin == "" { // nothing is left of the log but its anchors
				heads = append(heads, head{c, set.Name, rec.At})
			}
			continue
		case err == errUnsigned && v.unsigned():
		case err != nil:
			r.find(Finding{Code: codeAnchorSignature, Size: c.Size, Detail: set.Name + ": " + err.Error()})
			continue
		}
		mine++
		heads = append(heads, head{c, set.Name, rec.At})
	}
	if mine < set.Expected {
		r.warn(Finding{Code: codeAnchorSilence, Detail: fmt.Sprintf("%s holds %d tree heads, %d were published to it", set.Name, mine, set.Expected)})
	}
	v.silent(set.Name, heads)
	return heads
}

func sameApp(a, b string) bool {
	app, _, _ := strings.Cut(a, "/audit/")
	other, _, _ := strings.Cut(b, "/audit/")
	return app == other
}

// silent looks for a time in which entries were written and nothing reached an anchor.
func (v *Verification) silent(anchor string, heads []head) {
	times := slices.Clone(heads)
	slices.SortFunc(times, func(a, b head) int { return a.at.Compare(b.at) })
	for i := 1; i < len(times); i++ {
		from, to := times[i-1], times[i]
		if to.at.Sub(from.at) <= silence {
			continue
		}
		for _, t := range v.Times {
			quietFrom, quietTo := from.at.Add(republishEvery), to.at.Add(-republishEvery)
			if t.LowLeaf >= from.Size-1 && t.HighLeaf < to.Size && t.High.After(quietFrom) && t.Low.Before(quietTo) {
				v.Report.warn(Finding{Code: codeAnchorSilence, Size: to.Size,
					Detail: fmt.Sprintf("%s got nothing between %s and %s, although there were entries", anchor, from.at.UTC().Format(time.RFC3339), to.at.UTC().Format(time.RFC3339))})
				break
			}
		}
	}
}

// backdated looks for entries with a time at which they cannot have been written:
// before an anchor had the tree without them, or after one had the tree with them.
func (v *Verification) backdated(heads []head) {
	if len(heads) == 0 {
		return
	}
	// by size: the latest time up to here, and the earliest from here on
	latest, earliest := make([]time.Time, len(heads)), make([]time.Time, len(heads))
	for i, h := range heads {
		latest[i] = h.at
		if i > 0 && latest[i-1].After(h.at) {
			latest[i] = latest[i-1]
		}
	}
	for i := len(heads) - 1; i >= 0; i-- {
		earliest[i] = heads[i].at
		if i+1 < len(heads) && earliest[i+1].Before(heads[i].at) {
			earliest[i] = earliest[i+1]
		}
	}
	without := func(size int64) (at time.Time) {
		if i := sort.Search(len(heads), func(i int) bool { return heads[i].Size > size }); i > 0 {
			at = latest[i-1]
		}
		return at
	}
	with := func(size int64) (at time.Time) {
		if i := sort.Search(len(heads), func(i int) bool { return heads[i].Size >= size }); i < len(heads) {
			at = earliest[i]
		}
		return at
	}
	for to, t := range v.Times {
		if at := without(t.From); !at.IsZero() && t.Low.Before(at.Add(-clockSlack)) {
			leaf := t.LowLeaf
			v.Report.find(Finding{Code: codeBackdated, ID: t.LowID, Leaf: &leaf, Detail: fmt.Sprintf("it says %s, but was not in the log at %s", t.Low.Format(time.RFC3339), at.UTC().Format(time.RFC3339))})
		}
		if at := with(to); !at.IsZero() && t.High.After(at.Add(clockSlack)) {
			leaf := t.HighLeaf
			v.Report.find(Finding{Code: codeBackdated, ID: t.HighID, Leaf: &leaf, Detail: fmt.Sprintf("it says %s, but was in the log at %s", t.High.Format(time.RFC3339), at.UTC().Format(time.RFC3339))})
		}
	}
}
