// Package manifest reads and checks what an app declares.
//
// A manifest is JSON with comments and trailing commas. Reading is strict:
// an unknown key, a wrong type or a dangling name is a [Problem] with its file,
// line, column, the key's path and the nearest name that would have been valid.
// All problems of a file are reported together.
package manifest

// Manifest is a whole app as declared. The comments of the fields are the
// reference printed by `pylon schema`.
type Manifest struct {
	// Version of the manifest format; always 1.
	ManifestVersion int `json:"manifest_version"`
	// Name of the app.
	Name string `json:"name"`
	// Version of the app, free text.
	Version string `json:"version,omitempty"`
	// Entities the app stores; each becomes a table and a set of HTTP routes.
	Entities []Entity `json:"entities,omitempty"`
	// Access rules. An action on an entity without a policy is denied.
	Policies []Policy `json:"policies,omitempty"`
	// Plugins, run in this order.
	Plugins []PluginEntry `json:"plugins,omitempty"`
	// Sign-in settings.
	Auth *Auth `json:"auth,omitempty"`
	// Environment variables without which the app refuses to start.
	RequiredEnv []string `json:"requiredEnv,omitempty"`

	// Pages of the original's web framework; accepted, no effect.
	Routes Node `json:"routes,omitempty"`
	// Declared queries; accepted, no effect (functions declare themselves).
	Queries Node `json:"queries,omitempty"`
	// Declared actions; accepted, no effect (functions declare themselves).
	Actions Node `json:"actions,omitempty"`
	// Language model settings of the original; accepted, no effect.
	LLM Node `json:"llm,omitempty"`
	// Connections of the original; accepted, no effect.
	Connections Node `json:"connections,omitempty"`
	// Functions that run at certain times.
	Crons []Cron `json:"crons,omitempty"`
	// Fonts of the original's web framework; accepted, no effect.
	Fonts Node `json:"fonts,omitempty"`
	// Address of a JSON Schema for editors; ignored by Pylon.
	Schema string `json:"$schema,omitempty"`

	// File is where the manifest was read from.
	File string `json:"-"`
	// Root is the document, for errors that point into it.
	Root Node `json:"-"`
}

// Entity declares a kind of row.
type Entity struct {
	// Name, in the singular: Order, Invoice.
	Name string `json:"name"`
	// Fields in the order they are stored and shown. Every row also has `id` (ULID).
	Fields []Field `json:"fields"`
	// Indexes over one or more fields.
	Indexes []Index `json:"indexes,omitempty"`
	// Relations of the original; accepted, no effect (use `id(Entity)` fields).
	Relations Node `json:"relations,omitempty"`
	// Search settings of the original; accepted, no effect.
	Search Node `json:"search,omitempty"`
	// CRDT setting of the original; accepted, no effect.
	CRDT *bool `json:"crdt,omitempty"`
	// Sync settings of the original; accepted, no effect.
	Sync Node `json:"sync,omitempty"`
	// Sync settings of the original; accepted, no effect.
	SyncScope Node `json:"sync_scope,omitempty"`
	// Sync settings of the original; accepted, no effect.
	SyncLimit Node `json:"sync_limit,omitempty"`
}

// Field declares one value of an entity.
type Field struct {
	// Name of the field.
	Name string `json:"name"`
	// Type: string, int, float, bool, datetime, richtext, json or id(Entity).
	Type string `json:"type"`
	// May be null. A field that is neither optional nor has a default is required.
	Optional bool `json:"optional,omitempty"`
	// No two rows may have the same value; nulls do not count.
	Unique bool `json:"unique,omitempty"`
	// Never leaves the server: not in answers, filters, webhooks or audit entries.
	ServerOnly bool `json:"serverOnly,omitempty"`
	// Set when the row is created and not changed by clients afterwards.
	Readonly bool `json:"readonly,omitempty"`
	// Value used when a new row leaves the field out; "now" for a datetime means the time of the write.
	Default Node `json:"default,omitempty"`
	// The only values a string field may have.
	EnumValues []string `json:"enumValues,omitempty"`
	// CRDT setting of the original; accepted, no effect.
	CRDT Node `json:"crdt,omitempty"`
	// Sync setting of the original; accepted, no effect.
	SyncOmit bool `json:"syncOmit,omitempty"`
	// Encryption of a field at rest is not available; `true` refuses to start.
	Encrypted bool `json:"encrypted,omitempty"`
}

// Index declares a database index.
type Index struct {
	// Name of the index; made from entity and fields when left out.
	Name string `json:"name,omitempty"`
	// Fields, in order.
	Fields []string `json:"fields"`
	// No two rows may have the same combination; rows with a null in it do not count.
	Unique bool `json:"unique,omitempty"`
}

// Policy grants access to an entity by expressions over auth, data and existing.
type Policy struct {
	// Name, shown when the policy denies.
	Name string `json:"name"`
	// Entity the policy is about.
	Entity string `json:"entity,omitempty"`
	// Function the policy is about; accepted, no effect (functions bypass policies).
	Action string `json:"action,omitempty"`
	// Expression for every action that has none of its own.
	Allow string `json:"allow,omitempty"`
	// Expression for reading.
	AllowRead string `json:"allowRead,omitempty"`
	// Expression for creating.
	AllowInsert string `json:"allowInsert,omitempty"`
	// Expression for changing.
	AllowUpdate string `json:"allowUpdate,omitempty"`
	// Expression for deleting.
	AllowDelete string `json:"allowDelete,omitempty"`
	// Expression for insert, update and delete that have none of their own.
	AllowWrite string `json:"allowWrite,omitempty"`
}

// PluginEntry switches a plugin on.
type PluginEntry struct {
	// Name of the plugin.
	Name string `json:"name"`
	// Settings of the plugin; see `pylon plugins NAME`.
	Config Node `json:"config,omitempty"`

	// Node is the whole entry, for errors that point into it.
	Node Node `json:"-"`
}

// Cron calls a function at certain times, on one server among all that share the
// database. A run that is still waiting or under way when the next is due replaces it.
type Cron struct {
	// Name of the entry; that of the function when left out.
	Name string `json:"name,omitempty"`
	// When, in UTC: five fields (minute, hour, day of month, month, day of week) as in
	// crontab(5), or @hourly, @daily, @weekly, @monthly, @yearly.
	Schedule string `json:"schedule"`
	// Function to call.
	Function string `json:"function"`
	// Arguments of the function; {} when left out.
	Args Node `json:"args,omitempty"`
}

// Auth declares how people sign in.
type Auth struct {
	// The entity that holds people.
	User *AuthUser `json:"user,omitempty"`
	// How long a sign-in lasts.
	Session *AuthSession `json:"session,omitempty"`
	// Origins of browsers that may call the API, beside PYLON_CORS_ORIGIN.
	TrustedOrigins []string `json:"trusted_origins,omitempty"`
	// Organisation settings of the original; accepted, no effect.
	Org Node `json:"org,omitempty"`
	// Organisation settings of the original; accepted, no effect.
	OrgRoles Node `json:"org_roles,omitempty"`
	// Account settings of the original; accepted, no effect.
	OnDeleteAccount Node `json:"on_delete_account,omitempty"`
}

// AuthUser names the entity that holds people.
type AuthUser struct {
	// Entity with one row per person; `User` where the app declares one.
	Entity string `json:"entity,omitempty"`
	// Fields shown in GET /api/auth/session; all but serverOnly when left out.
	Expose []string `json:"expose,omitempty"`
	// Fields hidden in GET /api/auth/session.
	Hide []string `json:"hide,omitempty"`
	// Bool field that makes a person an administrator.
	AdminField string `json:"admin_field,omitempty"`
}

// AuthSession sets how long a sign-in lasts.
type AuthSession struct {
	// Lifetime in seconds; 2592000 (30 days) when left out.
	ExpiresIn int `json:"expires_in,omitempty"`
	// Cookie cache of the original; accepted, no effect.
	CookieCache Node `json:"cookie_cache,omitempty"`
}
