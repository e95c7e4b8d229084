package bundle

import (
	"fmt"
	"strings"
)

// maxProblems is how many problems of one build are told.
const maxProblems = 20

// Problem is one thing that is wrong in an app's sources, and where.
type Problem struct {
	Code string `json:"code"`
	// File is a path below the app's folder, with slashes.
	File string `json:"file"`
	// Line and Column count from 1, the column in characters; 0 when the problem is
	// about the file.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Message says what is wrong, Hint what to do.
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Frame are the lines around the place, with a mark under it.
	Frame string `json:"frame,omitempty"`
}

func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if p.File != "" {
		b.WriteString(": ")
	}
	fmt.Fprintf(&b, "%s: %s\n", p.Code, p.Message)
	if p.Frame != "" {
		b.WriteString("\n" + p.Frame + "\n")
	}
	if p.Hint != "" {
		fmt.Fprintf(&b, "  hint: %s\n", p.Hint)
	}
	return b.String()
}

// Error is why an app's sources could not be bundled.
type Error struct{ Problems []Problem }

// Error shows every problem with the lines around it.
func (e *Error) Error() string {
	parts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		parts[i] = p.String()
	}
	return strings.TrimSuffix(strings.Join(parts, "\n"), "\n")
}

func (e *Error) add(p Problem) { e.Problems = append(e.Problems, p) }

func (e *Error) orNil() error {
	if len(e.Problems) == 0 {
		return nil
	}
	return e
}

// Frame shows a place in a text: its line and the two before it, and under it a mark
// of length characters. Line and column count from 1. It is empty when the text has no
// such line.
func Frame(text string, line, column, length int) string {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) || column < 1 {
		return ""
	}
	const before = 2
	width := len(fmt.Sprint(line))
	var b strings.Builder
	from := 0
	for n := max(1, line-before); n <= line; n++ {
		shown := []rune(strings.TrimSuffix(lines[n-1], "\r"))
		if n == line {
			shown, from = window(shown, column-1)
		} else {
			shown, _ = window(shown, 0)
		}
		fmt.Fprintf(&b, "    %*d │ %s\n", width, n, string(shown))
	}
	shown, _ := window([]rune(strings.TrimSuffix(lines[line-1], "\r")), column-1)
	at := min(column-1-from, len(shown))
	margin := make([]rune, at)
	for i := range margin { // a tab stays one, so that the mark stands under its place
		if margin[i] = ' '; shown[i] == '\t' {
			margin[i] = '\t'
		}
	}
	mark := "^"
	if length > 1 {
		mark = strings.Repeat("~", max(1, min(length, len(shown)-at)))
	}
	fmt.Fprintf(&b, "    %*s ╵ %s%s", width, "", string(margin), mark)
	return b.String()
}

// window is the part of a long line around a place, and where it begins.
func window(line []rune, at int) (shown []rune, from int) {
	const most = 120
	if len(line) <= most {
		return line, 0
	}
	from = max(0, min(at-most/2, len(line)-most))
	return line[from : from+most], from
}
