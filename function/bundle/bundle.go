// Package bundle turns an app's TypeScript into one script for the engine.
//
// [Discover] finds the functions in an app's folder, [Build] bundles them with what
// they import: their own helpers, packages of the app's node_modules that are plain
// JavaScript, and the modules that Pylon brings (function/runtime). Nothing is written
// to disk and nothing is run. What is wrong comes as an [*Error], every problem with
// its place and the lines around it. A [Bundle] knows the way back from a stack trace
// to the files that people wrote.
package bundle

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/go-sourcemap/sourcemap"
)

// Script is the name of a bundle in stack traces.
const Script = "bundle.js"

// MaxSize is the largest bundle in bytes. Every engine holds all of it.
const MaxSize = 10 << 20

// Options say what goes into a bundle.
type Options struct {
	// Dir is the app's folder.
	Dir string
	// Functions are the modules to register, as [Discover] finds them.
	Functions []Source
	// App is app.ts beside the manifest, below Dir; empty when there is none. It is
	// evaluated before the functions.
	App string
	// Before and After are modules of the runtime, evaluated before and after
	// everything of the app's. When Before is empty it is what functions need: the
	// globals of the web platform (web/index.ts) and the way calls run (call.ts).
	Before, After []string
	// Runtime holds the modules that Pylon brings, function/runtime.Files.
	Runtime fs.FS
	// Dev is `pylon dev`: packages see process.env.NODE_ENV as "development".
	Dev bool
}

// Bundle is a script and its source map.
type Bundle struct {
	code string
	dir  string // the app's folder, absolute
	to   *sourcemap.Consumer
}

// Code is the script. It is the same for the same sources.
func (b *Bundle) Code() string { return b.code }

// Build bundles an app. Errors of its sources are an [*Error].
func Build(o Options) (*Bundle, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // as the bundler names files
		return nil, err
	}
	o.Dir = dir
	result := api.Build(o.esbuild())
	if len(result.Errors) > 0 {
		return nil, o.problems(result.Errors)
	}
	b := &Bundle{dir: dir}
	var mapped []byte
	for _, f := range result.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			mapped = f.Contents
		} else {
			b.code = string(f.Contents)
		}
	}
	if len(b.code) > MaxSize {
		return nil, tooLarge(len(b.code), result.Metafile)
	}
	if b.to, err = sourcemap.Parse("", mapped); err != nil {
		return nil, fmt.Errorf("the bundle's source map: %w", err)
	}
	return b, nil
}

// esbuild are the bundler's options.
func (o *Options) esbuild() api.BuildOptions {
	env := "production"
	if o.Dev {
		env = "development"
	}
	return api.BuildOptions{
		EntryPoints:   []string{entryName},
		AbsWorkingDir: o.Dir,
		Outfile:       filepath.Join(o.Dir, Script),
		Bundle:        true,
		Write:         false,
		Metafile:      true,
		Format:        api.FormatIIFE,
		Target:        api.ES2022,
		// What packages offer for browsers and workers runs without Node, which is what
		// is needed here; this is also what reads their "browser" maps.
		Platform:   api.PlatformBrowser,
		Conditions: []string{"worker", "browser", "module"},
		Define:     map[string]string{"process.env.NODE_ENV": fmt.Sprintf("%q", env), "global": "globalThis"},
		Sourcemap:  api.SourceMapExternal,
		// The sources are on disk, or in the binary.
		SourcesContent: api.SourcesContentExclude,
		Charset:        api.CharsetASCII, // columns mean the same everywhere
		LegalComments:  api.LegalCommentsNone,
		LogLevel:       api.LogLevelSilent,
		LogLimit:       maxProblems,
		Plugins:        []api.Plugin{o.plugin()},
	}
}

// entryName is what the entry is called where it must have a name.
const entryName = "pylon:entry"

// entry is the module that ties everything together.
func (o *Options) entry() string {
	var b strings.Builder
	before := o.Before
	if before == nil {
		before = []string{"web/index.ts", "call.ts"}
	}
	for _, module := range before {
		fmt.Fprintf(&b, "import %q;\n", runtimePrefix+module)
	}
	if o.App != "" {
		fmt.Fprintf(&b, "import * as app from %q;\n", "./"+filepath.ToSlash(o.App))
	}
	for i, f := range o.Functions {
		fmt.Fprintf(&b, "import * as f%d from %q;\n", i, "./"+f.File)
	}
	if len(o.Functions) > 0 {
		fmt.Fprintf(&b, "import { register } from %q;\nregister([\n", runtimePrefix+"call.ts")
		for i, f := range o.Functions {
			fmt.Fprintf(&b, "  [%q, %q, f%d],\n", f.Name, f.File, i)
		}
		b.WriteString("]);\n")
	}
	for i, module := range o.After {
		fmt.Fprintf(&b, "import { finish as finish%d } from %q;\n", i, runtimePrefix+module)
		if o.App != "" {
			fmt.Fprintf(&b, "finish%d(app);\n", i)
		} else {
			fmt.Fprintf(&b, "finish%d();\n", i)
		}
	}
	return b.String()
}
