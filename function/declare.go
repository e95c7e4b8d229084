package function

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pylon-go/pylon/function/bundle"
	"github.com/pylon-go/pylon/function/runtime"
	"github.com/pylon-go/pylon/internal/quickjs"
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
	b.Limits.defaults()
	image, err := quickjs.Build(quickjs.Options{Memory: b.Limits.Memory, Now: b.Now, Time: loadTime}, (&atLoad{b}).host, quickjs.Script{Name: bundle.Script, Code: script.Code()})
	if err != nil {
		return nil, loadError(script, err)
	}
	vm := image.New()
	var told string
	vm.Host = func(_ *quickjs.VM, a quickjs.Args) (any, error) {
		told = a.String(1)
		return nil, nil
	}
	if err := vm.Call("declare"); err != nil {
		return nil, loadError(script, err)
	}
	var d struct {
		Manifest json.RawMessage
		Places   map[string]string
	}
	if err := json.Unmarshal([]byte(told), &d); err != nil {
		return nil, fmt.Errorf("what app.ts declares: %w", err)
	}
	out := &manifest.Declaration{File: filepath.Join(b.Dir, appFile), JSON: d.Manifest, Places: map[string]manifest.Place{}}
	for path, stack := range d.Places {
		if file, line, column, ok := script.Place(stack); ok {
			out.Places[path] = manifest.Place{File: filepath.Join(b.Dir, filepath.FromSlash(file)), Line: line, Col: column}
		}
	}
	return out, nil
}
