// Package auditlog records every insert, update and delete of chosen entities, so
// that who can write to the database cannot rewrite the record unseen.
//
// An entry is a row of AuditLog, written in the transaction of the write it tells
// of. Soon after, its hash becomes a leaf of a Merkle tree (RFC 6962) whose signed
// heads go to places outside of the database, the anchors. What is in the tree can
// be verified by anybody with the log's public key: an entry that was changed or
// deleted no longer fits, a log that was cut or rolled back no longer fits its anchors.
package auditlog

import (
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

//go:embed config.go
var configSource string

func init() {
	plugin.Register(name, func() plugin.Plugin { return &Plugin{config: Defaults()} })
}

const name = "audit_log"

const (
	defaultAnchorSecs = 10
	defaultLagSecs    = 60
	defaultVerifySecs = 300
	defaultExportSecs = 3600
)

// Defaults is the config of a manifest that says nothing.
func Defaults() Config {
	return Config{AnchorSecs: defaultAnchorSecs, MaxSealLagSecs: defaultLagSecs, OnSealLag: "warn", VerifySecs: defaultVerifySecs}
}

// Plugin is the audit_log plugin of one app.
type Plugin struct {
	config    Config
	keys      []*key // the one that signs first, then those before it
	recorders map[string]*recorder
	anchors   []anchor
	exportTo  sink

	entity   *store.Entity
	byEntity map[*store.Entity]*recorder
	app      string
	db       *store.DB
	queue    *queue.Queue
	clock    clockwork.Clock
	log      *slog.Logger
	metrics  metrics
	client   *http.Client

	// origin, signer and signersOf are known once the log is open.
	origin      string
	signer      *noteSigner
	signersOf   []*noteSigner
	wasUnsigned bool      // the log's last head may be without a signature
	floor       time.Time // no id is made before it

	writer    atomic.Pointer[writer]
	head      atomic.Pointer[checkpoint] // what this process sealed last
	sealing   sync.Mutex
	batching  sync.Mutex // guards epochAt
	epochAt   time.Time
	wake      chan struct{}
	publisher *publisher
	watch     watch

	stop    context.CancelFunc
	running sync.WaitGroup
}

func (p *Plugin) Info() plugin.Info {
	return plugin.Info{Summary: "Records who changed what, in the write's own transaction, so that tampering with the record leaves evidence.", ConfigSource: configSource}
}

// Config is the manifest's config.
func (p *Plugin) Config() any { return &p.config }

// Provision takes what it needs from the host.
func (p *Plugin) Provision(_ context.Context, host plugin.Host) error {
	schema := host.DB().Schema()
	p.byEntity = map[*store.Entity]*recorder{}
	for entity, r := range p.recorders {
		e := schema.Entity(entity)
		r.entity = e
		p.byEntity[e] = r
	}
	p.app, p.db, p.queue, p.clock, p.log = host.AppName(), host.DB(), host.Queue(), host.Clock(), host.Logger()
	p.wake = make(chan struct{}, 1)
	p.writer.Store(newWriter(p.wake))
	transport := host.Outbound().Transport()
	p.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, a := range p.anchors {
		a.use(p)
	}
	if p.exportTo != nil {
		p.exportTo.use(p)
	}
	p.publisher = newPublisher(p)
	if err := p.newMetrics(host.Meter()); err != nil {
		return err
	}
	return p.schedule()
}

// schedule registers what runs now and then, by one process among all.
func (p *Plugin) schedule() error {
	if err := p.queue.Every("audit_log.thin", thinEvery, p.thin); err != nil {
		return err
	}
	if p.config.RetentionDays > 0 {
		if err := p.queue.Every("audit_log.prune", pruneEvery, func(ctx context.Context) error {
			_, err := p.Prune(ctx, PruneRequest{Days: p.config.RetentionDays})
			return err
		}); err != nil {
			return err
		}
	}
	if p.config.VerifySecs > 0 {
		if err := p.queue.Every("audit_log.verify", time.Duration(p.config.VerifySecs)*time.Second, p.verifyNew); err != nil {
			return err
		}
	}
	if x := p.config.Export; x != nil {
		if err := p.queue.Every("audit_log.export", time.Duration(x.EverySecs)*time.Second, p.exportNew); err != nil {
			return err
		}
	}
	if !p.db.Alone() {
		if err := p.queue.Every("audit_log.recover", deadAfter/2, p.recoverDead); err != nil {
			return err
		}
	}
	return p.handleAlerts()
}

// Start opens the log and begins to seal.
func (p *Plugin) Start(ctx context.Context) error {
	if err := p.open(ctx); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = cancel
	p.running.Go(func() { p.run(run) })
	p.running.Go(func() { p.publisher.run(run) })
	if !p.db.Alone() {
		p.running.Go(func() { p.beat(run) })
	}
	return nil
}

// Stop seals what is left, ends the writer in order and publishes the last head.
func (p *Plugin) Stop(ctx context.Context) error {
	if p.stop == nil {
		return nil
	}
	p.stop()
	p.running.Wait()
	p.stop = nil
	err := p.sealBatch(ctx, closedClean, nil, true)
	switch {
	case errors.Is(err, errHalted): // there was an alarm
		err = nil
	case err == nil:
		if p.publisher.publish(ctx) != nil { // logged; the next start publishes it
			p.log.Warn("the last tree head of the audit log did not reach every anchor")
		}
	}
	p.running.Wait() // alerts
	p.client.CloseIdleConnections()
	return err
}

var (
	_ plugin.Configurable   = (*Plugin)(nil)
	_ plugin.Validator      = (*Plugin)(nil)
	_ plugin.EntityProvider = (*Plugin)(nil)
	_ plugin.TableProvider  = (*Plugin)(nil)
	_ plugin.Provisioner    = (*Plugin)(nil)
	_ plugin.Starter        = (*Plugin)(nil)
	_ plugin.Stopper        = (*Plugin)(nil)
	_ plugin.RouteProvider  = (*Plugin)(nil)
	_ store.InTxer          = (*Plugin)(nil)
	_ store.AfterReader     = (*Plugin)(nil)
	_ store.RefusalHearer   = (*Plugin)(nil)
)
