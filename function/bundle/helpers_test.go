package bundle_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/pylon-go/pylon/function/bundle"
)

// runtimeFiles stand in for function/runtime.
var runtimeFiles = fstest.MapFS{
	"web/index.ts": {Data: []byte(`globalThis.log = [];`)},
	"call.ts": {Data: []byte(`import { helper } from "./deep/helper";
export function register(list: any[]) { for (const [name, , m] of list) (globalThis as any).log.push(name); (globalThis as any).registered = list; helper() }
`)},
	"deep/helper.ts": {Data: []byte(`export const helper = () => {};`)},
	"functions.ts":   {Data: []byte(`export const query = (x: any) => x; export const run = (f: any) => f();`)},
	"sdk.ts":         {Data: []byte(`export const cache = {};`)},
}

// folder makes an app's folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func build(t testing.TB, files map[string]string) (*bundle.Bundle, error) {
	t.Helper()
	dir := folder(t, files)
	sources, err := bundle.Discover(dir)
	if err != nil {
		return nil, err
	}
	return bundle.Build(bundle.Options{Dir: dir, Functions: sources, Runtime: runtimeFiles})
}
