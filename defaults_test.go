package pylon

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/plugins/cache"
)

// A plugin that runs by default does so when the manifest does not name it, and
// as the manifest says when it does.
func TestPluginsByDefault(t *testing.T) {
	for _, tt := range []struct {
		plugins string
		want    []string
		entries int
		problem string
	}{
		{`[]`, []string{"cache"}, 10000, ""},
		{`[{"name": "net_guard"}]`, []string{"net_guard", "cache"}, 10000, ""},
		{`[{"name": "cache"}, {"name": "net_guard"}]`, []string{"cache", "net_guard"}, 10000, ""},
		{`[{"name": "cache", "config": {"max_entries": 7}}]`, []string{"cache"}, 7, ""},
		{`[{"name": "cache", "config": {"max_entries": 0}}]`, nil, 0, "plugins[0].config.max_entries: 0 is not from 1"},
		{`[{"name": "cache", "config": {"max": 1}}]`, nil, 0, "max"},
	} {
		dir := t.TempDir()
		text := `{"manifest_version": 1, "name": "x", "version": "1", "plugins": ` + tt.plugins + `}`
		if err := os.WriteFile(filepath.Join(dir, ManifestName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := declare(dir, func(string) string { return "" })
		if tt.problem != "" {
			var problems *manifest.Problems
			if !errors.As(err, &problems) || len(problems.List()) != 1 || !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("%s: %v, want one problem, %q", tt.plugins, err, tt.problem)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.plugins, err)
			continue
		}
		var names []string
		d.Each(func(name string, p plugin.Plugin) {
			names = append(names, name)
			if c, is := p.(*cache.Plugin); is && c.Config().(*cache.Config).MaxEntries != tt.entries {
				t.Errorf("%s: the cache has %+v", tt.plugins, c.Config())
			}
		})
		if !slices.Equal(names, tt.want) {
			t.Errorf("%s: %v, want %v", tt.plugins, names, tt.want)
		}
	}
}
