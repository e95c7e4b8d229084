// Package codegen writes the type declarations of an app, so that editors complete and
// check its functions: what Pylon's modules offer, the globals that exist, the rows of
// the app's own entities and the configs of its plugins.
package codegen

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pylon-go/pylon/function/runtime"
	"github.com/pylon-go/pylon/store"
)

// Folder is where declarations are, below the app's folder. Nobody edits them.
const Folder = ".pylon/types"

const head = "// Written by `pylon dev` and `pylon codegen`; changes are lost.\n\n"

// Options say what is declared.
type Options struct {
	// Dir is the app's folder.
	Dir string
	// Schema has the app's entities and those of its plugins.
	Schema *store.Schema
	// ManifestSchema is the JSON Schema of manifests, which describes the configs of
	// plugins.
	ManifestSchema []byte
}

// Write brings the declarations up to date, and adds a tsconfig.json where there is
// none. It answers the files that it wrote, below Dir: none when nothing has changed.
func Write(o Options) (written []string, err error) {
	files, err := o.files()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		changed, err := replace(filepath.Join(o.Dir, filepath.FromSlash(f.name)), f.text)
		if err != nil {
			return written, fmt.Errorf("write %s: %w", f.name, err)
		}
		if changed {
			written = append(written, f.name)
		}
	}
	added, err := addConfig(o.Dir)
	if added {
		written = append(written, configName)
	}
	return written, err
}

type file struct {
	name string
	text []byte
}

func (o *Options) files() ([]file, error) {
	var files []file
	add := func(name, text string) { files = append(files, file{Folder + "/" + name, []byte(text)}) }
	for _, f := range []struct {
		name  string
		parts []string
	}{
		{"pylonsync-functions.d.ts", []string{"functions.d.ts"}},
		{"pylonsync-sdk.d.ts", []string{"sdk.d.ts", "cache.d.ts"}},
		{"globals.d.ts", []string{"globals.d.ts"}},
	} {
		var text []string
		for _, part := range f.parts {
			b, err := fs.ReadFile(runtime.Files, "types/"+part)
			if err != nil {
				return nil, err
			}
			text = append(text, string(b))
		}
		add(f.name, strings.Join(text, "\n"))
	}
	add("entities.d.ts", head+Entities(o.Schema))
	plugins, err := Plugins(o.ManifestSchema)
	if err != nil {
		return nil, err
	}
	add("plugins.d.ts", head+plugins)
	return files, nil
}

// replace writes a file when its content is another, so that nobody who watches it is
// woken for nothing. Readers see the old one or the new one.
func replace(file string, text []byte) (changed bool, err error) {
	old, err := os.ReadFile(file)
	switch {
	case err == nil && bytes.Equal(old, text):
		return false, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return false, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".*.tmp")
	if err != nil {
		return false, err
	}
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return false, errors.Join(err, os.Remove(tmp.Name()))
	}
	return true, nil
}

const configName = "tsconfig.json"

// TSConfig is for apps that have none. DOM and the types of Node are left out, since
// functions have neither.
const TSConfig = `{
  "compilerOptions": {
    "target": "ES2022",
    "lib": ["ES2023"],
    "types": [],
    "module": "ESNext",
    "moduleResolution": "bundler",
    "allowImportingTsExtensions": true,
    "resolveJsonModule": true,
    "isolatedModules": true,
    "strict": true,
    "noEmit": true,
    "skipLibCheck": true
  },
  "include": ["functions", "app.ts", ".pylon/types"]
}
`

func addConfig(dir string) (added bool, err error) {
	f, err := os.OpenFile(filepath.Join(dir, configName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = f.WriteString(TSConfig)
	return true, errors.Join(err, f.Close())
}
