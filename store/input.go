package store

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// DecodePatch reads a JSON object as the fields of a row. Unknown fields, wrong
// types and repeated keys are errors that name the field. id is read when it is
// wanted (a new row) and must be a ULID then.
func DecodePatch(e *Entity, body []byte, wantID bool) (*Patch, error) {
	p := NewPatch(e)
	err := EachMember(body, func(key string, raw []byte) error {
		i, ok := e.Lookup(key)
		if !ok || (i == FieldIDIndex && !wantID) {
			return unknownField(e, key)
		}
		if i == FieldIDIndex {
			if raw[0] != '"' || !ValidID(string(raw[1:len(raw)-1])) {
				return Errorf(Invalid, "INVALID_VALUE", "id must be a ULID: 26 characters of Crockford's base 32, upper case").WithField("id")
			}
			if p.ID != "" {
				return keyTwice(key)
			}
			p.ID = string(raw[1 : len(raw)-1])
			return nil
		}
		if p.Set[i] {
			return keyTwice(key)
		}
		v, err := ParseJSONValue(&e.Fields[i], raw)
		if err != nil {
			return err
		}
		return p.PutAt(i, v)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func keyTwice(key string) *Error {
	return Errorf(Invalid, "INVALID_JSON", "the key %q is there twice", key).WithField(key)
}

// EachMember calls fn for the members of a JSON object in order; raw is the
// member's value. Text that is not a JSON object is INVALID_JSON.
func EachMember(text []byte, fn func(key string, raw []byte) error) error {
	if !json.Valid(text) {
		return invalidJSON(text)
	}
	// The text is valid from here on, so the walk needs no checks of its own.
	i := skipSpace(text, 0)
	if text[i] != '{' {
		return Errorf(Invalid, "INVALID_JSON", "the body must be a JSON object")
	}
	i = skipSpace(text, i+1)
	for text[i] != '}' {
		end := valueEnd(text, i)
		key, err := unquote(text[i:end])
		if err != nil {
			return err
		}
		i = skipSpace(text, end) + 1 // the colon
		i = skipSpace(text, i)
		end = valueEnd(text, i)
		if err := fn(key, text[i:end]); err != nil {
			return err
		}
		if i = skipSpace(text, end); text[i] == ',' {
			i = skipSpace(text, i+1)
		}
	}
	return nil
}

func invalidJSON(text []byte) error {
	var v any
	err := json.Unmarshal(text, &v)
	if len(bytes.TrimSpace(text)) == 0 {
		return Errorf(Invalid, "INVALID_JSON", "the body is empty; a JSON object was expected")
	}
	if syntax, ok := err.(*json.SyntaxError); ok {
		return Errorf(Invalid, "INVALID_JSON", "the body is not JSON: %s (at byte %d)", strings.TrimPrefix(syntax.Error(), "json: "), syntax.Offset)
	}
	return Errorf(Invalid, "INVALID_JSON", "the body is not JSON: %v", err)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// valueEnd is where the value that starts at i ends, in valid JSON.
func valueEnd(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // the end of a number or word inside an object
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

func unquote(raw []byte) (string, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err
}

// ParseJSONValue reads one JSON value as the type of a field.
func ParseJSONValue(f *Field, raw []byte) (Value, error) {
	if raw[0] == 'n' {
		return Null, nil
	}
	switch f.Type {
	case TypeJSON:
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			return Null, err
		}
		return JSON(compact.String()), nil
	case TypeBool:
		if raw[0] == 't' || raw[0] == 'f' {
			return Bool(raw[0] == 't'), nil
		}
	case TypeInt:
		if isNumber(raw) {
			return parseInt(f, string(raw))
		}
	case TypeFloat:
		if isNumber(raw) {
			x, err := strconv.ParseFloat(string(raw), 64)
			if err != nil || math.IsInf(x, 0) {
				return Null, Errorf(Invalid, "INVALID_VALUE", "%s is too large for a float", f.Name).WithField(f.Name)
			}
			return Float(x), nil
		}
	case TypeDatetime:
		if raw[0] == '"' {
			s, err := unquote(raw)
			if err != nil {
				return Null, err
			}
			return parseTime(f, s)
		}
	default:
		if raw[0] == '"' {
			s, err := unquote(raw)
			return Value{typ: f.Type, str: s}, err
		}
	}
	return Null, wrongType(f, jsonKind(raw))
}

// ParseTextValue reads a value out of a path or query string.
func ParseTextValue(f *Field, s string) (Value, error) {
	switch f.Type {
	case TypeString, TypeRichtext, TypeID:
		return Value{typ: f.Type, str: s}, nil
	case TypeDatetime:
		return parseTime(f, s)
	default:
		if !json.Valid([]byte(s)) {
			return Null, wrongType(f, "text")
		}
		return ParseJSONValue(f, bytes.TrimSpace([]byte(s)))
	}
}

func isNumber(raw []byte) bool { return raw[0] == '-' || (raw[0] >= '0' && raw[0] <= '9') }

// parseInt takes whole numbers, also those that other languages write as 3.0 or 3e2.
func parseInt(f *Field, s string) (Value, error) {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return Int(i), nil
	}
	x, err := strconv.ParseFloat(s, 64)
	if err == nil && x == math.Trunc(x) && math.Abs(x) < 1<<53 { // from 2^53 on, what was written may have been rounded
		return Int(int64(x)), nil
	}
	return Null, Errorf(Invalid, "INVALID_VALUE", "%s must be an int: a whole number from -2^63 to 2^63-1, got %s", f.Name, clip(s)).WithField(f.Name)
}

func parseTime(f *Field, s string) (Value, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return Null, Errorf(Invalid, "INVALID_VALUE", "%s must be a datetime in RFC 3339, like 2026-01-31T09:30:00Z, got %q", f.Name, clip(s)).WithField(f.Name)
	}
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return Null, Errorf(Invalid, "INVALID_VALUE", "%s must be in the years 1 to 9999", f.Name).WithField(f.Name)
	}
	return Time(t), nil
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

func jsonKind(raw []byte) string {
	switch raw[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	default:
		return "a number"
	}
}
