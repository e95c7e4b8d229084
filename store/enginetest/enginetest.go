// Package enginetest runs tests on every engine: the whole of a package's tests
// once on SQLite and once on PostgreSQL. A package asks for that in its TestMain,
//
//	func TestMain(m *testing.M) { enginetest.Main(m) }
//
// and each test takes its database from New. Nothing else in a test knows which
// engine it runs on.
package enginetest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pylon-go/pylon/internal/pgtest"
	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/postgres"
	"github.com/pylon-go/pylon/store/sqlite"
)

// The engines' names, as in a [store.Dialect].
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// current is the engine of the run under way.
var current = SQLite

// Main runs a package's tests on every engine and ends the process.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run runs a package's tests on every engine. PYLON_TEST_ENGINE names one to run
// on alone.
func Run(m *testing.M) (code int) {
	flag.Parse()
	engines := []string{SQLite, Postgres}
	if only := os.Getenv("PYLON_TEST_ENGINE"); only != "" {
		engines = []string{only}
	} else if once() {
		engines = engines[:1]
	}
	for _, current = range engines {
		if testing.Verbose() {
			fmt.Println("=== ENGINE", current)
		}
		if c := m.Run(); c != 0 {
			fmt.Println("=== FAILED ON", current)
			code = c
		}
	}
	return code
}

// once reports whether the flags ask for something that is not done twice.
func once() bool {
	for _, name := range []string{"test.fuzz", "test.list", "test.bench"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return true
		}
	}
	f := flag.Lookup("test.fuzzworker")
	return f != nil && f.Value.String() == "true"
}

// Database is an empty database on the engine of this run.
type Database struct {
	// Engine is its name.
	Engine string
	// Path is SQLite's file, URL what DATABASE_URL holds for PostgreSQL; the other
	// is empty.
	Path, URL string
}

// New makes a database for one test.
func New(t testing.TB) *Database {
	t.Helper()
	d := &Database{Engine: current}
	switch current {
	case SQLite:
		d.Path = filepath.Join(t.TempDir(), "test.db")
	case Postgres:
		d.URL = pgtest.New(t).URL
	default:
		t.Fatalf("there is no engine %q", current)
	}
	t.Logf("on %s", d.Engine)
	return d
}

// Shared reports whether several processes may serve the database.
func (d *Database) Shared() bool { return d.Engine == Postgres }

// Open opens the database as a new process would; serve takes the right to serve
// it. It is closed when the test ends, if not before.
func (d *Database) Open(t testing.TB, serve bool) store.Engine {
	t.Helper()
	var e store.Engine
	var err error
	if d.URL != "" {
		e, err = postgres.Open(t.Context(), d.URL, postgres.Options{})
	} else {
		e, err = sqlite.Open(d.Path, sqlite.Options{Exclusive: serve})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// Env is the environment that makes Pylon use the database.
func (d *Database) Env() []string {
	if d.URL != "" {
		return []string{"DATABASE_URL=" + d.URL}
	}
	return []string{"PYLON_DB_PATH=" + d.Path}
}

// Getenv is the environment as a function, before that of next; next may be nil.
func (d *Database) Getenv(next func(string) string) func(string) string {
	return func(name string) string {
		for _, pair := range d.Env() {
			if value, ok := strings.CutPrefix(pair, name+"="); ok {
				return value
			}
		}
		if next == nil {
			return ""
		}
		return next(name)
	}
}
