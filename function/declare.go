package function

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/pylon-go/pylon/function/bundle"
	"github.com/pylon-go/pylon/function/runtime"
	"github.com/pylon-go/pylon/manifest"
)

// Declare evaluates app.ts and answers what it declares; nil when there is none.
// Errors of the app's are a [*bundle.Error] or a [*LoadError].
func Declare(b Build) (*manifest.Declaration, error) {
	if _, err := os.Stat(filepath.Join(b.Dir, appFile)); err != nil {
		return nil, nil
	}
	script, err := bundle.Build(bundle.Options{
		Dir: b.Dir, App: appFile, Runtime: runtime.Files, Dev: b.Dev,
		Before: []string{"web/index.ts", "printed.ts"}, After: []string{"declare.ts"},
	})
	if err != nil {
		return nil, err
	}
	image, err := evaluate(script, b)
	if err != nil {
		return nil, err
	}
	var d struct {
		Manifest json.RawMessage
		Places   map[string]string
	}
	if err := tell(image, script, "declare", &d); err != nil {
		return nil, err
	}
	out := &manifest.Declaration{File: filepath.Join(b.Dir, appFile), JSON: d.Manifest, Places: map[string]manifest.Place{}}
	for path, stack := range d.Places {
		if file, line, column, ok := script.Place(stack); ok {
			out.Places[path] = manifest.Place{File: filepath.Join(b.Dir, filepath.FromSlash(file)), Line: line, Col: column}
		}
	}
	return out, nil
}
