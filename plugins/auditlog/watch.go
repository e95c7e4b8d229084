package auditlog

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// watch is verification in the running server: of what is new at every turn, of
// everything once a day. What it finds is an error in the log, a metric, an entry
// and a POST to alert_url.
type watch struct {
	mu    sync.Mutex
	going *Verification
	begun time.Time // of the last verification from the first leaf on
	last  *Report
	at    time.Time
	told  map[string]bool // findings that were told of
	lag   bool            // sealing is late, and that was told

	state sync.Mutex // of broken
	broke bool
}

// fullEvery is how often everything is verified again.
const fullEvery = 24 * time.Hour

func (w *watch) intact() int64 {
	w.state.Lock()
	defer w.state.Unlock()
	if w.broke {
		return 0
	}
	return 1
}

// verifyNew verifies what came since the last time.
func (p *Plugin) verifyNew(ctx context.Context) error {
	w := &p.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	now := p.clock.Now()
	if w.going == nil || now.Sub(w.begun) >= fullEvery {
		w.going, w.begun = new(Verification), now
	}
	report, err := p.verify(ctx, w.going, true)
	if err != nil {
		w.going = nil
		return err
	}
	w.last, w.at = report, now
	if len(report.Counts) > 0 {
		w.going = nil // look again at everything: it may be mended
	}
	for _, f := range report.Findings {
		p.alarm(ctx, f)
	}
	if len(report.Counts) == 0 {
		w.state.Lock()
		w.broke = false
		w.state.Unlock()
	}
	return nil
}

// verify verifies the log in this app's database with its keys and the anchors that
// can be read.
func (p *Plugin) verify(ctx context.Context, v *Verification, going bool) (*Report, error) {
	o := VerifyOptions{Now: p.clock.Now(), MaxLag: p.maxLag(), derived: p.keys, going: going}
	src := OpenDatabase(p.db.Engine())
	expected, err := src.Expected(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range p.anchors {
		records, err := a.records(ctx)
		if err == errNotReadable {
			continue
		}
		if err != nil {
			p.log.Warn("an anchor of the audit log could not be read", "anchor", a.name(), "error", err)
			continue
		}
		o.Anchors = append(o.Anchors, AnchorSet{Name: a.name(), Records: records, Expected: expected[a.name()]})
	}
	return v.Run(ctx, src, o)
}

// trusted says whether an entry of a process that died may be sealed, and gives the
// hash of its leaf.
func (p *Plugin) trusted(id string, v []store.Value) (tlog.Hash, *Finding) {
	kid, mac, err := splitSignature(v[fSignature])
	if err != nil {
		return tlog.Hash{}, &Finding{Code: codeRowMAC, ID: id, Detail: "the signature is " + err.Error()}
	}
	body := appendBody(nil, id, v, kid)
	if mac == nil && p.config.SignEntries {
		return tlog.Hash{}, &Finding{Code: codeUnsignedRow, ID: id}
	}
	if mac != nil {
		var k *key
		for _, known := range p.keys {
			if known.kid == kid {
				k = known
			}
		}
		if k == nil {
			return tlog.Hash{}, &Finding{Code: codeUnknownKey, ID: id, Detail: "signed with a key that is not in signing_key_env: " + kid}
		}
		if !k.verify(body, mac) {
			return tlog.Hash{}, &Finding{Code: codeRowMAC, ID: id}
		}
	}
	return tlog.RecordHash(appendLeaf(body, v[fSignature])), nil
}

// alarm tells of a finding, once.
func (p *Plugin) alarm(ctx context.Context, f Finding) {
	w := &p.watch
	w.state.Lock()
	if w.told == nil {
		w.told = map[string]bool{}
	}
	w.broke = true
	again := w.told[f.String()]
	if len(w.told) < 10_000 {
		w.told[f.String()] = true
	}
	w.state.Unlock()
	if again {
		return
	}
	p.metrics.findings.Add(ctx, 1, metric.WithAttributes(attribute.String("code", f.Code)))
	p.log.Error("the audit log was tampered with", "finding", f.String())
	p.notify(ctx, alert{Kind: "tampered", Finding: &f})
}

// checkLag tells when entries were not sealed for too long, and when they are again.
func (p *Plugin) checkLag(ctx context.Context) {
	_, oldest := p.writer.Load().waiting()
	late := !oldest.IsZero() && p.clock.Since(oldest) > p.maxLag()
	w := &p.watch
	w.state.Lock()
	changed := w.lag != late
	w.lag = late
	w.state.Unlock()
	if !changed {
		return
	}
	if late {
		p.log.Error("the audit log could not be sealed for too long", "since", oldest)
		p.notify(ctx, alert{Kind: "seal_lag"})
		return
	}
	p.log.Info("the audit log is sealed again")
}

// alert is what alert_url gets.
type alert struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	App     string    `json:"app"`
	Origin  string    `json:"origin"`
	Time    time.Time `json:"time"`
	Finding *Finding  `json:"finding,omitempty"`
}

const alertQueue = "audit_log.alerts"

// notify enqueues an alert: it is sent until it arrives.
func (p *Plugin) notify(ctx context.Context, a alert) {
	if p.config.AlertURL == "" {
		return
	}
	now := p.clock.Now().UTC()
	a.ID, a.App, a.Origin, a.Time = "al_"+store.NewID(now), p.app, p.origin, now
	body, err := json.Marshal(a)
	if err != nil {
		p.log.Error("an alert could not be written", "error", err)
		return
	}
	send := func() {
		err := p.db.Update(store.WithActor(context.WithoutCancel(ctx), store.System(name)), func(tx *store.Tx) error {
			_, err := p.queue.Enqueue(tx, queue.Item{ID: a.ID, Queue: alertQueue, Lane: "alerts", Payload: body})
			return err
		})
		if err != nil {
			p.log.Error("an alert could not be enqueued", "error", err)
		}
	}
	// Not from here: a transaction may be under way.
	p.running.Go(send)
}

func (p *Plugin) handleAlerts() error {
	if p.config.AlertURL == "" {
		return nil
	}
	return p.queue.Handle(alertQueue, queue.Config{
		Worker: queue.WorkerFunc(p.sendAlert), Concurrency: 2, Timeout: publishTimeout,
		Backoff: func(*queue.Job) queue.Backoff {
			return queue.Backoff{Base: 10 * time.Second, Max: time.Hour, Jitter: 0.2, MaxAttempts: 50}
		},
	})
}

// sendAlert posts an alert.
func (p *Plugin) sendAlert(ctx context.Context, j *queue.Job) queue.Outcome {
	if err := postJSON(ctx, p.client, p.config.AlertURL, http.Header{"Webhook-Id": {j.ID}}, json.RawMessage(j.Payload)); err != nil {
		return queue.Retry(fmt.Errorf("send the alert: %w", err), 0)
	}
	return queue.Done()
}
