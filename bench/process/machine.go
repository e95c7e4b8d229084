package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// PrintMachine says on what, and beside what else, the numbers were measured:
// without that they cannot be compared.
func PrintMachine(ctx context.Context, w io.Writer, root, dir string) {
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
