package manifest

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

const (
	maxFile  = 8 << 20 // bytes
	maxDepth = 100     // of objects and arrays in each other
)

// Load reads and checks a manifest file. A wrong manifest's error is a [*Problems].
func Load(file string) (*Manifest, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, err
	}
	return Parse(file, data)
}

func readFile(file string) ([]byte, error) {
	fi, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if fi.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", file, maxFile>>20)
	}
	return os.ReadFile(file)
}

// Parse reads and checks a manifest. file is its name in problems. A wrong
// manifest's error is a [*Problems].
func Parse(file string, data []byte) (*Manifest, error) {
	root, err := parseDocument(file, data)
	if err != nil {
		return nil, err
	}
	return decode(file, root)
}

// decode reads and checks a whole manifest.
func decode(file string, root Node) (*Manifest, error) {
	problems := &Problems{}
	m := &Manifest{File: file, Root: root}
	root.Decode(m, problems)
	validate(m, problems)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

// syntaxError is how hujson words an error.
var syntaxError = regexp.MustCompile(`(?s)^hujson: line (\d+), column (\d+): (.*)$`)

func parseDocument(file string, data []byte) (Node, error) {
	doc := newDocument(file, data)
	fail := func(offset int, format string, args ...any) (Node, error) {
		ps := &Problems{}
		ps.Add(Node{doc: doc, offset: offset}.Problem("SYNTAX", format, args...))
		return Node{}, ps
	}
	if len(data) > maxFile {
		return fail(0, "the file is larger than %d MiB", maxFile>>20)
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return fail(i, "the file is not UTF-8")
		}
		i += size
	}
	if at := tooDeep(data); at >= 0 {
		return fail(at, "objects and arrays are nested deeper than %d", maxDepth)
	}
	v, err := hujson.Parse(append(data[:len(data):len(data)], '\n')) // a comment may end with the file
	if err != nil {
		if m := syntaxError.FindStringSubmatch(err.Error()); m != nil {
			line, _ := strconv.Atoi(m[1])
			col, _ := strconv.Atoi(m[2])
			if line >= 1 && line <= len(doc.lines) {
				return fail(min(doc.lines[line-1]+col-1, len(data)), "%s", m[3]) // its columns count bytes
			}
		}
		return fail(0, "%v", err)
	}
	return Node{doc: doc, value: v.Value, offset: v.StartOffset}, nil
}

// tooDeep is where the nesting goes over its limit, -1 when it does not: the
// parser below is recursive.
func tooDeep(data []byte) int {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		case '/': // a comment may hold brackets and quotes
			if i+1 < len(data) && data[i+1] == '/' {
				for i < len(data) && data[i] != '\n' {
					i++
				}
			} else if i+1 < len(data) && data[i+1] == '*' {
				for i += 2; i+1 < len(data) && !(data[i] == '*' && data[i+1] == '/'); {
					i++
				}
				i++
			}
		case '{', '[':
			if depth++; depth > maxDepth {
				return i
			}
		case '}', ']':
			depth--
		}
	}
	return -1
}
