package pylon

import (
	"cmp"
	"os"

	"github.com/pylon-go/pylon/function/codegen"
)

// Codegen writes the type declarations of the app in a folder, for editors, and answers
// the files it changed.
func Codegen(dir string) (written []string, err error) {
	// The declarations do not depend on the environment, so what is not set does not matter.
	d, err := declare(dir, func(name string) string { return cmp.Or(os.Getenv(name), "not set") })
	if err != nil {
		return nil, err
	}
	return d.codegen(dir)
}

// Codegen writes the type declarations of the app; see [Codegen].
func (a *App) Codegen() (written []string, err error) { return a.declared.codegen(a.opts.Dir) }

func (d *declared) codegen(dir string) ([]string, error) {
	return codegen.Write(codegen.Options{Dir: dir, Schema: d.schema, ManifestSchema: ManifestSchema()})
}
