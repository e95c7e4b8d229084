package bundle_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pylon-go/pylon/function/bundle"
)

func TestDiscover(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files []string
		want  string // "name=file", or the code and text of a problem
	}{
		{"none", []string{"pylon.manifest.json"}, ""},
		{"extensions", []string{"functions/a.ts", "functions/b.js", "functions/c.mts", "functions/d.mjs", "functions/e.tsx", "functions/f.json", "functions/README.md"},
			"a=functions/a.ts b=functions/b.js c=functions/c.mts d=functions/d.mjs e=functions/e.tsx"},
		{"folders", []string{"functions/orders/create.ts", "functions/orders/index.ts", "functions/a-b_c/d/e.ts", "functions/index.ts"},
			"a-b_c/d/e=functions/a-b_c/d/e.ts index=functions/index.ts orders=functions/orders/index.ts orders/create=functions/orders/create.ts"},
		{"helpers", []string{"functions/_lib.ts", "functions/_shared/x.ts", "functions/.hidden.ts", "functions/a.d.ts", "functions/a.test.ts", "functions/node_modules/x/index.js", "functions/a.ts", "lib/b.ts"},
			"a=functions/a.ts"},
		{"twice", []string{"functions/a.ts", "functions/a.js"}, "functions/a.ts: DUPLICATE_FUNCTION: the function a is in functions/a.js too"},
		{"twice, by its folder", []string{"functions/a.ts", "functions/a/index.ts"}, "functions/a/index.ts: DUPLICATE_FUNCTION: the function a is in functions/a.ts too"},
		{"name", []string{"functions/1st.ts"}, "functions/1st.ts: INVALID_FUNCTION_NAME: the path is no name for a function\n  hint: letters, digits"},
		{"name of a folder", []string{"functions/Ü/x.ts"}, "functions/Ü/x.ts: INVALID_FUNCTION_NAME"},
		{"name with dots", []string{"functions/a.b.ts"}, "functions/a.b.ts: INVALID_FUNCTION_NAME"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{}
			for _, f := range tt.files {
				files[f] = ""
			}
			found, err := bundle.Discover(folder(t, files))
			var got []string
			for _, s := range found {
				got = append(got, s.Name+"="+s.File)
			}
			if err != nil {
				if tt.want == "" || !strings.HasPrefix(err.Error(), tt.want) {
					t.Errorf("got %v\nwant %s", err, tt.want)
				}
			} else if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("got  %s\nwant %s", g, tt.want)
			}
		})
	}
}

func TestDiscoverLinks(t *testing.T) {
	dir := folder(t, map[string]string{"lib/real.ts": "", "functions/a.ts": ""})
	for link, to := range map[string]string{"functions/linked.ts": "lib/real.ts", "functions/dangling.ts": "lib/none.ts"} {
		if err := os.Symlink(filepath.Join(dir, to), filepath.Join(dir, link)); err != nil {
			t.Skip(err)
		}
	}
	found, err := bundle.Discover(dir)
	if err != nil || len(found) != 2 || found[1].Name != "linked" {
		t.Error(found, err)
	}
}
