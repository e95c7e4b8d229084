package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
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
		if before[i], err = cpuTime(s.process.Pid()); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	if err := sleep(ctx, during); err != nil {
		return nil, err
	}
	out := make([]usage, len(servers))
	for i, s := range servers {
		after, err := cpuTime(s.process.Pid())
		if err != nil {
			return nil, err
		}
		out[i].cpu = float64(after-before[i]) / float64(time.Since(start))
		if out[i].rss, err = rss(s.process.Pid()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func rssOf(servers []*server) (out []int64, err error) {
	for _, s := range servers {
		n, err := rss(s.process.Pid())
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

// rss is the memory of a process that is in RAM.
func rss(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no VmRSS of process %d", pid)
}

// cpuTime is the time a process has spent on processors, in the kernel's ticks
// of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold spaces; user and system time are the 12th
	// and 13th field after it.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is too short", pid)
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc/%d/stat holds no times", pid)
	}
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}
