package main

import (
	"strings"
	"testing"
	"time"

	"github.com/pylon-go/pylon/bench/load"
	"github.com/pylon-go/pylon/manifest"
)

// Ratios are taken round by round, then their median; a missed goal is said.
func TestReport(t *testing.T) {
	b := &bench{size: 400}
	for i := range fans {
		b.endToEnd[i] = series{pylon: []float64{300, 100, 200}, raw: []float64{1000, 1000, 400}}
	}
	for i := range neighbours {
		b.dead[i] = []float64{100 - 4*float64(i)}
		b.paced[i] = []pacedResult{{rate: 1000 - 20*float64(i), latency: [3]time.Duration{1: 7 * time.Millisecond}}}
	}
	for i := range receivers {
		b.writes[i] = []load.Result{{Requests: 1000 - 300*i, Elapsed: time.Second}}
	}
	b.resting = []float64{0.3}
	b.latency = []idleLatency{{send: [3]time.Duration{time.Millisecond, 30 * time.Millisecond, time.Second}}}
	var out strings.Builder
	b.report(&out)
	for _, want := range []string{"0.30    >= 0.25 met     0.30 0.10 0.50", "0.96    >= 0.95 met", "0.92    >= 0.95 MISSED", "0.70    >= 0.80 MISSED", "0.94    >= 0.95 MISSED", "7ms", "30.0 % of a core (none MISSED)", "30ms (< 20ms MISSED)  1s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestRateIsFromTheFirstToTheLast(t *testing.T) {
	if got := (arrived{N: 11, First: 1e9, Last: 3e9}).perSecond(); got != 5 {
		t.Errorf("ten intervals in two seconds are %v a second", got)
	}
	if got := (arrived{N: 1, First: 1e9, Last: 1e9}).perSecond(); got != 0 {
		t.Error(got)
	}
}

func TestApp(t *testing.T) {
	m, err := manifest.Parse("pylon.manifest.json", []byte(appManifest([]string{"http://127.0.0.1:1/d/0", "http://127.0.0.1:1/d/1"})))
	if err != nil || len(m.Plugins) != 2 {
		t.Errorf("%v", err)
	}
	if n := len(delivery(63, 100_000)); n < 380 || n > 420 {
		t.Errorf("a delivery of %d bytes", n)
	}
}
