package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pylon-go/pylon/bench/load"
	"github.com/pylon-go/pylon/bench/process"
)

// concurrency of everything that is not said otherwise.
const concurrency = 64

// rawEndpoint is the sink's address for the bare loop.
const rawEndpoint = 4000

// bench is a run and what it has measured.
type bench struct {
	options
	dir, binary string
	sink        *receiver
	apps        int

	endToEnd [len(fans)]series // deliveries/s and those of the bare loop beside it
	dead     [len(neighbours)][]float64
	paced    [len(neighbours)][]pacedResult
	writes   [len(receivers)][]load.Result
	latency  []idleLatency
	resting  []float64 // share of a core that an idle server takes
	size     int64     // bytes of a delivery
}

// series are the two rates of each round that are compared.
type series struct{ pylon, raw []float64 }

// fan is how many hooks a write has, and how the rows are written.
type fan struct {
	hooks, writers, rows int // rows in one request; 0 is a request of its own for each
	label                string
}

var fans = [...]fan{
	{hooks: 1, writers: concurrency, label: "1 hook, a request a row, c=64"},
	{hooks: 1, writers: 4, rows: 100, label: "1 hook, 100 rows a transaction, c=4"},
	{hooks: 10, writers: concurrency, label: "10 hooks, a request a row, c=64"},
	{hooks: 1000, writers: 4, label: "1000 hooks, a request a row, c=4"},
}

// neighbours are what stands beside a healthy endpoint.
var neighbours = [...]string{"nothing", "a second healthy endpoint", "one that refuses connections", "one that never answers"}

// receivers are what the hook of a write sends to; the first is no hook at all.
var receivers = [...]string{"no hook", "1 hook, instant 200", "1 hook, never answered"}

// round measures everything once, in an order that turns with the rounds.
func (b *bench) round(ctx context.Context, round int) error {
	var steps []func() error
	for i := range fans {
		steps = append(steps, func() error { return b.measureFan(ctx, i, round) })
	}
	if err := inTurn(steps, round); err != nil {
		return err
	}
	steps = nil
	for i := range neighbours {
		steps = append(steps, func() error { return b.measureNeighbour(ctx, i) })
	}
	if err := inTurn(steps, round); err != nil {
		return err
	}
	steps = nil
	for i := range neighbours {
		steps = append(steps, func() error { return b.measurePaced(ctx, i) })
	}
	if err := inTurn(steps, round); err != nil {
		return err
	}
	steps = nil
	for i := range receivers {
		steps = append(steps, func() error { return b.measureWrites(ctx, i) })
	}
	if err := inTurn(steps, round); err != nil {
		return err
	}
	return b.measureIdle(ctx)
}

func inTurn(steps []func() error, round int) error {
	for i := range steps {
		if err := steps[(i+round)%len(steps)](); err != nil {
			return err
		}
	}
	return nil
}

// measureRaw is the bare loop: the same body, signed, no row, no queue.
func (b *bench) measureRaw(ctx context.Context) (float64, error) {
	url := b.sink.address("d", rawEndpoint)
	result := load.Run(ctx, load.Options{
		Concurrency: concurrency, Warmup: b.warmup / 2, Duration: b.duration,
		NewRequest: func(worker, i int) *http.Request {
			body := delivery(worker, i)
			req := process.Request(http.MethodPost, url, body, "")
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte(body))
			req.Header.Set("X-Pylon-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
			return req
		},
	})
	return result.PerSecond(), failed(ctx, &result)
}

func failed(ctx context.Context, r *load.Result) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case r.Errors > 0:
		return fmt.Errorf("%d requests failed, the first: %s", r.Errors, r.Sample)
	case r.Requests == 0:
		return fmt.Errorf("no request succeeded")
	}
	return nil
}

// measureFan writes rows and waits until every delivery has arrived; the rate is
// that of arrivals, from the first to the last. Right before or after it comes the
// bare loop.
func (b *bench) measureFan(ctx context.Context, i, round int) error {
	f := fans[i]
	raw := func() error {
		rate, err := b.measureRaw(ctx)
		b.endToEnd[i].raw = append(b.endToEnd[i].raw, rate)
		return err
	}
	pylon := func() error {
		rate, err := b.endToEndRate(ctx, f)
		b.endToEnd[i].pylon = append(b.endToEnd[i].pylon, rate)
		if err != nil {
			return fmt.Errorf("%s: %w", f.label, err)
		}
		return nil
	}
	return inTurn([]func() error{raw, pylon}, round)
}

func (b *bench) endToEndRate(ctx context.Context, f fan) (rate float64, err error) {
	addresses := make([]string, f.hooks)
	for i := range addresses {
		addresses[i] = b.sink.address("d", i)
	}
	err = b.serve(ctx, addresses, func(p *process.Pylon, _ *process.Process) error {
		if err := b.sink.reset(); err != nil {
			return err
		}
		writes, err := b.write(ctx, p, f.writers, max(1, f.rows), b.options.writes/f.hooks)
		if err != nil {
			return err
		}
		all, _, err := b.sink.await(ctx, f.hooks, int64(writes*f.hooks))
		rate, b.size = all.perSecond(), all.Size
		return err
	})
	return rate, err
}

// write writes about n rows and answers how many they are.
func (b *bench) write(ctx context.Context, p *process.Pylon, writers, rows, n int) (int, error) {
	var sent atomic.Int64
	requests := int64(max(1, n/rows))
	result := load.Run(ctx, load.Options{Concurrency: writers, Duration: time.Hour, NewRequest: func(worker, i int) *http.Request {
		if sent.Add(1) > requests {
			return nil
		}
		if rows == 1 {
			return p.Request(http.MethodPost, "/api/entities/Item", row(worker, i))
		}
		var body strings.Builder
		for k := range rows {
			body.WriteString(",{\"op\":\"insert\",\"entity\":\"Item\",\"data\":" + row(worker, i*rows+k) + "}")
		}
		return p.Request(http.MethodPost, "/api/transact", "["+body.String()[1:]+"]")
	}})
	return result.Requests * rows, failed(ctx, &result)
}

// measureWrites is the rate of answered writes.
func (b *bench) measureWrites(ctx context.Context, i int) error {
	var addresses []string
	switch i {
	case 1:
		addresses = []string{b.sink.address("d", 0)}
	case 2:
		addresses = []string{b.sink.address("hang", 0)}
	}
	err := b.serve(ctx, addresses, func(p *process.Pylon, _ *process.Process) error {
		result := load.Run(ctx, load.Options{
			Concurrency: concurrency, Warmup: b.warmup, Duration: b.duration,
			NewRequest: func(worker, i int) *http.Request {
				return p.Request(http.MethodPost, "/api/entities/Item", row(worker, i))
			},
		})
		b.writes[i] = append(b.writes[i], result)
		return failed(ctx, &result)
	})
	if err != nil {
		return fmt.Errorf("writes with %s: %w", receivers[i], err)
	}
	return nil
}
