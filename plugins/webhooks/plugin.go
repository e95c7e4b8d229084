// Package webhooks sends an entity's changes to other servers.
//
// A delivery is an item of the queue, enqueued in the transaction of the write it
// tells of: it exists if and only if the write does, and is carried out through
// crashes. Its body is made then and never changes; neither does its id.
package webhooks

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"sync"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

//go:embed config.go
var configSource string

func init() {
	plugin.Register(name, func() plugin.Plugin { return &Plugin{config: Config{RetentionDays: defaultRetention}} })
}

const name = "webhooks"

// Plugin is the webhooks plugin of one app.
type Plugin struct {
	config Config
	hooks  []*hook

	byEntity   map[*store.Entity][]*hook
	byName     map[string]*hook
	deliveries *store.Entity // WebhookDelivery
	db         *store.DB
	queue      *queue.Queue
	transport  *http.Transport
	clock      clockwork.Clock
	log        *slog.Logger
	metrics    metrics

	stopRefresh context.CancelFunc
	refreshing  sync.WaitGroup
}

func (p *Plugin) Info() plugin.Info {
	return plugin.Info{Summary: "Sends signed webhooks for an entity's changes, at least once and through crashes.", ConfigSource: configSource}
}

// Config is the manifest's config.
func (p *Plugin) Config() any { return &p.config }

// Provision registers the worker.
func (p *Plugin) Provision(_ context.Context, host plugin.Host) error {
	schema := host.DB().Schema()
	p.byEntity, p.byName = map[*store.Entity][]*hook{}, map[string]*hook{}
	for _, h := range p.hooks {
		e := schema.Entity(h.entity)
		p.byEntity[e] = append(p.byEntity[e], h)
		p.byName[h.name] = h
	}
	p.db, p.queue, p.clock, p.log = host.DB(), host.Queue(), host.Clock(), host.Logger()
	if err := p.newMetrics(host.Meter()); err != nil {
		return err
	}
	p.transport = host.Outbound().Transport()
	// Many hooks may lead to one host; what is not kept is dialled anew.
	p.transport.MaxIdleConnsPerHost, p.transport.MaxIdleConns = concurrency, 2*concurrency
	if p.config.RetentionDays > 0 {
		if err := p.queue.Every("webhooks.purge", purgeEvery, p.purge); err != nil {
			return err
		}
	}
	return p.queue.Handle(name, queue.Config{
		Worker:          queue.WorkerFunc(p.deliver),
		Concurrency:     concurrency,
		LaneConcurrency: hookConcurrency,
		Timeout:         attemptTimeout,
		Backoff:         p.backoff,
		OnDead:          p.bury,
		NoDeadLetters:   true, // WebhookDelivery has them
	})
}

// Attempts under way at a time, in all and of one hook. There is room for many
// hooks that hang at once before a healthy one waits, and after breakAfter
// failures a hook that hangs takes one place only.
const (
	concurrency     = 512
	hookConcurrency = 32
)

// Stop closes idle connections; deliveries under way are the queue's to finish.
func (p *Plugin) Stop(context.Context) error {
	if p.stopRefresh != nil {
		p.stopRefresh()
		p.refreshing.Wait()
	}
	p.transport.CloseIdleConnections()
	return nil
}

func (p *Plugin) backoff(j *queue.Job) queue.Backoff {
	if h := p.byName[j.Lane]; h != nil {
		return h.retry
	}
	return queue.Backoff{Base: defaultBackoff, Max: maxBackoff, MaxAttempts: 1} // not declared any more
}

var (
	_ plugin.Configurable   = (*Plugin)(nil)
	_ plugin.Validator      = (*Plugin)(nil)
	_ plugin.EntityProvider = (*Plugin)(nil)
	_ plugin.TableProvider  = (*Plugin)(nil)
	_ plugin.Provisioner    = (*Plugin)(nil)
	_ plugin.Starter        = (*Plugin)(nil)
	_ plugin.RouteProvider  = (*Plugin)(nil)
	_ plugin.Stopper        = (*Plugin)(nil)
	_ store.InTxer          = (*Plugin)(nil)
)
