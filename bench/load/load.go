// Package load sends HTTP requests in a closed loop and measures what comes
// back: every worker keeps one connection open and sends its next request when
// the answer to the last one is complete.
//
// A closed loop shows what a server can do and how long requests take at a given
// concurrency. It does not show what waiting users see when a server falls
// behind: there the requests would keep coming.
package load

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options describe a run.
type Options struct {
	// Concurrency is the number of workers, each with a connection of its own.
	Concurrency int
	// Warmup is how long requests are sent before they count.
	Warmup time.Duration
	// Duration is how long they count.
	Duration time.Duration
	// NewRequest makes the i-th request of a worker, both from 0. It is called
	// from all workers at once. Nil ends the worker before its time.
	NewRequest func(worker, i int) *http.Request
	// OnBody, when set, gets the body of each successful answer. It is called from
	// all workers at once and must not keep the bytes.
	OnBody func(worker int, body []byte)
}

// Result is what a run measured. Latencies and Requests are those of successful
// requests that ended while requests counted.
type Result struct {
	Requests int
	Elapsed  time.Duration
	// Errors counts requests without an answer or with one that is not 2xx, during
	// the warm-up too; Sample is the first of them.
	Errors int
	Sample string

	P50, P90, P99, Max time.Duration
}

// PerSecond is the rate of successful requests.
func (r *Result) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Requests) / r.Elapsed.Seconds()
}

func (r *Result) String() string {
	s := fmt.Sprintf("%.0f req/s  p50 %s  p90 %s  p99 %s  max %s  (%d requests in %s, %d errors)",
		r.PerSecond(), Short(r.P50), Short(r.P90), Short(r.P99), Short(r.Max), r.Requests, Short(r.Elapsed), r.Errors)
	if r.Errors > 0 {
		s += "\nfirst error: " + r.Sample
	}
	return s
}

// Short writes a duration with three digits that matter.
func Short(d time.Duration) string {
	switch {
	case d < 10*time.Microsecond:
		return d.Round(10 * time.Nanosecond).String()
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// Run sends requests until the time is over or the context ends. Requests under
// way at the end are waited for and not counted.
func Run(ctx context.Context, o Options) Result {
	transport := &http.Transport{
		MaxIdleConns:        o.Concurrency,
		MaxIdleConnsPerHost: o.Concurrency,
		DisableCompression:  true,
	}
	defer transport.CloseIdleConnections()

	begin := time.Now().Add(o.Warmup)
	end := begin.Add(o.Duration)
	workers := make([]worker, o.Concurrency)
	var wg sync.WaitGroup
	for n := range workers {
		w := &workers[n]
		w.number, w.transport, w.o, w.begin, w.end = n, transport, &o, begin, end
		wg.Go(func() { w.run(ctx) })
	}
	wg.Wait()

	result := Result{Elapsed: o.Duration}
	if now := time.Now(); now.Before(end) { // ended early
		result.Elapsed = max(0, now.Sub(begin))
	}
	var latencies []time.Duration
	for i := range workers {
		w := &workers[i]
		latencies = append(latencies, w.latencies...)
		result.Errors += w.errors
		if result.Sample == "" {
			result.Sample = w.sample
		}
	}
	slices.Sort(latencies)
	result.Requests = len(latencies)
	result.P50 = Percentile(latencies, 0.50)
	result.P90 = Percentile(latencies, 0.90)
	result.P99 = Percentile(latencies, 0.99)
	result.Max = Percentile(latencies, 1)
	return result
}

// Percentile is the smallest of the sorted values that at least the share p of
// them does not exceed; 0 when there are none.
func Percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	i := int(p*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// Median of a few values, the mean of the two in the middle when their number is even.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// worker is one of the connections.
type worker struct {
	number     int
	transport  *http.Transport
	o          *Options
	begin, end time.Time

	latencies []time.Duration
	errors    int
	sample    string
	body      []byte
}

func (w *worker) run(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		req := w.o.NewRequest(w.number, i)
		if req == nil {
			return
		}
		start := time.Now()
		if start.After(w.end) {
			return
		}
		err := w.send(req.WithContext(ctx))
		done := time.Now()
		switch {
		case err == nil:
			if !done.Before(w.begin) && !done.After(w.end) {
				w.latencies = append(w.latencies, done.Sub(start))
			}
		case ctx.Err() == nil:
			w.errors++
			if w.sample == "" {
				w.sample = fmt.Sprintf("%s %s: %v", req.Method, req.URL.Path, err)
			}
			if w.errors > 10 { // a server that is gone would be hammered
				time.Sleep(time.Millisecond)
			}
		}
	}
}

// send makes one request and reads its answer to the end, so that the connection
// can be used again.
func (w *worker) send(req *http.Request) error {
	resp, err := w.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	good := resp.StatusCode >= 200 && resp.StatusCode < 300
	if good && w.o.OnBody == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if w.body, err = appendAll(w.body[:0], resp.Body); err != nil {
		return err
	}
	if !good {
		return fmt.Errorf("%s: %.300s", resp.Status, w.body)
	}
	w.o.OnBody(w.number, w.body)
	return nil
}

// appendAll is io.ReadAll into a buffer that is used again.
func appendAll(buf []byte, r io.Reader) ([]byte, error) {
	for {
		buf = slices.Grow(buf, 512)
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}
