package queue

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// metrics counts by queue. Lanes are left out: there is no bound on their number.
type metrics struct {
	enqueued, done, failed, dead metric.Int64Counter
}

func newMetrics(m metric.Meter, q *Queue) (*metrics, error) {
	if m == nil {
		m = noop.NewMeterProvider().Meter("")
	}
	var out metrics
	for _, c := range []struct {
		to         *metric.Int64Counter
		name, help string
	}{
		{&out.enqueued, "pylon_queue_enqueued_total", "Items enqueued."},
		{&out.done, "pylon_queue_done_total", "Items done."},
		{&out.failed, "pylon_queue_failed_total", "Attempts that failed and will be repeated."},
		{&out.dead, "pylon_queue_dead_total", "Items that failed for good."},
	} {
		var err error
		if *c.to, err = m.Int64Counter(c.name, metric.WithDescription(c.help)); err != nil {
			return nil, err
		}
	}
	running, err := m.Int64ObservableGauge("pylon_queue_running", metric.WithDescription("Attempts under way in this process."))
	if err != nil {
		return nil, err
	}
	held, err := m.Int64ObservableGauge("pylon_queue_held", metric.WithDescription("Items leased by this process."))
	if err != nil {
		return nil, err
	}
	_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for name, p := range q.pools {
			p.mu.Lock()
			r, h := p.running, len(p.held)
			p.mu.Unlock()
			set := metric.WithAttributes(attribute.String("queue", name))
			o.ObserveInt64(running, int64(r), set)
			o.ObserveInt64(held, int64(h), set)
		}
		return nil
	}, running, held)
	return &out, err
}

func (m *metrics) count(c metric.Int64Counter, labels metric.MeasurementOption) {
	c.Add(context.Background(), 1, labels)
}

// queueLabels are the labels of a queue; a pool makes them once.
func queueLabels(queue string) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("queue", queue)))
}
