package netguard

// Config is the `config` of net_guard. It may be left out altogether.
type Config struct {
	// Hosts that may be reached although their addresses are not public: exact
	// names ("billing.internal", no wildcards, ports or schemes; case and one
	// trailing dot do not matter) or single IP addresses ("10.1.2.3", "fd12::7").
	// A name never opens link-local and cloud metadata addresses; listing the
	// address itself does.
	AllowHosts []string `json:"allow_hosts,omitempty"`
}
