package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAManifestAndAProgram(t *testing.T) {
	const file = `{ // by hand
  "manifest_version": 1,
  "name": "shop",
  "entities": [
    { "name": "User", "fields": [{ "name": "email", "type": "string" }] },
  ],
  "policies": [{ "name": "p", "entity": "User", "allow": "true" }],
  "plugins": [
    { "name": "webhooks", "config": { "a": 1, "deep": { "x": 1 } } },
  ],
  "requiredEnv": ["A"],
}`
	places := map[string]Place{"entities[0]": {"app.ts", 7, 3}, "plugins[0]": {"app.ts", 20, 1}, "plugins[1]": {"lib/cache.ts", 4, 2}}
	for name, c := range map[string]struct{ file, json, want string }{
		"joined": {file, `{"manifest_version":1,"name":"shop","entities":[{"name":"Order","fields":[{"name":"x","type":"int"}]}],"policies":[{"name":"q","entity":"Order","allow":"true"}],
			"plugins":[{"name":"webhooks","config":{"a":1,"b":2,"deep":{"y":[1]}}},{"name":"cache"}],"requiredEnv":["A","B"],"version":"2"}`,
			`User,Order p,q webhooks{"a":1,"b":2,"deep":{"x":1,"y":[1]}},cache A,B 2`},
		"only the program":     {"", `{"manifest_version":1,"name":"alone"}`, "    "},
		"only the file":        {file, "", `User p webhooks{"a":1,"deep":{"x":1}} A `},
		"another name":         {file, `{"name":"other"}`, "app.ts:1 says something else"},
		"an entity twice":      {file, `{"entities":[{"name":"User","fields":[]}]}`, "m.json:5:5: entities[0]: the entity User is declared in app.ts:7 too"},
		"another setting":      {file, `{"plugins":[{"name":"webhooks","config":{"deep":{"x":2}}}]}`, "m.json:9:62: plugins[0].config.deep.x: app.ts:20 says something else"},
		"a wrong entity":       {file, `{"entities":[{"name":"Order","fields":[{"name":"x","type":"strnig"}]}]}`, "app.ts:7:3: entities[1].fields[0].type:"},
		"a wrong plugin entry": {file, `{"plugins":[{"name":"webhooks"},{"name":"cache","confg":{}}]}`, "lib/cache.ts:4:2: plugins[1].confg: unknown key"},
		"a wrong file":         {strings.Replace(file, `"string"`, `"strnig"`, 1), `{"entities":[{"name":"Order","fields":[]}]}`, "m.json:5:61: entities[0].fields[0].type:"},
		"wrong alone":          {"", `{"manifest_version":1,"name":"x","entities":[{"name":"Order","fields":[{"name":"x","type":"strnig"}]}]}`, "app.ts:7:3: entities[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.json")
			if c.file != "" {
				if err := os.WriteFile(path, []byte(c.file), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var d *Declaration
			if c.json != "" {
				d = &Declaration{File: "app.ts", JSON: []byte(c.json), Places: places}
			}
			m, err := LoadWith(path, d)
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), path, "m.json")
				if !strings.Contains(got, c.want) {
					t.Errorf("got %s\nwant %s", got, c.want)
				}
				return
			}
			var entities, policies, plugins []string
			for _, e := range m.Entities {
				entities = append(entities, e.Name)
			}
			for _, p := range m.Policies {
				policies = append(policies, p.Name)
			}
			for _, p := range m.Plugins {
				plugins = append(plugins, p.Name+string(p.Config.Raw()))
			}
			got = strings.Join([]string{strings.Join(entities, ","), strings.Join(policies, ","), strings.Join(plugins, ","), strings.Join(m.RequiredEnv, ","), m.Version}, " ")
			if got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}
