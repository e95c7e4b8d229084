package cache

// Config is the `config` of cache. It may be left out, and so may the whole entry.
type Config struct {
	// Entries kept at most, 1 to 10000000; beyond them those that are worth least go.
	MaxEntries int `json:"max_entries,omitempty"`
	// Seconds for which a value is kept when its setter does not say, 1 to 2592000 (30 days).
	DefaultTTLSecs int `json:"default_ttl_secs,omitempty"`
	// What goes when the cache is full: "lru" the entry not used for the longest time, "s3fifo" (S3-FIFO) before all those used once only, which keeps the cache useful when many keys are read once.
	Policy string `json:"policy,omitempty"`
}
