package codegen

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// schema is the part of JSON Schema that configs of plugins are described with.
type schema struct {
	Title       string             `json:"title"`
	Description string             `json:"description"`
	Type        string             `json:"type"`
	Properties  map[string]*schema `json:"properties"`
	Required    []string           `json:"required"`
	Additional  json.RawMessage    `json:"additionalProperties"`
	Items       json.RawMessage    `json:"items"`
	Enum        []any              `json:"enum"`
	Const       any                `json:"const"`
	AnyOf       []*schema          `json:"anyOf"`
	OneOf       []*schema          `json:"oneOf"`
	AllOf       []*schema          `json:"allOf"`
	If          *schema            `json:"if"`
	Then        *schema            `json:"then"`
}

// Plugins declares the configs of plugins, for definePlugin of @pylonsync/sdk. It reads
// them from the JSON Schema of manifests.
func Plugins(manifest []byte) (string, error) {
	var m schema
	if err := json.Unmarshal(manifest, &m); err != nil {
		return "", fmt.Errorf("the schema of manifests: %w", err)
	}
	var b strings.Builder
	b.WriteString("declare module \"@pylonsync/sdk\" {\n  interface PluginConfigs {\n")
	if list := m.Properties["plugins"]; list != nil {
		item := &schema{}
		if err := json.Unmarshal(list.Items, item); err != nil {
			return "", fmt.Errorf("the schema of plugins: %w", err)
		}
		for _, rule := range item.AllOf {
			if rule.If == nil || rule.Then == nil || rule.If.Properties["name"] == nil || rule.Then.Properties["config"] == nil {
				continue
			}
			config := rule.Then.Properties["config"]
			config.Required = nil // the rest may be in pylon.manifest.json
			comment(&b, config.Description, "    ")
			fmt.Fprintf(&b, "    %s: %s;\n", key(fmt.Sprint(rule.If.Properties["name"].Const)), config.typescript("    "))
		}
	}
	b.WriteString("  }\n}\n")
	return b.String(), nil
}

var plainKey = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

func key(name string) string {
	if plainKey.MatchString(name) {
		return name
	}
	return strconv.Quote(name)
}

func comment(b *strings.Builder, text, indent string) {
	if text = strings.Join(strings.Fields(strings.ReplaceAll(text, "*/", "*\\/")), " "); text != "" {
		fmt.Fprintf(b, "%s/** %s */\n", indent, text)
	}
}

// typescript is the schema as a type.
func (s *schema) typescript(indent string) string {
	switch {
	case s.Title == CallbackTitle:
		return "(...args: any[]) => unknown"
	case s.Const != nil:
		return literal(s.Const)
	case len(s.Enum) > 0:
		var all []string
		for _, v := range s.Enum {
			all = append(all, literal(v))
		}
		return strings.Join(all, " | ")
	case len(s.AnyOf)+len(s.OneOf) > 0:
		var all []string
		for _, a := range append(s.AnyOf, s.OneOf...) {
			if t := a.typescript(indent); !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
		return "(" + strings.Join(all, " | ") + ")"
	}
	switch s.Type {
	case "string", "boolean":
		return s.Type
	case "number", "integer":
		return "number"
	case "array":
		item := sub(s.Items)
		if item == nil {
			return "unknown[]"
		}
		return "Array<" + item.typescript(indent) + ">"
	case "object":
		return s.object(indent)
	}
	return "unknown"
}

// CallbackTitle is the title of the schema of a function in a config.
const CallbackTitle = "function of app.ts"

func (s *schema) object(indent string) string {
	if len(s.Properties) == 0 {
		if values := sub(s.Additional); values != nil {
			return "Record<string, " + values.typescript(indent) + ">"
		}
		if string(s.Additional) == "false" {
			return "{}"
		}
		return "Record<string, unknown>"
	}
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString("{\n")
	for _, name := range names {
		p := s.Properties[name]
		comment(&b, p.Description, indent+"  ")
		mark := "?"
		if slices.Contains(s.Required, name) {
			mark = ""
		}
		fmt.Fprintf(&b, "%s  %s%s: %s;\n", indent, key(name), mark, p.typescript(indent+"  "))
	}
	b.WriteString(indent + "}")
	return b.String()
}

// sub reads a schema that may be a bool, or not there.
func sub(raw json.RawMessage) *schema {
	s := &schema{}
	if len(raw) == 0 || json.Unmarshal(raw, s) != nil {
		return nil
	}
	return s
}

func literal(v any) string {
	b, err := json.Marshal(v)
	if err != nil { // it came from JSON
		return "unknown"
	}
	return string(b)
}
