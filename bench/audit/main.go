// Command audit measures what audit_log costs, on this machine, now: updates over
// HTTP without it, with unsigned and with signed entries, and with a chain of
// hashes in the transaction; how fast a log is verified; and how long entries wait
// to be sealed at a steady rate of writes. README.md in the folder above explains
// the numbers.
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
	"github.com/pylon-go/pylon/internal/pgtest"
)

type bench struct {
	rounds   int
	warmup   time.Duration
	duration time.Duration
	postgres bool
	rows     int
	rate     int

	dir, pylon, chain string
	server            *pgtest.Database
	databases         int
}

func main() {
	var b bench
	var dir string
	var only string
	flag.IntVar(&b.rounds, "rounds", 5, "rounds; every round measures every server once")
	flag.DurationVar(&b.warmup, "warmup", 500*time.Millisecond, "warm-up of each measurement")
	flag.DurationVar(&b.duration, "d", 2*time.Second, "measured time of each measurement")
	flag.BoolVar(&b.postgres, "postgres", false, "on PostgreSQL instead of SQLite")
	flag.IntVar(&b.rows, "rows", 200_000, "entries of the log that is verified")
	flag.IntVar(&b.rate, "rate", 2000, "writes a second while the seal lag is measured")
	flag.StringVar(&only, "only", "", "writes, verify or lag; all when left out")
	flag.StringVar(&dir, "dir", "", "folder for the databases; use one on the disk in question (default the system's temporary folder)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx, dir, only); err != nil {
		fmt.Fprintln(os.Stderr, "bench/audit:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context, dir, only string) (err error) {
	if b.rounds < 1 || b.duration <= 0 || b.rows < 1000 || b.rate < 1 {
		return errors.New("-rounds, -d and -rate must be positive, -rows at least 1000")
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
	b.pylon, b.chain = filepath.Join(b.dir, "pylon.bin"), filepath.Join(b.dir, "chain.bin")
	for pkg, binary := range map[string]string{"./cmd/pylon": b.pylon, "./bench/audit/chain": b.chain} {
		if err := process.Build(ctx, root, pkg, binary); err != nil {
			return err
		}
	}
	if b.postgres {
		server, end, err := pgtest.Start(dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end()) }()
		b.server = server
	}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"writes", b.writes}, {"verify", b.verify}, {"lag", b.lag}} {
		if only != "" && only != part.name {
			continue
		}
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}
