package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/pylon-go/pylon/bench/load"
	"github.com/pylon-go/pylon/bench/process"
)

// pace is how many writes a second are offered when a server is not to be at its limit.
const pace = 1000

// pacedResult is what a healthy endpoint gets of them: a rate, and how long after
// their writes were sent the deliveries arrive (p50, p99, max).
type pacedResult struct {
	rate    float64
	latency [3]time.Duration
}

// beside runs measure with a hook to the healthy address and what stands beside it.
func (b *bench) beside(ctx context.Context, i int, healthy string, measure func(*process.Pylon) error) error {
	addresses := []string{healthy}
	switch i {
	case 1:
		addresses = append(addresses, b.sink.address("d", 1))
	case 2:
		port, err := process.FreePort()
		if err != nil {
			return err
		}
		addresses = append(addresses, "http://127.0.0.1:"+port+"/d/1")
	case 3:
		addresses = append(addresses, b.sink.address("hang", 1))
	}
	err := b.serve(ctx, addresses, func(p *process.Pylon, _ *process.Process) error {
		if err := b.sink.reset(); err != nil {
			return err
		}
		return measure(p)
	})
	if err != nil {
		return fmt.Errorf("beside %s: %w", neighbours[i], err)
	}
	return nil
}

// measureNeighbour is the rate at which a healthy endpoint gets its deliveries with
// something else beside it, under as many writes as c=64 brings.
func (b *bench) measureNeighbour(ctx context.Context, i int) error {
	return b.beside(ctx, i, b.sink.address("d", 0), func(p *process.Pylon) error {
		writes, err := b.write(ctx, p, concurrency, 1, b.options.writes)
		if err != nil {
			return err
		}
		healthy, _, err := b.sink.await(ctx, 1, int64(writes))
		b.dead[i] = append(b.dead[i], healthy.perSecond())
		return err
	})
}

// measurePaced offers writes at a fixed rate, so that the processors are not what
// everybody waits for: what is left is whether one endpoint holds up another.
func (b *bench) measurePaced(ctx context.Context, i int) error {
	return b.beside(ctx, i, b.sink.address("timed", 0), func(p *process.Pylon) error {
		total := int64(max(1, pace*b.duration.Seconds()))
		var next atomic.Int64
		begun := make([]int64, concurrency) // of each worker's write under way
		sent := make([]map[string]int64, concurrency)
		problems := make([]error, concurrency)
		start := time.Now()
		result := load.Run(ctx, load.Options{
			Concurrency: concurrency, Duration: time.Hour,
			NewRequest: func(worker, i int) *http.Request {
				n := next.Add(1) - 1
				if n >= total || ctx.Err() != nil {
					return nil
				}
				time.Sleep(time.Until(start.Add(time.Duration(n) * time.Second / pace)))
				begun[worker] = time.Now().UnixNano()
				return p.Request(http.MethodPost, "/api/entities/Item", row(worker, i))
			},
			OnBody: func(worker int, body []byte) {
				var created struct{ ID string }
				if err := json.Unmarshal(body, &created); err != nil || created.ID == "" {
					problems[worker] = fmt.Errorf("no id in %.200s (%v)", body, err)
					return
				}
				if sent[worker] == nil {
					sent[worker] = map[string]int64{}
				}
				sent[worker][created.ID] = begun[worker]
			},
		})
		if err := failed(ctx, &result); err != nil {
			return err
		}
		all := map[string]int64{}
		for worker := range sent {
			if problems[worker] != nil {
				return problems[worker]
			}
			maps.Copy(all, sent[worker])
		}
		healthy, _, err := b.sink.await(ctx, 1, int64(result.Requests))
		if err != nil {
			return err
		}
		latency, err := b.arrivals(all)
		b.paced[i] = append(b.paced[i], pacedResult{healthy.perSecond(), latency})
		return err
	})
}
