package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/pylon-go/pylon/bench/load"
)

// ratio of two cells, round by round.
type ratio struct {
	label, of, to string
	atMost        float64 // 0: no goal
}

func (b *bench) report(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nprocessor time, medians\tns\teach round")
	line := func(label, cell string) {
		fmt.Fprintf(t, "%s\t%.0f\t%s\n", label, load.Median(b.cells[cell]), joined(b.cells[cell], "%.0f"))
	}
	for _, n := range []int{small, b.large} {
		for _, what := range []string{"hit", "churn"} {
			for _, s := range subjects {
				line(fmt.Sprintf("%s, %d entries, %s", what, n, s.name), fmt.Sprintf("%s %d %s", what, n, s.name))
			}
		}
	}
	for _, p := range policies {
		for _, keys := range []string{"uniform", "zipf"} {
			line(fmt.Sprintf("get of %s keys, %d entries, %s", keys, b.large, p), fmt.Sprintf("get %s false %s", keys, p))
			line("  with an invalidation every 1000 gets", fmt.Sprintf("get %s true %s", keys, p))
		}
		line(fmt.Sprintf("invalidate up to 10 keys of %d, sweeps included, %s", b.large, p), "narrow "+p)
		line(fmt.Sprintf("invalidate all of %d, %s", b.large, p), "wide "+p)
	}
	line(fmt.Sprintf("scan of a map of %d keys", b.large*9/10), "scan")
	t.Flush()

	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nratio\tmedian\tgoal\teach round")
	for _, r := range b.ratiosOf() {
		all := r.each(b.cells)
		aim := ""
		if m := load.Median(all); r.atMost > 0 {
			aim = fmt.Sprintf("<= %.2g %s", r.atMost, mark(m <= r.atMost))
		}
		fmt.Fprintf(t, "%s\t%.2g\t%s\t%s\n", r.label, load.Median(all), aim, joined(all, "%.2g"))
	}
	for _, p := range policies {
		ns := load.Median(b.cells["narrow "+p])
		fmt.Fprintf(t, "invalidate, microseconds, %s\t%.1f\t<= 10 %s\t\n", p, ns/1e3, mark(ns <= 10_000))
	}
	t.Flush()

	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nheap bytes an entry, without key and value\tmedian\tgoal")
	for _, n := range []int{small, b.large} {
		for _, s := range subjects {
			bytes, aim := load.Median(b.cells[fmt.Sprintf("memory %d %s", n, s.name)]), ""
			if s.name != "otter" {
				aim = "<= 150 " + mark(bytes <= 150)
			}
			fmt.Fprintf(t, "%d entries, %s\t%.0f\t%s\n", n, s.name, bytes, aim)
		}
	}
	t.Flush()
	b.reportHits(w)
}

func (b *bench) ratiosOf() (all []ratio) {
	for _, p := range policies {
		for _, n := range []int{small, b.large} {
			hit := 0.9
			if n != small {
				hit = 0.75
			}
			cell := func(what, name string) string { return fmt.Sprintf("%s %d %s", what, n, name) }
			all = append(all,
				ratio{fmt.Sprintf("hit, %d entries, %s / otter", n, p), cell("hit", "pylon "+p), cell("hit", "otter"), hit},
				ratio{fmt.Sprintf("churn, %d entries, %s / otter", n, p), cell("churn", "pylon "+p), cell("churn", "otter"), 0.8})
		}
	}
	for _, p := range policies {
		all = append(all,
			ratio{"get of uniform keys, with an invalidation every 1000 / without, " + p, "get uniform true " + p, "get uniform false " + p, 1.1},
			ratio{"get of zipf keys, with an invalidation every 1000 / without, " + p, "get zipf true " + p, "get zipf false " + p, 1.1},
			ratio{"invalidate / scan, " + p, "narrow " + p, "scan", 0.001})
	}
	return all
}

func (r ratio) each(cells map[string][]float64) (all []float64) {
	for i, of := range cells[r.of] {
		if to := cells[r.to]; i < len(to) && to[i] > 0 {
			all = append(all, of/to[i])
		}
	}
	return all
}

// reportHits says for each trace what was aimed at: LRU is LRU; S3-FIFO is never
// much worse, and much better where keys differ in popularity; and it keeps up with otter.
func (b *bench) reportHits(w io.Writer) {
	if len(b.hits) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nhit ratio in %%, %d entries\tstrict lru\tpylon lru\tpylon s3fifo\totter\tgoals\n", small)
	for _, x := range b.hits {
		strict, lru, s3fifo, otter := x.ratio["strict lru"], x.ratio["pylon lru"], x.ratio["pylon s3fifo"], x.ratio["otter"]
		better := -0.2
		if x.name != "drift" {
			better = 9
		}
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.2f\t%.2f\tlru >= strict - 0.2 %s, s3fifo >= strict %+.1f %s, s3fifo >= otter - 1 %s\n", x.name, strict, lru, s3fifo, otter,
			mark(lru >= strict-0.2), better, mark(s3fifo >= strict+better), mark(s3fifo >= otter-1))
	}
	t.Flush()
}

func mark(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}

func joined(values []float64, format string) string {
	var all []string
	for _, v := range values {
		all = append(all, fmt.Sprintf(format, v))
	}
	return strings.Join(all, " ")
}
