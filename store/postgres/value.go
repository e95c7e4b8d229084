package postgres

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pylon-go/pylon/store"
)

// The types that travel in binary; everything else is text.
const (
	oidBool        = 16
	oidBytea       = 17
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidFloat8      = 701
	oidTimestamptz = 1184
	oidText        = 25
	oidNumeric     = 1700
)

const (
	textFormat   = 0
	binaryFormat = 1
)

func formatOf(oid uint32) int16 {
	switch oid {
	case oidBool, oidBytea, oidInt8, oidInt2, oidInt4, oidFloat8, oidTimestamptz:
		return binaryFormat
	}
	return textFormat
}

func formats(oids []uint32) []int16 {
	f := make([]int16, len(oids))
	for i, oid := range oids {
		f[i] = formatOf(oid)
	}
	return f
}

// epoch is PostgreSQL's: 2000-01-01 in microseconds since 1970.
const epoch = 946_684_800_000_000

// encode appends a value that is not null as the type the statement wants there.
func encode(dst []byte, v store.Value, oid uint32) ([]byte, error) {
	switch oid {
	case oidInt8, oidInt4, oidInt2:
		i, ok := whole(v)
		switch {
		case !ok:
		case oid == oidInt8:
			return binary.BigEndian.AppendUint64(dst, uint64(i)), nil
		case oid == oidInt4 && int64(int32(i)) == i:
			return binary.BigEndian.AppendUint32(dst, uint32(i)), nil
		case oid == oidInt2 && int64(int16(i)) == i:
			return binary.BigEndian.AppendUint16(dst, uint16(i)), nil
		}
	case oidFloat8:
		if v.Type() == store.TypeFloat || v.Type() == store.TypeInt {
			return binary.BigEndian.AppendUint64(dst, math.Float64bits(v.Float())), nil
		}
	case oidBool:
		switch {
		case v.Type() != store.TypeBool:
		case v.Bool():
			return append(dst, 1), nil
		default:
			return append(dst, 0), nil
		}
	case oidTimestamptz:
		if v.Type() == store.TypeDatetime {
			return binary.BigEndian.AppendUint64(dst, uint64(v.Int()-epoch)), nil
		}
	case oidBytea:
		if v.IsText() {
			return append(dst, v.Str()...), nil
		}
	default:
		switch v.Type() {
		case store.TypeInt:
			return strconv.AppendInt(dst, v.Int(), 10), nil
		case store.TypeFloat:
			return strconv.AppendFloat(dst, v.Float(), 'g', -1, 64), nil
		case store.TypeBool:
			return strconv.AppendBool(dst, v.Bool()), nil
		case store.TypeDatetime:
			return v.Time().AppendFormat(dst, time.RFC3339Nano), nil
		case store.TypeBytes:
		default:
			if strings.IndexByte(v.Str(), 0) >= 0 || !utf8.ValidString(v.Str()) {
				return dst, store.Errorf(store.Invalid, "INVALID_VALUE", "text with U+0000 or broken UTF-8 cannot be stored")
			}
			return append(dst, v.Str()...), nil
		}
	}
	return dst, fmt.Errorf("a %s does not fit the placeholder's type (oid %d)", v.Type(), oid)
}

// whole is a number without a fraction.
func whole(v store.Value) (int64, bool) {
	switch v.Type() {
	case store.TypeInt:
		return v.Int(), true
	case store.TypeFloat:
		f := v.Float()
		if f >= -1<<63 && f < 1<<63 && f == math.Trunc(f) {
			return int64(f), true
		}
	}
	return 0, false
}

// decode reads a column of type oid as a value of type t.
func decode(data []byte, oid uint32, t store.Type) store.Value {
	switch oid {
	case oidInt8:
		return number(int64(binary.BigEndian.Uint64(data)), t)
	case oidInt4:
		return number(int64(int32(binary.BigEndian.Uint32(data))), t)
	case oidInt2:
		return number(int64(int16(binary.BigEndian.Uint16(data))), t)
	case oidBool:
		return number(int64(data[0]), t)
	case oidTimestamptz:
		us := int64(binary.BigEndian.Uint64(data)) + epoch
		if t == store.TypeInt || t == store.TypeDatetime {
			return number(us, t)
		}
		return store.String(store.FormatTime(time.UnixMicro(us))).As(t)
	case oidFloat8:
		return fraction(math.Float64frombits(binary.BigEndian.Uint64(data)), t)
	case oidNumeric:
		if i, err := strconv.ParseInt(string(data), 10, 64); err == nil {
			return number(i, t)
		}
		f, _ := strconv.ParseFloat(string(data), 64) // what PostgreSQL writes is a number
		return fraction(f, t)
	}
	switch t {
	case store.TypeInt, store.TypeBool, store.TypeDatetime:
		i, _ := strconv.ParseInt(string(data), 10, 64) // text read as a number is 0, as on SQLite
		return number(i, t)
	case store.TypeFloat:
		f, _ := strconv.ParseFloat(string(data), 64)
		return store.Float(f)
	case store.TypeBytes:
		return store.Bytes(data)
	}
	return store.String(string(data)).As(t)
}

func number(i int64, t store.Type) store.Value {
	switch t {
	case store.TypeInt:
		return store.Int(i)
	case store.TypeFloat:
		return store.Float(float64(i))
	case store.TypeBool:
		return store.Bool(i != 0)
	case store.TypeDatetime:
		return store.Micros(i)
	}
	return store.String(strconv.FormatInt(i, 10)).As(t)
}

func fraction(f float64, t store.Type) store.Value {
	switch t {
	case store.TypeFloat:
		return store.Float(f)
	case store.TypeInt, store.TypeBool, store.TypeDatetime:
		return number(int64(f), t)
	}
	return store.String(strconv.FormatFloat(f, 'g', -1, 64)).As(t)
}
