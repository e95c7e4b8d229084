package function

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
)

// logged runs code and answers the records that it logged.
func logged(t *testing.T, code string) []map[string]any {
	t.Helper()
	r := newWebRun(t)
	var out bytes.Buffer
	r.call.host.log = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if got := r.run(code); got != "undefined" {
		t.Fatalf("%s: %s", code, got)
	}
	var records []map[string]any
	for d := json.NewDecoder(&out); d.More(); {
		var m map[string]any
		if err := d.Decode(&m); err != nil {
			t.Fatal(err)
		}
		records = append(records, m)
	}
	return records
}

func TestConsoleText(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{``, ""},
		{`"a", 1, true, null, undefined, 2n, Symbol("s"), -0`, "a 1 true null undefined 2n Symbol(s) -0"},
		{`"%s is %d, %i, %f, %j %% %c%x", "x", "4.5", 4.9, "1.5z", { a: 1 }, "color: red", "more"`, `x is 4.5, 4, 1.5, {"a":1} % %x more`},
		{`"%s"`, "%s"}, {`"%d %s", 1`, "1 %s"}, {`"100%", 1`, "100% 1"}, {`5, "%s", "x"`, "5 %s x"},
		{`"%o %O", { a: 1 }, [1]`, "{ a: 1 } [ 1 ]"},
		{`{ a: 1, "b-c": "x", [Symbol("s")]: [1, , 3], f() {}, g: class A {}, h: () => {} }`, `{
  a: 1,
  'b-c': 'x',
  f: [Function: f],
  g: [class A],
  h: [Function: h],
  [Symbol(s)]: [ 1, <1 empty item>, 3 ]
}`},
		{`{ a: { b: { c: { d: 1 } } } }, [[[[1]]]]`, "{ a: { b: { c: [Object] } } } [ [ [ [Array] ] ] ]"},
		{`(() => { const o = { x: 1 }; o.self = o; return o })()`, "<ref *1> { x: 1, self: [Circular *1] }"},
		{`new Map([["a", { b: 1 }]]), new Set([1, "x"]), new Date(0), /x/g`, "Map(1) { 'a' => { b: 1 } } Set(2) { 1, 'x' } 1970-01-01T00:00:00.000Z /x/g"},
		{`[], {}, new Map(), Object.create(null), new (class Foo { x = 1 })(), new Date(NaN)`, "[] {} Map(0) {} [Object: null prototype] {} Foo { x: 1 } Invalid Date"},
		{`new Uint8Array([1, 2]), new Uint8Array([1, 2]).buffer`, "Uint8Array(2) [ 1, 2 ] ArrayBuffer { <01 02>, byteLength: 2 }"},
		{`["it's", 'say "x"', "both ' and \"", "a\nb\\", "\x01"]`, "[ \"it's\", 'say \"x\"', `both ' and \"`, 'a\\nb\\\\', '\\x01' ]"},
		{`{ get a() { throw 1 }, set b(v) {}, get c() { return 1 }, set c(v) {} }`, "{ a: [Getter], b: [Setter], c: [Getter/Setter] }"},
		{`[0, 1, 2, undefined, null, "a".repeat(80)].slice(0, 5)`, "[ 0, 1, 2, undefined, null ]"},
		{`new Headers({ a: "b" }), new URL("http://h"), new URLSearchParams("a=1"), Promise.resolve(1)`, "Headers { 'a' => 'b' } URL { href: 'http://h/' } URLSearchParams { 'a' => '1' } Promise { ... }"},
		{`[new Number(1), new String("ab"), new Boolean(true)]`, "[ [Number: 1], [String: 'ab'], [Boolean: true] ]"},
		{`new Proxy({}, { get() { throw 1 }, getPrototypeOf() { throw 2 }, ownKeys() { throw 3 } })`, "[Proxy]"},
		{`new Proxy({}, { ownKeys() { throw 3 } })`, "[Object]"},
		{`Object.assign(() => {}, { x: 1 }), function () {}`, "[Function (anonymous)] { x: 1 } [Function (anonymous)]"},
		{`"\ud800"`, "\uFFFD"},
	} {
		records := logged(t, "console.log("+c.args+")")
		if len(records) != 1 || records[0]["msg"] != c.want {
			t.Errorf("%s\n\tgot  %v\n\twant %s", c.args, records, c.want)
		}
	}
}

func TestConsoleRecords(t *testing.T) {
	for _, c := range []struct{ code, level, want string }{
		{`console.log("x")`, "INFO", "x"}, {`console.info("x")`, "INFO", "x"}, {`console.debug("x")`, "DEBUG", "x"},
		{`console.warn("x")`, "WARN", "x"}, {`console.error("x")`, "ERROR", "x"},
		{`console.assert(true, "no"); console.assert(false, "is %s", 1)`, "ERROR", "Assertion failed: is 1"},
		{`console.assert()`, "ERROR", "Assertion failed"},
		{`console.count(); console.countReset()`, "INFO", "default: 1"},
		{`console.countReset("z")`, "WARN", "Count for 'z' does not exist"},
		{`console.timeEnd("z")`, "WARN", "Timer 'z' does not exist"},
		{`console.table([{ a: 1, b: "x" }, { a: 2, c: true }])`, "INFO", "(index) | a | b   | c\n--------+---+-----+-----\n0       | 1 | 'x' |\n1       | 2 |     | true"},
		{`console.table([5, { a: 1 }])`, "INFO", "(index) | a | Values\n--------+---+-------\n0       |   | 5\n1       | 1 |"},
		{`console.table([{ a: 1, b: 2 }], ["b"])`, "INFO", "(index) | b\n--------+--\n0       | 2"},
		{`console.table(5)`, "INFO", "5"},
		{`console.dir({ a: { b: { c: { d: 1 } } } }, { depth: 0 })`, "INFO", "{ a: [Object] }"},
		{`console.log("a\nb\r\nlevel=ERROR")`, "INFO", "a\nb\r\nlevel=ERROR"},
	} {
		records := logged(t, c.code)
		if len(records) != 1 || records[0]["msg"] != c.want || records[0]["level"] != c.level || records[0]["function"] != "test" || records[0]["request_id"] != "r1" {
			t.Errorf("%s: %v", c.code, records)
		}
	}
	records := logged(t, `console.group("g"); console.log("a\nb"); console.groupEnd(); console.groupEnd(); console.log("c"); console.time(); console.timeLog("default", 1); console.timeEnd(); console.trace("here")`)
	var lines []string
	for _, r := range records {
		lines = append(lines, r["msg"].(string))
	}
	text := strings.Join(lines, "|")
	if !strings.HasPrefix(text, "g|  a\n  b|c|default: ") || !strings.Contains(text, "ms 1|default: ") || !strings.Contains(text, "|Trace: here\n    at ") {
		t.Error(text)
	}
}

func TestConsoleOfErrors(t *testing.T) {
	records := logged(t, `
		class Mine extends TypeError {}
		console.error(new Error("no", { cause: new Mine("deep") }));
		console.error({ e: Object.assign(new RangeError("r"), { code: "X" }) });`)
	for i, want := range [][]string{{"Error: no\n    at ", "[cause]: TypeError: deep\n"}, {"{\n  e: RangeError: r\n      at", "code: 'X'"}} {
		for _, w := range want {
			if text := records[i]["msg"].(string); !strings.Contains(text, w) {
				t.Errorf("%q lacks %q", text, w)
			}
		}
	}
}

// Whatever is logged, a record and a call's records are bounded, and so is the work.
func TestConsoleLimits(t *testing.T) {
	if raceEnabled {
		t.Skip("the engine is too slow under the race detector, and nothing here is concurrent")
	}
	for _, args := range []string{
		`"x".repeat(1e6)`, `"é".repeat(1e6)`, `Array.from({ length: 1e3 }, () => ({ a: "x".repeat(1000) }))`, `new Array(1e6)`, `new Uint8Array(1e6)`,
		`"%s", "y".repeat(1e6)`, `...Array.from({ length: 5000 }, () => "z".repeat(100))`, `"%s ".repeat(1e5), ...Array.from({ length: 5000 }, () => "z".repeat(100))`,
		`(() => { let o = {}; for (let i = 0; i < 1e4; i++) o = { o }; return o })()`, `new Map(Array.from({ length: 1e4 }, (_, i) => [{ i }, { i }]))`,
		`Object.fromEntries(Array.from({ length: 1e4 }, (_, i) => ["key" + i, { i, o: { p: [i] } }]))`,
		`(() => { const a = [], b = []; for (let i = 0; i < 90; i++) { a.push(b); b.push([1, 2, 3]) } return [a, a, a, a] })()`,
	} {
		for _, how := range []string{"log", "table"} {
			records := logged(t, "console."+how+"("+args+")")
			if len(records) != 1 || len(records[0]["msg"].(string)) > maxConsoleLine+50 {
				t.Errorf("%s of %s: %d records", how, args, len(records))
			}
		}
	}
	records := logged(t, `for (let i = 0; i < 3000; i++) console.log(i)`)
	if len(records) != 1001 || records[999]["msg"] != "999" || records[1000]["msg"] != "more than 1000 lines in one call: the rest is dropped" {
		t.Errorf("%d records, the last %v", len(records), records[len(records)-1])
	}
}
