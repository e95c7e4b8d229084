package webhooks

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics are labelled by hook: their number is that of the manifest.
type metrics struct {
	attempts metric.Int64Counter
	duration metric.Float64Histogram
}

func (p *Plugin) newMetrics(meter metric.Meter) error {
	var err error
	if p.metrics.attempts, err = meter.Int64Counter("pylon_webhooks_attempts_total",
		metric.WithDescription("Attempts to deliver, by hook and result.")); err != nil {
		return err
	}
	if p.metrics.duration, err = meter.Float64Histogram("pylon_webhooks_attempt_duration_seconds",
		metric.WithDescription("Time from dialling to the end of the answer."), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15)); err != nil {
		return err
	}
	state, err := meter.Int64ObservableGauge("pylon_webhooks_hook_state",
		metric.WithDescription("1 for the state a hook is in: active, failing, paused or disabled."))
	if err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, h := range p.hooks {
			is := h.status().State
			for _, s := range []string{"active", "failing", "paused", "disabled"} {
				one := int64(0)
				if s == is {
					one = 1
				}
				o.ObserveInt64(state, one, metric.WithAttributes(attribute.String("hook", h.name), attribute.String("state", s)))
			}
		}
		return nil
	}, state)
	return err
}

// Results of an attempt.
const (
	resultDelivered = iota
	resultRefused   // the receiver answered something else than 2xx
	resultNoAnswer
	resultBlocked // net_guard refused the connection
	results
)

var resultNames = [results]string{"delivered", "refused", "no_answer", "blocked"}

// hookLabels are the labels of a hook's attempts, made once.
type hookLabels struct {
	hook   metric.MeasurementOption
	result [results]metric.MeasurementOption
}

func newHookLabels(hook string) (l hookLabels) {
	byHook := attribute.String("hook", hook)
	l.hook = metric.WithAttributeSet(attribute.NewSet(byHook))
	for i, result := range resultNames {
		l.result[i] = metric.WithAttributeSet(attribute.NewSet(byHook, attribute.String("result", result)))
	}
	return l
}

func (m *metrics) attempted(ctx context.Context, h *hook, a *attempt) {
	result := resultRefused
	switch {
	case a.succeeded():
		result = resultDelivered
	case a.blocked():
		result = resultBlocked
	case a.status == 0:
		result = resultNoAnswer
	}
	m.attempts.Add(ctx, 1, h.labels.result[result])
	m.duration.Record(ctx, a.took.Seconds(), h.labels.hook)
}
