package auditlog

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/pylon-go/pylon/store"
)

func (v *Verification) leaf(l Leaf, checkpoints *[]sizedNote) error {
	r := &v.Report
	if l.Index != v.Next {
		r.find(Finding{Code: codeLeafGap, Leaf: &l.Index, Detail: fmt.Sprintf("leaf %d was expected", v.Next)})
	}
	if l.Bad != "" {
		r.find(Finding{Code: codeTile, Leaf: &l.Index, Detail: l.Bad})
	}
	v.Next = l.Index + 1
	hash := l.Hash
	switch {
	case l.Event != nil:
		hash = tlog.RecordHash(l.Event)
		if hash != l.Hash {
			r.find(Finding{Code: codeLeaf, Leaf: &l.Index, Detail: "the event has another hash"})
		}
		v.event(l)
	case l.Row == nil:
		r.Entries++
		if l.Index < v.pruned {
			r.Pruned++
		} else {
			r.find(Finding{Code: codeRowMissing, ID: l.AuditID, Leaf: &l.Index})
		}
	default:
		r.Entries++
		if h, err := v.entry(l.AuditID, l.Row, &l.Index); err == nil {
			hash = h
			if hash != l.Hash {
				r.find(Finding{Code: codeLeaf, ID: l.AuditID, Leaf: &l.Index, Detail: "the entry has another hash than its leaf"})
			}
		}
		v.time(l)
	}
	v.Frontier.add(hash)
	for len(*checkpoints) > 0 && (*checkpoints)[0].size <= v.Next {
		c := (*checkpoints)[0]
		*checkpoints = (*checkpoints)[1:]
		v.checkpoint(c)
	}
	if _, anchored := slices.BinarySearch(v.sizes, v.Next); anchored {
		v.Roots[v.Next] = v.Frontier.root()
	}
	return nil
}

func (v *Verification) entry(id string, row []store.Value, leaf *int64) (tlog.Hash, error) {
	r := &v.Report
	kid, mac, err := splitSignature(row[fSignature])
	if err != nil {
		r.find(Finding{Code: codeRowMAC, ID: id, Leaf: leaf, Detail: "the signature is " + err.Error()})
		return tlog.Hash{}, err
	}
	v.buf = appendBody(v.buf[:0], id, row, kid)
	w := v.Writers[row[fWriter].Str()]
	switch {
	case w == nil && leaf != nil:
		// The epoch that enters a writer comes before its entries.
		r.find(Finding{Code: codeUnknownWriter, ID: id, Leaf: leaf, Writer: row[fWriter].Str()})
	case w == nil:
	case w.Signed && mac == nil:
		r.find(Finding{Code: codeUnsignedRow, ID: id, Leaf: leaf})
	case mac != nil && kid != w.Kid:
		v.foreignKey(id, kid, leaf)
	}
	if mac != nil {
		if k := v.key(kid); k != nil && !k.verify(v.buf, mac) {
			r.find(Finding{Code: codeRowMAC, ID: id, Leaf: leaf})
		} else if k == nil && len(v.keys) > 0 && (w == nil || kid == w.Kid) {
			r.find(Finding{Code: codeUnknownKey, ID: id, Leaf: leaf, Detail: "signed with a key that was not given: " + kid})
		}
	}
	v.values(id, row, leaf)
	if w != nil {
		n := row[fWseq].Int()
		if !w.Seen.add(n) {
			r.find(Finding{Code: codeWseqDup, ID: id, Leaf: leaf, Writer: row[fWriter].Str(), Detail: fmt.Sprintf("number %d", n)})
		}
		w.Settled.add(n)
	}
	v.buf = appendLeaf(v.buf, row[fSignature])
	return tlog.RecordHash(v.buf), nil
}

func (v *Verification) foreignKey(id, kid string, leaf *int64) {
	if slices.ContainsFunc(v.Chain, func(c chainKey) bool { return c.Kid == kid }) {
		v.Report.find(Finding{Code: codeKeyRange, ID: id, Leaf: leaf, Detail: "signed with the key " + kid + " outside of its time"})
		return
	}
	v.Report.find(Finding{Code: codeUnknownKey, ID: id, Leaf: leaf, Detail: "signed with a key that the log does not know: " + kid})
}

func (v *Verification) key(kid string) *key {
	for _, k := range v.keys {
		if k.kid == kid {
			return k
		}
	}
	return nil
}

func (v *Verification) values(id string, row []store.Value, leaf *int64) {
	there := !row[fBefore].IsNull() || !row[fAfter].IsNull() || !row[fIP].IsNull() || !row[fUserAgent].IsNull()
	if row[fSalt].IsNull() && !there {
		if row[fCommitments].Str() == "-.-.-" {
			return // there was nothing
		}
		if v.erased[id] {
			v.Report.Erased++
			return
		}
		v.Missing = append(v.Missing, Finding{Code: codePayloadMissing, ID: id, Leaf: leaf})
		return
	}
	salt, err := decodeSalt(row[fSalt].Str())
	if err == nil && commitments(salt, row) == row[fCommitments].Str() {
		return
	}
	if row[fBefore].IsNull() && row[fAfter].IsNull() && !strings.HasPrefix(row[fCommitments].Str(), "-.-.") {
		v.Missing = append(v.Missing, Finding{Code: codePayloadMissing, ID: id, Leaf: leaf})
		return
	}
	v.Report.find(Finding{Code: codePayload, ID: id, Leaf: leaf})
}

func (v *Verification) time(l Leaf) {
	if len(v.sizes) == 0 {
		return
	}
	i, found := slices.BinarySearch(v.sizes, l.Index)
	if found {
		i++
	}
	to := int64(math.MaxInt64)
	if i < len(v.sizes) {
		to = v.sizes[i]
	}
	t := v.Times[to]
	if t == nil {
		t = &createdAt{}
		if i > 0 {
			t.From = v.sizes[i-1]
		}
		v.Times[to] = t
	}
	at := l.Row[fCreatedAt].Time()
	if t.Low.IsZero() || at.Before(t.Low) {
		t.Low, t.LowLeaf, t.LowID = at, l.Index, l.AuditID
	}
	if t.High.IsZero() || at.After(t.High) {
		t.High, t.HighLeaf, t.HighID = at, l.Index, l.AuditID
	}
}
