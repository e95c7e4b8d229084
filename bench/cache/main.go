// Command cache measures the cache plugin's engine beside maypok86/otter and a
// strict LRU: processor time of gets and sets, hit ratio, memory, and what
// invalidations cost. README.md in the folder above explains the numbers.
//
// It never fails on a number.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/pylon-go/pylon/bench/process"
)

type options struct {
	rounds  int
	gets    int
	large   int
	skipped bool
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; every round measures everything once")
	flag.IntVar(&o.gets, "ops", 2_000_000, "operations of each measurement of processor time")
	flag.IntVar(&o.large, "large", 1_000_000, "entries of the large cache; the small one has 10000")
	flag.BoolVar(&o.skipped, "skip-traces", false, "leave out the hit ratios, which are the same each time")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench/cache:", err)
		os.Exit(1)
	}
}

const small = 10_000

// goroutines that use the cache at a time.
const goroutines = 4

func run(ctx context.Context, o options) error {
	if o.rounds < 1 || o.gets < 1000 || o.large < small {
		return errors.New("-rounds must be positive, -ops at least 1000, -large at least 10000")
	}
	root, err := process.ModuleRoot(ctx)
	if err != nil {
		return err
	}
	process.PrintMachine(ctx, os.Stdout, root, os.TempDir())
	fmt.Printf("%d goroutines on GOMAXPROCS=%d; processor time of the process, user and system\n", goroutines, runtime.GOMAXPROCS(0))

	b := &bench{options: o, cells: map[string][]float64{}}
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
		if err := b.round(ctx, round); err != nil {
			return err
		}
	}
	if !o.skipped {
		fmt.Fprintln(os.Stderr, "hit ratios")
		if err := b.ratios(ctx); err != nil {
			return err
		}
	}
	b.report(os.Stdout)
	return nil
}

// bench holds what was measured, by name of the cell: a value a round.
type bench struct {
	options
	cells map[string][]float64
	hits  []trace
}

func (b *bench) note(cell string, value float64) { b.cells[cell] = append(b.cells[cell], value) }

// round measures everything once. Who is first changes with each round.
func (b *bench) round(ctx context.Context, round int) error {
	for _, entries := range []int{small, b.large} {
		w := newWork(entries)
		for i := range subjects {
			s := subjects[(i+round)%len(subjects)]
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := b.speed(s, w); err != nil {
				return err
			}
			if err := b.memory(s, w); err != nil {
				return err
			}
		}
	}
	for _, policy := range policies {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.invalidations(policy, newWork(b.large), round); err != nil {
			return err
		}
	}
	return nil
}
