package manifest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pylon-go/pylon/manifest"
)

// app is a small right manifest; tests put something wrong into it.
const app = `{
  "manifest_version": 1,
  "name": "shop",
  "entities": [
    { "name": "User", "fields": [{ "name": "email", "type": "string", "unique": true }, { "name": "boss", "type": "bool", "default": false }] },
    { "name": "Order", "fields": [{ "name": "userId", "type": "id(User)" }, { "name": "total", "type": "int" }] },
  ],
  "policies": [{ "name": "p", "entity": "Order", "allow": "true" }],
}`

func TestProblemsSayWhatIsWrongAndWhere(t *testing.T) {
	// Each case replaces a piece of the manifest above. A ¦ in the new piece marks
	// where a problem is, in the order of the wanted lines.
	tests := []struct {
		name, old, new string
		want           []string
	}{
		{"syntax", `"name": "shop",`, `"name" ¦"shop",`, []string{`invalid character '"' after object name`}},
		{"unknown key", `"policies"`, `¦"polices"`, []string{`polices: unknown key "polices" (did you mean "policies"?)`}},
		{"unknown key without a near one", `"policies"`, `¦"zzz"`, []string{`zzz: unknown key "zzz"`}},
		{"repeated key", `"name": "shop",`, `"name": "shop", ¦"name": "again",`, []string{`name: the key is there twice, first in line 3`}},
		{"missing key", "{\n  \"manifest_version\": 1,", `¦{`, []string{`the key "manifest_version" is missing`}},
		{"missing key inside", `{ "name": "total", "type": "int" }`, `¦{ "name": "total" }`, []string{`entities[1].fields[1]: the key "type" is missing`}},
		{"wrong type", `"unique": true`, `"unique": ¦"yes"`, []string{`entities[0].fields[0].unique: must be a boolean, is a string`}},
		{"null where something is needed", `"name": "shop"`, `"name": ¦null`, []string{`name: must be a string, is null`}},
		{"version", `"manifest_version": 1`, `"manifest_version": ¦2`, []string{`manifest_version: manifest_version must be 1`}},
		{"fraction for a whole number", `"manifest_version": 1`, `"manifest_version": ¦¦1.5`, []string{`manifest_version: must be a whole number, is 1.5`, `manifest_version: manifest_version must be 1`}},
		{"empty name", `"shop"`, `¦" "`, []string{`name: the app needs a name`}},
		{"type", `"type": "int"`, `"type": ¦"integer"`, []string{`entities[1].fields[1].type: unknown type "integer"; types are string, int, float, bool, datetime, richtext, json and id(Entity) (did you mean "int"?)`}},
		{"vector", `"type": "int"`, `"type": ¦"vector(3)"`, []string{`entities[1].fields[1].type: unknown type "vector(3)"; types are string, int, float, bool, datetime, richtext, json and id(Entity)`}},
		{"dangling id", `"id(User)"`, `¦"id(Usr)"`, []string{`entities[1].fields[0].type: no entity "Usr" (did you mean "User"?)`}},
		{"reserved field", `"name": "total"`, `"name": ¦"ID"`, []string{`entities[1].fields[1].name: every row has an id already`}},
		{"bad name", `"name": "total"`, `"name": ¦"to tal"`, []string{`entities[1].fields[1].name: "to tal" is no name for a field: a letter, then letters, digits and underscores`}},
		{"same name in another case", `"name": "total"`, `"name": ¦"USERID"`, []string{`entities[1].fields[1].name: the field USERID is declared twice (upper and lower case count as the same)`}},
		{"two entities of one name", `"name": "Order", "fields"`, `"name": ¦"USER", "fields"`, []string{`entities[1].name: the entity USER is declared twice (upper and lower case count as the same)`, `policies[0].entity: no entity "Order"`}},
		{"the database's names", `"name": "Order", "fields"`, `"name": ¦"sqlite_x", "fields"`, []string{`entities[1].name: names that begin with sqlite_ or pg_ belong to the database`, `policies[0].entity: no entity "Order"`}},
		{"no fields", `[{ "name": "email", "type": "string", "unique": true }, { "name": "boss", "type": "bool", "default": false }]`, `¦[]`, []string{`entities[0].fields: the entity User needs a field`}},
		{"default of another type", `"default": false`, `"default": ¦"no"`, []string{`entities[0].fields[1].default: the default of a field of type bool must be a boolean, is a string`}},
		{"default out of range", `"type": "int"`, `"type": "int", "default": ¦9223372036854775808`, []string{`entities[1].fields[1].default: the default of an int must be a whole number from -2^63 to 2^63-1`}},
		{"enum default", `"type": "int"`, `"type": "string", "enumValues": ["open", "paid"], "default": ¦"opn"`, []string{`entities[1].fields[1].default: the default "opn" is not one of enumValues (did you mean "open"?)`}},
		{"enum of ints", `"type": "int"`, `"type": "int", "enumValues": ¦["1"]`, []string{`entities[1].fields[1].enumValues: enumValues works on string fields`}},
		{"datetime default", `"type": "int"`, `"type": "datetime", "default": ¦"soon"`, []string{`entities[1].fields[1].default: the default of a datetime must be "now" or in RFC 3339, like 2026-01-31T09:30:00Z`}},
		{"encrypted", `"type": "int"`, `"type": "int", "encrypted": ¦true`, []string{`entities[1].fields[1].encrypted: single fields cannot be encrypted; this is refused rather than stored in the clear`}},
		{"unique json", `"type": "int"`, `"type": "json", "unique": ¦true`, []string{`entities[1].fields[1].unique: a json field cannot be unique`}},
		{"index on nothing", `"type": "int" }]`, `"type": "int" }], "indexes": [{ "fields": [¦"totl", "total", ¦"total"] }]`, []string{`entities[1].indexes[0].fields[0]: Order has no field "totl" (did you mean "total"?)`, `entities[1].indexes[0].fields[2]: the field total is there twice`}},
		{"two indexes of one name", `"type": "int" }]`, `"type": "int" }], "indexes": [{ "name": "x", "fields": ["total"] }, ¦{ "name": "X", "fields": ["userId"] }]`, []string{`entities[1].indexes[1]: two indexes are called X`}},
		{"policy on nothing", `"entity": "Order"`, `"entity": ¦"Ordr"`, []string{`policies[0].entity: no entity "Ordr" (did you mean "Order"?)`}},
		{"policy that allows nothing", `{ "name": "p", "entity": "Order", "allow": "true" }`, `¦{ "name": "p", "entity": "Order" }`, []string{`policies[0]: the policy allows nothing: give allow, allowRead, allowInsert, allowUpdate, allowDelete or allowWrite an expression`}},
		{"plugin twice", `"policies"`, `"plugins": [{"name":"a"}, {"name":¦"a"}], "policies"`, []string{`plugins[1].name: the plugin a is declared twice`}},
		{"auth on nothing", `"policies"`, `"auth": { "user": { "admin_field": ¦"email", "hide": [¦"emial"] } }, "policies"`, []string{`auth.user.admin_field: User.email is of type string, a bool is needed`, `auth.user.hide[0]: User has no field "emial" (did you mean "email"?)`}},
		{"short sessions", `"policies"`, `"auth": { "session": { "expires_in": ¦5 } }, "policies"`, []string{`auth.session.expires_in: a session lasts at least 60 seconds`}},
		{"columns count characters", `"name": "shop",`, `"name": "shop", /* äöü */ ¦"nmae": "shop",`, []string{`nmae: unknown key "nmae" (did you mean "name"?)`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Count(app, tt.old) != 1 {
				t.Fatalf("the manifest has %s %d times", tt.old, strings.Count(app, tt.old))
			}
			text := strings.Replace(app, tt.old, tt.new, 1)
			var want []string
			for _, message := range tt.want {
				before, after, ok := strings.Cut(text, "¦")
				if ok {
					text = before + after
				} else { // what follows from it elsewhere
					before, _, _ = strings.Cut(text, `"Order", "allow"`)
				}
				line := strings.Count(before, "\n") + 1
				col := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
				want = append(want, fmt.Sprintf("m.json:%d:%d: %s", line, col, message))
			}
			_, err := manifest.Parse("m.json", []byte(text))
			if err == nil {
				t.Fatal("it was accepted")
			}
			if got := err.Error(); got != strings.Join(want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
			}
			if _, ok := err.(*manifest.Problems); !ok {
				t.Errorf("the error is a %T", err)
			}
		})
	}
}

func TestOutOfBounds(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"too deep":    {strings.Repeat("[", 101), "m:1:101: objects and arrays are nested deeper than 100"},
		"not UTF-8":   {"{\"name\": \"\xff\"}", "m:1:11: the file is not UTF-8"},
		"empty":       {"", "m:1:1: "},
		"not objects": {"[]", "m:1:1: must be an object, is an array"},
	} {
		if _, err := manifest.Parse("m", []byte(tt.text)); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	deepComment := `{"manifest_version":1,"name":"x"} // ` + strings.Repeat("[", 500)
	if _, err := manifest.Parse("m", []byte(deepComment)); err != nil {
		t.Errorf("brackets in a comment: %v", err)
	}
}

func TestTheOriginalsKeysAreAcceptedWithANotice(t *testing.T) {
	m, err := manifest.Parse("m", []byte(`{"manifest_version":1,"name":"x","version":"1","routes":[],"queries":[],"actions":[],"llm":{},"connections":[],"crons":[],"fonts":[],
	"entities":[{"name":"A","crdt":true,"relations":[],"search":{},"sync":true,"sync_scope":"x","sync_limit":3,"fields":[{"name":"a","type":"int","crdt":"lww","syncOmit":true,"optional":null}]}],
	"policies":[{"name":"p","action":"f","allow":"true"}],
	"auth":{"session":{"expires_in":3600,"cookie_cache":{}},"org":{},"org_roles":[],"on_delete_account":"x","trusted_origins":[]}}`))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, n := range manifest.Notices(m) {
		paths = append(paths, n.Path)
	}
	want := "routes queries actions llm connections fonts entities[0].crdt entities[0].relations entities[0].search entities[0].sync entities[0].sync_scope entities[0].sync_limit entities[0].fields[0].crdt entities[0].fields[0].syncOmit policies[0].action auth.session.cookie_cache auth.org auth.org_roles auth.on_delete_account"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("notices on\n  %s\nwant\n  %s", got, want)
	}
}

// config is a plugin's configuration as plugins declare it.
type config struct {
	// How many.
	Count int `json:"count,omitempty"`
	// Where to.
	Hooks []hook `json:"hooks"`
}

type hook struct {
	// Address.
	URL string `json:"url"`
	// Free values.
	Extra map[string]string `json:"extra,omitempty"`

	Node manifest.Node `json:"-"`
}

const configSource = `package x
type config struct {
	// How many.
	Count int
	// Where to.
	Hooks []hook
}
type hook struct {
	// Address.
	URL string
	// Free
	// values.
	Extra map[string]string
}`

func TestDecodeIntoAPluginsConfig(t *testing.T) {
	text := `{"manifest_version":1,"name":"x","plugins":[{"name":"p","config":{"hooks":[{"url":"a","extra":{"k":"v"}},{"url":"b"}]}}]}`
	m, err := manifest.Parse("m", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c := config{Count: 7}
	problems := &manifest.Problems{}
	m.Plugins[0].Config.Decode(&c, problems)
	if problems.Len() > 0 || c.Count != 7 || len(c.Hooks) != 2 || c.Hooks[0].Extra["k"] != "v" || c.Hooks[1].URL != "b" {
		t.Fatalf("%+v %v", c, problems)
	}
	if got := c.Hooks[1].Node.Get("url").Problem("X", "bad").String(); got != "m:1:113: plugins[0].config.hooks[1].url: bad" {
		t.Error(got)
	}
	if got := m.Root.At("plugins", 0, "config", "nothing", 3).Problem("X", "gone").String(); got != "m:1:66: plugins[0].config.nothing[3]: gone" {
		t.Error(got)
	}
	if raw := string(c.Hooks[0].Node.Raw()); raw != `{"url":"a","extra":{"k":"v"}}` {
		t.Error(raw)
	}
}

func TestReferenceComesFromTheComments(t *testing.T) {
	got := manifest.ConfigReference(&config{Count: 7}, configSource)
	want := []manifest.KeyDoc{
		{Key: "count", Type: "whole number", Default: "7", Doc: "How many."},
		{Key: "hooks", Type: "list of object", Required: true, Doc: "Where to."},
		{Key: "hooks[].url", Type: "string", Required: true, Doc: "Address."},
		{Key: "hooks[].extra", Type: "object of string", Doc: "Free values."},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestEveryKeyOfTheManifestIsDocumented(t *testing.T) {
	src, err := os.ReadFile("types.go")
	if err != nil {
		t.Fatal(err)
	}
	for typ, fields := range manifest.Docs(string(src)) {
		for f, doc := range fields {
			if doc == "" && f != "Node" {
				t.Errorf("%s.%s has no comment", typ, f)
			}
		}
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(manifest.JSONSchema([]manifest.PluginSchema{
		{Name: "p", Summary: "Does.", Config: &config{}, Source: configSource}, {Name: "q", Summary: "Nothing to set."}}))))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("m.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("m.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchemaAgreesWithTheParser(t *testing.T) {
	s := compileSchema(t)
	for _, tt := range []struct {
		text  string
		right bool
	}{
		{`{"manifest_version":1,"name":"x"}`, true},
		{`{"manifest_version":2,"name":"x"}`, false},
		{`{"manifest_version":1}`, false},
		{`{"manifest_version":1,"name":"x","polices":[]}`, false},
		{`{"manifest_version":1,"name":"x","entities":[{"name":"A","fields":[{"name":"a","type":"int"},{"name":"b","type":"id(A)"}]}]}`, true},
		{`{"manifest_version":1,"name":"x","entities":[{"name":"A","fields":[{"name":"a","type":"number"}]}]}`, false},
		{`{"manifest_version":1,"name":"x","entities":[{"name":"A","fields":[{"name":"a","type":"int","uniqe":true}]}]}`, false},
		{`{"manifest_version":1,"name":"x","routes":[1,{}]}`, true},
	} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		_, parsed := manifest.Parse("m", []byte(tt.text))
		if bySchema := s.Validate(v); (bySchema == nil) != tt.right || (parsed == nil) != tt.right {
			t.Errorf("%s: the schema says %v, the parser %v; right is %t", tt.text, bySchema, parsed, tt.right)
		}
	}
	for _, tt := range []struct {
		text  string
		right bool
	}{
		{`{"name":"p","config":{"hooks":[{"url":"a"}]}}`, true},
		{`{"name":"p","config":{"hooks":[{"ulr":"a"}]}}`, false},
		{`{"name":"p"}`, false},
		{`{"name":"q"}`, true},
		{`{"name":"q","config":{"x":1}}`, false},
		{`{"name":"other"}`, false},
	} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(`{"manifest_version":1,"name":"x","plugins":[` + tt.text + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); (err == nil) != tt.right {
			t.Errorf("plugin %s: %v; right is %t", tt.text, err, tt.right)
		}
	}
}

func TestSchemaIsAlwaysTheSame(t *testing.T) {
	a := manifest.JSONSchema(nil)
	for range 20 {
		if b := manifest.JSONSchema(nil); string(a) != string(b) {
			t.Fatal("two calls made different schemas")
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"webhooks", "net_guard", "cache", "cache_client", "User", "email"}
	for name, want := range map[string]string{
		"webhook": "webhooks", "wehbooks": "webhooks", "netguard": "net_guard", "cash": "", "cach": "cache", "user": "User", "emial": "email",
		"zzz": "", "": "", "x": "", "cache_clients": "cache_client", strings.Repeat("a", 1000): "",
	} {
		if got := manifest.Nearest(name, names); got != want {
			t.Errorf("nearest to %.20q is %q, want %q", name, got, want)
		}
	}
}

func TestLoad(t *testing.T) {
	if _, err := manifest.Load(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Errorf("a missing file: %v", err)
	}
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, 9<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := manifest.Load(big); err == nil || !strings.HasSuffix(err.Error(), "is larger than 8 MiB") {
		t.Errorf("a big file: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(app)
	f.Add(`{"manifest_version":1,"name":"x","plugins":[{"name":"p","config":{"hooks":[{"url":"a"}]}}]}`)
	f.Add("[{/*\"*/}]// x")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := manifest.Parse("m", []byte(text))
		if err == nil {
			if !json.Valid(m.Root.Raw()) {
				t.Fatal("an accepted manifest is not JSON when its comments are gone")
			}
			manifest.Notices(m)
			for _, p := range m.Plugins {
				ps := &manifest.Problems{}
				p.Config.Decode(&config{}, ps)
			}
			return
		}
		lines := strings.Split(text, "\n")
		for _, p := range err.(*manifest.Problems).List() {
			if p.Line < 1 || p.Line > len(lines) || p.Col < 1 || p.Col > len([]rune(lines[p.Line-1]))+1 {
				t.Fatalf("%s is not inside the file", p.String())
			}
		}
	})
}

func ExampleParse() {
	_, err := manifest.Parse("pylon.manifest.json", []byte(`{
  "manifest_version": 1,
  "name": "shop", // comments and trailing commas are fine
  "entites": [],
}`))
	fmt.Println(err)
	// Output: pylon.manifest.json:4:3: entites: unknown key "entites" (did you mean "entities"?)
}
