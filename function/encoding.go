package function

import (
	"strings"
	"unicode/utf8"

	"github.com/pylon-go/pylon/internal/quickjs"
)

// textEncode is TextEncoder's work. The script made the string well-formed before.
func textEncode(_ *call, args quickjs.Args) (any, error) {
	return []byte(args.String(1)), nil
}

// textDecode is TextDecoder's; with its second argument true it answers nothing when
// the bytes are not UTF-8.
func textDecode(_ *call, args quickjs.Args) (any, error) {
	b := args.Bytes(1)
	if utf8.Valid(b) {
		return string(b), nil
	}
	if args.Bool(2) {
		return nil, nil
	}
	return decodeUTF8(b), nil
}

// decodeUTF8 puts one U+FFFD for the longest beginning of a character that is not
// continued, and for every other byte that fits nowhere (Encoding §8.1.1). Go would put
// one for each byte.
func decodeUTF8(b []byte) string {
	var out strings.Builder
	out.Grow(len(b) + len(b)/4)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = subpart(b)
		}
		out.WriteRune(r)
		b = b[n:]
	}
	return out.String()
}

// subpart is the length of the ill-formed beginning of b that one U+FFFD stands for.
func subpart(b []byte) int {
	low, high, need := byte(0x80), byte(0xBF), 0
	switch c := b[0]; {
	case c >= 0xC2 && c <= 0xDF:
		need = 1
	case c >= 0xE0 && c <= 0xEF:
		need = 2
		if c == 0xE0 {
			low = 0xA0
		} else if c == 0xED {
			high = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		need = 3
		if c == 0xF0 {
			low = 0x90
		} else if c == 0xF4 {
			high = 0x8F
		}
	}
	n := 1
	for ; n <= need && n < len(b) && b[n] >= low && b[n] <= high; n++ {
		low, high = 0x80, 0xBF
	}
	return n
}
