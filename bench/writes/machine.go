package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// moduleRoot is the folder of Pylon's module.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	file := strings.TrimSpace(string(out))
	text, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(text), "module github.com/pylon-go/pylon\n") {
		return "", errors.New("run it within the repository")
	}
	return filepath.Dir(file), nil
}

// printMachine says on what, and beside what else, the numbers were measured:
// without that they cannot be compared.
func printMachine(ctx context.Context, w io.Writer, root, dir string) {
	load, _ := os.ReadFile("/proc/loadavg")
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	commit := git(ctx, root, "rev-parse", "--short", "HEAD")
	if git(ctx, root, "status", "--porcelain") != "" {
		commit += ", with changes"
	}
	fs := filesystem(dir)
	if fs == "tmpfs" {
		fs += " (in memory: commits cost nothing here, use -dir)"
	}
	fmt.Fprintf(w, "%s, commit %s\n", time.Now().UTC().Format(time.RFC3339), commit)
	fmt.Fprintf(w, "%s, %d cores (%s), load average %s, databases on %s\n", runtime.Version(), runtime.NumCPU(), processor(), strings.TrimSpace(string(load)), fs)
	fmt.Fprintf(w, "%s %s/%s; load generator and servers share the cores\n", strings.TrimSpace(string(kernel)), runtime.GOOS, runtime.GOARCH)
}

func git(ctx context.Context, root string, args ...string) string {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, "\t :\n")
		}
	}
	return "unknown processor"
}

// filesystem is the type of the file system that holds the folder.
func filesystem(dir string) string {
	mounts, _ := os.ReadFile("/proc/self/mounts")
	kind, longest := "unknown", 0
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) < 3 || len(f[1]) < longest {
			continue
		}
		if at := f[1]; dir == at || strings.HasPrefix(dir, strings.TrimSuffix(at, "/")+"/") {
			kind, longest = f[2], len(at)
		}
	}
	return kind
}
