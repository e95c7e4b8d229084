package auditlog

import (
	"encoding/json"
	"fmt"
)

// Events are leaves that no entry stands for: what the log says of itself. Their
// bytes are kept with the leaf.

// Kinds of events.
const (
	eventOpened  = "audit.opened"
	eventEpoch   = "audit.epoch"
	eventRotated = "audit.key_rotated"
	eventErased  = "audit.erase"
	eventPruned  = "audit.prune"
)

// openedEvent is the first leaf.
type openedEvent struct {
	Origin string `json:"origin"`
	Kid    string `json:"kid"`
	Key    string `json:"key"` // that verifies checkpoints
}

// epochEvent is what a writer says of its numbers: each up to High is that of an
// entry in the tree, or one of the voids of this or an earlier epoch.
type epochEvent struct {
	Writer string     `json:"writer"`
	Kid    string     `json:"kid"`
	Signed bool       `json:"signed"`
	High   int64      `json:"high"`
	Voids  [][2]int64 `json:"voids,omitempty"`
	// Closed is "clean" for a writer that stopped in order, "unclean" for one that
	// was found dead: then the voids are the holes that were found, not what the
	// writer knew.
	Closed string `json:"closed,omitempty"`
}

const (
	closedClean   = "clean"
	closedUnclean = "unclean"
)

// rotatedEvent is signed with both keys.
type rotatedEvent struct {
	From    string `json:"from"`
	To      string `json:"to"`
	FromKey string `json:"from_key"`
	ToKey   string `json:"to_key"`
}

// erasedEvent makes it lawful that the values of these entries are gone.
type erasedEvent struct {
	IDs    []string `json:"ids"`
	Reason string   `json:"reason"`
	By     string   `json:"by"`
}

// prunedEvent makes it lawful that the entries below Before are gone. Root is that of
// the tree of that size.
type prunedEvent struct {
	Before int64  `json:"before"`
	Root   []byte `json:"root"`
	Days   int    `json:"days"`
	By     string `json:"by"`
}

// event is an event's leaf, with the signatures of the keys.
func makeEvent(kind string, v any, keys ...*key) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", kind, err)
	}
	b := appendEvent(nil, kind, data)
	signatures := ""
	for i, k := range keys {
		if i > 0 {
			signatures += " "
		}
		signatures += k.sign(b)
	}
	return appendText(b, signatures), nil
}
