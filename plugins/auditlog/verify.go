package auditlog

import (
	"context"
	"fmt"
	"slices"
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
// leaf verifies one leaf, and the checkpoint of the tree that ends with it.
// entry verifies an entry alone, and answers the hash that its leaf should have.
// foreignKey tells of an entry that was signed with another key than its writer has.
// values holds the values of an entry against what was committed to.
// event verifies an event and takes in what it says.
// eventSignatures verifies the MACs of an event.
// checkpoint verifies a head of the log's own.
// inTime says whether a checkpoint is signed by the key that was in use, and by the
// one before where it is the first that knows of a new one.
// verifiers are those of the keys that the log names, and of the ones it is held against.
// pinned are the public keys that come from outside of the log.
// unsigned reports whether the log has no key at the moment.
// time keeps the extremes of createdAt between two anchors.
// end holds the number of leaves against the last head.
// finish is what can be said when all leaves were seen. It does not change what a
// later run goes on from.
// unsealed verifies an entry that has no leaf.
// numbers looks for holes in the numbers of the writers. As many as there are
// entries that were pruned are lawful.
// recent is called for numbers that are missing between entries that no epoch speaks
// of yet: transactions under way, at most for as long as sealing may take.
// trust holds the log's keys against those that came from outside.
