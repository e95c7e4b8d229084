package webhooks

import (
	"github.com/pylon-go/pylon/manifest"
)

// Config is the plugin's `config` in the manifest.
type Config struct {
	// Hooks, each a receiver of one entity's changes.
	Hooks []Hook `json:"hooks"`
	// Days for which a delivery that failed for good stays in WebhookDelivery, and for which deliveries wait for a hook that is disabled; 0 keeps them for ever.
	RetentionDays int `json:"retention_days,omitempty"`
}

// Hook sends the changes of one entity to one address.
type Hook struct {
	// Entity whose rows are watched.
	Entity string `json:"entity"`
	// Name of the hook in logs, in X-Pylon-Hook and on WebhookDelivery; made from entity, address and events when left out. Must be unique. What waits for a hook finds it by its name, so name a hook whose address may change.
	Name string `json:"name,omitempty"`
	// Changes to send: insert, update, delete. All when left out.
	Events []string `json:"events,omitempty"`
	// A single change to send, instead of `events`.
	Event string `json:"event,omitempty"`
	// Address to POST to: http or https, without user name and password.
	URL string `json:"url"`
	// Environment variable that holds the signing secret, or a list of them while keys are rotated: the new one first. Without it deliveries are not signed.
	SecretEnv secretEnvs `json:"secret_env,omitempty"`
	// Headers to send with every delivery. ${NAME} in a value is replaced by the environment variable NAME at start.
	Headers map[string]string `json:"headers,omitempty"`
	// How failed deliveries are repeated.
	Retry Retry `json:"retry,omitempty"`
	// Order of the deliveries: "row" sends those of one row one after the other, "hook" all of the hook's. Later ones wait while an earlier one is repeated. In any order, side by side, when left out.
	Ordered string `json:"ordered,omitempty"`
	// Sends an update only if it changed a field that receivers see.
	OnlyChanged bool `json:"only_changed,omitempty"`
	// Sends an update only if it changed one of these fields. Inserts and deletes are not affected.
	Fields []string `json:"fields,omitempty"`
	// Sends a change only if this expression holds, in the language of policies: data is the row after the change, existing the row before it, auth who made it.
	When string `json:"when,omitempty"`

	Node manifest.Node `json:"-"`
}

// Retry says how often and how fast a failed delivery is repeated.
type Retry struct {
	// Attempts in all, the first one included; 1 to 100, 15 when left out.
	MaxAttempts int `json:"max_attempts,omitempty"`
	// Seconds before the second attempt; each further delay doubles, up to 24 hours, ±20 %. 1 to 86400, 10 when left out.
	BackoffSecs int `json:"backoff_secs,omitempty"`
}

// secretEnvs are the names of environment variables: one, or a list.
type secretEnvs []string

// UnmarshalManifest reads a text or a list of texts.
func (s *secretEnvs) UnmarshalManifest(n manifest.Node, problems *manifest.Problems) {
	if n.Kind() == manifest.Array {
		n.Decode((*[]string)(s), problems)
		if len(*s) == 0 {
			problems.Add(n.Problem("INVALID_VALUE", "the list is empty: leave secret_env out to send without a signature"))
		}
		return
	}
	var one string
	n.Decode(&one, problems)
	*s = secretEnvs{one}
}

// ManifestSchema describes it to editors.
func (secretEnvs) ManifestSchema() map[string]any {
	text := map[string]any{"type": "string"}
	return map[string]any{"title": "text or list of text", "anyOf": []any{text, map[string]any{"type": "array", "items": text, "minItems": 1}}}
}
