package pylon_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// shout is a plugin of an embedding program: it lets a function of app.ts rewrite text.
type shout struct {
	config struct {
		// Entity whose fields are rewritten.
		Entity string `json:"entity"`
		// Rewrite makes the new text.
		Rewrite plugin.Callback `json:"rewrite,omitempty"`
	}
	host plugin.Host
}

func (s *shout) Info() plugin.Info { return plugin.Info{Summary: "Rewrites text."} }
func (s *shout) Config() any       { return &s.config }
func (s *shout) Provision(_ context.Context, host plugin.Host) error {
	s.host = host
	return nil
}

func (s *shout) Routes() []plugin.Route {
	return []plugin.Route{{Pattern: "POST /api/shout", Access: plugin.AccessPublic, Summary: "Rewrites text.", Handler: func(w http.ResponseWriter, r *http.Request) error {
		var in struct {
			Text string `json:"text"`
		}
		if err := plugin.Decode(r, &in); err != nil {
			return err
		}
		if s.config.Rewrite.IsZero() {
			return store.Errorf(store.NotFound, "NO_REWRITE", "no function was given")
		}
		out, err := s.host.Callback(r.Context(), s.config.Rewrite, in.Text, 2)
		if err != nil {
			return err
		}
		return plugin.Answer(w, http.StatusOK, json.RawMessage(out))
	}}}
}

func init() { plugin.Register("shout", func() plugin.Plugin { return new(shout) }) }

const appTS = `import { buildManifest, entity, field, policy, definePlugin } from "@pylonsync/sdk";
const suffix: string = process.env.SUFFIX ?? "!";
definePlugin("shout", { entity: "Note", rewrite: async (text: string, n: number) => {
  if (text === "fail") throw new Error("it failed");
  return text.toUpperCase() + suffix.repeat(n);
} });
export default buildManifest({
  name: "notes", version: "1",
  entities: [entity("Note", { text: field.string(), done: field.bool().default(false) })],
  policies: [policy({ name: "all", entity: "Note", allow: "true" })],
});
`

func TestAnAppInTypeScript(t *testing.T) {
	dir := appOf(t, map[string]string{
		"app.ts":           appTS,
		"functions/add.ts": imports + `export default mutation({ auth: "public", handler: async (ctx, args) => (await ctx.db.get("Note", await ctx.db.insert("Note", args))) })`,
	})
	s := serveApp(t, dir, map[string]string{"SUFFIX": "?"})
	s.want(200, `"text":"a","done":false`, "add", "", `{"text":"a"}`)
	if status, body := s.do("POST", "/api/shout", "", `{"text":"hello"}`); status != 200 || body != `"HELLO??"` {
		t.Error(status, body)
	}
	if status, body := s.do("POST", "/api/shout", "", `{"text":"fail"}`); status != 500 || !strings.Contains(body, "it failed") || !strings.Contains(body, "app.ts:4") {
		t.Error(status, body)
	}
	if _, body := s.do("GET", "/api/fn/traces", "admin-token", ""); !strings.Contains(body, `"function":"shout.rewrite"`) {
		t.Error(body)
	}
}

func TestAppTSAndManifestTogether(t *testing.T) {
	const file = `{ "manifest_version": 1, "name": "both", "entities": [{ "name": "Item", "fields": [{ "name": "n", "type": "int" }] }], "plugins": [{ "name": "shout", "config": { "entity": "Item" } }] }`
	for name, c := range map[string]struct{ app, want string }{
		"completed":                {`import { definePlugin } from "@pylonsync/sdk"; definePlugin({ name: "shout", config: { rewrite: (x) => x } });`, ""},
		"nothing":                  {`export {};`, ""},
		"printed":                  {`console.log(JSON.stringify({ manifest_version: 1, name: "both" }))`, ""},
		"conflict":                 {`import { definePlugin } from "@pylonsync/sdk";` + "\n" + `definePlugin({ name: "shout", config: { entity: "Other" } });`, "app.ts:2 says something else"},
		"another name":             {`export default { manifest_version: 1, name: "other" }`, "says something else"},
		"unknown plugin":           {`import { definePlugin } from "@pylonsync/sdk";` + "\n\n" + `definePlugin("shuot", {});`, "app.ts:3"},
		"a stray function":         {`import { definePlugin } from "@pylonsync/sdk";` + "\n" + `definePlugin("shout", { entity: () => 1 });`, "says something else"},
		"where a number is wanted": {`import { definePlugin } from "@pylonsync/sdk";` + "\n" + `definePlugin("cache", { max_entries: () => 1 });`, "must be a number, is a function"},
		"syntax":                   {`export default {`, "app.ts:1"},
		"throws":                   {"\n" + `throw new Error("oh no")`, "app.ts:2"},
		"no manifest":              {`export default 5`, "must be a manifest"},
		"a loop":                   {`import fs from "fs"; fs;`, "NODE_BUILTIN"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := appOf(t, map[string]string{"pylon.manifest.json": file, "app.ts": c.app})
			_, err := pylon.Check(dir, func(string) string { return "" })
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}
