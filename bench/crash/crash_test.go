package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pylon-go/pylon/bench/process"
)

// TestKills is a short `make crash`.
func TestKills(t *testing.T) {
	root, err := process.ModuleRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "pylon-crash-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() { // else it is the evidence
			os.RemoveAll(dir)
		}
	})
	binary := filepath.Join(dir, "pylon.bin")
	if err := process.Build(t.Context(), root, "./cmd/pylon", binary); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	clean, err := run(t.Context(), options{
		kills: 8, limit: 6 * time.Second, drain: time.Minute, writers: 8, ordered: true, audit: true, seed: uint64(time.Now().UnixNano()),
		dir: dir, binary: binary, out: &out,
	})
	if err != nil || !clean {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
	last := out.String()[strings.LastIndex(strings.TrimSpace(out.String()), "\n")+1:]
	if !strings.HasPrefix(last, "OK: 0 writes lost, 0 deliveries lost") || strings.Contains(last, " 0 writes acknowledged") || strings.Contains(last, " 0 deliveries,") {
		t.Errorf("the verdict is %q", last)
	}
}
