package manifest

import (
	_ "embed"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
)

//go:embed types.go
var typesSource string

// Docs reads the comments of struct fields out of Go source: type name, field
// name, text. The comments of a config struct are its reference, and this is how
// the program that was built from them can show them.
func Docs(goSource string) map[string]map[string]string {
	out := map[string]map[string]string{}
	file, err := parser.ParseFile(token.NewFileSet(), "", goSource, parser.ParseComments)
	if err != nil {
		return out // source that was compiled into us parses; other source has no docs
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		st, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		fields := map[string]string{}
		for _, f := range st.Fields.List {
			for _, name := range f.Names {
				fields[name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
			}
		}
		out[spec.Name.Name] = fields
		return true
	})
	return out
}

// KeyDoc is one key of a configuration, for its reference.
type KeyDoc struct {
	Key      string // hooks[].retry.max_attempts
	Type     string
	Default  string
	Required bool
	Doc      string
}

// ConfigReference lists the keys of a config struct. config points to one with its
// defaults, source is the Go source that declares it.
func ConfigReference(config any, source string) []KeyDoc {
	docs := Docs(source)
	var out []KeyDoc
	var walk func(prefix string, t reflect.Type, v reflect.Value)
	walk = func(prefix string, t reflect.Type, v reflect.Value) {
		for _, f := range fieldsOf(t) {
			k := KeyDoc{Key: prefix + f.key, Type: typeName(f.typ), Required: f.required, Doc: docs[t.Name()][f.goName]}
			var fv reflect.Value
			if v.IsValid() {
				fv = v.FieldByIndex(f.index)
				if s, ok := scalar(fv); ok {
					k.Default = s
				}
			}
			out = append(out, k)
			inner, suffix := f.typ, ""
			for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
				switch inner.Kind() {
				case reflect.Slice:
					suffix += "[]"
				case reflect.Map:
					suffix += ".*"
				}
				inner = inner.Elem()
				fv = reflect.Value{}
			}
			if inner.Kind() == reflect.Struct && inner != nodeType && !describesItself(inner) {
				walk(prefix+f.key+suffix+".", inner, fv)
			}
		}
	}
	v := reflect.ValueOf(config).Elem()
	walk("", v.Type(), v)
	return out
}

// scalar is a default as text; zero values are no defaults worth showing.
func scalar(v reflect.Value) (string, bool) {
	if v.IsZero() {
		return "", false
	}
	switch v.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return strings.TrimSpace(reflectText(v)), true
	}
	return "", false
}
