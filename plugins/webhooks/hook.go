package webhooks

import (
	"net/http"
	"net/url"
	"time"

	"github.com/pylon-go/pylon/policy"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// hook is a declared hook, checked and with its secrets filled in.
type hook struct {
	name    string
	entity  string
	events  map[store.Op]bool
	url     *url.URL
	ordered string

	onlyChanged bool
	fields      []int
	when        *policy.Condition

	secrets []*Secret // the first is the current one; none: not signed
	headers http.Header
	// secretHeaders marks the headers whose value came from the environment.
	secretHeaders map[string]bool
	retry         queue.Backoff

	template *http.Request // for net/http, without what differs from delivery to delivery
	labels   hookLabels
	health   health
}

// Values of `ordered`.
const (
	orderRow  = "row"
	orderHook = "hook"
)

const (
	defaultAttempts = 15
	defaultBackoff  = 10 * time.Second
	maxBackoff      = 24 * time.Hour
)

// wants reports whether the hook asked for a write.
func (h *hook) wants(w *store.Write) bool {
	if !h.events[w.Op] {
		return false
	}
	if w.Op == store.Update {
		if h.onlyChanged && !changedInSight(w) || h.fields != nil && !changedOneOf(w, h.fields) {
			return false
		}
	}
	return h.when == nil || h.when.Holds(w)
}

// changedInSight reports whether a field changed that is in a delivery's data.
func changedInSight(w *store.Write) bool {
	for i, changed := range w.Changed {
		if changed && !w.Entity.Fields[i].ServerOnly {
			return true
		}
	}
	return false
}

func changedOneOf(w *store.Write, fields []int) bool {
	for _, i := range fields {
		if w.Changed[i] {
			return true
		}
	}
	return false
}

// key puts deliveries in order: those with the same key go one after the other.
func (h *hook) key(rowID string) string {
	switch h.ordered {
	case orderRow:
		return rowID
	case orderHook:
		return "*"
	}
	return ""
}

// bodySigner is the secret of X-Pylon-Signature: the first that receivers can hold
// themselves, which an ed25519 key is not.
func (h *hook) bodySigner() *Secret {
	for _, s := range h.secrets {
		if s.SignsBody() {
			return s
		}
	}
	return h.secrets[0]
}
