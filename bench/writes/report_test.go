package main

import (
	"strings"
	"testing"
	"time"

	"github.com/pylon-go/pylon/bench/load"
)

// Ratios are taken round by round, then their median; a missed goal is said and
// is no failure, an error is one.
func TestReport(t *testing.T) {
	pylon, floor := &server{name: "pylon"}, &server{name: "floor"}
	rounds := func(rates ...int) (out []load.Result) {
		for _, r := range rates {
			out = append(out, load.Result{Requests: r, Elapsed: time.Second, P50: time.Millisecond})
		}
		return out
	}
	cells := []*cell{
		{server: pylon, what: "create", c: 64, rounds: rounds(600, 500, 400)},
		{server: floor, what: "create", c: 64, rounds: rounds(1000, 500, 1000)},
	}
	var out strings.Builder
	report(&out, cells, []*server{pylon, floor}, []usage{{rss: 20e6}, {rss: 10e6, cpu: 0.1}}, []int64{30e6, 20e6})
	for _, want := range []string{"500  1ms", "0.60", ">= 0.7 MISSED", "0.60 1.00 0.40", "20.0 MB (< 60 met)", "10.00 % of a core"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if err := failures(cells); err != nil {
		t.Error(err)
	}
	cells[1].rounds[0].Errors = 1
	if failures(cells) == nil {
		t.Error("a failed request is no failure")
	}
}

func TestRowSize(t *testing.T) {
	if n := len(row(63, 100_000)); n < 190 || n > 220 {
		t.Errorf("a row of %d bytes", n)
	}
}
