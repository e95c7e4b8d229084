package function

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextEncoder(t *testing.T) {
	runWebCases(t, []webCase{
		{`const e = new TextEncoder(); return [e.encoding, [...e.encode("aé€😀")].join(), e.encode().length, [...e.encode("\ud800x")].join(), e.encode("\0").length, e.encode(null).length]`, `["utf-8","97,195,169,226,130,172,240,159,152,128",0,"239,191,189,120",1,4]`},
		{`const e = new TextEncoder(); const b = new Uint8Array(6); return [e.encodeInto("é€é", b), [...b].join()]`, `[{"read":2,"written":5},"195,169,226,130,172,0"]`},
		{`const e = new TextEncoder(); const b = new Uint8Array(5); return [e.encodeInto("a😀b", b), e.encodeInto("\udc00", b), e.encodeInto("x", new Uint8Array(0)), e.encodeInto("😀", new Uint8Array(3))]`, `[{"read":3,"written":5},{"read":1,"written":3},{"read":0,"written":0},{"read":0,"written":0}]`},
		{`new TextEncoder().encodeInto("x", [])`, "! TypeError: encodeInto needs a Uint8Array"},
		{`return new TextEncoder().encode("x") instanceof Uint8Array`, "true"},
	})
}

func TestTextDecoder(t *testing.T) {
	bytes := func(b ...int) string {
		return "new Uint8Array([" + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(b)), ","), "[]") + "])"
	}
	runWebCases(t, []webCase{
		{`const d = new TextDecoder(); return [d.encoding, d.fatal, d.ignoreBOM, d.decode(), d.decode(` + bytes(0xc3, 0xa9) + `), d.decode(` + bytes(0xe2, 0x82, 0xac) + `.buffer), d.decode(new DataView(` + bytes(65, 66, 67) + `.buffer, 1, 1))]`, `["utf-8",false,false,"","é","€","B"]`},
		{`return new TextDecoder().decode(` + bytes(0xef, 0xbb, 0xbf, 65) + `)`, "A"},
		{`return new TextDecoder("utf-8", { ignoreBOM: true }).decode(` + bytes(0xef, 0xbb, 0xbf, 65) + `).length`, "2"},
		{`return new TextDecoder().decode(` + bytes(0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf) + `).length`, "1"},
		{`return new TextDecoder(" UTF8\n").encoding + new TextDecoder("unicode-1-1-utf-8").encoding + new TextDecoder(undefined).encoding`, "utf-8utf-8utf-8"},
		{`new TextDecoder("latin1")`, `! RangeError: TextDecoder knows utf-8 only, not "latin1"`},
		{`new TextDecoder("utf-16le")`, `! RangeError: TextDecoder knows utf-8 only, not "utf-16le"`},
		{`new TextDecoder("")`, `! RangeError: TextDecoder knows utf-8 only, not ""`},
		{`new TextDecoder("utf8", { fatal: true }).decode(` + bytes(0xff) + `)`, "! TypeError: The encoded data was not valid UTF-8"},
		{`new TextDecoder("utf8", { fatal: true }).decode(` + bytes(0xe2, 0x82) + `)`, "! TypeError: The encoded data was not valid UTF-8"},
		{`const d = new TextDecoder("utf8", { fatal: true }); try { d.decode(` + bytes(0xff) + `) } catch {} return d.decode(` + bytes(65) + `)`, "A"},
		{`const d = new TextDecoder(); let s = ""; for (const b of [0xf0, 0x9f, 0x98, 0x80, 0xc3, 0xa9, 65]) s += "[" + d.decode(new Uint8Array([b]), { stream: true }) + "]"; return s + d.decode()`, "[][][][😀][][é][A]"},
		{`const d = new TextDecoder(); return d.decode(` + bytes(0xe2, 0x82) + `, { stream: true }) + "|" + d.decode() + "|" + d.decode(` + bytes(0xac) + `)`, "|\uFFFD|\uFFFD"},
		{`const d = new TextDecoder(); return [d.decode(` + bytes(0xef, 0xbb) + `, { stream: true }), d.decode(` + bytes(0xbf, 65) + `, { stream: true }), d.decode(` + bytes(0xef, 0xbb, 0xbf) + `, { stream: true }).length, d.decode(` + bytes(0xef, 0xbb, 0xbf, 66) + `).length, d.decode(` + bytes(0xef, 0xbb, 0xbf, 66) + `)]`, `["","A",1,2,"B"]`},
		{`const d = new TextDecoder("utf8", { fatal: true }); d.decode(` + bytes(0xe2) + `, { stream: true }); d.decode()`, "! TypeError: The encoded data was not valid UTF-8"},
		{`new TextDecoder().decode("x")`, "! TypeError: The input must be an ArrayBuffer or a view of one"},
		{`const b = new ArrayBuffer(2); const v = new Uint8Array(b); structuredClone(b, { transfer: [b] }); return new TextDecoder().decode(v)`, ""},
	})
}

// One U+FFFD stands for a maximal subpart (Encoding §8.1.1).
func TestDecodeUTF8(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"\xff", "?"}, {"\x80\x80", "??"}, {"\xc0\x80", "??"}, {"\xc1\xbf", "??"}, {"\xc3", "?"}, {"\xc3(", "?("},
		{"\xe2\x82", "?"}, {"\xe2\x82A", "?A"}, {"\xe2\x28\xa1", "?(?"}, {"\xe0\x80\x80", "???"}, {"\xe0\xa0", "?"},
		{"\xed\xa0\x80", "???"}, {"\xed\x9f", "?"}, {"\xf0\x9f\x98", "?"}, {"\xf0\x9f", "?"}, {"\xf0\x80\x80\x80", "????"},
		{"\xf0\x90\x80A", "?A"}, {"\xf4\x90\x80\x80", "????"}, {"\xf5\x80", "??"}, {"\xf4\x8f\xbf\xbf", "\U0010FFFF"},
		{"a\xf1\x80\x80\xe1\x80\xc2b\x80c\x80\xbfd", "a???b?c??d"}, {"\xef\xbf\xbd", "\uFFFD"},
	} {
		if got := decodeUTF8([]byte(c.in)); got != strings.ReplaceAll(c.want, "?", "\uFFFD") {
			t.Errorf("%x: %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzDecodeUTF8(f *testing.F) {
	f.Add([]byte("a\xf1\x80\x80\xe1\x80\xc2b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := decodeUTF8(b)
		if !utf8.ValidString(got) {
			t.Fatalf("%x became %q", b, got)
		}
		if utf8.Valid(b) && got != string(b) {
			t.Fatalf("%q became %q", b, got)
		}
		// Go puts as many or more, and the rest is the same.
		strip := func(s string) string { return strings.ReplaceAll(s, "\uFFFD", "") }
		if strip(got) != strip(string([]rune(string(b)))) {
			t.Errorf("%x became %q", b, got)
		}
	})
}

// Pieces of a stream are decoded like the whole.
func TestStreamsOfPieces(t *testing.T) {
	r := newWebRun(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		b := make([]byte, random.IntN(12))
		for i := range b {
			b[i] = []byte{65, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc3, 0xe0, 0xe2, 0xed, 0xef, 0xbb, 0xf0, 0xf4, 0xff}[random.IntN(16)]
		}
		cut := random.IntN(len(b) + 1)
		code := fmt.Sprintf(`const hex = (s) => Uint8Array.fromHex(s); const d = new TextDecoder(), w = new TextDecoder(); const parts = d.decode(hex("%x"), { stream: true }) + d.decode(hex("%x")); return JSON.stringify([parts, w.decode(hex("%x"))])`, b[:cut], b[cut:], b)
		whole := strings.TrimPrefix(decodeUTF8(b), "\uFEFF")
		want := `["` + whole + `","` + whole + `"]`
		if got := r.run(code); got != want {
			t.Fatalf("%x cut at %d: %q, want %q", b, cut, got, want)
		}
	}
}

func TestBase64(t *testing.T) {
	const invalid = "! InvalidCharacterError"
	cases := []webCase{
		{`return [btoa(""), btoa("a"), btoa("ab"), btoa("abc"), btoa("\xff\0"), btoa(null), btoa(1)]`, `["","YQ==","YWI=","YWJj","/wA=","bnVsbA==","MQ=="]`},
		{`return [atob(""), atob("YQ=="), atob("YQ"), atob(" Y\tW\nI\f=\r"), atob("/wA=").length, atob(null)]`, `["","a","a","ab",2,"` + "\u009eée" + `"]`},
		{`const e = (() => { try { btoa("☕") } catch (e) { return e } })(); return [e.name, e.code, e instanceof DOMException]`, `["InvalidCharacterError",5,true]`},
	}
	for _, s := range []string{"a", "abcde", "ab=c", "=", "==", "a=", "ab=", "abcd=", "abc==", "a===", "ab-_", "ab*d", "é", "YQ==x", "\u00a0YQ==", "YQ==="} {
		cases = append(cases, webCase{`atob(` + strconv.Quote(s) + `)`, invalid})
	}
	r := newWebRun(t)
	for _, c := range cases {
		got := r.run(c.code)
		if c.want == invalid {
			got, _, _ = strings.Cut(got, ": ")
		}
		if got != c.want {
			t.Errorf("%s\n\tgot  %s\n\twant %s", c.code, got, c.want)
		}
	}
}

func FuzzBase64(f *testing.F) {
	f.Add([]byte("\x00\xff"), "YQ==")
	f.Add([]byte(""), "ab=c")
	r := newWebRun(f)
	f.Fuzz(func(t *testing.T, b []byte, s string) {
		got := r.run(`const b = Uint8Array.fromHex("` + hex.EncodeToString(b) + `"); const e = btoa(String.fromCharCode(...b)); return e + " " + (atob(e) === String.fromCharCode(...b))`)
		if want := base64.StdEncoding.EncodeToString(b) + " true"; got != want && len(b) < 1000 {
			t.Errorf("%x: %s, want %s", b, got, want)
		}
		// Forgiving base64 (Infra §7) in Go.
		text := strings.Map(func(r rune) rune {
			if strings.ContainsRune("\t\n\f\r ", r) {
				return -1
			}
			return r
		}, s)
		if len(text)%4 == 0 {
			text = strings.TrimSuffix(text, "=")
			if len(text)%4 == 3 {
				text = strings.TrimSuffix(text, "=")
			}
		}
		want := "error"
		if plain, err := base64.RawStdEncoding.DecodeString(text); err == nil && !strings.ContainsAny(text, "\r\n") {
			want = hex.EncodeToString(plain)
		}
		if !utf8.ValidString(s) {
			return
		}
		got = r.run(`try { return Uint8Array.from(atob(` + jsString(s) + `), (c) => c.charCodeAt(0)).toHex() } catch (e) { return e.name === "InvalidCharacterError" ? "error" : e.name }`)
		if got != want {
			t.Errorf("atob(%q) = %s, want %s", s, got, want)
		}
	})
}

// jsString is a literal of any text.
func jsString(s string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range s {
		fmt.Fprintf(&out, "\\u{%x}", r)
	}
	out.WriteByte('"')
	return out.String()
}

func FuzzHeaders(f *testing.F) {
	f.Add("name", "value")
	f.Add("a b", "x\r\ny: z")
	r := newWebRun(f)
	f.Fuzz(func(t *testing.T, name, value string) {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return
		}
		got := r.run(`try { const h = new Headers(); h.append(` + jsString(name) + `, ` + jsString(value) + `); const [[n, v]] = [...h]; return "ok " + /^[^\0\r\n]*$/.test(n + v) + (h.get(n) === v) } catch (e) { return e.name }`)
		if got != "ok truetrue" && got != "TypeError" {
			t.Errorf("%q: %q: %s", name, value, got)
		}
	})
}
