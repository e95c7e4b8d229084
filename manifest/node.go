package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// document is a parsed file.
type document struct {
	file  string
	data  []byte
	lines []int // where each line begins
	// locate says where a path was written, of a document that nobody wrote as it is.
	locate func(path string) Place
}

func newDocument(file string, data []byte) *document {
	d := &document{file: file, data: data, lines: []int{0}}
	for i, b := range data {
		if b == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	return d
}

// position is the line and the column, in characters, of a byte offset.
func (d *document) position(offset int) (line, col int) {
	offset = min(max(offset, 0), len(d.data))
	line = sort.SearchInts(d.lines, offset+1)
	return line, utf8.RuneCount(d.data[d.lines[line-1]:offset]) + 1
}

// Node is a value in the document together with its place. The zero Node is a
// value that is not there.
type Node struct {
	doc *document
	// value is nil for a value that is not there; offset is then that of the
	// nearest value around it.
	value  hujson.ValueTrimmed
	offset int
	path   string
}

// Kind is the kind of a JSON value.
type Kind string

const (
	Absent Kind = ""
	Null   Kind = "null"
	Bool   Kind = "a boolean"
	Number Kind = "a number"
	String Kind = "a string"
	Object Kind = "an object"
	Array  Kind = "an array"
)

// Kind is what the value is.
func (n Node) Kind() Kind {
	switch v := n.value.(type) {
	case *hujson.Object:
		return Object
	case *hujson.Array:
		return Array
	case hujson.Literal:
		switch v.Kind() {
		case 'n':
			return Null
		case 't', 'f':
			return Bool
		case '0':
			return Number
		default:
			return String
		}
	}
	return Absent
}

// IsZero reports whether the value is not there; null counts as not there.
func (n Node) IsZero() bool { return n.Kind() == Absent || n.Kind() == Null }

// Path is the way to the value from the top: plugins[2].config.hooks[0].url.
func (n Node) Path() string { return n.path }

// Pos is the value's place, line and column from 1.
func (n Node) Pos() (line, col int) {
	if n.doc == nil {
		return 1, 1
	}
	return n.doc.position(n.offset)
}

// Raw is the value as standard JSON, nil when it is not there.
func (n Node) Raw() []byte {
	if n.value == nil {
		return nil
	}
	v := hujson.Value{Value: n.value}
	v = v.Clone()
	v.Minimize()
	return bytes.TrimSpace(v.Pack())
}

// member is one key of an object.
type member struct {
	name   string
	offset int // of the key
	value  Node
}

func (n Node) members() []member {
	o, ok := n.value.(*hujson.Object)
	if !ok {
		return nil
	}
	list := make([]member, len(o.Members))
	for i := range o.Members {
		m := &o.Members[i]
		name := m.Name.Value.(hujson.Literal).String()
		list[i] = member{name, m.Name.StartOffset, Node{n.doc, m.Value.Value, m.Value.StartOffset, join(n.path, name)}}
	}
	return list
}

// Items are the elements of an array.
func (n Node) Items() []Node {
	a, ok := n.value.(*hujson.Array)
	if !ok {
		return nil
	}
	list := make([]Node, len(a.Elements))
	for i := range a.Elements {
		e := &a.Elements[i]
		list[i] = Node{n.doc, e.Value, e.StartOffset, n.path + "[" + strconv.Itoa(i) + "]"}
	}
	return list
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Get is the value of a key. When it is not there the answer still knows the
// place where it would be.
func (n Node) Get(key string) Node {
	for _, m := range n.members() {
		if m.name == key {
			return m.value
		}
	}
	return Node{doc: n.doc, offset: n.offset, path: join(n.path, key)}
}

// At follows keys (string) and positions (int). Where a step leads nowhere the
// answer is not there, but knows the nearest place, so that a problem can be shown.
func (n Node) At(steps ...any) Node {
	for _, s := range steps {
		switch s := s.(type) {
		case string:
			n = n.Get(s)
		case int:
			items := n.Items()
			if s >= 0 && s < len(items) {
				n = items[s]
			} else {
				n = Node{doc: n.doc, offset: n.offset, path: n.path + "[" + strconv.Itoa(s) + "]"}
			}
		default:
			panic(fmt.Sprintf("a step is a string or an int, not %T", s))
		}
	}
	return n
}

// Empty is an empty object in place of a key that is not there, to decode from.
func (n Node) Empty(key string) Node {
	e := n.Get(key)
	e.value = &hujson.Object{}
	return e
}

// Problem reports something wrong with this value.
func (n Node) Problem(code, format string, args ...any) *Problem {
	p := &Problem{Path: n.path, Code: code, Message: fmt.Sprintf(format, args...)}
	if n.doc != nil {
		p.File = n.doc.file
	}
	p.Line, p.Col = n.Pos()
	if n.doc != nil && n.doc.locate != nil {
		at := n.doc.locate(n.path)
		p.File, p.Line, p.Col = at.File, at.Line, at.Col
	}
	return p
}

// text is a string value's content.
func (n Node) text() string { return n.value.(hujson.Literal).String() }

func (n Node) literal() string { return string(n.value.(hujson.Literal)) }

// MarshalJSON is the value as standard JSON.
func (n Node) MarshalJSON() ([]byte, error) {
	if n.value == nil {
		return []byte("null"), nil
	}
	raw := n.Raw()
	if !json.Valid(raw) {
		return nil, fmt.Errorf("%s is not JSON", n.path)
	}
	return raw, nil
}
