// Command functions measures what a function written in TypeScript costs: over HTTP
// beside the plain entity routes of the same server, and the start of an app that has
// twenty of them. The costs inside the process are Go benchmarks, in package function.
//
// It never fails on a number, only on errors.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pylon-go/pylon/bench/load"
	"github.com/pylon-go/pylon/bench/process"
)

const app = `{
  "manifest_version": 1,
  "name": "bench",
  "entities": [{"name": "Item", "fields": [
    {"name": "room", "type": "string"},
    {"name": "body", "type": "string"},
    {"name": "created_at", "type": "int"},
  ]}],
  "policies": [{"name": "open", "entity": "Item", "allow": "true"}],
}
`

// The functions; copies of the first make up the twenty.
var sources = map[string]string{
	"create": `import { mutation, v } from "@pylonsync/functions";
export default mutation({
  args: { room: v.string(), body: v.string(), created_at: v.int() },
  handler: async (ctx, args) => ({ id: await ctx.db.insert("Item", args) }),
});
`,
	"get": `import { query, v } from "@pylonsync/functions";
export default query({ args: { id: v.id("Item") }, handler: (ctx, { id }) => ctx.db.get("Item", id) });
`,
	"empty": `import { query } from "@pylonsync/functions";
export default query(() => 1);
`,
}

func main() {
	rounds := flag.Int("rounds", 4, "rounds; every round measures every cell once")
	duration := flag.Duration("d", 1500*time.Millisecond, "measured time of each cell")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *rounds, *duration); err != nil {
		fmt.Fprintln(os.Stderr, "bench/functions:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int, duration time.Duration) (err error) {
	root, err := process.ModuleRoot(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "pylon-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	process.PrintMachine(ctx, os.Stdout, root, dir)
	binary := filepath.Join(dir, "pylon.bin")
	if err := process.Build(ctx, root, "./cmd/pylon", binary); err != nil {
		return err
	}
	if err := starts(ctx, binary, dir, rounds); err != nil {
		return err
	}
	p, err := process.NewPylon(binary, filepath.Join(dir, "load"), app)
	if err != nil {
		return err
	}
	if err := write(p, 0); err != nil {
		return err
	}
	server, err := p.Start(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := server.Stop(); err == nil {
			err = stopErr
		}
	}()
	return measure(ctx, p, rounds, duration)
}

// write puts the functions into the app's folder, and n copies.
func write(p *process.Pylon, n int) error {
	folder := filepath.Join(p.App(), "functions")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	files := map[string]string{}
	for name, text := range sources {
		files[name] = text
	}
	for i := range n {
		files[fmt.Sprintf("create%d", i)] = sources["create"]
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name+".ts"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// starts measures from the start of the process to its first healthy answer, with
// twenty functions and with none.
func starts(ctx context.Context, binary, dir string, rounds int) error {
	var with, without []float64
	for round := range rounds {
		for _, n := range []int{0, 20} {
			p, err := process.NewPylon(binary, filepath.Join(dir, fmt.Sprintf("start%d-%d", round, n)), app)
			if err != nil {
				return err
			}
			if n > 0 {
				if err := write(p, n-len(sources)); err != nil {
					return err
				}
			}
			// The first start makes the database; the second one counts.
			for count := range 2 {
				begin := time.Now()
				server, err := p.Start(ctx)
				if err != nil {
					return err
				}
				took := time.Since(begin).Seconds() * 1000
				if err := server.Stop(); err != nil {
					return err
				}
				if count == 0 {
					continue
				}
				if n > 0 {
					with = append(with, took)
				} else {
					without = append(without, took)
				}
			}
		}
	}
	fmt.Printf("\nstart to first answer, ms, median of %d: no functions %.0f, 20 functions %.0f (goal: under 300)\n", rounds, load.Median(without), load.Median(with))
	return nil
}

type cell struct {
	name string
	c    int
	next func(worker, i int) *http.Request
	rate []float64
	p50  []float64 // ms
}

func measure(ctx context.Context, p *process.Pylon, rounds int, duration time.Duration) error {
	body := func(worker, i int) string {
		return fmt.Sprintf(`{"room":"r%d","body":"a body of a common length, as a message in a room might have it, with some words more","created_at":%d}`, worker, i)
	}
	created, err := process.Do(p.Request("POST", "/api/entities/Item", body(0, 0)))
	if err != nil {
		return err
	}
	id := string(created[len(`{"id":"`) : len(created)-len(`"}`)])
	kinds := []struct {
		name string
		next func(worker, i int) *http.Request
	}{
		{"entity create", func(w, i int) *http.Request { return p.Request("POST", "/api/entities/Item", body(w, i)) }},
		{"function create", func(w, i int) *http.Request { return p.Request("POST", "/api/fn/create", body(w, i)) }},
		{"entity get", func(int, int) *http.Request { return p.Request("GET", "/api/entities/Item/"+id, "") }},
		{"function get", func(int, int) *http.Request { return p.Request("POST", "/api/fn/get", `{"id":"`+id+`"}`) }},
		{"function empty", func(int, int) *http.Request { return p.Request("POST", "/api/fn/empty", "{}") }},
	}
	var cells []*cell
	for _, c := range []int{1, 64} {
		for _, k := range kinds {
			cells = append(cells, &cell{name: k.name, c: c, next: k.next})
		}
	}
	for range rounds {
		for _, c := range cells {
			r := load.Run(ctx, load.Options{Concurrency: c.c, Warmup: 300 * time.Millisecond, Duration: duration, NewRequest: c.next})
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if r.Errors > 0 {
				return fmt.Errorf("%s: %d errors, the first: %s", c.name, r.Errors, r.Sample)
			}
			c.rate = append(c.rate, r.PerSecond())
			c.p50 = append(c.p50, float64(r.P50.Microseconds())/1000)
		}
	}
	fmt.Printf("\n%-18s %4s %10s %10s\n", "", "c", "req/s", "p50 ms")
	find := map[string]*cell{}
	for _, c := range cells {
		fmt.Printf("%-18s %4d %10.0f %10.3f\n", c.name, c.c, load.Median(c.rate), load.Median(c.p50))
		find[fmt.Sprint(c.name, c.c)] = c
	}
	var ratios []float64
	for i := range rounds {
		ratios = append(ratios, find["function create64"].rate[i]/find["entity create64"].rate[i])
	}
	fmt.Printf("\nfunction create / entity create, c=64: %.2f (each round %.2f; goal 0.6)\n", load.Median(ratios), ratios)
	fmt.Printf("function create - entity create, c=1, p50: %+.3f ms (goal: at most 0.3)\n", load.Median(find["function create1"].p50)-load.Median(find["entity create1"].p50))
	return nil
}
