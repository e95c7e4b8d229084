package plugin

import (
	"context"
	"encoding/json"

	"github.com/pylon-go/pylon/manifest"
)

// Callback is a function that app.ts gives a plugin in its config. A config has it as a
// field; [Host.Callback] runs it.
type Callback struct{ key string }

// UnmarshalManifest implements [manifest.Unmarshaler].
func (c *Callback) UnmarshalManifest(n manifest.Node, problems *manifest.Problems) {
	var in struct {
		Key  string   `json:"$callback"`
		Path []string `json:"path,omitempty"`
	}
	if n.Get(manifest.CallbackKey).IsZero() {
		problems.Add(n.Problem("WRONG_TYPE", "must be a function, which app.ts can give"))
		return
	}
	n.Decode(&in, problems)
	c.key = in.Key
}

// ManifestSchema implements [manifest.SchemaDescriber].
func (Callback) ManifestSchema() map[string]any {
	return map[string]any{"title": "function of app.ts", "type": "object"}
}

// IsZero reports whether no function was given.
func (c Callback) IsZero() bool { return c.key == "" }

// Key names the function among those of app.ts.
func (c Callback) Key() string { return c.key }

// Callbacks runs functions of app.ts: [Host] has it.
type Callbacks interface {
	// Callback calls the function with arguments that become JSON and answers its result
	// as JSON. It runs as an action: it may fetch, and has no transaction.
	Callback(ctx context.Context, c Callback, args ...any) (json.RawMessage, error)
}
