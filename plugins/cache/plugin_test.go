package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/plugin"
)

// host is the part of an app that the plugin uses.
type host struct {
	plugin.Host
	log    bytes.Buffer
	clock  *clockwork.FakeClock
	reader *sdkmetric.ManualReader
}

func newHost() *host {
	return &host{clock: clockwork.NewFakeClock(), reader: sdkmetric.NewManualReader()}
}

func (h *host) Logger() *slog.Logger   { return slog.New(slog.NewJSONHandler(&h.log, nil)) }
func (h *host) Clock() clockwork.Clock { return h.clock }
func (h *host) Meter() metric.Meter {
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(h.reader)).Meter("test")
}

// check reads a manifest whose only plugin is cache, as the host does, and
// returns the problems, each with its line.
func check(t *testing.T, p *Plugin, config string) (problems []string) {
	t.Helper()
	text := fmt.Sprintf(`{"manifest_version": 1, "name": "x", "version": "1", "plugins": [{"name": "cache", "config": %s}]}`, config)
	m, err := manifest.Parse("pylon.manifest.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var found manifest.Problems
	node := m.Plugins[0].Config
	node.Decode(p.Config(), &found)
	p.Validate(&plugin.Check{Manifest: m, Config: node, Problems: &found})
	for _, problem := range found.List() {
		problems = append(problems, fmt.Sprintf("%d: %s", problem.Line, problem.String()))
	}
	return problems
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct{ config, problem string }{
		{`{}`, ""},
		{`{"max_entries": 1, "default_ttl_secs": 1, "policy": "lru"}`, ""},
		{`{"max_entries": 10000000, "default_ttl_secs": 2592000, "policy": "s3fifo"}`, ""},
		{"{\n\"max_entries\": 0}", "2: |plugins[0].config.max_entries|0 is not from 1 to 10000000"},
		{`{"max_entries": 10000001}`, "max_entries|10000001 is not from 1"},
		{`{"max_entries": -1}`, "max_entries|-1"},
		{`{"max_entries": "many"}`, "max_entries"},
		{`{"default_ttl_secs": 0}`, "default_ttl_secs|0 is not from 1 to 2592000"},
		{`{"default_ttl_secs": 2592001}`, "default_ttl_secs|2592001"},
		{`{"policy": "s3-fifo"}`, `config.policy|no policy "s3-fifo" (did you mean "s3fifo"?)`},
		{`{"policy": ""}`, `no policy ""`},
		{`{"max_entrys": 5}`, `max_entrys|did you mean "max_entries"?`},
	} {
		problems := check(t, newPlugin(), tt.config)
		if tt.problem == "" {
			if len(problems) > 0 {
				t.Errorf("%s: %q", tt.config, problems)
			}
			continue
		}
		for part := range strings.SplitSeq(tt.problem, "|") {
			if len(problems) != 1 || !strings.Contains(problems[0], part) {
				t.Errorf("%s: %q, want %q", tt.config, problems, part)
			}
		}
	}
}

func TestPlugin(t *testing.T) {
	made, ok := plugin.New("cache")
	if !ok {
		t.Fatal("not registered")
	}
	p := made.(*Plugin)
	if d, ok := made.(plugin.Defaulter); !ok || !d.RunsByDefault(func(string) string { return "" }) {
		t.Error("does not run by default")
	}
	if reference := manifest.ConfigReference(p.Config(), p.Info().ConfigSource); len(reference) != 3 || !strings.Contains(fmt.Sprint(reference), "10000") {
		t.Errorf("the reference of the configuration: %+v", reference)
	}
	if problems := check(t, p, `{"max_entries": 2, "default_ttl_secs": 60, "policy": "s3fifo"}`); len(problems) > 0 {
		t.Fatal(problems)
	}
	h := newHost()
	if err := p.Provision(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	var c plugin.Cache = p
	v := plugin.BeginCache(c, plugin.CacheOptions{})
	token := c.Observe()
	v.Set(ctx, "aa", "11", 0)
	v.Set(ctx, "bb", "22", 0)
	v.Set(ctx, "cc", "33", 0)
	c.Get(ctx, "cc")
	c.Get(ctx, "aa")
	if err := errors.Join(v.Invalidate(ctx, "b"), v.Delete(ctx, "x")); err != nil {
		t.Fatal(err)
	}
	c.Set(ctx, token, "bb", "late", plugin.CacheLife{})
	c.Get(ctx, "bb")
	h.clock.Advance(64 * time.Second)
	c.Get(ctx, "cc")
	v.Set(ctx, "dd", "4444", 0)
	want := map[string]int64{
		"pylon_cache_gets_total hit": 1, "pylon_cache_gets_total miss": 3, "pylon_cache_sets_total": 4, "pylon_cache_refused_total": 1,
		"pylon_cache_evictions_total": 1, "pylon_cache_expirations_total": 1, "pylon_cache_invalidated_total": 1,
		"pylon_cache_invalidations_total prefix": 1, "pylon_cache_invalidations_total key": 1, "pylon_cache_entries": 1, "pylon_cache_bytes": 6,
	}
	got := h.measured(t)
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %d, want %d", name, got[name], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("metrics: %v", got)
	}

	// A value that could not be renewed is worth a line.
	p.RenewFailed(ctx, errors.New("no database"))
	if !strings.Contains(h.log.String(), "no database") {
		t.Errorf("the log: %s", h.log.String())
	}
	if err := p.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// measured are the metrics by name and label.
func (h *host) measured(t *testing.T) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := h.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	note := func(name string, points []metricdata.DataPoint[int64]) {
		for _, p := range points {
			label := name
			for _, kv := range p.Attributes.ToSlice() {
				label += " " + kv.Value.AsString()
			}
			out[label] = p.Value
		}
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				if !data.IsMonotonic {
					t.Errorf("%s is no counter", m.Name)
				}
				note(m.Name, data.DataPoints)
			case metricdata.Gauge[int64]:
				note(m.Name, data.DataPoints)
			}
		}
	}
	return out
}
