package main

import (
	"context"
	"time"

	"github.com/pylon-go/pylon/bench/process"
)

// usage is what a process took while nobody asked it for anything.
type usage struct {
	rss int64   // bytes
	cpu float64 // share of one core
}

// measureIdle reads what the processes take during the time given, after they
// had a second to settle.
func measureIdle(ctx context.Context, servers []*server, during time.Duration) ([]usage, error) {
	if err := sleep(ctx, time.Second); err != nil {
		return nil, err
	}
	before := make([]time.Duration, len(servers))
	for i, s := range servers {
		var err error
		if before[i], err = process.CPUTime(s.process.Pid()); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	if err := sleep(ctx, during); err != nil {
		return nil, err
	}
	out := make([]usage, len(servers))
	for i, s := range servers {
		after, err := process.CPUTime(s.process.Pid())
		if err != nil {
			return nil, err
		}
		out[i].cpu = float64(after-before[i]) / float64(time.Since(start))
		if out[i].rss, err = process.RSS(s.process.Pid()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func rssOf(servers []*server) (out []int64, err error) {
	for _, s := range servers {
		n, err := process.RSS(s.process.Pid())
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
