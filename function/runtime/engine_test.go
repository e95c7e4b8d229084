package runtime_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/pylon-go/pylon/function/bundle"
	"github.com/pylon-go/pylon/function/runtime"
	"github.com/pylon-go/pylon/internal/quickjs"
)

// withTesting are the modules and one more, which gives tests a way out.
type withTesting struct{ fs.FS }

func (w withTesting) Open(name string) (fs.File, error) {
	if name == "testing.ts" {
		return fstest.MapFS{name: {Data: []byte(`import { settle, sync } from "./host"; import { runLoader } from "./loaders";
			(globalThis as any).show = (x: unknown) => sync("show", typeof x === "string" ? x : JSON.stringify(x));
			(globalThis as any).__guest = { settle, load: runLoader, run: () => (globalThis as any).main() };`)}}.Open(name)
	}
	return w.FS.Open(name)
}

// engine evaluates a module that may import what functions import. Its main() runs when
// "run" is called, and show(x) gives something to the test.
func engine(t testing.TB, module string) (*quickjs.VM, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app.ts"), []byte(module), 0o644); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Build(bundle.Options{Dir: dir, App: "app.ts", Before: []string{"testing.ts"}, Runtime: withTesting{runtime.Files}})
	if err != nil {
		t.Fatal(err)
	}
	image, err := quickjs.Build(quickjs.Options{}, nil, quickjs.Script{Name: bundle.Script, Code: b.Code()})
	if err != nil {
		return nil, err
	}
	return image.New(), nil
}

// evaluate is what show gets of an expression that uses what is imported.
func evaluate(t testing.TB, imports, expression string) (shown string, err error) {
	t.Helper()
	vm, err := engine(t, imports+"\n(globalThis as any).main = () => (globalThis as any).show("+expression+");")
	if err != nil {
		t.Fatal(err)
	}
	vm.Host = func(_ *quickjs.VM, a quickjs.Args) (any, error) {
		shown = a.String(1)
		return nil, nil
	}
	err = vm.Call("run")
	var thrown *quickjs.Error
	if errors.As(err, &thrown) {
		return "", thrown
	}
	if err != nil {
		t.Fatal(err)
	}
	return shown, nil
}
