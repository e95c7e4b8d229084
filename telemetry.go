package pylon

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.39.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// telemetry is where metrics and traces go: metrics to GET /metrics, traces to an
// OpenTelemetry collector when the standard variables name one.
type telemetry struct {
	meter   metric.Meter
	tracer  trace.Tracer
	metrics http.Handler
	closers []func(context.Context) error
}

const scope = "github.com/pylon-go/pylon"

func newTelemetry(ctx context.Context, app, version string, getenv func(string) string) (*telemetry, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithoutScopeInfo(), otelprom.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("set metrics up: %w", err)
	}
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	t := &telemetry{
		meter:   meters.Meter(scope),
		tracer:  noop.NewTracerProvider().Tracer(scope),
		metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		closers: []func(context.Context) error{meters.Shutdown},
	}
	if getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" {
		spans, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("set traces up: %w", err)
		}
		name := getenv("OTEL_SERVICE_NAME")
		if name == "" {
			name = app
		}
		traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans),
			sdktrace.WithResource(resource.NewSchemaless(semconv.ServiceName(name), semconv.ServiceVersion(version))))
		t.tracer = traces.Tracer(scope)
		t.closers = append(t.closers, traces.Shutdown)
	}
	return t, nil
}

func (t *telemetry) close(ctx context.Context) error {
	var errs []error
	for _, c := range t.closers {
		errs = append(errs, c(ctx))
	}
	return errors.Join(errs...)
}
