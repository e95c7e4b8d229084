package store

import (
	"fmt"
	"strings"

	"github.com/pylon-go/pylon/manifest"
)

// EntitiesOf turns the entities of a checked manifest into those of a schema.
func EntitiesOf(m *manifest.Manifest) ([]*Entity, error) {
	var out []*Entity
	for i := range m.Entities {
		d := &m.Entities[i]
		e := &Entity{Name: d.Name}
		for j := range d.Fields {
			f, err := fieldOf(&d.Fields[j])
			if err != nil {
				return nil, fmt.Errorf("entity %s: %w", d.Name, err)
			}
			e.Fields = append(e.Fields, f)
		}
		for _, ix := range d.Indexes {
			name := ix.Name
			if name == "" {
				name = d.Name + "_" + strings.Join(ix.Fields, "_")
			}
			e.Indexes = append(e.Indexes, Index{Name: name, Columns: ix.Fields, Unique: ix.Unique})
		}
		out = append(out, e)
	}
	return out, nil
}

var fieldTypes = map[string]Type{
	"string": TypeString, "int": TypeInt, "float": TypeFloat, "bool": TypeBool,
	"datetime": TypeDatetime, "richtext": TypeRichtext, "json": TypeJSON, "id": TypeID,
}

func fieldOf(d *manifest.Field) (Field, error) {
	f := Field{Name: d.Name, Optional: d.Optional, Unique: d.Unique, ServerOnly: d.ServerOnly, Readonly: d.Readonly, Enum: d.EnumValues}
	kind, ref, ok := manifest.ParseType(d.Type)
	if f.Type = fieldTypes[kind]; !ok || f.Type == 0 {
		return f, fmt.Errorf("field %s: unknown type %q", d.Name, d.Type)
	}
	f.Ref = ref
	if d.Default.IsZero() {
		return f, nil
	}
	raw := d.Default.Raw()
	if f.Type == TypeDatetime && string(raw) == `"now"` {
		f.DefaultNow = true
		return f, nil
	}
	v, err := ParseJSONValue(&f, raw)
	if err == nil {
		v, err = f.accept(v)
	}
	f.HasDefault, f.Default = true, v
	return f, err
}
