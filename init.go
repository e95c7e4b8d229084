package pylon

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/plugin"
)

//go:embed init.manifest.json
var initManifest string

// The functions of a new app.
const (
	initAdd = `import { mutation, v } from "@pylonsync/functions";

// POST /api/fn/addNote {"text":"..."}
export default mutation({
  args: { text: v.string({ min: 1, max: 1000 }) },
  handler: (ctx, { text }) => ctx.db.insert("Note", { text, ownerId: ctx.auth.userId! }),
});
`
	initList = `import { query } from "@pylonsync/functions";

// POST /api/fn/openNotes: what one has still to do, the newest first.
export default query((ctx) => ctx.db.query("Note", { ownerId: ctx.auth.userId!, done: false, $order: { createdAt: "desc" } }));
`
)

var appName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// Init makes a small working app in a new folder, named like the app, and answers
// the files it wrote.
func Init(dir string) ([]string, error) {
	name := filepath.Base(filepath.Clean(dir))
	if !appName.MatchString(name) {
		return nil, fmt.Errorf("%q is not a name for an app: lower-case letters, digits, dashes and underscores, 63 at most", name)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the app's folder: %w", err)
	}
	files := []struct{ path, content string }{
		{ManifestName, strings.ReplaceAll(initManifest, "APP_NAME", name)},
		{"pylon.schema.json", string(ManifestSchema()) + "\n"},
		{filepath.Join("functions", "addNote.ts"), initAdd},
		{filepath.Join("functions", "openNotes.ts"), initList},
		{".gitignore", ".pylon/\nnode_modules/\n"},
		// Editors read .json without comments unless they are told.
		{filepath.Join(".vscode", "settings.json"), "{\n  \"files.associations\": { \"" + ManifestName + "\": \"jsonc\" }\n}\n"},
	}
	var written []string
	for _, f := range files {
		path := filepath.Join(dir, f.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return written, err
		}
		if err := os.WriteFile(path, []byte(f.content), 0o644); err != nil {
			return written, err
		}
		written = append(written, path)
	}
	declarations, err := Codegen(dir)
	for _, f := range declarations {
		written = append(written, filepath.Join(dir, filepath.FromSlash(f)))
	}
	return written, err
}

// ManifestSchema is the JSON Schema of manifests with the registered plugins.
func ManifestSchema() []byte {
	var list []manifest.PluginSchema
	for _, name := range plugin.Names() {
		p, _ := plugin.New(name)
		s := manifest.PluginSchema{Name: name, Summary: p.Info().Summary, Source: p.Info().ConfigSource}
		if c, ok := p.(plugin.Configurable); ok {
			s.Config = c.Config()
		}
		list = append(list, s)
	}
	return manifest.JSONSchema(list)
}
