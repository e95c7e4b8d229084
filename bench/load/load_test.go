package load

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	var served, connections, bytes atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bytes.Add(int64(len(body)))
		if served.Add(1)%10 == 0 {
			http.Error(w, "every tenth", http.StatusTeapot)
			return
		}
		time.Sleep(time.Millisecond)
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"id":1}`)
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()

	var bodies atomic.Int64
	r := Run(t.Context(), Options{
		Concurrency: 4, Warmup: 50 * time.Millisecond, Duration: 200 * time.Millisecond,
		NewRequest: func(worker, i int) *http.Request {
			req, _ := http.NewRequest("POST", srv.URL+"/m", strings.NewReader("hello"))
			return req
		},
		OnBody: func(_ int, body []byte) {
			if string(body) == `{"id":1}` {
				bodies.Add(1)
			}
		},
	})
	if r.Requests == 0 || r.Errors == 0 || int64(r.Requests+r.Errors) > served.Load() {
		t.Errorf("%d requests, %d errors, %d served", r.Requests, r.Errors, served.Load())
	}
	if bytes.Load() != 5*served.Load() {
		t.Errorf("bodies arrived with %d bytes in %d requests", bytes.Load(), served.Load())
	}
	if int64(r.Requests) > bodies.Load() {
		t.Errorf("%d requests but %d bodies", r.Requests, bodies.Load())
	}
	if !strings.Contains(r.Sample, "418") || !strings.Contains(r.Sample, "every tenth") {
		t.Errorf("sample %q", r.Sample)
	}
	if connections.Load() != 4 {
		t.Errorf("%d connections for 4 workers", connections.Load())
	}
	if r.P50 < time.Millisecond || r.P90 < r.P50 || r.P99 < r.P90 || r.Max < r.P99 {
		t.Errorf("latencies %s", &r)
	}
	if rate := r.PerSecond(); rate < 1 || rate > 4000 {
		t.Errorf("%.0f req/s of 4 workers that take a millisecond each", rate)
	}
}

func TestRunEndsWithoutRequests(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	r := Run(t.Context(), Options{Concurrency: 3, Duration: time.Hour, NewRequest: func(_, i int) *http.Request {
		if i == 5 {
			return nil
		}
		req, _ := http.NewRequest("GET", srv.URL, nil)
		return req
	}})
	if r.Requests != 15 || r.Errors != 0 || r.Elapsed > time.Minute {
		t.Errorf("%s", &r)
	}
}

func TestRunWithoutServer(t *testing.T) {
	srv := httptest.NewServer(nil)
	srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r := Run(ctx, Options{Concurrency: 2, Duration: time.Minute, NewRequest: func(int, int) *http.Request {
		req, _ := http.NewRequest("GET", srv.URL, nil)
		return req
	}})
	if r.Requests != 0 || r.Errors == 0 || r.Sample == "" || r.Elapsed > 10*time.Second {
		t.Errorf("%s", &r)
	}
}

func TestPercentile(t *testing.T) {
	var sorted []time.Duration
	for i := 1; i <= 100; i++ {
		sorted = append(sorted, time.Duration(i))
	}
	for p, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.9: 90, 0.99: 99, 1: 100} {
		if got := Percentile(sorted, p); got != want {
			t.Errorf("p%v = %d, want %d", p*100, got, want)
		}
	}
	if Percentile(nil, 0.5) != 0 || Percentile(sorted[:1], 0.99) != 1 {
		t.Error("none or one value")
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := Median(tt.values); got != tt.want {
			t.Errorf("median of %v is %v, want %v", tt.values, got, tt.want)
		}
	}
}
