package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pylon-go/pylon/bench/load"
	"github.com/pylon-go/pylon/bench/process"
)

// lag writes at a steady rate and reads how long entries waited to be sealed.
func (b *bench) lag(ctx context.Context) (err error) {
	s := &server{name: "lag", plugin: servers[2].plugin}
	if err := b.start(ctx, s); err != nil {
		return errors.Join(err, s.proc.Stop())
	}
	defer func() { err = errors.Join(err, s.proc.Stop()) }()
	const workers = 64
	next := s.updates(workers)
	begin := time.Now()
	every := workers * time.Second / time.Duration(b.rate)
	r := load.Run(ctx, load.Options{Concurrency: workers, Warmup: b.warmup, Duration: 5 * b.duration, NewRequest: func(worker, i int) *http.Request {
		time.Sleep(time.Until(begin.Add(time.Duration(i)*every + time.Duration(worker)*every/workers)))
		return next(worker, i)
	}})
	if r.Errors > 0 {
		return fmt.Errorf("%d errors, the first: %s", r.Errors, r.Sample)
	}
	if _, err := process.Do(s.app.Request(http.MethodPost, "/api/audit/seal", "{}")); err != nil {
		return err
	}
	metrics, err := process.Do(s.app.Request(http.MethodGet, "/metrics", ""))
	if err != nil {
		return err
	}
	p99, err := percentile(metrics, "pylon_audit_log_seal_lag_seconds", 0.99)
	if err != nil {
		return err
	}
	mark := "met"
	if p99 > 2 {
		mark = "MISSED"
	}
	fmt.Printf("\nseal lag at %.0f writes/s (%d wanted): p99 at most %.2f s   goal <= 2 s %s\n", r.PerSecond(), b.rate, p99, mark)
	return nil
}

// percentile reads a histogram of /metrics: the upper bound of the bucket that the
// percentile is in.
func percentile(metrics []byte, name string, p float64) (bound float64, err error) {
	type bucket struct{ le, n float64 }
	var buckets []bucket
	for lines := bufio.NewScanner(bytes.NewReader(metrics)); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), name+"_bucket{")
		if !ok {
			continue
		}
		_, le, _ := strings.Cut(rest, `le="`)
		le, value, ok := strings.Cut(le, `"} `)
		if !ok {
			return 0, fmt.Errorf("cannot read %q", lines.Text())
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		b, err := strconv.ParseFloat(le, 64)
		if err != nil {
			return 0, err
		}
		buckets = append(buckets, bucket{b, n})
	}
	if len(buckets) == 0 || buckets[len(buckets)-1].n == 0 {
		return 0, fmt.Errorf("there is no %s in the metrics", name)
	}
	for _, b := range buckets {
		if b.n >= p*buckets[len(buckets)-1].n {
			return b.le, nil
		}
	}
	return 0, errors.New("the histogram has no end")
}
