package main

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	b := &bench{options: options{large: 1_000_000}, cells: map[string][]float64{
		"hit 10000 pylon lru": {100, 90, 80}, "hit 10000 otter": {100, 100, 100},
		"churn 10000 pylon lru": {90}, "churn 10000 otter": {100},
		"narrow lru": {5000}, "scan": {1e8},
		"memory 10000 pylon lru": {150},
	}, hits: []trace{{name: "zipf", ratio: map[string]float64{"strict lru": 40, "pylon lru": 39.9, "pylon s3fifo": 48, "otter": 48.5}}}}
	var out strings.Builder
	b.report(&out)
	for _, want := range []string{
		"hit, 10000 entries, lru / otter 0.9 <= 0.9 met 1 0.9 0.8",
		"churn, 10000 entries, lru / otter 0.9 <= 0.8 MISSED 0.9",
		"invalidate / scan, lru 5e-05 <= 0.001 met 5e-05",
		"invalidate, microseconds, lru 5.0 <= 10 met",
		"10000 entries, pylon lru 150 <= 150 met",
		"zipf 40.00 39.90 48.00 48.50 lru >= strict - 0.2 met, s3fifo >= strict +9.0 MISSED, s3fifo >= otter - 1 met",
	} {
		found := false
		for line := range strings.Lines(out.String()) {
			found = found || strings.Join(strings.Fields(line), " ") == want
		}
		if !found {
			t.Errorf("no line %q in\n%s", want, out.String())
		}
	}
}

func TestZipf(t *testing.T) {
	z := newZipf(1000, 0.9)
	if z.at(0) != 0 || z.at(1) != 999 {
		t.Errorf("from %d to %d", z.at(0), z.at(1))
	}
	random, counts := rand.New(rand.NewPCG(1, 1)), make([]int, 1000)
	for range 100_000 {
		counts[z.at(random.Float64())]++
	}
	// The second comes 2^0.9 times more rarely than the first.
	if ratio := float64(counts[0]) / float64(counts[1]); ratio < 1.7 || ratio > 2.05 {
		t.Errorf("the first two differ by %.2f", ratio)
	}
}

func TestStrictLRU(t *testing.T) {
	l := newStrictLRU(2)
	l.set("a", "", 0)
	l.set("b", "", 0)
	l.get("a")
	l.set("c", "", 0)
	if !l.get("a") || l.get("b") || !l.get("c") {
		t.Error("not the oldest went")
	}
}

func TestEverySubjectKeepsWhatItIsGiven(t *testing.T) {
	w := newWork(2000)
	for _, k := range subjects {
		s, n, err := w.filled(k)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range w.keys[:n] {
			if !s.get(key) {
				t.Fatalf("%s lost %s", k.name, key)
			}
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}
