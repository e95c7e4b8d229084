package store_test

import (
	"strings"
	"testing"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/store"
)

const declared = `{
	"name": "shop", "version": "1.0.0", "manifest_version": 1,
	"entities": [
		{"name": "Order", "fields": [
			{"name": "title", "type": "string", "unique": true},
			{"name": "state", "type": "string", "enumValues": ["new", "paid"], "default": "new"},
			{"name": "total", "type": "float", "default": 1},
			{"name": "count", "type": "int", "default": 3},
			{"name": "paid", "type": "bool", "default": false},
			{"name": "at", "type": "datetime", "default": "now"},
			{"name": "text", "type": "richtext", "optional": true},
			{"name": "data", "type": "json", "default": {"a": 1.0}},
			{"name": "user", "type": "id(User)", "readonly": true},
			{"name": "token", "type": "string", "optional": true, "serverOnly": true}
		], "indexes": [{"fields": ["user", "at"]}, {"name": "by_total", "fields": ["total"], "unique": true}]},
		{"name": "User", "fields": [{"name": "email", "type": "string"}]}
	]
}`

func TestEntitiesOf(t *testing.T) {
	m, err := manifest.Parse("test", []byte(declared))
	must(t, err)
	entities, err := store.EntitiesOf(m)
	must(t, err)
	if len(entities) != 2 || entities[0].Name != "Order" || entities[1].Name != "User" {
		t.Fatalf("got %+v", entities)
	}
	same(t, "fields", entities[0].Fields, []store.Field{
		{Name: "title", Type: store.TypeString, Unique: true},
		{Name: "state", Type: store.TypeString, Enum: []string{"new", "paid"}, HasDefault: true, Default: store.String("new")},
		{Name: "total", Type: store.TypeFloat, HasDefault: true, Default: store.Float(1)},
		{Name: "count", Type: store.TypeInt, HasDefault: true, Default: store.Int(3)},
		{Name: "paid", Type: store.TypeBool, HasDefault: true, Default: store.Bool(false)},
		{Name: "at", Type: store.TypeDatetime, DefaultNow: true},
		{Name: "text", Type: store.TypeRichtext, Optional: true},
		{Name: "data", Type: store.TypeJSON, HasDefault: true, Default: store.JSON(`{"a":1.0}`)},
		{Name: "user", Type: store.TypeID, Ref: "User", Readonly: true},
		{Name: "token", Type: store.TypeString, Optional: true, ServerOnly: true},
	})
	same(t, "indexes", entities[0].Indexes, []store.Index{{Name: "Order_user_at", Columns: []string{"user", "at"}}, {Name: "by_total", Columns: []string{"total"}, Unique: true}})
	var required []string
	for _, f := range entities[0].Fields {
		if f.Required() {
			required = append(required, f.Name)
		}
	}
	same(t, "required", required, []string{"title", "user"})
}

func TestNewSchemaRefusesATakenName(t *testing.T) {
	for _, c := range []struct {
		entities []string
		tables   []string
		want     string
	}{
		{[]string{"Post", "Post"}, nil, "is taken by entity Post"}, {[]string{"Post", "post"}, nil, "is taken by entity Post"},
		{[]string{"Post"}, []string{"POST"}, "is taken by entity Post"}, {nil, []string{"_a", "_A"}, "is taken by table _a"},
	} {
		var entities []*store.Entity
		for _, name := range c.entities {
			entities = append(entities, &store.Entity{Name: name})
		}
		var tables []*store.Table
		for _, name := range c.tables {
			tables = append(tables, &store.Table{Name: name})
		}
		if _, err := store.NewSchema(entities, tables); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %v: %v", c.entities, c.tables, err)
		}
	}
}
