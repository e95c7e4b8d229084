package arch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/pylon-go/pylon"

// TestImports checks what every package imports against the table. Imports of
// tests are free: a test may look at its package from above.
func TestImports(t *testing.T) {
	watch(t, "../..")
	packages := list(t)
	if len(packages) < 5 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	for _, p := range packages {
		from, ok := relative(p.ImportPath)
		if !ok {
			continue
		}
		if roomOf(from) == nil {
			t.Error(unknown(from))
			continue
		}
		for _, path := range p.Imports {
			if to, ours := relative(path); ours && !allowed(from, to) {
				t.Errorf("%s imports %s, but %s may import only %s.\nArrows point down the table of rooms (ARCHITECTURE.md, internal/arch/rooms_test.go).",
					show(from), show(to), describe(from), strings.Join(names(roomOf(from).may), ", "))
			}
		}
	}
}

// pkg is the part of `go list -json` used here.
type pkg struct {
	ImportPath string
	Imports    []string
}

// list asks the go command for all packages of the module. A package that does
// not compile is other tests' business: -e.
func list(t *testing.T) (packages []pkg) {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// watch opens all Go files and folders. The go command remembers what a test
// opens, and runs it again when that has changed; what a child process reads it
// does not see, and it would go on reporting a result of yesterday.
func watch(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			if errors.Is(err, fs.ErrNotExist) { // somebody's temporary file
				return nil
			}
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata" || d.Name() == "bin"):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(path, ".go"):
			if _, err := os.ReadFile(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// relative is an import path within the module, without the module's own.
func relative(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// roomOf is the room a package belongs to, nil when there is none. Of several the
// one with the longest path is meant.
func roomOf(path string) *room {
	var found *room
	depth := -1
	for i := range rooms {
		r := &rooms[i]
		if n := parts(r.path); r.holds(path) && n > depth {
			found, depth = r, n
		}
	}
	return found
}

func (r *room) holds(path string) bool {
	if r.path == "" {
		return path == ""
	}
	have, want := strings.Split(path, "/"), strings.Split(r.path, "/")
	if len(have) < len(want) || len(have) > len(want) && !r.deep {
		return false
	}
	for i, part := range want {
		if part != have[i] && part != "*" {
			return false
		}
	}
	return true
}

// home is the folder of the room that a package is in: plugins/cache for
// plugins/cache/internal/x.
func home(path string, r *room) string {
	return strings.Join(strings.Split(path, "/")[:parts(r.path)], "/")
}

func parts(path string) int {
	if path == "" {
		return 0
	}
	return strings.Count(path, "/") + 1
}

func allowed(from, to string) bool {
	a, b := roomOf(from), roomOf(to)
	if a == nil || b == nil {
		return false
	}
	if a == b && home(from, a) == home(to, b) {
		return true
	}
	return slices.Contains(a.may, b.path)
}

func unknown(path string) string {
	return fmt.Sprintf("package %s is in no room of the table: add it to `rooms` in internal/arch/rooms_test.go, with what it may import, and to the table in ARCHITECTURE.md", show(path))
}

func describe(path string) string {
	if r := roomOf(path); r.path != path {
		return "the room " + show(r.path)
	}
	return "it"
}

func show(path string) string {
	if path == "" {
		return "pylon (the root)"
	}
	return path
}

func names(paths []string) []string {
	if len(paths) == 0 {
		return []string{"nothing of ours"}
	}
	var out []string
	for _, p := range paths {
		out = append(out, show(p))
	}
	return out
}

// The table itself: every arrow leads to a room, and none of them in a circle.
func TestTable(t *testing.T) {
	byPath := map[string]*room{}
	for i := range rooms {
		if byPath[rooms[i].path] != nil {
			t.Errorf("%s is in the table twice", show(rooms[i].path))
		}
		byPath[rooms[i].path] = &rooms[i]
	}
	state := map[string]int{} // 1 under way, 2 done
	var visit func(path string, trail []string)
	visit = func(path string, trail []string) {
		r := byPath[path]
		switch {
		case r == nil:
			t.Errorf("%s: %s is no room", strings.Join(names(trail), " → "), path)
			return
		case state[path] == 1:
			t.Errorf("a circle: %s → %s", strings.Join(names(trail), " → "), show(path))
			return
		case state[path] == 2:
			return
		}
		state[path] = 1
		for _, next := range r.may {
			if next != path { // internal/* may use each other; Go itself refuses circles of packages
				visit(next, append(trail, path))
			}
		}
		state[path] = 2
	}
	for _, r := range rooms {
		visit(r.path, nil)
	}
}

// What the table is there to say, arrow by arrow.
func TestAllowed(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		want     bool
	}{
		{"cmd/pylon", "", true}, {"cmd/pylon", "store/postgres", true}, {"", "api", true}, {"", "plugins", true}, {"", "store/sqlite", true},
		{"", "cmd/pylon", false}, {"cmd/pylon", "bench/load", false}, {"manifest", "store", false}, {"store", "manifest", true},
		{"store", "store/sqlite", false}, {"store/sqlite", "store", true}, {"store/sqlite", "manifest", false}, {"store/sqlite", "store/postgres", false},
		{"policy", "store", true}, {"policy", "auth", false}, {"queue", "plugin", false}, {"plugin", "queue", true}, {"plugin", "policy", false},
		{"plugins/webhooks", "plugin", true}, {"plugins/webhooks", "internal/text", true}, {"plugins/webhooks", "plugins/webhooks/sign", true},
		{"plugins/webhooks", "plugins/cache", false}, {"plugins/webhooks/sign", "plugins/cache", false}, {"plugins/webhooks", "api", false},
		{"plugins/webhooks", "auth", false}, {"plugins", "plugins/webhooks", true}, {"plugins/webhooks", "plugins", false}, {"plugins/webhooks", "", false},
		{"auth", "plugin", true}, {"auth", "queue", true}, {"auth", "api", false}, {"api", "auth", true}, {"api", "policy", true}, {"api", "function", true},
		{"api", "plugins/cache", false}, {"api", "store/sqlite", false}, {"api", "", false}, {"function", "api", false}, {"studio", "api", false},
		{"bench/writes", "bench/load", true}, {"bench/writes", "api", false}, {"bench/writes", "", true},
		{"internal/text", "store", false}, {"internal/text", "internal/other", true}, {"examples/shop", "", true}, {"examples/shop", "api", false},
	} {
		if got := allowed(tt.from, tt.to); got != tt.want {
			t.Errorf("%s → %s: %t, want %t", show(tt.from), show(tt.to), got, tt.want)
		}
	}
	for _, path := range []string{"utils", "store/mysql", "queue/sub", "internal", "plugin/test"} {
		if r := roomOf(path); r != nil {
			t.Errorf("%s is taken for a package of room %s", path, show(r.path))
		}
	}
}
