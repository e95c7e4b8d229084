package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/pylon-go/pylon/bench/process"
)

// receiver is the sink, in a process of its own.
type receiver struct {
	process *process.Process
	url     string
}

func startSink(ctx context.Context, root, dir string) (*receiver, error) {
	binary := filepath.Join(dir, "sink.bin")
	if err := process.Build(ctx, root, "./bench/sink", binary); err != nil {
		return nil, err
	}
	port, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	s := &receiver{url: "http://127.0.0.1:" + port}
	s.process, err = process.Start(ctx, exec.Command(binary, "-addr", "127.0.0.1:"+port), s.url+"/health")
	return s, err
}

// arrived is what the sink counted at one of its addresses.
type arrived struct {
	N           int64
	Size        int64
	First, Last int64 // nanoseconds
}

// perSecond is the rate between the first and the last arrival.
func (a arrived) perSecond() float64 {
	if a.Last <= a.First {
		return 0
	}
	return float64(a.N-1) / (float64(a.Last-a.First) / 1e9)
}

func (s *receiver) get(path string, to any) error {
	body, err := process.Do(process.Request(http.MethodGet, s.url+path, "", ""))
	if err != nil {
		return err
	}
	return json.Unmarshal(body, to)
}

func (s *receiver) reset() error {
	_, err := process.Do(process.Request(http.MethodPost, s.url+"/reset", "", ""))
	return err
}

// await waits until n deliveries have arrived at the addresses 0 to endpoints-1
// together and answers what came, all of it and to each.
func (s *receiver) await(ctx context.Context, endpoints int, n int64) (all arrived, each map[int]arrived, err error) {
	const patience = 60 * time.Second
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	changed := time.Now()
	for before := int64(-1); ; before = all.N {
		each = nil
		if err := s.get("/counts", &each); err != nil {
			return all, nil, err
		}
		all = arrived{}
		for i := range endpoints {
			e, ok := each[i]
			if !ok {
				continue
			}
			if all.First == 0 || e.First < all.First {
				all.First = e.First
			}
			all.N, all.Last, all.Size = all.N+e.N, max(all.Last, e.Last), e.Size
		}
		if all.N != before {
			changed = time.Now()
		}
		switch {
		case all.N == n:
			return all, each, nil
		case all.N > n:
			return all, nil, fmt.Errorf("%d deliveries arrived, more than the %d there are", all.N, n)
		case time.Since(changed) > patience:
			return all, nil, fmt.Errorf("%d of %d deliveries arrived, and none for %s", all.N, n, patience)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return all, nil, ctx.Err()
		}
	}
}

// address is where the deliveries of a hook go.
func (s *receiver) address(kind string, n int) string {
	return s.url + "/" + kind + "/" + strconv.Itoa(n)
}
