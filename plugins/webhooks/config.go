package webhooks

import (
	"github.com/pylon-go/pylon/manifest"
)

// Config is the plugin's `config` in the manifest.
type Config struct {
	// Hooks, each a receiver of one entity's changes.
	Hooks []Hook `json:"hooks"`
}

// Hook sends the changes of one entity to one address.
type Hook struct {
	// Entity whose rows are watched.
	Entity string `json:"entity"`
	// Name of the hook in logs, in X-Pylon-Hook and on WebhookDelivery; made from entity and address when left out. Must be unique.
	Name string `json:"name,omitempty"`
	// Changes to send: insert, update, delete. All when left out.
	Events []string `json:"events,omitempty"`
	// A single change to send, instead of `events`.
	Event string `json:"event,omitempty"`
	// Address to POST to: http or https, without user name and password.
	URL string `json:"url"`
	// Environment variable that holds the signing secret. Without it deliveries are not signed.
	SecretEnv string `json:"secret_env,omitempty"`
	// Headers to send with every delivery. ${NAME} in a value is replaced by the environment variable NAME at start.
	Headers map[string]string `json:"headers,omitempty"`
	// How failed deliveries are repeated.
	Retry Retry `json:"retry,omitempty"`

	Node manifest.Node `json:"-"`
}

// Retry says how often and how fast a failed delivery is repeated.
type Retry struct {
	// Attempts in all, the first one included; 1 to 100, 15 when left out.
	MaxAttempts int `json:"max_attempts,omitempty"`
	// Seconds before the second attempt; each further delay doubles, up to 24 hours, ±20 %. 1 to 86400, 10 when left out.
	BackoffSecs int `json:"backoff_secs,omitempty"`
}
