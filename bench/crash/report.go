package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// shownViolations is how many are printed; the evidence has them all.
const shownViolations = 20

// report prints the verdict, its one line last, and leaves the evidence of a
// violation in the folder.
func (h *harness) report(v *verdict, writes []write, accepted []acceptance) error {
	counts := map[string]int{}
	for i, x := range v.violations {
		counts[x.Kind]++
		if i < shownViolations {
			fmt.Fprintf(h.out, "%s: %s\n", x.Kind, x.Text)
		}
	}
	var saved error
	if len(v.violations) > 0 {
		saved = errors.Join(lines(filepath.Join(h.dir, "violations.jsonl"), v.violations), lines(filepath.Join(h.dir, "writes.jsonl"), writes), lines(filepath.Join(h.dir, "accepted.jsonl"), accepted))
	}
	fmt.Fprintln(h.out, h.line(v, counts))
	return saved
}

// line is the verdict.
func (h *harness) line(v *verdict, counts map[string]int) string {
	what := fmt.Sprintf("%d kills in %s, %d requests cut off, %d writes acknowledged, %d never known (%d of them in the database), %d deliveries, %d repeated with the same id and body; seed %d",
		h.killed, time.Since(h.begin).Round(time.Second), h.load.cut.Load(), v.acknowledged, v.unanswered, v.committed, v.deliveries, v.duplicates, h.seed)
	if h.killed < h.kills {
		what = fmt.Sprintf("the time was over before %d kills: ", h.kills) + what
	}
	ordered := ", 0 out of order"
	if !h.ordered {
		ordered = ""
	}
	if len(v.violations) == 0 {
		return "OK: 0 writes lost, 0 deliveries lost" + ordered + ": " + what
	}
	var all []string
	for _, kind := range []string{lostWrite, wrongRow, halfWrite, lostDelivery, orphan, twoIDs, oneIDTwice, changedBody, outOfOrder, leftInQueue, failedForGood, falseAlarm, misbehaved} {
		if counts[kind] > 0 {
			all = append(all, fmt.Sprintf("%d x %s", counts[kind], kind))
		}
	}
	return "VIOLATED: " + strings.Join(all, ", ") + ": " + what + "; evidence in " + h.dir
}

// lines writes a value a line.
func lines[T any](file string, all []T) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	e := json.NewEncoder(f)
	for _, x := range all {
		if err := e.Encode(x); err != nil {
			return err
		}
	}
	return nil
}
