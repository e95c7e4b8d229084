package plugin

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"regexp"

	"github.com/pylon-go/pylon/manifest"
)

// What configs say about a receiver of requests: its address, and headers with values
// from the environment.

// Address checks the address of a receiver, and answers it; nil, with a problem at its
// place, when nothing could be sent there. net_guard is asked about literal addresses;
// names are judged when they are resolved, at every request.
func (c *Check) Address(at manifest.Node, address string) *url.URL {
	wrong := func(code, format string, args ...any) *url.URL {
		c.Problems.Add(at.Problem(code, format, args...))
		return nil
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return wrong("INVALID_URL", "not an address")
	case u.Scheme != "http" && u.Scheme != "https":
		return wrong("INVALID_URL", "must begin with https:// or http://")
	case u.Hostname() == "":
		return wrong("INVALID_URL", "has no host")
	case u.User != nil:
		return wrong("INVALID_URL", "must not hold a user name or password: put them into headers, from the environment")
	case u.Fragment != "":
		return wrong("INVALID_URL", "must not have a #fragment: it is never sent")
	}
	if rule := c.refused(u); rule != "" {
		return wrong("BLOCKED_ADDRESS", "net_guard refuses %s: %s; if the receiver is really there, add it to allow_hosts of net_guard", u.Hostname(), rule)
	}
	return u
}

// refused is the rule by which net_guard refuses the address that a URL names
// literally, empty when it does not.
func (c *Check) refused(u *url.URL) (rule string) {
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return ""
	}
	guard, on := Find[DialGuard](c)
	if !on {
		return ""
	}
	err = guard.GuardDial(context.Background(), u.Hostname(), "tcp", netip.AddrPortFrom(ip, 443).String())
	var blocked *BlockedError
	if errors.As(err, &blocked) {
		return blocked.Rule
	}
	return ""
}

var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// ExpandEnv replaces each ${NAME} by the variable of the environment; missing names the
// first that is not set or empty.
func ExpandEnv(value string, getenv func(string) string) (out, missing string) {
	out = reference.ReplaceAllStringFunc(value, func(ref string) string {
		name := ref[2 : len(ref)-1]
		v := getenv(name)
		if v == "" && missing == "" {
			missing = name
		}
		return v
	})
	return out, missing
}
