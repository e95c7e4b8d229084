package auditlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/pylon-go/pylon/store"
)

// Leaf is a leaf of the tree with what it stands for.
type Leaf struct {
	Index   int64
	Hash    tlog.Hash
	AuditID string        // of the entry, or
	Event   []byte        // the event
	Row     []store.Value // of the entry, nil when it is gone
	Bad     string        // what is wrong with how it is kept
}

// Source is a log to verify: in a database or in an exported folder.
type Source interface {
	// Leaves calls fn for the leaves from a number on, up to a limit or the end of
	// the log. size is that of the last checkpoint in the same snapshot.
	Leaves(ctx context.Context, from int64, limit int, fn func(Leaf) error) (size int64, err error)
	// Checkpoints calls fn for those of sizes above from up to to, in order.
	Checkpoints(ctx context.Context, from, to int64, fn func(size int64, msg string) error) error
	// Events calls fn for the events from a leaf's number on.
	Events(ctx context.Context, from int64, fn func(index int64, event []byte) error) error
	// Unsealed calls fn for the entries without a leaf.
	Unsealed(ctx context.Context, fn func(id string, v []store.Value) error) error
}

// AnchorSet is what one anchor holds.
type AnchorSet struct {
	Name    string
	Records []AnchorRecord
	// Expected is how many there should be, as far as the log knows; 0 when it does not.
	Expected int64
}

// AnchorRecord is a tree head as an anchor holds it.
type AnchorRecord struct {
	Note string    `json:"note"`
	At   time.Time `json:"at"`
}

// VerifyOptions say what a log is held against.
type VerifyOptions struct {
	// Secrets are signing keys: with them the entries' signatures are verified, and
	// the public keys are derived from them.
	Secrets [][]byte
	// PublicKeys are those of the log, as `pylon audit pubkey` prints them.
	PublicKeys []string
	Anchors    []AnchorSet
	// Now is the time, and MaxLag how long entries may be without a leaf.
	Now    time.Time
	MaxLag time.Duration
	// Progress hears now and then how far it is.
	Progress func(done, total int64)
	// Saved hears now and then what [Verification] has found so far, to go on from later.
	Saved func(*Verification) error

	derived []*key // as Secrets, derived before
	// going says that the verification is gone on with when there are more anchors:
	// the roots of all checkpoints are kept for these.
	going bool
}

// Verification is a verification under way. It can be kept as JSON and gone on with.
type Verification struct {
	Next     int64                  `json:"next"`
	Frontier frontier               `json:"frontier"`
	Good     int64                  `json:"good"`   // size of the last checkpoint whose root was right
	Broken   bool                   `json:"broken"` // one was not
	Writers  map[string]*writerSeen `json:"writers"`
	Chain    []chainKey             `json:"chain"`
	Origin   string                 `json:"origin"`
	Missing  []Finding              `json:"missing"` // of values, unless an event explains them
	Roots    map[int64]tlog.Hash    `json:"roots"`   // at the sizes that anchors have
	Times    map[int64]*createdAt   `json:"times"`   // the extremes between two anchors, by the size of the second
	Report   Report                 `json:"report"`

	keys    []*key
	erased  map[string]bool
	pruned  int64
	scanned int64 // events are known up to here
	resumed int64 // leaf that this run began with
	o       *VerifyOptions
	sizes   []int64 // of anchors
	buf     []byte
}

type writerSeen struct {
	Kid     string   `json:"kid"`
	Signed  bool     `json:"signed"`
	High    int64    `json:"high"`
	Seen    rangeSet `json:"seen"`
	Settled rangeSet `json:"settled"` // seen or void
	Leaf    int64    `json:"leaf"`    // where it was entered
	unclean int64
}

// chainKey is one of the keys that a log was signed with.
type chainKey struct {
	Kid  string `json:"kid"`
	VKey string `json:"vkey"`
	From int64  `json:"from"` // the leaf from which on it counts
}

// createdAt is the earliest and the latest entry between two anchors.
type createdAt struct {
	From              int64 // size of the first of them, 0 when there is none
	Low, High         time.Time
	LowLeaf, HighLeaf int64
	LowID, HighID     string
}

const (
	leavesPerRead = 5000
	// saveEvery is how many leaves are verified between two calls of Saved.
	saveEvery = 100_000
	// clockSlack is by how much the clocks of servers and anchors may differ.
	clockSlack = 5 * time.Minute
)

// Verify holds a log against itself, its keys and its anchors.
func Verify(ctx context.Context, src Source, o VerifyOptions) (*Report, error) {
	return new(Verification).Run(ctx, src, o)
}

// Run verifies from where it stands to the end of the log.
func (v *Verification) Run(ctx context.Context, src Source, o VerifyOptions) (*Report, error) {
	if err := v.prepare(&o); err != nil {
		return nil, err
	}
	saved := v.Next
	for {
		if err := src.Events(ctx, v.scanned, v.scan); err != nil {
			return nil, fmt.Errorf("read the log's events: %w", err)
		}
		from := v.Next
		var leaves int64
		checkpoints, err := v.checkpoints(ctx, src, from, from+leavesPerRead)
		if err != nil {
			return nil, err
		}
		size, err := src.Leaves(ctx, from, leavesPerRead, func(l Leaf) error {
			leaves++
			return v.leaf(l, &checkpoints)
		})
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		for _, c := range checkpoints { // of sizes that no leaf was there for
			if c.size <= size && leaves < leavesPerRead {
				v.Report.find(Finding{Code: codeTruncated, Size: c.size, Detail: fmt.Sprintf("the log has %d leaves", v.Next)})
			}
		}
		if o.Progress != nil {
			o.Progress(v.Next, size)
		}
		if leaves < leavesPerRead {
			v.end(size)
			break
		}
		if o.Saved != nil && v.Next-saved >= saveEvery {
			saved = v.Next
			if err := o.Saved(v); err != nil {
				return nil, err
			}
		}
	}
	return v.finish(ctx, src)
}

func (v *Verification) prepare(o *VerifyOptions) error {
	v.o = o
	v.erased = map[string]bool{}
	v.scanned = 0
	if v.Writers == nil {
		v.Writers, v.Roots, v.Times = map[string]*writerSeen{}, map[int64]tlog.Hash{}, map[int64]*createdAt{}
		v.Report.Findings, v.Report.Warnings = []Finding{}, []Finding{}
	}
	v.resumed = v.Next
	v.keys = slices.Clone(o.derived)
	for _, secret := range o.Secrets {
		k, err := newKey(secret)
		if err != nil {
			return err
		}
		v.keys = append(v.keys, k)
	}
	v.sizes = nil
	for _, a := range o.Anchors {
		for _, r := range a.Records {
			if c, _, _ := openCheckpoint(r.Note, note.VerifierList()); c.Size > 0 { // signatures are looked at in the end
				v.sizes = append(v.sizes, c.Size)
			}
		}
	}
	slices.Sort(v.sizes)
	v.sizes = slices.Compact(v.sizes)
	return nil
}

// scan takes note of what makes missing values and entries lawful. Whether the event
// itself is right shows when its leaf comes.
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

type sizedNote struct {
	size int64
	msg  string
}

func (v *Verification) checkpoints(ctx context.Context, src Source, from, to int64) (list []sizedNote, err error) {
	err = src.Checkpoints(ctx, from, to, func(size int64, msg string) error {
		list = append(list, sizedNote{size, msg})
		return nil
	})
	if err != nil {
		err = fmt.Errorf("read the log's checkpoints: %w", err)
	}
	return list, err
}

// leaf verifies one leaf, and the checkpoint of the tree that ends with it.
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

// entry verifies an entry alone, and answers the hash that its leaf should have.
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

// foreignKey tells of an entry that was signed with another key than its writer has.
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

// values holds the values of an entry against what was committed to.
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

// event verifies an event and takes in what it says.
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

// eventSignatures verifies the MACs of an event.
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

// checkpoint verifies a head of the log's own.
func (v *Verification) checkpoint(n sizedNote) {
	r := &v.Report
	c, _, err := openCheckpoint(n.msg, v.verifiers())
	switch {
	case err == errUnsigned && v.unsigned():
	case err != nil:
		r.find(Finding{Code: codeCheckpointSignature, Size: n.size, Detail: err.Error()})
		return
	}
	if c.Size != n.size || v.Origin != "" && c.Origin != v.Origin {
		r.find(Finding{Code: codeCheckpointSignature, Size: n.size, Detail: "it is the checkpoint of another size or log"})
		return
	}
	if err := v.inTime(n); err != nil {
		r.find(Finding{Code: codeKeyRange, Size: n.size, Detail: err.Error()})
	}
	if v.Broken {
		return // what is wrong is wrong in all that follow
	}
	if v.Frontier.Size != n.size || v.Frontier.root() != c.Root {
		good := v.Good
		r.find(Finding{Code: codeRoot, Size: n.size, After: &good, Detail: "the leaves do not have the root that was signed"})
		v.Broken = true
		return
	}
	v.Good = n.size
	if v.o.going {
		v.Roots[n.size] = c.Root
	}
}

// inTime says whether a checkpoint is signed by the key that was in use, and by the
// one before where it is the first that knows of a new one.
func (v *Verification) inTime(n sizedNote) error {
	if len(v.Chain) == 0 || v.unsigned() {
		return nil
	}
	now := v.Chain[len(v.Chain)-1]
	if err := signedBy(n.msg, now.VKey); err != nil {
		return errors.New("not signed with the key that was in use")
	}
	if len(v.Chain) > 1 && v.Good <= now.From {
		if before := v.Chain[len(v.Chain)-2]; before.VKey != "" && signedBy(n.msg, before.VKey) != nil {
			return errors.New("the key was replaced without the signature of the one before")
		}
	}
	return nil
}

func signedBy(msg, vkey string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	_, _, err = openCheckpoint(msg, note.VerifierList(verifier))
	return err
}

// verifiers are those of the keys that the log names, and of the ones it is held against.
func (v *Verification) verifiers() note.Verifiers {
	var list []note.Verifier
	for _, vkey := range v.vkeys() {
		if verifier, err := note.NewVerifier(vkey); err == nil {
			list = append(list, verifier)
		}
	}
	return note.VerifierList(list...)
}

func (v *Verification) vkeys() (all []string) {
	for _, c := range v.Chain {
		all = append(all, c.VKey)
	}
	all = append(all, v.pinned()...)
	slices.Sort(all)
	return slices.Compact(all)
}

// pinned are the public keys that come from outside of the log.
func (v *Verification) pinned() []string {
	all := slices.Clone(v.o.PublicKeys)
	for _, k := range v.keys {
		if s, err := k.signer(v.Origin); err == nil && v.Origin != "" {
			all = append(all, s.vkey)
		}
	}
	return all
}

// unsigned reports whether the log has no key at the moment.
func (v *Verification) unsigned() bool {
	return len(v.Chain) > 0 && v.Chain[len(v.Chain)-1].Kid == "" && len(v.o.PublicKeys) == 0
}

// time keeps the extremes of createdAt between two anchors.
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

// end holds the number of leaves against the last head.
func (v *Verification) end(size int64) {
	switch {
	case v.Next > size:
		v.Report.find(Finding{Code: codeRollback, Size: size, Detail: fmt.Sprintf("the last checkpoint has %d leaves, the log %d", size, v.Next)})
	case v.Next < size && !v.Report.Has(codeTruncated):
		v.Report.find(Finding{Code: codeTruncated, Size: size, Detail: fmt.Sprintf("the log has %d leaves", v.Next)})
	}
}

// finish is what can be said when all leaves were seen. It does not change what a
// later run goes on from.
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

// unsealed verifies an entry that has no leaf.
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

// numbers looks for holes in the numbers of the writers. As many as there are
// entries that were pruned are lawful.
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

// recent is called for numbers that are missing between entries that no epoch speaks
// of yet: transactions under way, at most for as long as sealing may take.
func (v *Verification) recent(writer string, from, to int64) {
	v.Report.Warnings = append(v.Report.Warnings, Finding{Code: codeUnclean, Writer: writer,
		Detail: fmt.Sprintf("the numbers %d to %d are not settled yet", from, to)})
}

// trust holds the log's keys against those that came from outside.
func (v *Verification) trust() {
	r := &v.Report
	pinned := v.pinned()
	r.Pinned = len(pinned) > 0
	if len(v.Chain) > 0 && v.Chain[len(v.Chain)-1].Kid == "" {
		r.warn(Finding{Code: codeNoKey, Detail: "the log has no signing key: who can write to the database can rewrite it, unless an anchor holds it"})
		if len(v.o.PublicKeys) == 0 {
			r.Pinned = false
			return
		}
	}
	if !r.Pinned || v.Next == 0 {
		return
	}
	for _, c := range v.Chain {
		if slices.Contains(pinned, c.VKey) {
			return
		}
	}
	r.find(Finding{Code: codeKeyUntrusted, Detail: "the log is not signed with the key it is held against"})
}
