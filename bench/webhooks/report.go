package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pylon-go/pylon/bench/load"
)

// comparison is a ratio of two rates, round by round.
type comparison struct {
	label   string
	of, to  []float64
	atLeast float64 // 0: no goal
}

func (b *bench) report(w io.Writer) {
	fmt.Fprintf(w, "a delivery has %d bytes, the body of the bare loop %d\n", b.size, len(delivery(0, 0)))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nrates, medians\tper second\teach round")
	rates := func(label string, all []float64) {
		fmt.Fprintf(t, "%s\t%.0f\t%s\n", label, load.Median(all), list(all, "%.0f"))
	}
	for i, f := range fans {
		rates("deliveries, "+f.label, b.endToEnd[i].pylon)
		rates("  bare loop beside it, c=64", b.endToEnd[i].raw)
	}
	for i, n := range neighbours {
		rates("deliveries to one endpoint, beside it "+n, b.dead[i])
	}
	for i, n := range neighbours {
		rates(fmt.Sprintf("  the same with %d writes/s, beside it %s", pace, n), b.pacedRates(i))
	}
	for i, r := range receivers {
		rates("writes c=64, "+r, perSecond(b.writes[i]))
	}
	t.Flush()

	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nratio\tmedian\tgoal\teach round")
	for _, c := range b.comparisons() {
		all := c.ratios()
		aim := ""
		if c.atLeast > 0 {
			aim = fmt.Sprintf(">= %.2f %s", c.atLeast, mark(load.Median(all) >= c.atLeast))
		}
		fmt.Fprintf(t, "%s\t%.2f\t%s\t%s\n", c.label, load.Median(all), aim, list(all, "%.2f"))
	}
	t.Flush()

	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nlatency, medians of the rounds, worst max\tp50\tp99\tmax")
	latency := func(label string, all [][3]time.Duration, limit time.Duration) {
		var p50, p99 []float64
		var worst time.Duration
		for _, p := range all {
			p50, p99, worst = append(p50, float64(p[0])), append(p99, float64(p[1])), max(worst, p[2])
		}
		m, aim := time.Duration(load.Median(p99)), ""
		if limit > 0 {
			aim = fmt.Sprintf(" (< %s %s)", load.Short(limit), mark(m < limit))
		}
		fmt.Fprintf(t, "%s\t%s\t%s%s\t%s\n", label, load.Short(time.Duration(load.Median(p50))), load.Short(m), aim, load.Short(worst))
	}
	var answer, send [][3]time.Duration
	for _, l := range b.latency {
		answer, send = append(answer, l.answer), append(send, l.send)
	}
	latency("idle, from the write's answer to the arrival; below 0 the delivery was faster", answer, 0)
	latency("idle, from the sending of the write to the arrival, more than from the commit", send, 20*time.Millisecond)
	for i, n := range neighbours {
		var all [][3]time.Duration
		for _, p := range b.paced[i] {
			all = append(all, p.latency)
		}
		latency(fmt.Sprintf("%d writes/s, sending to arrival at one endpoint, beside it %s", pace, n), all, 0)
	}
	t.Flush()
	rest := load.Median(b.resting)
	fmt.Fprintf(w, "\nidle with one hook: %.1f %% of a core (none %s)\n", 100*rest, mark(rest < 0.01))
}

func (b *bench) pacedRates(i int) (out []float64) {
	for _, p := range b.paced[i] {
		out = append(out, p.rate)
	}
	return out
}

// comparisons are the ratios that are looked at.
func (b *bench) comparisons() []comparison {
	var all []comparison
	for i, f := range fans {
		c := comparison{label: "deliveries / bare loop, " + f.label, of: b.endToEnd[i].pylon, to: b.endToEnd[i].raw}
		if i == 0 {
			c.atLeast = 0.25
		}
		all = append(all, c)
	}
	return append(all,
		comparison{fmt.Sprintf("healthy endpoint at %d writes/s, beside one that refuses / alone", pace), b.pacedRates(2), b.pacedRates(0), 0.95},
		comparison{fmt.Sprintf("healthy endpoint at %d writes/s, beside one that never answers / alone", pace), b.pacedRates(3), b.pacedRates(0), 0.95},
		comparison{"healthy endpoint, beside one that refuses / beside a healthy one", b.dead[2], b.dead[1], 0.95},
		comparison{"healthy endpoint, beside one that never answers / beside a healthy one", b.dead[3], b.dead[1], 0.95},
		comparison{"healthy endpoint, beside one that refuses / alone", b.dead[2], b.dead[0], 0},
		comparison{"healthy endpoint, beside one that never answers / alone", b.dead[3], b.dead[0], 0},
		comparison{"healthy endpoint, beside a healthy one / alone", b.dead[1], b.dead[0], 0},
		comparison{"writes c=64, 1 hook with its deliveries on the same cores / no hook", perSecond(b.writes[1]), perSecond(b.writes[0]), 0.8},
		comparison{"writes c=64, 1 hook whose receiver never answers / no hook", perSecond(b.writes[2]), perSecond(b.writes[0]), 0},
	)
}

func (c comparison) ratios() []float64 {
	all := make([]float64, len(c.of))
	for i := range all {
		if c.to[i] > 0 {
			all[i] = c.of[i] / c.to[i]
		}
	}
	return all
}

func perSecond(results []load.Result) (out []float64) {
	for i := range results {
		out = append(out, results[i].PerSecond())
	}
	return out
}

func list(values []float64, format string) string {
	var all []string
	for _, v := range values {
		all = append(all, fmt.Sprintf(format, v))
	}
	return strings.Join(all, " ")
}

func mark(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}
