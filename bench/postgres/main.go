// Command postgres measures Pylon on PostgreSQL, on this machine, now: creates over
// HTTP beside a bare server that inserts through pgx, and deliveries beside a bare
// loop of POSTs to the same receiver. README.md in the folder above explains the
// numbers.
//
// It never fails on a number, only on errors.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pylon-go/pylon/bench/process"
	"github.com/pylon-go/pylon/internal/pgtest"
)

type bench struct {
	rounds     int
	warmup     time.Duration
	duration   time.Duration
	deliveries int
	conns      int
	only       string

	dir, pylon, floor string
	sink              *process.Process
	sinkURL           string
	databases         int
	server            *pgtest.Database

	rates map[string][]float64
}

func main() {
	var b bench
	var dir string
	flag.IntVar(&b.rounds, "rounds", 3, "rounds; every round measures everything once")
	flag.DurationVar(&b.warmup, "warmup", time.Second, "warm-up of what is measured by time")
	flag.DurationVar(&b.duration, "d", 3*time.Second, "measured time of what is measured by time")
	flag.IntVar(&b.deliveries, "deliveries", 5000, "deliveries of what is measured by number")
	flag.IntVar(&b.conns, "conns", 16, "connections of both pools")
	flag.StringVar(&b.only, "cells", "", "measure only cells whose name contains one of these, separated by commas")
	flag.StringVar(&dir, "dir", "", "folder for the databases; use one on the disk in question (default the system's temporary folder)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, "bench/postgres:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context, dir string) (err error) {
	if b.rounds < 1 || b.duration <= 0 || b.deliveries < 100 {
		return errors.New("-rounds and -d must be positive, -deliveries at least 100")
	}
	root, err := process.ModuleRoot(ctx)
	if err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(dir, "pylon-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	process.PrintMachine(ctx, os.Stdout, root, b.dir)
	b.pylon, b.floor = filepath.Join(b.dir, "pylon.bin"), filepath.Join(b.dir, "floor.bin")
	sink := filepath.Join(b.dir, "sink.bin")
	for pkg, binary := range map[string]string{"./cmd/pylon": b.pylon, "./bench/postgres/floor": b.floor, "./bench/sink": sink} {
		if err := process.Build(ctx, root, pkg, binary); err != nil {
			return err
		}
	}
	server, end, err := pgtest.Start(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	b.server = server
	port, err := process.FreePort()
	if err != nil {
		return err
	}
	b.sinkURL = "http://127.0.0.1:" + port
	if b.sink, err = process.Start(ctx, exec.Command(sink, "-addr", "127.0.0.1:"+port), b.sinkURL+"/health"); err != nil {
		return errors.Join(err, b.sink.Stop())
	}
	defer func() { err = errors.Join(err, b.sink.Stop()) }()
	b.rates = map[string][]float64{}
	for round := range b.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, b.rounds)
		for i := range cells {
			c := cells[(i+round)%len(cells)]
			if b.only != "" && !slices.ContainsFunc(strings.Split(b.only, ","), func(part string) bool { return strings.Contains(c.name, part) }) {
				continue
			}
			rate, err := c.measure(b, ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			b.rates[c.name] = append(b.rates[c.name], rate)
		}
	}
	b.report()
	return nil
}

func (b *bench) report() {
	fmt.Println()
	for _, c := range cells {
		if b.rates[c.name] == nil {
			continue
		}
		fmt.Printf("%-34s median %7.0f/s   rounds %.0f\n", c.name, median(b.rates[c.name]), b.rates[c.name])
	}
	fmt.Println()
	for _, r := range ratios {
		var each []float64
		if b.rates[r.of] == nil || b.rates[r.to] == nil {
			continue
		}
		for i := range b.rates[r.of] {
			each = append(each, b.rates[r.of][i]/b.rates[r.to][i])
		}
		fmt.Printf("%-60s %.2f   goal %s   rounds %.2f\n", r.of+" / "+r.to, median(each), r.goal, each)
	}
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
