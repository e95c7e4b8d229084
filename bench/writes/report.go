package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pylon-go/pylon/bench/load"
)

// goal is a ratio of two cells at the same concurrency.
type goal struct {
	label          string
	c              int
	server, what   string
	over, overWhat string  // server and kind of the cell compared with
	atLeast        float64 // 0 when nothing is aimed at
}

var goals = []goal{
	{server: "pylon", what: "create", c: 64, over: "floor", overWhat: "create", atLeast: 0.7, label: "create c=64, pylon / floor"},
	{server: "pylon", what: "create", c: 64, over: "pocketbase", overWhat: "create", atLeast: 3, label: "create c=64, pylon / pocketbase"},
	{server: "pylon", what: "create", c: 1, over: "pocketbase", overWhat: "create", atLeast: 0.8, label: "create c=1, pylon / pocketbase"},
	{server: "pylon", what: "get", c: 64, over: "pylon", overWhat: "health", atLeast: 0.6, label: "read c=64, pylon get / pylon health"},
	// What the bare server makes of the same comparisons, to see what is left.
	{server: "floor", what: "create", c: 64, over: "pocketbase", overWhat: "create", label: "create c=64, floor / pocketbase"},
	{server: "floor", what: "create", c: 1, over: "pocketbase", overWhat: "create", label: "create c=1, floor / pocketbase"},
	{server: "floor", what: "get", c: 64, over: "floor", overWhat: "health", label: "read c=64, floor get / floor health"},
}

func report(w io.Writer, cells []*cell, servers []*server, idle []usage, loaded []int64) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\nwhat\tserver\treq/s\tp50\tp99\tmax\trequests\terrors\treq/s of each round\t")
	for _, c := range cells {
		var rounds []string
		requests, errors := 0, 0
		var worst time.Duration
		for _, r := range c.rounds {
			rounds = append(rounds, fmt.Sprintf("%.0f", r.PerSecond()))
			requests += r.Requests
			errors += r.Errors
			worst = max(worst, r.Max)
		}
		fmt.Fprintf(t, "%s c=%d\t%s\t%.0f\t%s\t%s\t%s\t%d\t%d\t%s\t\n", c.what, c.c, c.server.name, load.Median(rates(c)),
			load.Short(medianTime(c, func(r load.Result) time.Duration { return r.P50 })),
			load.Short(medianTime(c, func(r load.Result) time.Duration { return r.P99 })),
			load.Short(worst), requests, errors, strings.Join(rounds, " "))
	}
	t.Flush()

	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nratio of req/s\tmedian\tgoal\teach round")
	for _, g := range goals {
		a, b := find(cells, g.server, g.what, g.c), find(cells, g.over, g.overWhat, g.c)
		if a == nil || b == nil {
			continue
		}
		ratios := make([]float64, len(a.rounds))
		var each []string
		for i := range ratios {
			if base := b.rounds[i].PerSecond(); base > 0 {
				ratios[i] = a.rounds[i].PerSecond() / base
			}
			each = append(each, fmt.Sprintf("%.2f", ratios[i]))
		}
		m, aim := load.Median(ratios), ""
		if g.atLeast > 0 {
			aim = fmt.Sprintf(">= %.1f %s", g.atLeast, mark(m >= g.atLeast))
		}
		fmt.Fprintf(t, "%s\t%.2f\t%s\t%s\n", g.label, m, aim, strings.Join(each, " "))
	}
	t.Flush()

	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nserver\tidle RSS\tidle CPU\tRSS after the load")
	for i, s := range servers {
		memory, cpu := fmt.Sprintf("%.1f MB", mb(idle[i].rss)), fmt.Sprintf("%.2f %% of a core", 100*idle[i].cpu)
		if s.name == "pylon" {
			memory += " (< 60 " + mark(mb(idle[i].rss) < 60) + ")"
			cpu += " (none " + mark(idle[i].cpu == 0) + ")"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%.1f MB\n", s.name, memory, cpu, mb(loaded[i]))
	}
	t.Flush()
}

func mark(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }

func find(cells []*cell, server, what string, c int) *cell {
	i := slices.IndexFunc(cells, func(x *cell) bool { return x.server.name == server && x.what == what && x.c == c })
	if i < 0 {
		return nil
	}
	return cells[i]
}

func rates(c *cell) (out []float64) {
	for _, r := range c.rounds {
		out = append(out, r.PerSecond())
	}
	return out
}

func medianTime(c *cell, of func(load.Result) time.Duration) time.Duration {
	var all []float64
	for _, r := range c.rounds {
		all = append(all, float64(of(r)))
	}
	return time.Duration(load.Median(all))
}
