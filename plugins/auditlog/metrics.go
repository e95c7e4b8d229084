package auditlog

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

type metrics struct {
	sealed   metric.Int64Counter
	lag      metric.Float64Histogram
	anchors  metric.Int64Counter
	findings metric.Int64Counter
}

func (p *Plugin) newMetrics(meter metric.Meter) (err error) {
	m := &p.metrics
	if m.sealed, err = meter.Int64Counter("pylon_audit_log_sealed_total",
		metric.WithDescription("Entries that became leaves of the tree.")); err != nil {
		return err
	}
	if m.lag, err = meter.Float64Histogram("pylon_audit_log_seal_lag_seconds",
		metric.WithDescription("Time from an entry's write to its leaf."), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(.1, .25, .5, .75, 1, 1.25, 1.5, 2, 3, 5, 10, 30, 60)); err != nil {
		return err
	}
	if m.anchors, err = meter.Int64Counter("pylon_audit_log_anchored_total",
		metric.WithDescription("Tree heads sent to anchors, by anchor and result.")); err != nil {
		return err
	}
	if m.findings, err = meter.Int64Counter("pylon_audit_log_findings_total",
		metric.WithDescription("What verification in the server found, by code.")); err != nil {
		return err
	}
	waiting, err := meter.Int64ObservableGauge("pylon_audit_log_unsealed",
		metric.WithDescription("Entries that are not in the tree yet."))
	if err != nil {
		return err
	}
	oldest, err := meter.Float64ObservableGauge("pylon_audit_log_unsealed_seconds",
		metric.WithDescription("Age of the oldest entry that is not in the tree yet."), metric.WithUnit("s"))
	if err != nil {
		return err
	}
	intact, err := meter.Int64ObservableGauge("pylon_audit_log_intact",
		metric.WithDescription("1 as long as verification in the server found nothing, otherwise 0."))
	if err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		n, since := p.writer.Load().waiting()
		o.ObserveInt64(waiting, int64(n))
		age := 0.0
		if !since.IsZero() {
			age = p.clock.Since(since).Seconds()
		}
		o.ObserveFloat64(oldest, age)
		o.ObserveInt64(intact, p.watch.intact())
		return nil
	}, waiting, oldest, intact)
	return err
}

func (m *metrics) anchored(ctx context.Context, anchor string, ok bool) {
	result := "published"
	if !ok {
		result = "failed"
	}
	m.anchors.Add(ctx, 1, metric.WithAttributes(attribute.String("anchor", anchor), attribute.String("result", result)))
}

// sealedRows counts what was sealed.
func (p *Plugin) sealedRows(ctx context.Context, rows []pending) {
	if len(rows) == 0 {
		return
	}
	p.metrics.sealed.Add(ctx, int64(len(rows)))
	now := p.clock.Now()
	for _, r := range rows {
		p.metrics.lag.Record(ctx, now.Sub(r.at).Seconds())
	}
}
