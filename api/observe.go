package api

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// observer records requests: metrics, traces and the log.
type observer struct {
	log      *slog.Logger
	tracer   trace.Tracer // nil when nobody collects traces
	duration metric.Float64Histogram
	// sets caches the attributes of a route, method and status: making them costs
	// more than recording.
	sets sync.Map // setKey → metric.MeasurementOption
}

type setKey struct {
	route  string
	status int
}

func newObserver(log *slog.Logger, meter metric.Meter, tracer trace.Tracer) (*observer, error) {
	if meter == nil {
		meter = metricnoop.NewMeterProvider().Meter("")
	}
	if _, off := tracer.(tracenoop.Tracer); off {
		tracer = nil // a span context for each request is not free
	}
	d, err := meter.Float64Histogram("pylon_http_request_duration_seconds", metric.WithUnit("s"),
		metric.WithDescription("Time from the request's headers to the end of its answer."),
		metric.WithExplicitBucketBoundaries(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10))
	return &observer{log: log, tracer: tracer, duration: d}, err
}

// exchange is one request and its answer as the middleware sees them. It is the
// ResponseWriter, so that it learns status and size.
type exchange struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(b)
	x.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach flushing and deadlines.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

const requestIDHeader = "X-Request-Id"

// requestID is the caller's when it is well formed, so that ids can be followed
// through several systems, and a new one otherwise.
func requestID(r *http.Request) string {
	if ids := r.Header[requestIDHeader]; len(ids) == 1 && len(ids[0]) <= 64 && isToken(ids[0]) {
		return ids[0]
	}
	var b [10]byte
	rand.Read(b[:]) //nolint:errcheck // crypto/rand never fails
	return "req_" + hex.EncodeToString(b[:])
}

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return s != ""
}

// observed gives the request its id, records it, and turns a panic into a 500.
func (s *Server) observed(next http.Handler) http.Handler {
	o := s.observe
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := requestID(r)
		x := &exchange{ResponseWriter: w}
		w.Header()[requestIDHeader] = []string{id}

		var span trace.Span
		if o.tracer != nil {
			ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
			ctx, span = o.tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
			r = r.WithContext(ctx)
		}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.recovered(x, r, p)
			}
			o.record(x, r, span, start)
		}()
		next.ServeHTTP(x, r)
	})
}

// recovered turns a handler's panic into a 500, unless the answer has begun.
func (s *Server) recovered(x *exchange, r *http.Request, p any) {
	id := answerID(x)
	s.cfg.Logger.ErrorContext(r.Context(), "panic in a handler", "request_id", id, "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	if x.status == 0 {
		writeJSON(x, http.StatusInternalServerError, appendError(nil, internalError(id)))
	}
}

// answerID is the request's id, which its answer carries from the beginning.
func answerID(w http.ResponseWriter) string {
	if ids := w.Header()[requestIDHeader]; len(ids) == 1 {
		return ids[0]
	}
	return ""
}

func (o *observer) record(x *exchange, r *http.Request, span trace.Span, start time.Time) {
	ctx, took := r.Context(), time.Since(start)
	o.duration.Record(ctx, took.Seconds(), o.set(route(r), x.status))
	if span != nil {
		span.SetName(route(r))
		span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("http.route", route(r)),
			attribute.Int("http.response.status_code", x.status), attribute.String("pylon.request_id", answerID(x)))
		if x.status >= 500 {
			span.SetStatus(codes.Error, http.StatusText(x.status))
		}
		span.End()
	}
	level := slog.LevelDebug
	if x.status >= 500 {
		level = slog.LevelWarn
	}
	if o.log.Enabled(ctx, level) {
		o.log.Log(ctx, level, "request", "request_id", answerID(x), "method", r.Method, "path", r.URL.Path,
			"status", x.status, "bytes", x.bytes, "ms", float64(took.Microseconds())/1000, "ip", clientIP(r))
	}
}

// route is the pattern that matched, which has a bounded number of values.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	return r.Pattern
}

func (o *observer) set(route string, status int) metric.MeasurementOption {
	key := setKey{route, status}
	if v, ok := o.sets.Load(key); ok {
		return v.(metric.MeasurementOption)
	}
	method, path, ok := strings.Cut(route, " ")
	if !ok {
		method, path = "", route
	}
	set := metric.WithAttributeSet(attribute.NewSet(attribute.String("method", method), attribute.String("route", path), attribute.Int("status", status)))
	o.sets.Store(key, set)
	return set
}
