package codegen_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pylon-go/pylon/function/codegen"
	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/store"
)

const testManifest = `{"manifest_version":1,"name":"t","entities":[
 {"name":"User","fields":[{"name":"email","type":"string","unique":true},{"name":"passwordHash","type":"string","optional":true,"serverOnly":true}]},
 {"name":"Order","fields":[
  {"name":"userId","type":"id(User)"},{"name":"total","type":"int","default":0},{"name":"rate","type":"float","optional":true},
  {"name":"status","type":"string","enumValues":["open","paid"],"default":"open"},{"name":"paid","type":"bool"},
  {"name":"at","type":"datetime","default":"now"},{"name":"due","type":"datetime","optional":true},{"name":"more","type":"json","optional":true}]}]}`

// testSchema are the entities above and one that a plugin keeps.
func testSchema(t testing.TB) *store.Schema {
	t.Helper()
	m, err := manifest.Parse("test.json", []byte(testManifest))
	if err != nil {
		t.Fatal(err)
	}
	entities, err := store.EntitiesOf(m)
	if err != nil {
		t.Fatal(err)
	}
	entities = append(entities, &store.Entity{Name: "AuditLog", Owner: "audit_log", Fields: []store.Field{{Name: "operation", Type: store.TypeString}}})
	schema, err := store.NewSchema(entities, nil)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// testConfig is a config as plugins have them.
type testConfig struct {
	// Seconds it waits.
	WaitSecs int `json:"wait_secs"`
	// By name.
	Templates map[string]struct {
		Subject string `json:"subject"`
	} `json:"templates,omitempty"`
	Hosts []string      `json:"hosts,omitempty"`
	Any   manifest.Node `json:"any,omitempty"`
}

const testConfigSource = `package x
type testConfig struct {
	// Seconds it waits.
	WaitSecs int
}`

func manifestSchema() []byte {
	return manifest.JSONSchema([]manifest.PluginSchema{
		{Name: "waiter", Summary: "It waits.", Config: &testConfig{}, Source: testConfigSource},
		{Name: "bare", Summary: "It has no config."},
	})
}

func TestEntities(t *testing.T) {
	got := codegen.Entities(testSchema(t))
	for _, want := range []string{
		"    User: { row: UserRow; insert: UserInsert; patch: UserPatch };\n",
		"    AuditLog: { row: AuditLogRow; insert: never; patch: never };\n",
		"  export interface UserRow {\n    readonly id: string;\n    email: string;\n    /** Never leaves the server: a row that is returned does not have it. */\n    readonly passwordHash: string | null;\n  }\n",
		"    userId: string;\n    /** 0 when left out. */\n    total?: number;\n    rate?: number | null;\n    /** \"open\" when left out. */\n    status?: \"open\" | \"paid\";\n    paid: boolean;\n    /** The time of the write when left out. */\n    at?: string | Date;\n    due?: string | null | Date;\n    more?: any;\n",
		"  export interface OrderPatch {\n    userId?: string;\n    total?: number;\n",
		"  /** Kept by the plugin audit_log, and only read by others. */\n  export interface AuditLogRow {",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nis not in\n%s", want, got)
		}
	}
}

func TestPlugins(t *testing.T) {
	got, err := codegen.Plugins(manifestSchema())
	if err != nil {
		t.Fatal(err)
	}
	const want = `declare module "@pylonsync/sdk" {
  interface PluginConfigs {
    /** It waits. */
    waiter: {
      any?: unknown;
      hosts?: Array<string>;
      templates?: Record<string, {
        subject: string;
      }>;
      /** Seconds it waits. */
      wait_secs?: number;
    };
    /** It has no config. */
    bare: {};
  }
}
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWriteOnlyWhatChanged(t *testing.T) {
	dir := t.TempDir()
	o := codegen.Options{Dir: dir, Schema: testSchema(t), ManifestSchema: manifestSchema()}
	written, err := codegen.Write(o)
	if err != nil || len(written) != 6 {
		t.Fatal(written, err)
	}
	if written, err = codegen.Write(o); err != nil || len(written) != 0 {
		t.Error(written, err)
	}
	config := filepath.Join(dir, "tsconfig.json")
	if err := os.WriteFile(config, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	entities := filepath.Join(dir, codegen.Folder, "entities.d.ts")
	if err := os.WriteFile(entities, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if written, err = codegen.Write(o); err != nil || len(written) != 1 || written[0] != ".pylon/types/entities.d.ts" {
		t.Error(written, err)
	}
	if b, _ := os.ReadFile(config); string(b) != "{}" {
		t.Error("somebody's tsconfig.json was replaced")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, codegen.Folder, ".*")); len(left) > 0 {
		t.Error(left)
	}
}
