package function

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pylon-go/pylon/function/bundle"
	"github.com/pylon-go/pylon/internal/quickjs"
)

// Program is an app's TypeScript functions, ready to run.
type Program struct {
	functions map[string]*Info
	pool      *pool
	source    Source
}

// noFunctions is the program of an app that has none.
func noFunctions() *Program {
	return &Program{functions: map[string]*Info{}, pool: newPool(nil), source: noSource{}}
}

type noSource struct{}

func (noSource) Code() string              { return "" }
func (noSource) Stack(stack string) string { return stack }

// Source is the code of a program and the way back to what people wrote.
type Source interface {
	// Code is one script.
	Code() string
	// Stack is a stack trace of the script in terms of its sources.
	Stack(stack string) string
}

// loadTime bounds the evaluation of an app's modules.
const loadTime = 5 * time.Second

// LoadError is a program that cannot be used: what its modules threw, or what they
// should have exported.
type LoadError struct {
	Code, Message, Hint string
	// Stack is the trace in the app's sources.
	Stack string
}

func (e *LoadError) Error() string {
	text := e.Code + ": " + e.Message
	if e.Hint != "" {
		text += "\n  " + e.Hint
	}
	if e.Stack != "" {
		text += "\n" + e.Stack
	}
	return text
}

// newProgram evaluates the modules of an app's functions.
func newProgram(source Source, b Build) (*Program, error) {
	image, err := evaluate(source, b)
	if err != nil {
		return nil, err
	}
	p := &Program{functions: map[string]*Info{}, pool: newPool(image), source: source}
	var list []*Info
	if err := tell(image, source, "describe", &list); err != nil {
		return nil, err
	}
	for _, f := range list {
		p.functions[f.Name] = f
	}
	return p, nil
}

// evaluate runs a script's modules.
func evaluate(source Source, b Build) (*quickjs.Image, error) {
	b.Limits.defaults()
	image, err := quickjs.Build(quickjs.Options{Memory: b.Limits.Memory, Now: b.Now, Time: loadTime}, (&atLoad{b}).host, quickjs.Script{Name: bundle.Script, Code: source.Code()})
	if err != nil {
		return nil, loadError(source, err)
	}
	return image, nil
}

// tell calls a function of the guest that tells the host something as JSON.
func tell(image *quickjs.Image, source Source, function string, into any) error {
	vm := image.New()
	var told []byte
	vm.Host = func(_ *quickjs.VM, a quickjs.Args) (any, error) {
		told = []byte(a.String(1))
		return nil, nil
	}
	if err := vm.Call(function); err != nil {
		return loadError(source, err)
	}
	if err := json.Unmarshal(told, into); err != nil {
		return fmt.Errorf("what the script tells (%s): %w", function, err)
	}
	return nil
}

// atLoad answers what modules may ask while they are loaded: nothing that is different
// from call to call, since every call begins with what they made of it.
type atLoad struct{ Build }

func (l *atLoad) host(_ *quickjs.VM, a quickjs.Args) (any, error) {
	name := a.String(0)
	switch f, ok := syncs[name]; {
	case ok && worksAtLoad[name]:
		return f(nil, a)
	case name == "env":
		return visibleEnv(l.Getenv, l.Dev, a.String(1)), nil
	case name == "console":
		if l.Logger != nil {
			l.Logger.Info(a.String(2), "while", "loading")
		}
		return nil, nil
	case name == "op":
		name = a.String(2)
	}
	return nil, fmt.Errorf("%s does not work while a module is loaded; use it in a handler", strings.TrimPrefix(name, "db."))
}

func loadError(source Source, err error) error {
	var e *quickjs.Error
	switch {
	case errors.Is(err, quickjs.ErrInterrupted):
		return &LoadError{Code: "LOAD_TIMEOUT", Message: fmt.Sprintf("the modules were not loaded within %s", loadTime), Hint: "is there a loop outside of the handlers?"}
	case !errors.As(err, &e):
		return err
	}
	if file, found := strings.CutPrefix(e.Message, "NOT_A_FUNCTION "); found {
		return &LoadError{
			Code: "NOT_A_FUNCTION", Message: file + " does not export a function as its default",
			Hint: `export default query({...}), mutation({...}) or action({...}); a file that only helps others begins with "_"`,
		}
	}
	return &LoadError{Code: "LOAD_FAILED", Message: e.Error(), Stack: source.Stack(e.Stack)}
}

// List is all functions, by name.
func (h *Host) List() []Info {
	var all []Info
	for _, f := range h.program.Load().functions {
		all = append(all, *f)
	}
	for _, f := range h.native {
		all = append(all, f.info)
	}
	slices.SortFunc(all, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Find is the function of that name.
func (h *Host) Find(name string) (Info, bool) {
	if f := h.program.Load().functions[name]; f != nil {
		return *f, true
	}
	if f := h.native[name]; f != nil {
		return f.info, true
	}
	return Info{}, false
}

// Names are those of the program's functions, in order.
func (p *Program) Names() []string { return slices.Sorted(maps.Keys(p.functions)) }
