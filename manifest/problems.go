package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong in a manifest, and where.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // from 1
	Col     int    `json:"col"`  // in characters, from 1
	Path    string `json:"path,omitempty"`
	Code    string `json:"code"`
	Message string `json:"message"`
	// Nearest is the valid name that was probably meant.
	Nearest string `json:"nearest,omitempty"`
}

// WithNearest looks for the name that was probably meant.
func (p *Problem) WithNearest(name string, candidates []string) *Problem {
	p.Nearest = Nearest(name, candidates)
	return p
}

func (p *Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Col)
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Nearest != "" {
		fmt.Fprintf(&b, " (did you mean %q?)", p.Nearest)
	}
	return b.String()
}

// Problems collects everything that is wrong, so that one run shows it all. It is
// the error of a wrong manifest.
type Problems struct{ list []*Problem }

// Add takes a problem in.
func (ps *Problems) Add(p *Problem) { ps.list = append(ps.list, p) }

// Len is the number of problems.
func (ps *Problems) Len() int { return len(ps.list) }

// List are the problems in the order of the file.
func (ps *Problems) List() []Problem {
	out := make([]Problem, len(ps.list))
	for i, p := range ps.list {
		out[i] = *p
	}
	slices.SortStableFunc(out, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return out
}

// Err is nil when there are no problems.
func (ps *Problems) Err() error {
	if len(ps.list) == 0 {
		return nil
	}
	return ps
}

// Error is one line for each problem.
func (ps *Problems) Error() string {
	lines := make([]string, len(ps.list))
	for i, p := range ps.List() {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}
