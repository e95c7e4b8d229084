package store

import (
	"cmp"
	"strings"
)

// Filter selects rows. Its logic has two values, not SQL's three: a comparison
// with null is false, and Not of it true. [Match] and the engines' SQL agree on
// every row; storetest holds them together.
type Filter interface {
	// Match decides for one row in memory.
	Match(r *Row) bool
	appendSQL(b *sqlBuilder)
}

type (
	// And is true when every part is; an empty And is true.
	And []Filter
	// Or is true when a part is; an empty Or is false.
	Or []Filter
	// Not turns its filter round.
	Not struct{ Filter Filter }
	// Const is true or false for every row.
	Const bool
	// Compare holds a field against a value. Both must be non-null to match.
	Compare struct {
		Field int // position in Entity.Fields, or FieldIDIndex
		Op    CompareOp
		Value Value
	}
	// CompareFields holds two fields of a row against each other.
	CompareFields struct {
		Field int
		Op    CompareOp
		Other int
	}
	// IsNull is true when the field is null.
	IsNull struct{ Field int }
	// In is true when the field equals one of the values.
	In struct {
		Field  int
		Values []Value
	}
	// Like matches text against a pattern: % is any run of characters, _ any one
	// character, ASCII letters match in either case. There is no escape character.
	Like struct {
		Field   int
		Pattern string
	}
	// StartsWith and EndsWith match text by its exact beginning or end.
	StartsWith struct {
		Field int
		Text  string
	}
	EndsWith struct {
		Field int
		Text  string
	}
)

// CompareOp is an operator of [Compare].
type CompareOp string

const (
	Eq CompareOp = "="
	Ne CompareOp = "<>"
	Lt CompareOp = "<"
	Le CompareOp = "<="
	Gt CompareOp = ">"
	Ge CompareOp = ">="
)

func (f And) Match(r *Row) bool {
	for _, p := range f {
		if !p.Match(r) {
			return false
		}
	}
	return true
}

func (f Or) Match(r *Row) bool {
	for _, p := range f {
		if p.Match(r) {
			return true
		}
	}
	return false
}

func (f Not) Match(r *Row) bool    { return !f.Filter.Match(r) }
func (f Const) Match(*Row) bool    { return bool(f) }
func (f IsNull) Match(r *Row) bool { return r.At(f.Field).IsNull() }

func (f Compare) Match(r *Row) bool { return compareMatch(r.At(f.Field), f.Op, f.Value) }
func (f CompareFields) Match(r *Row) bool {
	return compareMatch(r.At(f.Field), f.Op, r.At(f.Other))
}

func compareMatch(a Value, op CompareOp, b Value) bool {
	if a.IsNull() || b.IsNull() {
		return false
	}
	c := CompareValues(a, b)
	switch op {
	case Eq:
		return c == 0
	case Ne:
		return c != 0
	case Lt:
		return c < 0
	case Le:
		return c <= 0
	case Gt:
		return c > 0
	default:
		return c >= 0
	}
}

func (f In) Match(r *Row) bool {
	v := r.At(f.Field)
	if v.IsNull() {
		return false
	}
	for _, w := range f.Values {
		if !w.IsNull() && CompareValues(v, w) == 0 {
			return true
		}
	}
	return false
}

func (f Like) Match(r *Row) bool {
	v := r.At(f.Field)
	return !v.IsNull() && likeMatch([]rune(asciiLower(f.Pattern)), []rune(asciiLower(v.Str())))
}

func (f StartsWith) Match(r *Row) bool {
	v := r.At(f.Field)
	return !v.IsNull() && strings.HasPrefix(v.Str(), f.Text)
}

func (f EndsWith) Match(r *Row) bool {
	v := r.At(f.Field)
	return !v.IsNull() && strings.HasSuffix(v.Str(), f.Text)
}

// CompareValues orders two values of the same storage: text by its UTF-8 bytes,
// numbers by size (ints and floats exactly against each other), false before true.
// Null comes before everything.
func CompareValues(a, b Value) int {
	switch {
	case a.IsNull() || b.IsNull():
		return cmp.Compare(min(a.typ, 1), min(b.typ, 1))
	case a.IsText() && b.IsText():
		return strings.Compare(a.str, b.str)
	case a.typ == TypeFloat && b.typ == TypeFloat:
		return cmp.Compare(a.Float(), b.Float())
	case a.typ == TypeFloat:
		return -compareIntFloat(b.Int(), a.Float())
	case b.typ == TypeFloat:
		return compareIntFloat(a.Int(), b.Float())
	default:
		return cmp.Compare(a.Int(), b.Int())
	}
}

// compareIntFloat compares without rounding the int to a float first.
func compareIntFloat(i int64, f float64) int {
	switch {
	case f >= 1<<63:
		return -1
	case f < -1<<63:
		return 1
	}
	t := int64(f) // towards zero
	if c := cmp.Compare(i, t); c != 0 {
		return c
	}
	return cmp.Compare(0, f-float64(t))
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// likeMatch is iterative, so that a pattern of many % cannot blow up.
func likeMatch(pattern, text []rune) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '%':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '_' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '%' {
		p++
	}
	return p == len(pattern)
}
