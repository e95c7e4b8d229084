package codegen

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pylon-go/pylon/store"
)

// Entities declares the rows of every entity, for @pylonsync/functions.
func Entities(schema *store.Schema) string {
	var b strings.Builder
	b.WriteString("declare module \"@pylonsync/functions\" {\n  interface Entities {\n")
	for _, e := range schema.Entities {
		insert, patch := e.Name+"Insert", e.Name+"Patch"
		if e.Owner != "" { // only its plugin writes it
			insert, patch = "never", "never"
		}
		fmt.Fprintf(&b, "    %s: { row: %sRow; insert: %s; patch: %s };\n", e.Name, e.Name, insert, patch)
	}
	b.WriteString("  }\n")
	for _, e := range schema.Entities {
		b.WriteString("\n")
		if e.Owner != "" {
			fmt.Fprintf(&b, "  /** Kept by the plugin %s, and only read by others. */\n", e.Owner)
		}
		row(&b, e)
		if e.Owner == "" {
			insert(&b, e)
			patch(&b, e)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

func row(b *strings.Builder, e *store.Entity) {
	fmt.Fprintf(b, "  export interface %sRow {\n    readonly id: string;\n", e.Name)
	for i := range e.Fields {
		f := &e.Fields[i]
		readonly := ""
		if f.ServerOnly {
			b.WriteString("    /** Never leaves the server: a row that is returned does not have it. */\n")
			readonly = "readonly "
		}
		fmt.Fprintf(b, "    %s%s: %s;\n", readonly, f.Name, typeOf(f))
	}
	b.WriteString("  }\n")
}

func insert(b *strings.Builder, e *store.Entity) {
	fmt.Fprintf(b, "  export interface %sInsert {\n    /** A ULID of one's own; made when left out. */\n    id?: string;\n", e.Name)
	for i := range e.Fields {
		f := &e.Fields[i]
		mark := "?"
		if f.Required() {
			mark = ""
		}
		if what := otherwise(f); what != "" {
			fmt.Fprintf(b, "    /** %s when left out. */\n", what)
		}
		fmt.Fprintf(b, "    %s%s: %s;\n", f.Name, mark, writtenType(f))
	}
	b.WriteString("  }\n")
}

// otherwise is the value of a field that an insert leaves out.
func otherwise(f *store.Field) string {
	switch {
	case f.DefaultNow:
		return "The time of the write"
	case f.HasDefault:
		return strings.ReplaceAll(string(f.Default.AppendJSON(nil)), "*/", "*\\/")
	}
	return ""
}

func patch(b *strings.Builder, e *store.Entity) {
	fmt.Fprintf(b, "  export interface %sPatch {\n", e.Name)
	for i := range e.Fields {
		fmt.Fprintf(b, "    %s?: %s;\n", e.Fields[i].Name, writtenType(&e.Fields[i]))
	}
	b.WriteString("  }\n")
}

// typeOf is the type of a field's value as it is read.
func typeOf(f *store.Field) string {
	t := "string"
	switch {
	case len(f.Enum) > 0:
		quoted := make([]string, len(f.Enum))
		for i, v := range f.Enum {
			quoted[i] = strconv.Quote(v)
		}
		t = strings.Join(quoted, " | ")
	case f.Type == store.TypeInt, f.Type == store.TypeFloat:
		t = "number"
	case f.Type == store.TypeBool:
		t = "boolean"
	case f.Type == store.TypeJSON:
		return "any"
	}
	if f.Optional {
		t += " | null"
	}
	return t
}

// writtenType is the type of a field's value as it may be written: a Date becomes the
// text of a datetime on its way to the host.
func writtenType(f *store.Field) string {
	if f.Type == store.TypeDatetime {
		return typeOf(f) + " | Date"
	}
	return typeOf(f)
}
