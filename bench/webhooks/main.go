// Command webhooks measures deliveries from the write of a row to the receiver,
// on this machine, now, beside a bare loop of POSTs to the same receiver.
// README.md in the folder above explains the numbers.
//
// It never fails on a number, only on errors.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pylon-go/pylon/bench/process"
)

type options struct {
	rounds   int
	warmup   time.Duration
	duration time.Duration
	writes   int
	idle     int
	dir      string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; every round measures everything once")
	flag.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, "warm-up of what is measured by time")
	flag.DurationVar(&o.duration, "d", 1500*time.Millisecond, "measured time of what is measured by time")
	flag.IntVar(&o.writes, "deliveries", 10000, "deliveries of what is measured by number")
	flag.IntVar(&o.idle, "idle", 200, "single writes a round for the latency of an idle server")
	flag.StringVar(&o.dir, "dir", "", "folder for the databases; use one on the disk in question (default the system's temporary folder)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench/webhooks:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if o.rounds < 1 || o.duration <= 0 || o.writes < 1000 || o.idle < 1 {
		return errors.New("-rounds, -d and -idle must be positive, -deliveries at least 1000")
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

	b := &bench{options: o, dir: dir, binary: filepath.Join(dir, "pylon.bin")}
	if err := process.Build(ctx, root, "./cmd/pylon", b.binary); err != nil {
		return err
	}
	if b.sink, err = startSink(ctx, root, dir); b.sink != nil {
		defer func() { err = errors.Join(err, b.sink.process.Stop()) }()
	}
	if err != nil {
		return err
	}
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
		if err := b.round(ctx, round); err != nil {
			return err
		}
	}
	b.report(os.Stdout)
	return nil
}
