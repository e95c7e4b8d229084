package pylon_test

import (
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/pylon-go/pylon"
)

const traceID = "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c"

// One trace leads from the request through the write to the delivery, and on to
// the receiver.
func TestATraceFromTheRequestToTheDelivery(t *testing.T) {
	var mu sync.Mutex
	spans := map[string]*trace.Span{}
	collect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = z
		}
		b, err := io.ReadAll(body)
		var got collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(b, &got)
		}
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, resource := range got.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				for _, s := range scope.Spans {
					if string(s.TraceId) == traceID { // the queue's own transactions are in others
						spans[s.Name] = s
					}
				}
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(collect.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collect.URL)

	parents := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { parents <- r.Header.Get("Traceparent") }))
	t.Cleanup(receiver.Close)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, pylon.ManifestName), []byte(`{ "manifest_version": 1, "name": "traced",
		"entities": [{ "name": "Order", "fields": [{ "name": "n", "type": "int" }] }],
		"plugins": [{ "name": "webhooks", "config": { "hooks": [{ "entity": "Order", "url": "`+receiver.URL+`" }] } }] }`), 0o600); err != nil {
		t.Fatal(err)
	}
	app, err := pylon.New(t.Context(), pylon.Options{Dir: dir, Dev: true, AdminToken: "token", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest("POST", "/api/entities/Order", strings.NewReader(`{"n":1}`))
	req.Header.Set("Authorization", "Bearer token")
	req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	rec := httptest.NewRecorder()
	app.ServeHTTP(rec, req)
	if rec.Code != 201 {
		t.Fatal(rec.Code, rec.Body)
	}
	var parent string
	select {
	case parent = <-parents:
	case <-time.After(20 * time.Second):
		t.Fatal("no delivery came")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := app.Stop(ctx); err != nil { // flushes the spans
		t.Fatal(err)
	}

	mu.Lock()
	defer mu.Unlock()
	request, write, delivery := spans["POST /api/entities/{entity}"], spans["store.Update"], spans["queue webhooks"]
	if request == nil || write == nil || delivery == nil {
		t.Fatalf("spans of the request's trace: %v", spans)
	}
	if string(write.ParentSpanId) != string(request.SpanId) {
		t.Error("the write does not follow the request")
	}
	if string(delivery.ParentSpanId) != string(write.SpanId) && string(delivery.ParentSpanId) != string(request.SpanId) {
		t.Error("the delivery follows neither the write nor the request")
	}
	if !strings.HasPrefix(parent, "00-0af7651916cd43dd8448eb211c80319c-") || !strings.HasSuffix(parent, "-01") {
		t.Errorf("the receiver got traceparent %q", parent)
	}
}
