package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/pylon-go/pylon/bench/load"
	"github.com/pylon-go/pylon/bench/process"
)

// idleLatency are the percentiles over the writes of one round.
type idleLatency struct{ answer, send [3]time.Duration } // p50, p99, max

// restFor is how long a server is looked at while nobody asks it for anything.
const restFor = 2 * time.Second

// rest is the share of a core that the server takes for nothing, after a delivery
// and a second to settle.
func (b *bench) rest(ctx context.Context, p *process.Pylon, running *process.Process) error {
	if _, err := process.Do(p.Request(http.MethodPost, "/api/entities/Item", row(0, 0)).WithContext(ctx)); err != nil {
		return err
	}
	if _, _, err := b.sink.await(ctx, 1, 1); err != nil {
		return err
	}
	var taken [2]time.Duration
	for i, wait := range []time.Duration{time.Second, restFor} {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
		var err error
		if taken[i], err = process.CPUTime(running.Pid()); err != nil {
			return err
		}
	}
	b.resting = append(b.resting, float64(taken[1]-taken[0])/float64(restFor))
	return nil
}

// measureIdle looks at a server that has nothing to do, then writes single rows to
// it and compares the clock of the sink with its own: the same one.
func (b *bench) measureIdle(ctx context.Context) error {
	return b.serve(ctx, []string{b.sink.address("timed", 0)}, func(p *process.Pylon, running *process.Process) error {
		if err := b.sink.reset(); err != nil {
			return err
		}
		if err := b.rest(ctx, p, running); err != nil {
			return err
		}
		begun, answered := map[string]int64{}, map[string]int64{}
		pause := time.NewTicker(15 * time.Millisecond)
		defer pause.Stop()
		const settle = 10 // the first ones open connections
		for i := range settle + b.idle {
			begin := time.Now().UnixNano()
			body, err := process.Do(p.Request(http.MethodPost, "/api/entities/Item", row(0, i)).WithContext(ctx))
			end := time.Now().UnixNano()
			if err != nil {
				return err
			}
			var created struct{ ID string }
			if err := json.Unmarshal(body, &created); err != nil || created.ID == "" {
				return fmt.Errorf("no id in %.200s (%v)", body, err)
			}
			if i >= settle {
				begun[created.ID], answered[created.ID] = begin, end
			}
			select {
			case <-pause.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if _, _, err := b.sink.await(ctx, 1, int64(1+settle+b.idle)); err != nil {
			return err
		}
		send, err := b.arrivals(begun)
		if err != nil {
			return err
		}
		answer, err := b.arrivals(answered)
		b.latency = append(b.latency, idleLatency{answer, send})
		return err
	})
}

// arrivals are the percentiles of the times from those given, by row, to the arrivals.
func (b *bench) arrivals(since map[string]int64) ([3]time.Duration, error) {
	var arrivals map[string]int64
	if err := b.sink.get("/arrivals", &arrivals); err != nil {
		return [3]time.Duration{}, err
	}
	var all []time.Duration
	for id, from := range since {
		at, ok := arrivals[id]
		if !ok {
			return [3]time.Duration{}, fmt.Errorf("the delivery of row %s did not arrive", id)
		}
		all = append(all, time.Duration(at-from))
	}
	slices.Sort(all)
	return [3]time.Duration{load.Percentile(all, 0.5), load.Percentile(all, 0.99), load.Percentile(all, 1)}, nil
}
