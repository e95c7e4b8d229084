package bundle

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/evanw/esbuild/pkg/api"
)

var (
	unresolved  = regexp.MustCompile(`^Could not resolve "(.*)"$`)
	noExport    = regexp.MustCompile(`^No matching export in "(.*)" for import "(.*)"$`)
	topLevel    = regexp.MustCompile(`^Top-level await `)
	noLoader    = regexp.MustCompile(`^No loader is configured for "(.*)" files`)
	inRuntime   = regexp.MustCompile(`pylon:pylon:runtime/|pylon:runtime/`)
	packageName = regexp.MustCompile(`^(?:@[^/]+/)?[^/]+`)
)

// problems are the bundler's errors in our words.
func (o *Options) problems(errors []api.Message) *Error {
	e := &Error{}
	texts := map[string]string{}
	var builtins []string
	for _, m := range errors {
		p := Problem{Code: "SYNTAX", Message: m.Text}
		length := 0
		if l := m.Location; l != nil && l.File != namespace+":"+entryName {
			p.File, p.Line = filepath.ToSlash(l.File), l.Line
			p.Column = characters(l.LineText, l.Column) + 1
			length = characters(l.LineText[min(l.Column, len(l.LineText)):], l.Length)
			text, ok := texts[p.File]
			if !ok {
				text = o.read(p.File)
				texts[p.File] = text
			}
			if p.Frame = Frame(text, p.Line, p.Column, length); p.Frame == "" {
				p.Frame = Frame(strings.Repeat("\n", max(0, l.Line-1))+l.LineText, p.Line, p.Column, length)
			}
		}
		if builtin := o.explain(&p); builtin != "" {
			builtins = append(builtins, builtin)
		}
		if !slices.ContainsFunc(e.Problems, func(q Problem) bool { return q == p }) {
			e.add(p)
		}
	}
	if len(builtins) > 0 {
		o.addChains(e, builtins)
	}
	return e
}

// explain gives a problem its code, its message and a hint. It answers the module of
// Node when that is what was asked for.
func (o *Options) explain(p *Problem) (builtin string) {
	if m := unresolved.FindStringSubmatch(p.Message); m != nil {
		name := m[1]
		bare := strings.TrimPrefix(name, "node:")
		if hint, ok := nodeBuiltins[strings.SplitN(bare, "/", 2)[0]]; ok || strings.HasPrefix(name, "node:") {
			p.Code, p.Hint = "NODE_BUILTIN", hint
			p.Message = fmt.Sprintf("%q is a module of Node.js, which does not run here", name)
			if hint == "" {
				p.Hint = noInstead
			}
			return name
		}
		p.Code = "MISSING_MODULE"
		switch {
		case strings.HasPrefix(name, "."), strings.HasPrefix(name, "/"):
			p.Message = fmt.Sprintf("there is no file %q", name)
		case strings.HasPrefix(name, "@pylonsync/"):
			p.Message = fmt.Sprintf("there is no module %q", name)
			p.Hint = "functions import @pylonsync/functions and @pylonsync/sdk; the other packages are for clients"
		default:
			p.Message = fmt.Sprintf("the package %q is not installed", packageName.FindString(name))
			p.Hint = "npm install " + packageName.FindString(name) + " in the app's folder"
		}
		return ""
	}
	switch {
	case topLevel.MatchString(p.Message):
		p.Code, p.Message = "TOP_LEVEL_AWAIT", "await outside of a function"
		p.Hint = "modules are evaluated once, before there is a call; do it in the handler"
	case noExport.MatchString(p.Message):
		m := noExport.FindStringSubmatch(p.Message)
		p.Code = "MISSING_EXPORT"
		p.Message = fmt.Sprintf("%s has no export %q", o.shown(m[1]), m[2])
	case noLoader.MatchString(p.Message):
		p.Code = "UNKNOWN_FILE_TYPE"
		p.Message = fmt.Sprintf("files of the type %s cannot be imported", noLoader.FindStringSubmatch(p.Message)[1])
		p.Hint = "TypeScript, JavaScript, JSON and .txt can"
	}
	return ""
}

// shown is a module by the name that people know.
func (o *Options) shown(file string) string {
	module := inRuntime.ReplaceAllString(file, "")
	for name, is := range provided {
		if is == module && module != file {
			return name
		}
	}
	return filepath.ToSlash(module)
}

func (o *Options) read(file string) string {
	if !filepath.IsAbs(file) {
		file = filepath.Join(o.Dir, file)
	}
	text, err := os.ReadFile(file)
	if err != nil { // the frame is then made from what the bundler saw
		return ""
	}
	return string(text)
}

// characters is how many characters the first n bytes of a text are.
func characters(s string, n int) int { return utf8.RuneCountInString(s[:min(max(n, 0), len(s))]) }

// metafile is the part of the bundler's report used here.
type metafile struct {
	Inputs map[string]struct {
		Bytes   int `json:"bytes"`
		Imports []struct {
			Path string `json:"path"`
		} `json:"imports"`
	} `json:"inputs"`
	Outputs map[string]struct {
		Inputs map[string]struct {
			Bytes int `json:"bytesInOutput"`
		} `json:"inputs"`
	} `json:"outputs"`
}

// addChains tells how the app comes to import modules of Node from within packages.
func (o *Options) addChains(e *Error, builtins []string) {
	options := o.esbuild()
	options.External = builtins
	var report metafile
	if json.Unmarshal([]byte(api.Build(options).Metafile), &report) != nil {
		return // other problems as well: there is no report then
	}
	for i := range e.Problems {
		p := &e.Problems[i]
		if p.Code != "NODE_BUILTIN" || !strings.Contains(p.File, "node_modules/") {
			continue
		}
		if chain := report.chain(p.File); len(chain) > 1 {
			p.Message += "; it is imported by " + strings.Join(chain, ", by ")
		}
	}
}

// chain is the way from a file to the one of the app's that needs it, first the file.
func (m *metafile) chain(file string) []string {
	from := map[string]string{} // a file, and the one that imports it
	const entry = namespace + ":" + entryName
	queue := []string{entry}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, i := range m.Inputs[at].Imports {
			if _, seen := from[i.Path]; !seen {
				from[i.Path] = at
				queue = append(queue, i.Path)
			}
		}
	}
	var chain []string
	for at := file; at != "" && at != entry; at = from[at] {
		chain = append(chain, at)
	}
	return chain
}

// tooLarge names what makes the bundle so large.
func tooLarge(size int, report string) error {
	var m metafile
	if err := json.Unmarshal([]byte(report), &m); err != nil {
		return fmt.Errorf("the bundler's report: %w", err)
	}
	type part struct {
		file  string
		bytes int
	}
	var parts []part
	for _, out := range m.Outputs {
		for file, in := range out.Inputs {
			parts = append(parts, part{file, in.Bytes})
		}
	}
	slices.SortFunc(parts, func(a, b part) int { return b.bytes - a.bytes })
	var names []string
	for _, p := range parts[:min(3, len(parts))] {
		names = append(names, fmt.Sprintf("%s (%.1f MiB)", p.file, float64(p.bytes)/(1<<20)))
	}
	p := Problem{
		Code: "BUNDLE_TOO_LARGE", Message: fmt.Sprintf("the functions are %.1f MiB with all that they import, %d at most", float64(size)/(1<<20), MaxSize>>20),
		Hint: "the largest are " + strings.Join(names, ", "),
	}
	return &Error{Problems: []Problem{p}}
}
