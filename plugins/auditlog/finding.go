package auditlog

import (
	"fmt"
	"strings"
)

// What verification finds. Every code but the warnings means that the log was
// tampered with.
const (
	codePayload             = "PAYLOAD_MISMATCH"
	codePayloadMissing      = "PAYLOAD_MISSING_NO_ERASE_EVENT"
	codeRowMAC              = "ROW_MAC_BAD"
	codeUnsignedRow         = "UNSIGNED_ROW"
	codeUnknownKey          = "UNKNOWN_KEY"
	codeKeyRange            = "KEY_OUT_OF_RANGE"
	codeKeyUntrusted        = "KEY_UNTRUSTED"
	codeLeaf                = "LEAF_MISMATCH"
	codeLeafGap             = "LEAF_GAP"
	codeEvent               = "EVENT_BAD"
	codeRowMissing          = "ROW_MISSING"
	codeRoot                = "ROOT_MISMATCH"
	codeTile                = "TILE_BAD"
	codeTruncated           = "TRUNCATED"
	codeRollback            = "ROLLBACK"
	codeEquivocation        = "EQUIVOCATION"
	codeCheckpointSignature = "CKPT_SIG_BAD"
	codeAnchorSignature     = "ANCHOR_SIG_BAD"
	codeLogReplaced         = "LOG_REPLACED"
	codeWseqGap             = "WSEQ_GAP"
	codeWseqDup             = "WSEQ_DUP"
	codeHeadAhead           = "WRITER_HEAD_AHEAD"
	codeUnknownWriter       = "UNKNOWN_WRITER"
	codeUnsealedStale       = "UNSEALED_STALE"
	codeBackdated           = "BACKDATED"
	codeDrift               = "DRIFT"
	codeUnrecorded          = "DRIFT_UNRECORDED"

	// Warnings: what cannot be told from an accident.
	codeAnchorSilence = "ANCHOR_SILENCE"
	codeUnclean       = "UNCLEAN_WRITER"
	codeNoKey         = "NOT_SIGNED"
)

// Finding is one thing that verification found.
type Finding struct {
	Code string `json:"code"`
	// ID of the entry it is about.
	ID string `json:"id,omitempty"`
	// Leaf is the number of its leaf.
	Leaf *int64 `json:"leaf,omitempty"`
	// Size of the tree whose head it is about; After is the last size that was right
	// before: what happened, happened to the leaves between.
	Size   int64  `json:"size,omitempty"`
	After  *int64 `json:"after,omitempty"`
	Writer string `json:"writer,omitempty"`
	Detail string `json:"detail,omitempty"`
}

func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(f.Code)
	if f.ID != "" {
		b.WriteString(" entry " + f.ID)
	}
	if f.Leaf != nil {
		fmt.Fprintf(&b, " leaf %d", *f.Leaf)
	}
	if f.Size != 0 {
		fmt.Fprintf(&b, " size %d", f.Size)
	}
	if f.After != nil {
		fmt.Fprintf(&b, " (right at %d)", *f.After)
	}
	if f.Writer != "" {
		b.WriteString(" writer " + f.Writer)
	}
	if f.Detail != "" {
		b.WriteString(": " + f.Detail)
	}
	return b.String()
}

// Verdict is the outcome of a verification.
type Verdict string

const (
	// VerdictAnchored: nothing was changed, and what anchors hold is in the log.
	VerdictAnchored Verdict = "INTACT, ANCHORED"
	// VerdictNotAnchored: what is there fits together. Whether something was cut off
	// at the end, or all of it was rewritten by who has the key, cannot be known.
	VerdictNotAnchored Verdict = "INTACT, NOT ANCHORED"
	// VerdictTampered: something was changed.
	VerdictTampered Verdict = "TAMPERED"
)

// ExitCode is what the command ends with.
func (v Verdict) ExitCode() int {
	switch v {
	case VerdictAnchored:
		return 0
	case VerdictTampered:
		return 1
	}
	return 3
}

// maxFindings bounds the findings of one code that are kept; all are counted.
const maxFindings = 100

// Report is what a verification says.
type Report struct {
	Verdict Verdict `json:"verdict"`
	Origin  string  `json:"origin,omitempty"`
	Size    int64   `json:"size"`
	Entries int64   `json:"entries"`
	// Unsealed entries are too young to be in the tree.
	Unsealed int64 `json:"unsealed"`
	// Erased and Pruned entries are gone lawfully, by an event in the log.
	Erased int64 `json:"erased"`
	Pruned int64 `json:"pruned"`
	// Anchored is the largest size that an anchor holds.
	Anchored int64          `json:"anchored"`
	Findings []Finding      `json:"findings"`
	Warnings []Finding      `json:"warnings"`
	Counts   map[string]int `json:"counts"`
	// Keys are the public keys of the log, the newest last.
	Keys []string `json:"keys,omitempty"`
	// MACs says whether the entries' signatures were verified, for which the secret
	// key is needed.
	MACs bool `json:"macs_verified"`
	// Pinned says whether the public key came from outside of the log.
	Pinned bool `json:"key_pinned"`
	// Drift says whether the app's rows were held against the log.
	Drift bool `json:"drift_checked"`
	// Unanchored entries are newer than the last anchor: who has the key could have
	// rewritten them.
	Unanchored int64 `json:"unanchored"`
}

func (r *Report) find(f Finding) {
	if r.Counts == nil {
		r.Counts = map[string]int{}
	}
	r.Counts[f.Code]++
	if r.Counts[f.Code] <= maxFindings {
		r.Findings = append(r.Findings, f)
	}
}

func (r *Report) warn(f Finding) { r.Warnings = append(r.Warnings, f) }

// Has reports whether a code was found.
func (r *Report) Has(code string) bool { return r.Counts[code] > 0 }
