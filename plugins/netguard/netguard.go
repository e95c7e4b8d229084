// Package netguard is the plugin net_guard: it keeps requests that an app makes
// for its users away from private, loopback, link-local, metadata and other
// addresses that are not public (server-side request forgery).
//
// It decides about the address that is really dialled, after names were resolved
// and odd spellings decoded, once for every address of every new connection.
// Looking at the URL's text instead is what DNS rebinding, redirects and
// `http://0177.0.0.1/` get around.
package netguard

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"net/netip"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

//go:embed config.go
var configSource string

func init() { plugin.Register("net_guard", func() plugin.Plugin { return new(Plugin) }) }

// Plugin is net_guard. The zero value guards with no exceptions.
type Plugin struct {
	config  Config
	allow   *allowList // nil before Provision
	log     *slog.Logger
	blocked metric.Int64Counter
}

// Info describes the plugin.
func (p *Plugin) Info() plugin.Info {
	return plugin.Info{
		Summary:      "Blocks server-side requests to private, metadata and other non-public addresses.",
		ConfigSource: configSource,
	}
}

// Config is what the manifest's `config` is decoded into.
func (p *Plugin) Config() any { return &p.config }

// Provision reads the allow list and makes the counter.
func (p *Plugin) Provision(_ context.Context, host plugin.Host) error {
	allow, err := newAllowList(p.config.AllowHosts)
	if err != nil {
		return err
	}
	p.allow = allow
	p.log = host.Logger()
	p.blocked, err = host.Meter().Int64Counter("pylon_net_guard_blocked_total",
		metric.WithDescription("Connections refused by net_guard, by rule."))
	if err != nil {
		return fmt.Errorf("making the counter of refused connections: %w", err)
	}
	return nil
}

// GuardDial decides about one connection; see [plugin.DialGuard]. Whatever it
// cannot read, it refuses. Before Provision it decides by the config all the same,
// and only answers: other plugins ask it then about addresses in their own config,
// and what is not dialled is no event.
func (p *Plugin) GuardDial(ctx context.Context, host, network, address string) error {
	r := p.decide(host, network, address)
	if r == nil {
		return nil
	}
	if p.blocked != nil {
		p.blocked.Add(ctx, 1, metric.WithAttributes(attribute.String("rule", r.key)))
	}
	if p.log != nil {
		actor := store.ActorFrom(ctx)
		attrs := []slog.Attr{slog.String("host", host), slog.String("address", address), slog.String("rule", r.text)}
		if actor.RequestID != "" {
			attrs = append(attrs, slog.String("request_id", actor.RequestID))
		}
		p.log.LogAttrs(ctx, slog.LevelWarn, "net_guard refused a connection", attrs...)
	}
	return &plugin.BlockedError{Host: host, Address: address, Rule: r.text}
}

// decide is the rule that refuses the connection, nil when none does.
func (p *Plugin) decide(host, network, address string) *rule {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return &rule{key: "not_tcp", text: fmt.Sprintf("%q is not TCP", network), always: true}
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return &rule{key: "not_an_address", text: fmt.Sprintf("%q is not an IP address and port", address), always: true}
	}
	// 4-in-6 is the same host as its IPv4 form, and a zone only picks the network
	// card; with either left on, prefixes would not match.
	ip := target.Addr().Unmap().WithZone("")
	r := judge(ip)
	if r == nil {
		return nil
	}
	if allow := p.exceptions(); allow.addrs[ip] || !r.always && allow.allowsName(host) {
		return nil
	}
	return r
}

// exceptions is what allow_hosts opens. Until Provision it is read anew each time:
// the config may not be there yet.
func (p *Plugin) exceptions() *allowList {
	if p.allow != nil {
		return p.allow
	}
	allow, _ := newAllowList(p.config.AllowHosts) // Validate and Provision report the entries that cannot be read; they open nothing
	return allow
}

var (
	_ plugin.Plugin       = (*Plugin)(nil)
	_ plugin.Configurable = (*Plugin)(nil)
	_ plugin.Validator    = (*Plugin)(nil)
	_ plugin.Provisioner  = (*Plugin)(nil)
	_ plugin.DialGuard    = (*Plugin)(nil)
)
