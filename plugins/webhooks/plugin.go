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

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

//go:embed config.go
var configSource string

func init() { plugin.Register(name, func() plugin.Plugin { return new(Plugin) }) }

const name = "webhooks"

// Plugin is the webhooks plugin of one app.
type Plugin struct {
	config Config
	hooks  []*hook

	byEntity map[*store.Entity][]*hook
	byName   map[string]*hook
	failed   *store.Entity // WebhookDelivery
	queue    *queue.Queue
	client   *http.Client
	clock    clockwork.Clock
	log      *slog.Logger
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
	p.queue, p.clock, p.log = host.Queue(), host.Clock(), host.Logger()
	p.client = &http.Client{
		Transport: host.Outbound().Transport(),
		// A redirect would repeat the data at an address nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return p.queue.Handle(name, queue.Config{
		Worker:          queue.WorkerFunc(p.deliver),
		Concurrency:     64,
		LaneConcurrency: 32,
		Timeout:         attemptTimeout,
		Backoff:         p.backoff,
		OnDead:          p.bury,
	})
}

// Stop closes idle connections; deliveries under way are the queue's to finish.
func (p *Plugin) Stop(context.Context) error {
	p.client.CloseIdleConnections()
	return nil
}

// InTx enqueues a delivery for every hook that asked for this write.
func (p *Plugin) InTx(_ context.Context, tx *store.Tx, w *store.Write) error {
	for _, h := range p.byEntity[w.Entity] {
		if !h.events[w.Op] {
			continue
		}
		id := "wh_" + store.NewID(w.Time)
		if _, err := p.queue.Enqueue(tx, queue.Item{ID: id, Queue: name, Lane: h.name, Payload: body(id, w)}); err != nil {
			return err
		}
	}
	return nil
}

// body is what a receiver gets. serverOnly fields are not in a row's JSON.
func body(id string, w *store.Write) []byte {
	b := make([]byte, 0, 512)
	b = append(b, `{"event":"`...)
	b = append(b, w.Op...)
	b = append(b, `","entity":`...)
	b = store.AppendJSONString(b, w.Entity.Name)
	b = append(b, `,"row_id":`...)
	b = store.AppendJSONString(b, w.ID)
	b = append(b, `,"data":`...)
	b = w.Row().AppendJSON(b)
	b = append(b, `,"timestamp":"`...)
	b = store.AppendTime(b, w.Time)
	b = append(b, `","delivery_id":"`...)
	b = append(b, id...)
	return append(b, `"}`...)
}

func (p *Plugin) backoff(j *queue.Job) queue.Backoff {
	b := queue.Backoff{Base: defaultBackoff, Max: maxBackoff, Jitter: 0.2, MaxAttempts: defaultAttempts}
	if h := p.byName[j.Lane]; h != nil {
		b.Base, b.MaxAttempts = h.backoff, h.max
	}
	return b
}

var (
	_ plugin.Configurable   = (*Plugin)(nil)
	_ plugin.Validator      = (*Plugin)(nil)
	_ plugin.EntityProvider = (*Plugin)(nil)
	_ plugin.Provisioner    = (*Plugin)(nil)
	_ plugin.Stopper        = (*Plugin)(nil)
	_ store.InTxer          = (*Plugin)(nil)
)
