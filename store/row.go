package store

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Row is a stored row: Values[i] belongs to Entity.Fields[i].
type Row struct {
	Entity *Entity
	ID     string
	Values []Value
}

// Get is a field's value by name; "id" is a field too. ok is false for an unknown name.
func (r *Row) Get(name string) (v Value, ok bool) {
	i, ok := r.Entity.Lookup(name)
	if !ok {
		return Null, false
	}
	return r.At(i), true
}

// At is a field's value by its position, or the id for [FieldIDIndex].
func (r *Row) At(i int) Value {
	if i == FieldIDIndex {
		return ID(r.ID)
	}
	return r.Values[i]
}

// Clone is a copy that can be changed alone.
func (r *Row) Clone() *Row {
	c := *r
	c.Values = slices.Clone(r.Values)
	return &c
}

// AppendJSON writes the row as a JSON object: id first, then the fields in
// declared order. serverOnly fields are left out; there is no way to include them.
func (r *Row) AppendJSON(dst []byte) []byte { return r.AppendJSONFields(dst, nil, nil) }

// AppendJSONFields is AppendJSON with the named fields only (nil: all) and
// without the hidden ones.
func (r *Row) AppendJSONFields(dst []byte, only, hide []string) []byte {
	dst = append(dst, `{"id":`...)
	dst = AppendJSONString(dst, r.ID)
	for i := range r.Entity.Fields {
		f := &r.Entity.Fields[i]
		if f.ServerOnly || only != nil && !slices.Contains(only, f.Name) || slices.Contains(hide, f.Name) {
			continue
		}
		dst = append(dst, r.Entity.sql.jsonKeys[i]...)
		dst = r.Values[i].AppendJSON(dst)
	}
	return append(dst, '}')
}

// FieldSet marks fields of an entity by position.
type FieldSet []bool

// Names are the marked fields of e, in declared order.
func (s FieldSet) Names(e *Entity) []string {
	var names []string
	for i, on := range s {
		if on {
			names = append(names, e.Fields[i].Name)
		}
	}
	return names
}

// Any reports whether a field is marked.
func (s FieldSet) Any() bool { return slices.Contains(s, true) }

// Patch is what a caller wants a row to have: all it gives of a new row, or the
// fields to change in an existing one.
type Patch struct {
	Entity *Entity
	// ID of the new row; empty lets the database choose one.
	ID     string
	Set    FieldSet
	Values []Value
}

// NewPatch is an empty patch.
func NewPatch(e *Entity) *Patch {
	return &Patch{Entity: e, Set: make(FieldSet, len(e.Fields)), Values: make([]Value, len(e.Fields))}
}

// Put sets a field by name. The value may be any of its storage's types: a
// string for an id, an int for a float.
func (p *Patch) Put(name string, v Value) error {
	i, ok := p.Entity.Lookup(name)
	if !ok || i == FieldIDIndex {
		return unknownField(p.Entity, name)
	}
	return p.PutAt(i, v)
}

// PutAt sets a field by position.
func (p *Patch) PutAt(i int, v Value) error {
	f := &p.Entity.Fields[i]
	v, err := f.accept(v)
	if err != nil {
		return err
	}
	p.Set[i], p.Values[i] = true, v
	return nil
}

// accept checks a value against the field's type, nullability and enum.
func (f *Field) accept(v Value) (Value, error) {
	if v.IsNull() {
		if !f.Optional {
			return v, Errorf(Invalid, "INVALID_VALUE", "%s may not be null", f.Name).WithField(f.Name)
		}
		return v, nil
	}
	if v.typ != f.Type {
		text := v.IsText() && v.typ != TypeBytes && v.typ != TypeJSON
		wantText := f.Type == TypeString || f.Type == TypeRichtext || f.Type == TypeID
		if !(text && wantText) && !(v.typ == TypeInt && f.Type == TypeFloat) {
			return v, wrongType(f, v.typ.String())
		}
		v = v.As(f.Type)
	}
	if err := f.storable(v); err != nil {
		return v, err
	}
	if f.Type == TypeID && (v.str == "" || len(v.str) > 128) {
		return v, Errorf(Invalid, "INVALID_VALUE", "%s must be the id of a row: 1 to 128 characters", f.Name).WithField(f.Name)
	}
	if f.Enum != nil && !slices.Contains(f.Enum, v.str) {
		return v, Errorf(Invalid, "INVALID_VALUE", "%s must be one of: %s", f.Name, strings.Join(f.Enum, ", ")).WithField(f.Name)
	}
	return v, nil
}

// storable refuses what no database holds: text with U+0000 or broken UTF-8, and
// floats that are not numbers.
func (f *Field) storable(v Value) error {
	switch {
	case v.typ == TypeFloat && (math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0)):
		return Errorf(Invalid, "INVALID_VALUE", "%s must be a finite number", f.Name).WithField(f.Name)
	case !v.IsText() || v.typ == TypeBytes:
	case strings.IndexByte(v.str, 0) >= 0:
		return Errorf(Invalid, "INVALID_VALUE", "%s contains the character U+0000, which text cannot hold", f.Name).WithField(f.Name)
	case !utf8.ValidString(v.str):
		return Errorf(Invalid, "INVALID_VALUE", "%s is not valid UTF-8", f.Name).WithField(f.Name)
	}
	return nil
}

func wrongType(f *Field, got string) *Error {
	return Errorf(Invalid, "INVALID_VALUE", "%s must be %s, got %s", f.Name, typeArticle(f), got).WithField(f.Name)
}

func typeArticle(f *Field) string {
	switch f.Type {
	case TypeInt:
		return "an int (whole number)"
	case TypeID:
		return fmt.Sprintf("an id of %s (string)", f.Ref)
	case TypeDatetime:
		return "a datetime (RFC 3339 string)"
	default:
		return "a " + f.Type.String()
	}
}

// unknownField lists the fields there are, without those that clients must not know.
func unknownField(e *Entity, name string) *Error {
	fields := []string{"id"}
	for i := range e.Fields {
		if !e.Fields[i].ServerOnly {
			fields = append(fields, e.Fields[i].Name)
		}
	}
	return Errorf(Invalid, "INVALID_COLUMN", "%s has no field %q", e.Name, name).WithField(name).WithHint("fields: %s", strings.Join(fields, ", "))
}

// newRow completes a patch to a new row: defaults for what is left out, an error
// naming every required field that is missing.
func (p *Patch) newRow(now time.Time) (*Row, error) {
	e := p.Entity
	r := &Row{Entity: e, ID: p.ID, Values: make([]Value, len(e.Fields))}
	if r.ID == "" {
		r.ID = NewID(now)
	}
	var missing []string
	for i := range e.Fields {
		f := &e.Fields[i]
		switch {
		case p.Set[i]:
			r.Values[i] = p.Values[i]
		case f.DefaultNow:
			r.Values[i] = Time(now)
		case f.HasDefault:
			r.Values[i] = f.Default
		case !f.Optional:
			missing = append(missing, f.Name)
		}
	}
	if missing != nil {
		what := "field"
		if len(missing) > 1 {
			what = "fields"
		}
		return nil, Errorf(Invalid, "MISSING_FIELD", "%s needs the %s %s", e.Name, what, strings.Join(missing, ", ")).WithField(missing[0])
	}
	return r, nil
}

// check holds a row that hooks may have changed against its entity.
func (r *Row) check() error {
	for i := range r.Entity.Fields {
		v, err := r.Entity.Fields[i].accept(r.Values[i])
		if err != nil {
			return err
		}
		r.Values[i] = v
	}
	return nil
}
