package auditlog

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pylon-go/pylon/store"
)

func (v *Verification) scan(index int64, event []byte) error {
	v.scanned = index + 1
	kind, data, _, err := splitEvent(event)
	if err != nil {
		return nil // found at its leaf
	}
	switch kind {
	case eventErased:
		var e erasedEvent
		if json.Unmarshal(data, &e) == nil {
			for _, id := range e.IDs {
				v.erased[id] = true
			}
		}
	case eventPruned:
		var e prunedEvent
		if json.Unmarshal(data, &e) == nil && e.Before <= index {
			v.pruned = max(v.pruned, e.Before)
		}
	}
	return nil
}

func (v *Verification) event(l Leaf) {
	bad := func(format string, args ...any) {
		v.Report.find(Finding{Code: codeEvent, Leaf: &l.Index, Detail: fmt.Sprintf(format, args...)})
	}
	kind, data, signatures, err := splitEvent(l.Event)
	if err != nil {
		bad("%v", err)
		return
	}
	v.eventSignatures(l, kind, data, signatures, bad)
	decode := func(into any) bool {
		if err := json.Unmarshal(data, into); err != nil {
			bad("%s cannot be read", kind)
			return false
		}
		return true
	}
	switch kind {
	case eventOpened:
		var e openedEvent
		if !decode(&e) {
			return
		}
		if l.Index != 0 {
			bad("the log is opened a second time")
			return
		}
		v.Origin, v.Report.Origin = e.Origin, e.Origin
		v.Chain = append(v.Chain, chainKey{e.Kid, e.Key, 0})
	case eventRotated:
		var e rotatedEvent
		if !decode(&e) {
			return
		}
		if len(v.Chain) == 0 || v.Chain[len(v.Chain)-1].Kid != e.From {
			bad("a key is replaced that was not in use")
			return
		}
		v.Chain = append(v.Chain, chainKey{e.To, e.ToKey, l.Index})
	case eventEpoch:
		var e epochEvent
		if decode(&e) {
			v.epoch(l.Index, e, bad)
		}
	case eventPruned:
		var e prunedEvent
		if decode(&e) && e.Before > l.Index {
			bad("entries are pruned that did not exist")
		}
	case eventErased:
		var e erasedEvent
		decode(&e)
	default:
		bad("unknown event %q", kind)
	}
}

func (v *Verification) eventSignatures(l Leaf, kind string, data []byte, signatures string, bad func(string, ...any)) {
	signed := len(v.Chain) > 0 && v.Chain[len(v.Chain)-1].Kid != ""
	if signatures == "" {
		if signed && kind != eventOpened {
			v.Report.find(Finding{Code: codeUnsignedRow, Leaf: &l.Index, Detail: "the event is not signed"})
		}
		return
	}
	body := appendEvent(nil, kind, data)
	for _, s := range strings.Split(signatures, " ") {
		kid, mac, err := splitSignature(store.String(s))
		if err != nil {
			bad("the signature is %v", err)
			return
		}
		if k := v.key(kid); k != nil && !k.verify(body, mac) {
			v.Report.find(Finding{Code: codeRowMAC, Leaf: &l.Index, Detail: "of the event " + kind})
		}
	}
}

func (v *Verification) epoch(index int64, e epochEvent, bad func(string, ...any)) {
	w := v.Writers[e.Writer]
	if w == nil {
		current := ""
		if len(v.Chain) > 0 {
			current = v.Chain[len(v.Chain)-1].Kid
		}
		if e.Kid != current {
			v.Report.find(Finding{Code: codeKeyRange, Leaf: &index, Writer: e.Writer, Detail: "the writer began with a key that was not in use: " + e.Kid})
		}
		w = &writerSeen{Kid: e.Kid, Signed: e.Signed, Leaf: index}
		v.Writers[e.Writer] = w
	}
	if e.High < w.High {
		bad("the numbers of the writer %s go back", e.Writer)
	}
	w.High = max(w.High, e.High)
	for _, r := range e.Voids {
		if r[0] < 1 || r[1] < r[0] || r[1] > e.High {
			bad("voids of the writer %s are not in order", e.Writer)
			return
		}
		w.Settled.addRange(r[0], r[1])
		if e.Closed == closedUnclean {
			w.unclean += r[1] - r[0] + 1
		}
	}
	if w.unclean > 0 {
		v.Report.warn(Finding{Code: codeUnclean, Writer: e.Writer, Leaf: &index,
			Detail: fmt.Sprintf("a server that did not stop in order left %d numbers without entries: transactions under way, or entries that were deleted before it started again", w.unclean)})
		w.unclean = 0
	}
}
