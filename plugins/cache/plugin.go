// Package cache is the plugin cache: values kept in this process for a while,
// bounded by entries and by time, dropped by key or prefix, and never stale after
// an invalidation, whatever was being loaded at that time.
package cache

import (
	"context"
	_ "embed"
	"log/slog"
	"time"

	"github.com/pylon-go/pylon/plugin"
)

//go:embed config.go
var configSource string

const name = "cache"

func init() { plugin.Register(name, func() plugin.Plugin { return newPlugin() }) }

// Plugin is the cache of one app. It can be used from Provision on.
type Plugin struct {
	config Config
	*Engine
}

func newPlugin() *Plugin {
	return &Plugin{config: Config{MaxEntries: 10_000, DefaultTTLSecs: 300, Policy: LRU}}
}

// Info describes the plugin.
func (p *Plugin) Info() plugin.Info {
	return plugin.Info{Summary: "Keeps values in memory, by key, with time to live and invalidation by prefix.", ConfigSource: configSource}
}

// Config is what the manifest's `config` is decoded into.
func (p *Plugin) Config() any { return &p.config }

// RunsByDefault is true: functions may use the cache without the manifest naming it.
func (p *Plugin) RunsByDefault(func(string) string) bool { return true }

// Provision makes the engine.
func (p *Plugin) Provision(_ context.Context, host plugin.Host) (err error) {
	p.Engine, err = New(Options{
		MaxEntries: p.config.MaxEntries,
		DefaultTTL: time.Duration(p.config.DefaultTTLSecs) * time.Second,
		Policy:     p.config.Policy,
		Clock:      host.Clock(),
	})
	if err != nil {
		return err
	}
	log := host.Logger()
	p.RenewFailed = func(ctx context.Context, err error) {
		log.LogAttrs(ctx, slog.LevelWarn, "a cached value could not be renewed", slog.Any("error", err))
	}
	return observe(p.Engine, host.Meter())
}

// Stop waits for what runs in the background.
func (p *Plugin) Stop(ctx context.Context) error { return p.Close(ctx) }

var (
	_ plugin.Configurable = (*Plugin)(nil)
	_ plugin.Defaulter    = (*Plugin)(nil)
	_ plugin.Validator    = (*Plugin)(nil)
	_ plugin.Provisioner  = (*Plugin)(nil)
	_ plugin.Stopper      = (*Plugin)(nil)
	_ plugin.Cache        = (*Plugin)(nil)
	_ plugin.Cache        = (*Engine)(nil)
)
