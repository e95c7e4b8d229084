package manifest

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// CallbackKey marks an object that stands for a function of app.ts.
const CallbackKey = "$callback"

// Unmarshaler is implemented by types that read themselves.
type Unmarshaler interface {
	UnmarshalManifest(n Node, problems *Problems)
}

var (
	nodeType = reflect.TypeFor[Node]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

// Decode reads the value into a struct, strictly: unknown keys, repeated keys,
// missing keys (those whose json tag has no omitempty) and wrong types are
// problems, all of them reported. What the target holds already stays where the
// manifest says nothing. A struct with a field `Node Node` without a json name is
// given its own node there.
func (n Node) Decode(into any, problems *Problems) {
	n.decode(reflect.ValueOf(into).Elem(), problems)
}

func (n Node) decode(v reflect.Value, ps *Problems) {
	if v.CanAddr() {
		if u, ok := v.Addr().Interface().(Unmarshaler); ok {
			u.UnmarshalManifest(n, ps)
			return
		}
	}
	switch {
	case v.Type() == nodeType:
		v.Set(reflect.ValueOf(n))
		return
	case v.Type() == rawType:
		v.SetBytes(n.Raw())
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			p.Elem().Set(v.Elem())
		}
		n.decode(p.Elem(), ps)
		v.Set(p)
	case reflect.Struct:
		if n.is(Object, ps) {
			n.decodeStruct(v, ps)
		}
	case reflect.Map:
		if n.is(Object, ps) {
			n.decodeMap(v, ps)
		}
	case reflect.Slice:
		if n.is(Array, ps) {
			items := n.Items()
			list := reflect.MakeSlice(v.Type(), len(items), len(items))
			for i, item := range items {
				item.decode(list.Index(i), ps)
			}
			v.Set(list)
		}
	case reflect.String:
		if n.is(String, ps) {
			v.SetString(n.text())
		}
	case reflect.Bool:
		if n.is(Bool, ps) {
			v.SetBool(n.literal() == "true")
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if !n.is(Number, ps) {
			return
		}
		i, err := strconv.ParseInt(n.literal(), 10, 64)
		if err != nil {
			f, ferr := strconv.ParseFloat(n.literal(), 64)
			if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
				ps.Add(n.Problem("WRONG_TYPE", "must be a whole number, is %s", n.literal()))
				return
			}
			i = int64(f)
		}
		if v.OverflowInt(i) {
			ps.Add(n.Problem("WRONG_TYPE", "%d is out of range", i))
			return
		}
		v.SetInt(i)
	case reflect.Float32, reflect.Float64:
		if n.is(Number, ps) {
			f, err := strconv.ParseFloat(n.literal(), 64)
			if err != nil {
				ps.Add(n.Problem("WRONG_TYPE", "%s is out of range", n.literal()))
				return
			}
			v.SetFloat(f)
		}
	default:
		panic("a manifest cannot be decoded into " + v.Type().String())
	}
}

func (n Node) is(want Kind, ps *Problems) bool {
	if n.Kind() == want {
		return true
	}
	is := string(n.Kind())
	if !n.Get(CallbackKey).IsZero() {
		is = "a function"
	}
	ps.Add(n.Problem("WRONG_TYPE", "must be %s, is %s", want, is))
	return false
}

// eachMember calls fn for every key once and reports repeated ones.
func (n Node) eachMember(ps *Problems, fn func(m member)) {
	seen := map[string]int{}
	for _, m := range n.members() {
		if at, twice := seen[m.name]; twice {
			line, _ := n.doc.position(at)
			ps.Add(Node{doc: n.doc, offset: m.offset, path: m.value.path}.Problem("DUPLICATE_KEY", "the key is there twice, first in line %d", line))
			continue
		}
		seen[m.name] = m.offset
		fn(m)
	}
}

func (n Node) decodeMap(v reflect.Value, ps *Problems) {
	out := reflect.MakeMap(v.Type())
	n.eachMember(ps, func(m member) {
		e := reflect.New(v.Type().Elem()).Elem()
		m.value.decode(e, ps)
		out.SetMapIndex(reflect.ValueOf(m.name).Convert(v.Type().Key()), e)
	})
	v.Set(out)
}

// structField is a key of a struct.
type structField struct {
	index    []int
	goName   string
	key      string
	required bool
	typ      reflect.Type
}

// fieldsOf are the keys of a struct, embedded ones included.
func fieldsOf(t reflect.Type) []structField {
	var out []structField
	for _, f := range reflect.VisibleFields(t) {
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		out = append(out, structField{f.Index, f.Name, name, !strings.Contains(opts, "omitempty"), f.Type})
	}
	return out
}

func (n Node) decodeStruct(v reflect.Value, ps *Problems) {
	fields := fieldsOf(v.Type())
	byKey := map[string]structField{}
	var keys []string
	for _, f := range fields {
		byKey[f.key] = f
		keys = append(keys, f.key)
	}
	given := map[string]bool{}
	n.eachMember(ps, func(m member) {
		f, ok := byKey[m.name]
		if !ok {
			p := Node{doc: n.doc, offset: m.offset, path: m.value.path}.Problem("UNKNOWN_KEY", "unknown key %q", m.name)
			ps.Add(p.WithNearest(m.name, keys))
			return
		}
		if m.value.Kind() == Null && !f.required {
			return // as if it were left out
		}
		given[m.name] = true
		m.value.decode(v.FieldByIndex(f.index), ps)
	})
	for _, f := range fields {
		if f.required && !given[f.key] {
			ps.Add(n.Problem("MISSING_KEY", "the key %q is missing", f.key))
		}
	}
	if f, ok := v.Type().FieldByName("Node"); ok && f.Type == nodeType && f.Tag.Get("json") == "-" {
		v.FieldByIndex(f.Index).Set(reflect.ValueOf(n))
	}
}
