package netguard

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/pylon-go/pylon/plugin"
)

// host is the part of an app that net_guard uses.
type host struct {
	plugin.Host
	log    bytes.Buffer
	reader *sdkmetric.ManualReader
	meter  metric.Meter
}

func newHost() *host {
	h := &host{reader: sdkmetric.NewManualReader()}
	h.meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(h.reader)).Meter("test")
	return h
}

func (h *host) Logger() *slog.Logger { return slog.New(slog.NewJSONHandler(&h.log, nil)) }
func (h *host) Meter() metric.Meter  { return h.meter }

// counts are the refusals counted so far, by rule.
func (h *host) counts(t *testing.T) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := h.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != "pylon_net_guard_blocked_total" {
				continue
			}
			for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
				rule, _ := point.Attributes.Value("rule")
				out[rule.AsString()] = point.Value
			}
		}
	}
	return out
}

// guard is a provisioned net_guard that allows the given hosts.
func guard(t testing.TB, allow ...string) *Plugin {
	t.Helper()
	p := new(Plugin)
	p.Config().(*Config).AllowHosts = allow
	if err := p.Provision(context.Background(), newHost()); err != nil {
		t.Fatal(err)
	}
	return p
}

// dial asks for the address, on port 443, under a name that no test allows
// unless it says so.
func dial(p *Plugin, host, ip string) error {
	return p.GuardDial(context.Background(), host, "tcp", netip.AddrPortFrom(netip.MustParseAddr(ip), 443).String())
}

func wantBlocked(t testing.TB, err error, rule string) {
	t.Helper()
	var blocked *plugin.BlockedError
	if !errors.As(err, &blocked) {
		t.Errorf("not refused, want rule %q; err %v", rule, err)
		return
	}
	if rule != "" && blocked.Rule != rule {
		t.Errorf("refused by %q, want %q", blocked.Rule, rule)
	}
}

// verdict is what net_guard said about one connection.
type verdict struct {
	host, address string
	err           error
}

// stopper asks net_guard and then stops every connection itself, so that tests
// reach nobody.
type stopper struct {
	guard plugin.DialGuard
	mu    sync.Mutex
	seen  []verdict
}

var errStopped = errors.New("stopped by the test")

func (s *stopper) GuardDial(ctx context.Context, host, network, address string) error {
	err := s.guard.GuardDial(ctx, host, network, address)
	s.mu.Lock()
	s.seen = append(s.seen, verdict{host, address, err})
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return errStopped
}
