// Command crash kills `pylon serve` with SIGKILL at random moments under load,
// again and again, and then holds what the server acknowledged against what is in
// its database and what its webhooks delivered. README.md in the folder above
// says what counts as a violation.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pylon-go/pylon/bench/process"
)

func main() {
	o := options{out: os.Stdout}
	flag.IntVar(&o.kills, "kills", 1000, "how often the server is killed")
	flag.DurationVar(&o.limit, "time", 30*time.Minute, "time after which it is killed no more")
	flag.DurationVar(&o.drain, "drain", 3*time.Minute, "time in which everything must be delivered in the end")
	flag.IntVar(&o.writers, "writers", 8, "clients that write at the same time")
	flag.BoolVar(&o.ordered, "ordered", true, "declare two of the three hooks as ordered")
	flag.BoolVar(&o.audit, "audit", true, "record every write in a signed audit log, and verify it after kills and in the end")
	flag.Uint64Var(&o.seed, "seed", 0, "seed of every choice; 0 takes another one each time")
	flag.StringVar(&o.dir, "dir", "", "folder for the database and the evidence (default the system's temporary folder)")
	flag.BoolVar(&o.keep, "keep", false, "keep the folder without a violation too")
	binary := flag.String("binary", "", "compiled pylon to test (default: built now)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	clean, err := start(ctx, o, *binary)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/crash:", err)
	}
	if err != nil || !clean {
		stop()
		os.Exit(1)
	}
}

// start prepares the folder and runs the harness in it.
func start(ctx context.Context, o options, binary string) (clean bool, err error) {
	if o.kills < 1 || o.writers < 1 {
		return false, fmt.Errorf("-kills and -writers must be positive")
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	if o.dir, err = os.MkdirTemp(o.dir, "pylon-crash-"); err != nil {
		return false, err
	}
	if binary == "" {
		root, err := process.ModuleRoot(ctx)
		if err != nil {
			return false, err
		}
		binary = filepath.Join(o.dir, "pylon.bin")
		if err := process.Build(ctx, root, "./cmd/pylon", binary); err != nil {
			return false, err
		}
	}
	o.binary = binary
	clean, err = run(ctx, o)
	if clean && err == nil && !o.keep {
		return clean, os.RemoveAll(o.dir)
	}
	return clean, err
}
