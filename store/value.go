package store

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Type is the type of a field or column.
type Type uint8

const (
	TypeString Type = iota + 1
	TypeInt
	TypeFloat
	TypeBool
	TypeDatetime // microseconds since the Unix epoch, UTC
	TypeRichtext
	TypeJSON // compact JSON text, its bytes kept as they were given
	TypeID   // the id of another row
	TypeBytes
)

var typeNames = [...]string{"null", "string", "int", "float", "bool", "datetime", "richtext", "json", "id", "bytes"}

func (t Type) String() string { return typeNames[t] }

// Value is one field's value. The zero Value is null. Values are small and
// comparable with ==, which is exact equality of type and content.
type Value struct {
	typ Type
	num uint64
	str string
}

// Null is the value of an optional field that is not set.
var Null = Value{}

func String(s string) Value   { return Value{typ: TypeString, str: s} }
func Richtext(s string) Value { return Value{typ: TypeRichtext, str: s} }
func ID(s string) Value       { return Value{typ: TypeID, str: s} }
func Int(i int64) Value       { return Value{typ: TypeInt, num: uint64(i)} }

// Float is 0 for -0: SQLite does not keep the sign, and two zeros that differ
// would be a change that is none.
func Float(f float64) Value { return Value{typ: TypeFloat, num: math.Float64bits(f + 0)} }
func Bool(b bool) Value {
	if b {
		return Value{typ: TypeBool, num: 1}
	}
	return Value{typ: TypeBool}
}

// Time keeps t to the microsecond, rounded down.
func Time(t time.Time) Value { return Value{typ: TypeDatetime, num: uint64(t.UnixMicro())} }

// Micros is a datetime given in microseconds since the Unix epoch.
func Micros(us int64) Value { return Value{typ: TypeDatetime, num: uint64(us)} }

// JSON holds valid JSON text.
func JSON(raw string) Value { return Value{typ: TypeJSON, str: raw} }

// Bytes holds raw bytes; only private tables have them.
func Bytes(b []byte) Value { return Value{typ: TypeBytes, str: string(b)} }

// OptString is null for the empty string.
func OptString(s string) Value {
	if s == "" {
		return Null
	}
	return String(s)
}

// OptTime is null for the zero time.
func OptTime(t time.Time) Value {
	if t.IsZero() {
		return Null
	}
	return Time(t)
}

func (v Value) IsNull() bool { return v.typ == 0 }

// Type is 0 for null.
func (v Value) Type() Type { return v.typ }

// Str is the text of a string, richtext, id, json or bytes value, "" for others.
func (v Value) Str() string { return v.str }

// Int is the number of an int, bool or datetime value (microseconds).
func (v Value) Int() int64 { return int64(v.num) }

func (v Value) Bool() bool { return v.typ == TypeBool && v.num == 1 }

// Float is the number of a float or int value.
func (v Value) Float() float64 {
	if v.typ == TypeFloat {
		return math.Float64frombits(v.num)
	}
	return float64(int64(v.num))
}

// Time is the moment of a datetime value, the zero time for null.
func (v Value) Time() time.Time {
	if v.typ != TypeDatetime {
		return time.Time{}
	}
	return time.UnixMicro(int64(v.num)).UTC()
}

// IsText reports whether Str holds the value.
func (v Value) IsText() bool {
	switch v.typ {
	case TypeString, TypeRichtext, TypeID, TypeJSON, TypeBytes:
		return true
	}
	return false
}

// As gives the value another field type of the same storage, so that a plain
// string can be compared with or stored in an id or richtext field.
func (v Value) As(t Type) Value {
	if v.typ == 0 {
		return v
	}
	if v.typ == TypeInt && t == TypeFloat {
		return Float(float64(int64(v.num)))
	}
	v.typ = t
	return v
}

// Interface is the value as Go's own type: nil, string, int64, float64, bool or time.Time.
func (v Value) Interface() any {
	switch v.typ {
	case 0:
		return nil
	case TypeInt:
		return v.Int()
	case TypeFloat:
		return v.Float()
	case TypeBool:
		return v.Bool()
	case TypeDatetime:
		return v.Time()
	case TypeBytes:
		return []byte(v.str)
	default:
		return v.str
	}
}

func (v Value) GoString() string { return fmt.Sprintf("%s(%v)", v.typ, v.Interface()) }

// AppendJSON writes the value as JSON. A datetime is RFC 3339 in UTC with
// milliseconds, or microseconds where it has them.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.typ {
	case 0:
		return append(dst, "null"...)
	case TypeInt:
		return strconv.AppendInt(dst, int64(v.num), 10)
	case TypeFloat:
		return appendJSONFloat(dst, math.Float64frombits(v.num))
	case TypeBool:
		return strconv.AppendBool(dst, v.num == 1)
	case TypeDatetime:
		dst = append(dst, '"')
		dst = AppendTime(dst, v.Time())
		return append(dst, '"')
	case TypeJSON:
		return append(dst, v.str...)
	default:
		return AppendJSONString(dst, v.str)
	}
}

// AppendTime writes t as the API shows it.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	if t.Nanosecond()%int(time.Millisecond) < int(time.Microsecond) {
		return t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
}

// FormatTime is t as the API shows it.
func FormatTime(t time.Time) string { return string(AppendTime(nil, t)) }
