package bundle

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Position is where a place of the script comes from: a file below the app's folder,
// with slashes, line and column from 1. A place of the runtime has a file that begins
// with "pylon:"; ok is false when the place comes from nowhere.
func (b *Bundle) Position(line, column int) (file string, atLine, atColumn int, ok bool) {
	if line < 1 || column < 1 {
		return "", 0, 0, false
	}
	source, _, l, c, ok := b.to.Source(line, column-1)
	if !ok || l < 1 {
		return "", 0, 0, false
	}
	return b.named(source), l, c + 1, true
}

// named is a source of the map as a path below the app's folder.
func (b *Bundle) named(source string) string {
	if strings.Contains(source, runtimePrefix) || strings.Contains(source, entryName) {
		return "pylon:" + source[strings.LastIndex(source, ":")+1:]
	}
	if filepath.IsAbs(source) {
		if below, err := filepath.Rel(b.dir, source); err == nil {
			source = below
		}
	}
	return filepath.ToSlash(source)
}

// frame is a line of a stack trace: "    at name (bundle.js:12:34)" or "    at bundle.js:12:34".
var frame = regexp.MustCompile(`^\s*at (?:(.*) \()?` + regexp.QuoteMeta(Script) + `:(\d{1,9})(?::(\d{1,9}))?\)?$`)

// Place is the first place of the app's own in a stack trace.
func (b *Bundle) Place(stack string) (file string, line, column int, ok bool) {
	for text := range strings.Lines(stack) {
		if _, file, line, column, ok = b.frame(strings.TrimRight(text, "\r\n")); ok && !strings.HasPrefix(file, "pylon:") {
			return file, line, column, true
		}
	}
	return "", 0, 0, false
}

// Stack is a stack trace of the script in terms of its sources. Frames of the runtime
// and of the engine are left out.
func (b *Bundle) Stack(stack string) string {
	var out strings.Builder
	for text := range strings.Lines(stack) {
		name, file, line, column, ok := b.frame(strings.TrimRight(text, "\r\n"))
		switch {
		case !ok || strings.HasPrefix(file, "pylon:"):
			continue
		case name == "" || name == "<anonymous>":
			fmt.Fprintf(&out, "    at %s:%d:%d\n", file, line, column)
		default:
			fmt.Fprintf(&out, "    at %s (%s:%d:%d)\n", name, file, line, column)
		}
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// frame reads a line of a stack trace and finds its source.
func (b *Bundle) frame(text string) (name, file string, line, column int, ok bool) {
	m := frame.FindStringSubmatch(text)
	if m == nil {
		return "", "", 0, 0, false
	}
	line, err := strconv.Atoi(m[2])
	if err != nil {
		return "", "", 0, 0, false
	}
	column = 1
	if m[3] != "" {
		if column, err = strconv.Atoi(m[3]); err != nil {
			return "", "", 0, 0, false
		}
	}
	file, line, column, ok = b.Position(line, column)
	return m[1], file, line, column, ok
}
