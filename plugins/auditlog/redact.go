package auditlog

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/pylon-go/pylon/store"
)

// mode is what is recorded of a value.
type mode uint8

const (
	plain mode = iota
	skip       // nothing
	masked
	hashed
)

// mask stands for a value of mask_fields.
const mask = `"***"`

// rule says what is recorded of a field or, with children, of the keys in it.
// Arrays are looked through: a rule for a key holds in every element.
type rule struct {
	mode     mode // of the whole, and of keys without a rule
	children map[string]*rule
}

// set changes the mode of what a path leads to. What is not recorded anyway, or not
// as it is, stays so.
func (r *rule) set(path []string, m mode) {
	if r.drops() {
		return
	}
	if len(path) == 0 {
		r.mode, r.children = m, nil
		return
	}
	if r.children == nil {
		if r.mode != plain {
			return
		}
		r.children = map[string]*rule{}
	}
	r.child(path[0]).set(path[1:], m)
}

// include is set for include_fields: the keys beside the path are not recorded.
func (r *rule) include(path []string) {
	if len(path) == 0 {
		r.mode, r.children = plain, nil
		return
	}
	if r.mode == plain {
		return // the whole is included already
	}
	if r.children == nil {
		r.children = map[string]*rule{}
	}
	r.child(path[0]).include(path[1:])
}

func (r *rule) child(key string) *rule {
	c := r.children[key]
	if c == nil {
		c = &rule{mode: r.mode}
		r.children[key] = c
	}
	return c
}

// drops reports whether nothing at all is recorded.
func (r *rule) drops() bool { return r.mode == skip && r.children == nil }

// recorder makes the before and after of one entity's rows.
type recorder struct {
	entity *store.Entity
	rules  []*rule // by field
	keys   []string
	key    *key // for hash_fields
}

func newRecorder(e *store.Entity, all bool) *recorder {
	r := &recorder{entity: e}
	for i := range e.Fields {
		one := &rule{mode: skip}
		if all && !e.Fields[i].ServerOnly {
			one.mode = plain
		}
		r.rules = append(r.rules, one)
		r.keys = append(r.keys, ","+string(store.AppendJSONString(nil, e.Fields[i].Name))+":")
	}
	return r
}

// appendRow writes what is recorded of a row as a JSON object: id first, then the
// fields in declared order.
func (r *recorder) appendRow(dst []byte, row *store.Row) ([]byte, error) {
	dst = append(dst, `{"id":`...)
	dst = store.AppendJSONString(dst, row.ID)
	for i, rule := range r.rules {
		if rule.drops() || r.entity.Fields[i].ServerOnly {
			continue
		}
		dst = append(dst, r.keys[i]...)
		v := row.Values[i]
		if rule.mode == plain && rule.children == nil || v.IsNull() {
			dst = v.AppendJSON(dst)
			continue
		}
		var err error
		if dst, err = r.appendRuled(dst, rule, v.AppendJSON(nil)); err != nil {
			return nil, fmt.Errorf("record %s.%s: %w", r.entity.Name, r.entity.Fields[i].Name, err)
		}
	}
	return append(dst, '}'), nil
}

// appendRuled writes what a rule leaves of a JSON value.
func (r *recorder) appendRuled(dst []byte, rule *rule, raw []byte) ([]byte, error) {
	raw = bytes.TrimSpace(raw)
	if rule.children == nil {
		return r.appendLeaf(dst, rule.mode, raw), nil
	}
	if len(raw) == 0 || raw[0] != '{' && raw[0] != '[' {
		return r.appendLeaf(dst, rule.mode, raw), nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	object := raw[0] == '{'
	dst = append(dst, raw[0])
	first := true
	for dec.More() {
		inner := rule
		var key string
		if object {
			t, err := dec.Token()
			if err != nil {
				return nil, err
			}
			key = t.(string) // what comes before a colon
			if c := rule.children[key]; c != nil {
				inner = c
			} else {
				inner = leaves[rule.mode]
			}
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		if inner.drops() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if object {
			dst = append(store.AppendJSONString(dst, key), ':')
		}
		var err error
		if dst, err = r.appendRuled(dst, inner, value); err != nil {
			return nil, err
		}
	}
	return append(dst, raw[0]+2), nil // the closing bracket
}

// leaves are rules for keys without one, by the mode of what is around them.
var leaves = [...]*rule{plain: {mode: plain}, skip: {mode: skip}, masked: {mode: masked}, hashed: {mode: hashed}}

func (r *recorder) appendLeaf(dst []byte, m mode, raw []byte) []byte {
	switch {
	case m == plain || string(raw) == "null":
		return append(dst, raw...)
	case m == masked:
		return append(dst, mask...)
	case m == hashed:
		return store.AppendJSONString(dst, r.key.hashValue(raw))
	}
	return append(dst, "null"...)
}

// changed are the names of the fields that a write changed, also of those that are
// not recorded, as a JSON list; null where it is all of them.
func (r *recorder) changed(w *store.Write) store.Value {
	if w.Op != store.Update {
		return store.Null
	}
	dst := []byte{'['}
	for i, on := range w.Changed {
		f := &r.entity.Fields[i]
		if !on || f.ServerOnly { // clients do not know its name
			continue
		}
		if len(dst) > 1 {
			dst = append(dst, ',')
		}
		dst = store.AppendJSONString(dst, f.Name)
	}
	return store.String(string(append(dst, ']')))
}
