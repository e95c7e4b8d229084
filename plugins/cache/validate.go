package cache

import (
	"time"

	"github.com/pylon-go/pylon/plugin"
)

// Validate reports settings out of their range.
func (p *Plugin) Validate(c *plugin.Check) {
	between := func(key string, value, most int) {
		if value < 1 || value > most {
			c.Problems.Add(c.Config.At(key).Problem("OUT_OF_RANGE", "%d is not from 1 to %d", value, most))
		}
	}
	between("max_entries", p.config.MaxEntries, MaxEntries)
	between("default_ttl_secs", p.config.DefaultTTLSecs, int(MaxTTL/time.Second))
	if p.config.Policy != LRU && p.config.Policy != S3FIFO {
		c.Problems.Add(c.Config.At("policy").Problem("UNKNOWN_POLICY", "no policy %q", p.config.Policy).WithNearest(p.config.Policy, []string{LRU, S3FIFO}))
	}
}
