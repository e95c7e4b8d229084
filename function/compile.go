package function

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/pylon-go/pylon/function/bundle"
	"github.com/pylon-go/pylon/function/runtime"
)

// Build says how an app's functions are compiled.
type Build struct {
	// Dir is the app's folder.
	Dir string
	// Dev is `pylon dev`.
	Dev    bool
	Limits Limits

	Getenv func(string) string
	Now    func() time.Time
	Logger *slog.Logger
}

// appFile declares an app in TypeScript; its callbacks are run with the functions.
const appFile = "app.ts"

// Compile bundles and evaluates an app's functions. Errors of the app's are a
// [*bundle.Error] or a [*LoadError].
func Compile(b Build) (*Program, error) {
	sources, err := bundle.Discover(b.Dir)
	if err != nil {
		return nil, err
	}
	app := ""
	if _, err := os.Stat(filepath.Join(b.Dir, appFile)); err == nil {
		app = appFile
	}
	if len(sources) == 0 && app == "" {
		return noFunctions(), nil
	}
	script, err := bundle.Build(bundle.Options{Dir: b.Dir, Functions: sources, App: app, Runtime: runtime.Files, Dev: b.Dev})
	if err != nil {
		return nil, err
	}
	return newProgram(script, b)
}
