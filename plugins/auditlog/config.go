package auditlog

import (
	"github.com/pylon-go/pylon/manifest"
)

// Config is the plugin's `config` in the manifest.
type Config struct {
	// Entities whose inserts, updates and deletes are recorded: a list, or "*" for all of the app's.
	Entities names `json:"entities"`
	// Fields whose values are recorded: "*" for all, or a list. `name` is that field of every recorded entity, `Entity.name` of one; more dots lead into a json field (`Order.items.sku`). serverOnly fields never are. All when left out.
	IncludeFields names `json:"include_fields,omitempty"`
	// Fields that are not recorded, written as in include_fields. That they changed is.
	ExcludeFields names `json:"exclude_fields,omitempty"`
	// Fields recorded as "***", written as in include_fields.
	MaskFields names `json:"mask_fields,omitempty"`
	// Fields recorded as hmac:..., so that equal values can be found without being shown; needs signing_key_env.
	HashFields names `json:"hash_fields,omitempty"`
	// Signs every entry with an HMAC; needs signing_key_env.
	SignEntries bool `json:"sign_entries,omitempty"`
	// Environment variable with the signing key, at least 32 random bytes (`openssl rand -hex 32`), or a list of them after the key was replaced: the new one first. It signs the tree heads too, also where sign_entries is off.
	SigningKeyEnv envNames `json:"signing_key_env,omitempty"`
	// Records writes that a policy refused, too.
	RecordDenied bool `json:"record_denied,omitempty"`
	// Records who reads AuditLog; a read that cannot be recorded fails.
	RecordViews bool `json:"record_views,omitempty"`
	// Places outside of the database that get every new tree head: what makes truncation and rollback of the log show.
	Anchors []Anchor `json:"anchors,omitempty"`
	// Seconds between two tree heads for the anchors, 1 to 3600; 10 when left out.
	AnchorSecs int `json:"anchor_secs,omitempty"`
	// Seconds after which entries that could not be sealed are an alert, 2 to 86400; 60 when left out.
	MaxSealLagSecs int `json:"max_seal_lag_secs,omitempty"`
	// What happens then: "warn", or "block" to refuse recorded writes until sealing works again. "warn" when left out.
	OnSealLag string `json:"on_seal_lag,omitempty"`
	// Seconds between two verifications of what is new, in the server; 0 turns them off. 300 when left out.
	VerifySecs int `json:"verify_secs,omitempty"`
	// Address that gets a POST when verification finds something: http or https.
	AlertURL string `json:"alert_url,omitempty"`
	// Days for which entries are kept; older ones are pruned, with a signed record of it. 0 keeps them for ever.
	RetentionDays int `json:"retention_days,omitempty"`
	// Copies the log on a schedule to a place that cannot be changed.
	Export *Export `json:"export,omitempty"`

	Node manifest.Node `json:"-"`
}

// Anchor is a place outside of the database for tree heads.
type Anchor struct {
	// Kind of place: "file", "http", "log" or "s3".
	Type string `json:"type"`
	// File that tree heads are appended to; best on another disk or host. For "file".
	Path string `json:"path,omitempty"`
	// Address that gets a POST with each tree head. For "http".
	URL string `json:"url,omitempty"`
	// Headers of the request; ${NAME} in a value is replaced by the environment variable NAME at start. For "http".
	Headers map[string]string `json:"headers,omitempty"`
	// Bucket that gets an object for each tree head. For "s3".
	S3 *Bucket `json:"s3,omitempty"`

	Node manifest.Node `json:"-"`
}

// Export copies the log as tiles and payload segments.
type Export struct {
	// Kind of place: "dir" or "s3".
	Type string `json:"type"`
	// Folder to write to. For "dir".
	Path string `json:"path,omitempty"`
	// Seconds between two copies, 10 to 604800; 3600 when left out.
	EverySecs int `json:"every_secs,omitempty"`
	// Bucket to write to. For "s3".
	S3 *Bucket `json:"s3,omitempty"`

	Node manifest.Node `json:"-"`
}

// Bucket is a place in an object store that speaks S3.
type Bucket struct {
	// Name of the bucket.
	Bucket string `json:"bucket"`
	// What the objects' keys begin with.
	Prefix string `json:"prefix,omitempty"`
	// Region of the bucket.
	Region string `json:"region,omitempty"`
	// Address of the store; AWS when left out.
	Endpoint string `json:"endpoint,omitempty"`
	// Environment variable with the access key.
	AccessKeyEnv string `json:"access_key_env,omitempty"`
	// Environment variable with the secret key.
	SecretKeyEnv string `json:"secret_key_env,omitempty"`
	// Days for which Object Lock (compliance mode) keeps each object from being changed or deleted by anybody; without a lock when left out.
	RetainDays int `json:"retain_days,omitempty"`

	Node manifest.Node `json:"-"`
}

// names is "*" or a list of names.
type names struct {
	all  bool
	list []string
}

// UnmarshalManifest reads "*" or a list of texts.
func (l *names) UnmarshalManifest(n manifest.Node, problems *manifest.Problems) {
	*l = names{}
	if n.Kind() == manifest.Array {
		n.Decode(&l.list, problems)
		return
	}
	var one string
	before := problems.Len()
	n.Decode(&one, problems)
	if one != "*" && problems.Len() == before {
		problems.Add(n.Problem("INVALID_VALUE", `must be "*" or a list of names`))
	}
	l.all = true
}

// ManifestSchema describes it to editors.
func (names) ManifestSchema() map[string]any {
	text := map[string]any{"type": "string"}
	return map[string]any{"title": `"*" or list of text`, "anyOf": []any{map[string]any{"const": "*"}, map[string]any{"type": "array", "items": text}}}
}

// envNames are the names of environment variables: one, or a list.
type envNames []string

// UnmarshalManifest reads a text or a list of texts.
func (s *envNames) UnmarshalManifest(n manifest.Node, problems *manifest.Problems) {
	if n.Kind() == manifest.Array {
		n.Decode((*[]string)(s), problems)
		if len(*s) == 0 {
			problems.Add(n.Problem("INVALID_VALUE", "the list is empty: leave signing_key_env out to sign nothing"))
		}
		return
	}
	var one string
	n.Decode(&one, problems)
	*s = envNames{one}
}

// ManifestSchema describes it to editors.
func (envNames) ManifestSchema() map[string]any {
	text := map[string]any{"type": "string"}
	return map[string]any{"title": "text or list of text", "anyOf": []any{text, map[string]any{"type": "array", "items": text, "minItems": 1}}}
}
