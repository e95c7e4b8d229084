package function

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

type metrics struct {
	calls    metric.Int64Counter
	duration metric.Float64Histogram
}

func newMetrics(m metric.Meter, h *Host) (*metrics, error) {
	if m == nil {
		m = noop.NewMeterProvider().Meter("")
	}
	var ms metrics
	var err error
	if ms.calls, err = m.Int64Counter("pylon_function_calls_total", metric.WithDescription("Calls of functions, by function and outcome")); err != nil {
		return nil, err
	}
	if ms.duration, err = m.Float64Histogram("pylon_function_duration_seconds", metric.WithUnit("s"), metric.WithDescription("Time of a call from start to answer"),
		metric.WithExplicitBucketBoundaries(.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5, 10, 30)); err != nil {
		return nil, err
	}
	_, err = m.Int64ObservableGauge("pylon_function_engines", metric.WithDescription("Calls that hold an engine"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(len(h.program.Load().pool.places)))
			return nil
		}))
	return &ms, err
}

func (m *metrics) called(ctx context.Context, f *Info, took time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "INTERNAL"
		if e := asVisible(err); e != nil {
			outcome = e.Code
			if !ownCodes[e.Code] {
				outcome = "handler" // codes of handlers are theirs to invent, and may be many
			}
		}
	}
	m.calls.Add(ctx, 1, metric.WithAttributes(attribute.String("function", f.Name), attribute.String("outcome", outcome)))
	m.duration.Record(ctx, took.Seconds(), metric.WithAttributes(attribute.String("function", f.Name)))
}

var ownCodes = map[string]bool{
	"FN_FAILED": true, "FN_TIMEOUT": true, "FN_OUT_OF_MEMORY": true, "FN_NEVER_SETTLED": true, "INVALID_ARGS": true, "RESULT_TOO_LARGE": true,
	"INVALID_RESULT": true, "UNHANDLED_REJECTION": true, "FETCH_IN_TRANSACTION": true, "TRANSACTION_CONFLICT": true, "UNIQUE_VIOLATION": true, "NOT_FOUND": true,
}
