package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Declaration is what a program declares (app.ts), as the manifest's JSON.
type Declaration struct {
	// File is the program's source, for problems without a better place.
	File string
	JSON []byte
	// Places are where things were declared, by their paths in the JSON: entities[2].
	Places map[string]Place
}

// Place is a place in a source.
type Place struct {
	File      string
	Line, Col int
}

// LoadWith reads a manifest file together with what a program declares beside it.
// Entities, policies, crons and required variables of the two are joined; plugin
// entries of the same name complete each other; where both say different things about
// one, that is a MANIFEST_CONFLICT. Either may be missing, but not both.
func LoadWith(file string, d *Declaration) (*Manifest, error) {
	_, err := os.Stat(file)
	switch {
	case d == nil:
		return Load(file)
	case err == nil:
		data, err := readFile(file)
		if err != nil {
			return nil, err
		}
		return merge(file, data, d)
	case os.IsNotExist(err):
		return merge("", nil, d)
	}
	return nil, err
}

func merge(file string, data []byte, d *Declaration) (*Manifest, error) {
	m := &merger{declared: d, problems: &Problems{}, moved: map[string]string{}}
	var err error
	if m.second, err = parseDocument(d.File, d.JSON); err != nil {
		return nil, err
	}
	var joined any
	if data == nil {
		joined, err = plain(m.second)
	} else {
		if m.first, err = parseDocument(file, data); err != nil {
			return nil, err
		}
		var a, b any
		if a, err = plain(m.first); err == nil {
			b, err = plain(m.second)
		}
		if err == nil {
			joined = m.join("", a, b)
		}
	}
	if err == nil {
		err = m.problems.Err()
	}
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(joined); err != nil {
		return nil, fmt.Errorf("join the manifest and app.ts: %w", err)
	}
	name := file
	if data == nil {
		name = d.File
	}
	root, err := parseDocument(name, text.Bytes())
	if err != nil {
		return nil, err
	}
	root.doc.locate = m.locate
	return decode(name, root)
}

func plain(n Node) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(n.Raw()))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}

type merger struct {
	first, second Node
	declared      *Declaration
	problems      *Problems
	// moved are paths of the joined manifest that begin elsewhere in the program's: of
	// entries in lists that were appended.
	moved map[string]string
}

// named are the lists whose entries have names; entries of the second with a name of
// the first's complete it, or are refused.
var named = map[string]bool{"plugins": true}

func (m *merger) join(path string, a, b any) any {
	if b == nil || reflect.DeepEqual(a, b) {
		return a
	}
	if a == nil {
		m.moved[path] = path
		return b
	}
	ao, aIsObject := a.(map[string]any)
	bo, bIsObject := b.(map[string]any)
	if aIsObject && bIsObject {
		for key, v := range bo {
			at := join(path, key)
			if old, both := ao[key]; both {
				ao[key] = m.join(at, old, v)
			} else {
				ao[key] = v
				m.moved[at] = m.source(at)
			}
		}
		return ao
	}
	al, aIsList := a.([]any)
	bl, bIsList := b.([]any)
	if aIsList && bIsList && !strings.ContainsAny(path, ".[") { // a list of the manifest itself
		return m.append(path, al, bl)
	}
	m.conflict(path, "%s says something else", m.where(path))
	return a
}

// append adds the second's entries to the first's.
func (m *merger) append(path string, a, b []any) any {
	for i, entry := range b {
		from := fmt.Sprintf("%s[%d]", path, i)
		if at := slices.IndexFunc(a, func(x any) bool { return nameOf(x) != "" && nameOf(x) == nameOf(entry) }); at >= 0 {
			to := fmt.Sprintf("%s[%d]", path, at)
			switch {
			case named[path]:
				m.moved[to] = "" // only what is not in the first
				m.sources(to, from)
				a[at] = m.join(to, a[at], entry)
				continue
			case path == "entities":
				m.conflict(to, "the entity %s is declared in %s too", nameOf(entry), m.placeOf(from))
				continue
			}
		}
		if s, ok := entry.(string); ok && slices.Contains(a, any(s)) {
			continue
		}
		m.moved[fmt.Sprintf("%s[%d]", path, len(a))] = from
		a = append(a, entry)
	}
	return a
}

// sources notes that what the second says about to is at from in its own JSON.
func (m *merger) sources(to, from string) { m.moved[to+"|"] = from }

// source is where the second says what is at a path of the joined manifest.
func (m *merger) source(path string) string {
	for to, from := range m.moved {
		if base, ok := strings.CutSuffix(to, "|"); ok && strings.HasPrefix(path, base) {
			return from + strings.TrimPrefix(path, base)
		}
	}
	return path
}

func nameOf(x any) string {
	o, _ := x.(map[string]any)
	name, _ := o["name"].(string)
	return name
}

func (m *merger) conflict(path, format string, args ...any) {
	m.problems.Add(m.first.follow(path).Problem("MANIFEST_CONFLICT", format, args...))
}

func (m *merger) where(path string) string { return m.placeOf(m.source(path)) }

// placeOf is the nearest place known of a path in the program's JSON.
func (m *merger) placeOf(path string) string {
	p := m.place(path)
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

func (m *merger) place(path string) Place {
	for at := path; at != ""; {
		if p, ok := m.declared.Places[at]; ok {
			return p
		}
		at = at[:max(strings.LastIndexAny(at, ".["), 0)]
	}
	return Place{m.declared.File, 1, 1}
}

// locate is where a path of the joined manifest was written.
func (m *merger) locate(path string) Place {
	for at := path; ; {
		if from := m.moved[at]; from != "" {
			return m.place(from + strings.TrimPrefix(path, at))
		}
		if at == "" {
			break
		}
		at = at[:max(strings.LastIndexAny(at, ".["), 0)]
	}
	if m.first.doc == nil {
		return m.place(path)
	}
	n := m.first.follow(path)
	line, col := n.Pos()
	return Place{m.first.doc.file, line, col}
}

// follow is At for a path as text, as far as it leads.
func (n Node) follow(path string) Node {
	for path != "" && n.Kind() != Absent {
		switch {
		case path[0] == '[':
			end := strings.IndexByte(path, ']')
			var i int
			fmt.Sscanf(path[1:end], "%d", &i) //nolint:errcheck // a path of our own making
			n, path = n.At(i), path[end+1:]
		default:
			path = strings.TrimPrefix(path, ".")
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			n, path = n.Get(path[:end]), path[end:]
		}
	}
	return n
}
