package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// SchemaDescriber is implemented by types that read themselves ([Unmarshaler]), to
// describe what they read.
type SchemaDescriber interface {
	ManifestSchema() map[string]any
}

// PluginSchema is what the schema needs to know of a plugin.
type PluginSchema struct {
	Name    string
	Summary string
	Config  any    // pointer to the config struct with its defaults; nil for none
	Source  string // Go source that declares it
}

type object = map[string]any

// JSONSchema is the schema of manifests for editors. It is draft-07, which the
// JSON language server behind VS Code knows in full.
func JSONSchema(plugins []PluginSchema) []byte {
	s := structSchema(reflect.TypeFor[Manifest](), Docs(typesSource))
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["title"] = "Pylon manifest"
	props := s["properties"].(object)
	props["manifest_version"].(object)["const"] = 1

	field := props["entities"].(object)["items"].(object)["properties"].(object)["fields"].(object)["items"].(object)["properties"].(object)
	field["type"] = object{"description": field["type"].(object)["description"], "type": "string",
		"anyOf": []any{object{"enum": fieldTypes}, object{"pattern": idType.String()}}}

	var names []string
	var rules []any
	for _, p := range plugins {
		names = append(names, p.Name)
		config := object{"type": "object", "additionalProperties": false}
		required := false
		if p.Config != nil {
			config = structSchema(reflect.TypeOf(p.Config).Elem(), Docs(p.Source))
			required = config["required"] != nil
		}
		config["description"] = p.Summary
		then := object{"properties": object{"config": config}}
		if required {
			then["required"] = []string{"config"}
		}
		rules = append(rules, object{"if": object{"properties": object{"name": object{"const": p.Name}}}, "then": then})
	}
	item := props["plugins"].(object)["items"].(object)
	item["properties"].(object)["name"] = object{"enum": names, "description": "Name of the plugin."}
	item["properties"].(object)["config"] = object{"description": "Settings of the plugin."}
	if rules != nil {
		item["allOf"] = rules
	}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err) // it is made of maps, lists and strings
	}
	return out
}

func structSchema(t reflect.Type, docs map[string]map[string]string) object {
	props, required := object{}, []string{}
	for _, f := range fieldsOf(t) {
		p := typeSchema(f.typ, docs)
		if d := docs[t.Name()][f.goName]; d != "" {
			p["description"] = d
		}
		props[f.key] = p
		if f.required {
			required = append(required, f.key)
		}
	}
	s := object{"type": "object", "properties": props, "additionalProperties": false}
	if len(required) > 0 {
		slices.Sort(required)
		s["required"] = required
	}
	return s
}

var describer = reflect.TypeFor[SchemaDescriber]()

func describesItself(t reflect.Type) bool { return reflect.PointerTo(t).Implements(describer) }

func typeSchema(t reflect.Type, docs map[string]map[string]string) object {
	if describesItself(t) {
		return reflect.New(t).Interface().(SchemaDescriber).ManifestSchema()
	}
	if t == nodeType || t == rawType {
		return object{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem(), docs)
	case reflect.Struct:
		return structSchema(t, docs)
	case reflect.Slice:
		return object{"type": "array", "items": typeSchema(t.Elem(), docs)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": typeSchema(t.Elem(), docs)}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	default:
		return object{"type": "integer"}
	}
}

// typeName is a type as a reference names it.
func typeName(t reflect.Type) string {
	if describesItself(t) {
		if s, ok := reflect.New(t).Interface().(SchemaDescriber).ManifestSchema()["title"].(string); ok {
			return s
		}
	}
	switch {
	case t == nodeType, t == rawType:
		return "any"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Slice:
		return "list of " + typeName(t.Elem())
	case reflect.Map:
		return "object of " + typeName(t.Elem())
	case reflect.Struct:
		return "object"
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Float32, reflect.Float64:
		return "number"
	default:
		return "whole number"
	}
}

func reflectText(v reflect.Value) string { return strings.TrimSpace(fmt.Sprint(v.Interface())) }
