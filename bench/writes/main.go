// Command writes compares what Pylon can store and serve with two others, on
// this machine, now: the floor (a bare HTTP server on SQLite) and PocketBase.
// README.md in the folder above explains the numbers.
//
// It never fails on a number, only on errors.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pylon-go/pylon/bench/process"
)

type options struct {
	rounds   int
	warmup   time.Duration
	duration time.Duration
	idle     time.Duration
	dir      string
	servers  []string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 4, "rounds; every round measures every cell once")
	flag.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, "warm-up of each cell")
	flag.DurationVar(&o.duration, "d", 1500*time.Millisecond, "measured time of each cell")
	flag.DurationVar(&o.idle, "idle", 5*time.Second, "time over which idle CPU is read")
	flag.StringVar(&o.dir, "dir", "", "folder for the databases; use one on the disk in question (default the system's temporary folder)")
	servers := flag.String("servers", "pylon,floor,pocketbase", "which servers to measure")
	flag.Parse()
	o.servers = strings.Split(*servers, ",")

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench/writes:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	for _, name := range o.servers {
		if !slices.Contains([]string{"pylon", "floor", "pocketbase"}, name) {
			return fmt.Errorf("no server is called %q", name)
		}
	}
	root, err := process.ModuleRoot(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "pylon-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	process.PrintMachine(ctx, os.Stdout, root, dir)

	var servers []*server
	defer func() {
		for _, s := range servers {
			if stopErr := s.process.Stop(); err == nil {
				err = stopErr
			}
		}
	}()
	for _, name := range o.servers {
		fmt.Fprintf(os.Stderr, "building and starting %s\n", name)
		s, err := start(ctx, name, root, dir)
		if s != nil {
			servers = append(servers, s)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	fmt.Fprintf(os.Stderr, "idle for %s\n", o.idle)
	idle, err := measureIdle(ctx, servers, o.idle)
	if err != nil {
		return err
	}
	cells := cellsOf(servers)
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
		if err := measureRound(ctx, cells, round, o); err != nil {
			return err
		}
	}
	loaded, err := rssOf(servers)
	if err != nil {
		return err
	}
	report(os.Stdout, cells, servers, idle, loaded)
	return failures(cells)
}
