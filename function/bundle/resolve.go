package bundle

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// runtimePrefix begins the names of the runtime's modules, in imports and in the
// source map. Apps cannot have such files.
const runtimePrefix = "pylon:runtime/"

// provided are the modules that functions import by name.
var provided = map[string]string{
	"@pylonsync/functions": "functions.ts",
	"@pylonsync/sdk":       "sdk.ts",
}

// namespace is that of the modules that are not files.
const namespace = "pylon"

// plugin serves the entry and the modules that are inside of the binary.
func (o *Options) plugin() api.Plugin {
	return api.Plugin{Name: namespace, Setup: func(b api.PluginBuild) {
		at := func(module string) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: runtimePrefix + module, Namespace: namespace}, nil
		}
		b.OnResolve(api.OnResolveOptions{Filter: `^@pylonsync/`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			if module, ok := provided[a.Path]; ok {
				return at(module)
			}
			return api.OnResolveResult{}, nil
		})
		b.OnResolve(api.OnResolveOptions{Filter: `^` + entryName + `$`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			if a.Kind != api.ResolveEntryPoint {
				return api.OnResolveResult{}, nil // not for apps
			}
			return api.OnResolveResult{Path: entryName, Namespace: namespace}, nil
		})
		// In this namespace, so that apps cannot import what is the runtime's own.
		b.OnResolve(api.OnResolveOptions{Filter: `^` + runtimePrefix, Namespace: namespace}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			return at(strings.TrimPrefix(a.Path, runtimePrefix))
		})
		b.OnResolve(api.OnResolveOptions{Filter: `^\.`, Namespace: namespace}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			if a.Importer == entryName { // the app's; it counts whatever its package.json says about side effects
				return api.OnResolveResult{Path: filepath.Join(o.Dir, filepath.FromSlash(a.Path)), SideEffects: api.SideEffectsTrue}, nil
			}
			module := path.Join(path.Dir(strings.TrimPrefix(a.Importer, runtimePrefix)), a.Path)
			if path.Ext(module) != ".ts" {
				module += ".ts"
			}
			return at(module)
		})
		b.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: namespace}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			if a.Path == entryName {
				entry := o.entry() // JavaScript: unused imports of TypeScript are dropped
				return api.OnLoadResult{Contents: &entry, ResolveDir: o.Dir, Loader: api.LoaderJS}, nil
			}
			text, err := fs.ReadFile(o.Runtime, strings.TrimPrefix(a.Path, runtimePrefix))
			if err != nil {
				return api.OnLoadResult{}, fmt.Errorf("a module of the runtime: %w", err)
			}
			contents := string(text)
			return api.OnLoadResult{Contents: &contents, Loader: api.LoaderTS}, nil
		})
	}}
}
