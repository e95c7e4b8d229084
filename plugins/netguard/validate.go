package netguard

import "github.com/pylon-go/pylon/plugin"

// Validate reports the entries of allow_hosts that are neither a host name nor an address.
func (p *Plugin) Validate(c *plugin.Check) {
	for i, entry := range p.config.AllowHosts {
		if _, _, err := parseEntry(entry); err != nil {
			c.Problems.Add(c.Config.At("allow_hosts", i).Problem("BAD_HOST", "%q: %s", entry, err))
		}
	}
}
