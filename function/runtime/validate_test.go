package runtime_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	const problems = "✗"
	for _, tt := range []struct{ validator, value, want string }{
		{`v.string()`, `"é"`, `"é"`},
		{`v.string()`, `5`, problems + `: the value must be a string, is 5`},
		{`v.string()`, `undefined`, problems + `: the value is missing`},
		{`v.string({ min: 2, max: 3 })`, `"😀😀😀"`, `"😀😀😀"`},
		{`v.string({ min: 2, max: 3 })`, `"😀"`, problems + `: the value must have 2 to 3 characters`},
		{`v.string({ max: 1 })`, `"ab"`, problems + `: the value must have at most 1 character`},
		{`v.string({ min: 1 })`, `""`, problems + `: the value must have at least 1 character`},
		{`v.string({ min: 2, max: 2 })`, `"a"`, problems + `: the value must have 2 characters`},
		{`v.string({ pattern: /^[a-z]+$/g })`, `"abc"`, `"abc"`},
		{`v.array(v.string({ pattern: /a/g }))`, `["a", "a", "a"]`, `["a","a","a"]`},
		{`v.string({ pattern: "^\\p{L}+$" })`, `"a1"`, problems + `: the value must match /^\p{L}+$/u, is "a1"`},
		{`v.number()`, `1.5`, `1.5`},
		{`v.number()`, `NaN`, problems + `: the value must be a number, is NaN`},
		{`v.float({ min: 0 })`, `-0.5`, problems + `: the value must be a number from 0, is -0.5`},
		{`v.int()`, `3`, `3`},
		{`v.int()`, `3.5`, problems + `: the value must be a whole number, is 3.5`},
		{`v.int()`, `2 ** 53`, problems + `: the value must be a whole number, is 9007199254740992`},
		{`v.int({ min: 1, max: 10 })`, `11`, problems + `: the value must be a whole number 1 to 10, is 11`},
		{`v.int({ min: 1, max: 10 })`, `"x"`, problems + `: the value must be a whole number, is "x"`},
		{`v.bool()`, `0`, problems + `: the value must be true or false, is 0`},
		{`v.boolean()`, `false`, `false`},
		{`v.datetime()`, `"2026-02-28T09:30:00.123+02:00"`, `"2026-02-28T09:30:00.123+02:00"`},
		{`v.datetime()`, `new Date(0)`, `"1970-01-01T00:00:00.000Z"`},
		{`v.datetime()`, `new Date(NaN)`, problems + `: the value must be a time like 2026-01-31T09:30:00Z, is a Date`},
		{`v.datetime()`, `"2026-02-30T00:00:00Z"`, problems + `: the value must be a time like 2026-01-31T09:30:00Z, is "2026-02-30T00:00:00Z"`},
		{`v.datetime()`, `"2024-02-29T00:00:00Z"`, `"2024-02-29T00:00:00Z"`},
		{`v.datetime()`, `"2026-01-31"`, problems + `: the value must be a time like 2026-01-31T09:30:00Z, is "2026-01-31"`},
		{`v.datetime()`, `1767225600000`, problems + `: the value must be a time like 2026-01-31T09:30:00Z, is 1767225600000`},
		{`v.richtext()`, `"<b>"`, `"<b>"`},
		{`v.id("User")`, `"01JD0000000000000000000000"`, `"01JD0000000000000000000000"`},
		{`v.id("User")`, `"__admin__"`, `"__admin__"`},
		{`v.id("User")`, `""`, problems + `: the value must be the id of a User, is ""`},
		{`v.id("User")`, `"a/b"`, problems + `: the value must be the id of a User, is "a/b"`},
		{`v.id("User")`, `"a".repeat(65)`, problems + `: the value must be the id of a User, is "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…"`},
		{`v.null()`, `null`, `null`},
		{`v.null()`, `0`, problems + `: the value must be null, is 0`},
		{`v.any()`, `[{ a: null }]`, `[{"a":null}]`},
		{`v.any()`, `undefined`, problems + `: the value is missing`},
		{`v.literal("a")`, `"b"`, problems + `: the value must be "a", is "b"`},
		{`v.array(v.int())`, `[1, 2]`, `[1,2]`},
		{`v.array(v.int())`, `{}`, problems + `: the value must be an array, is an object`},
		{`v.array(v.int(), { min: 1, max: 2 })`, `[]`, problems + `: the value must have 1 to 2 elements, has 0`},
		{`v.object({ items: v.array(v.object({ qty: v.int() })) })`, `{ items: [{ qty: 1 }, { qty: 1 }, { qty: "x" }] }`, problems + `items[2].qty: items[2].qty must be a whole number, is "x"`},
		{`v.object({ title: v.string(), n: v.optional(v.int()) })`, `{ title: "a" }`, `{"title":"a"}`},
		{`v.object({ title: v.string(), n: v.optional(v.int()) })`, `{ title: "a", n: null }`, `{"title":"a"}`},
		{`v.object({ n: v.optional(v.nullable(v.int())) })`, `{ n: null }`, `{"n":null}`},
		{`v.object({ title: v.string() })`, `{ titel: "a" }`, problems + `title: title is missing; titel: titel is not known (did you mean "title"?)`},
		{`v.object({ a: v.string() })`, `{ a: "x", toString: 1 }`, problems + `toString: toString is not known`},
		{`v.object({ toString: v.optional(v.any()) })`, `{}`, `{}`},
		{`v.object({ a: v.any() })`, `JSON.parse('{"a":1,"__proto__":{"x":1}}')`, problems + `__proto__: __proto__ is not known`},
		{`v.record(v.int())`, `JSON.parse('{"__proto__":1,"b c":2}')`, `{"__proto__":1,"b c":2}`},
		{`v.record(v.string(), v.int())`, `{ "b c": "x" }`, problems + `["b c"]: ["b c"] must be a whole number, is "x"`},
		{`v.object({})`, `[]`, problems + `: the value must be an object, is an array`},
		{`v.nullable(v.string())`, `null`, `null`},
		{`v.nullable(v.int({ min: 1 }))`, `0`, problems + `: the value must be a whole number from 1, is 0`},
		{`v.union(v.literal("open"), v.literal("paid"))`, `"opn"`, problems + `: the value must be "open" or "paid", is "opn"`},
		{`v.union([v.string(), v.int()])`, `true`, problems + `: the value must be a string or a whole number, is true`},
		{`v.union(v.object({ type: v.literal("a"), n: v.int() }), v.object({ type: v.literal("b"), s: v.string() }))`, `{ type: "b", s: 1 }`, problems + `s: s must be a string, is 1`},
		{`v.union(v.object({ type: v.literal("a"), n: v.int() }), v.object({ type: v.literal("b"), s: v.string() }))`, `{ type: "a", n: 1 }`, `{"type":"a","n":1}`},
		{`v.array(v.int())`, `Array(50).fill("x")`, problems + tenTimes},
	} {
		got, err := evaluate(t, `import { v, validate } from "@pylonsync/functions";
			const told = (r: any) => r.problems ? "✗" + r.problems.map((p: any) => p.path + ": " + p.message).join("; ") : JSON.stringify(r.value);`,
			fmt.Sprintf("told(validate(%s, %s))", tt.validator, tt.value))
		if err != nil || got != tt.want {
			t.Errorf("%s of %s\ngot  %s %v\nwant %s", tt.validator, tt.value, got, err, tt.want)
		}
	}
}

// tenTimes are all the problems that are told.
var tenTimes = func() string {
	var list []string
	for i := range 10 {
		list = append(list, fmt.Sprintf(`[%d]: [%d] must be a whole number, is "x"`, i, i))
	}
	return strings.Join(list, "; ")
}()

func TestWrongDefinitions(t *testing.T) {
	for _, tt := range []struct{ expression, want string }{
		{`query({ handlr: () => 1 })`, `TypeError: query: unknown key "handlr" (did you mean "handler"?)`},
		{`query({ returns: 1, handler: () => 1 })`, `TypeError: query: unknown key "returns"; there are args, auth and handler`},
		{`query({ args: {} })`, `TypeError: query: handler must be a function`},
		{`mutation(5)`, `TypeError: mutation needs an object with a handler, or a handler`},
		{`action({ auth: "admn", handler() {} })`, `TypeError: action: auth must be one of public, user, admin, internal (did you mean "admin"?)`},
		{`query({ args: { a: String }, handler() {} })`, `TypeError: args: a is no validator; use v.string() and the like`},
		{`query({ args: v.string(), handler() {} })`, `TypeError: query: args must be v.object, or an object of validators`},
		{`v.string({ mn: 1 })`, `TypeError: v.string: unknown option "mn"; there are min, max, pattern`},
		{`v.string({ min: 1.5 })`, `TypeError: v.string: min must be a whole number`},
		{`v.int({ min: 3, max: 2 })`, `TypeError: v.int: min is greater than max`},
		{`v.string({ pattern: "(" })`, `SyntaxError: expecting ')'`},
		{`v.array(String)`, `TypeError: v.array needs a validator, such as v.string()`},
		{`v.array(v.optional(v.string()))`, `TypeError: v.array: v.optional belongs to the keys of v.object; use v.nullable`},
		{`v.id("")`, `TypeError: v.id needs the name of an entity, such as v.id("User")`},
		{`v.union()`, `TypeError: v.union needs validators`},
		{`v.literal({})`, `TypeError: v.literal needs a string, a number, a boolean or null`},
		{`v.record(v.int(), v.int())`, `TypeError: v.record: keys are strings`},
	} {
		_, err := evaluate(t, `import { query, mutation, action, v } from "@pylonsync/functions";`, tt.expression)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s\ngot  %v\nwant %s", tt.expression, err, tt.want)
		}
	}
}

func TestDefinitions(t *testing.T) {
	for _, tt := range []struct{ expression, want string }{
		{`query(() => 1)`, `query user undefined`},
		{`mutation({ args: { a: v.string() }, auth: "public", handler() {} })`, `mutation public object`},
		{`action({ args: v.object({}), internal: true, handler() {} })`, `action internal object`},
	} {
		got, err := evaluate(t, `import { query, mutation, action, v, KIND } from "@pylonsync/functions";
			const told = (d: any) => [d[KIND], d.auth, d.args === undefined ? "undefined" : d.args.kind, Object.isFrozen(d) ? "" : "loose"].join(" ").trim();`, "told("+tt.expression+")")
		if err != nil || got != tt.want {
			t.Errorf("%s: got %s %v, want %s", tt.expression, got, err, tt.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	got, err := evaluate(t, `import { v, describe } from "@pylonsync/functions";`, `describe(v.object({
		s: v.string({ min: 1, max: 5, pattern: /^a/ }), n: v.optional(v.number({ min: 0 })), i: v.int({ max: 9 }), b: v.bool(), d: v.datetime(), r: v.richtext(),
		id: v.id("User"), z: v.null(), x: v.any(), l: v.literal(3), a: v.array(v.string(), { max: 2 }), m: v.record(v.int()), u: v.union(v.string(), v.null()), e: v.union(v.literal("a"), v.literal("b")), o: v.object({}) }))`)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"object","properties":{"s":{"type":"string","minLength":1,"maxLength":5,"pattern":"^a"},"n":{"type":"number","minimum":0},"i":{"type":"integer","maximum":9},"b":{"type":"boolean"},"d":{"type":"string","format":"date-time"},"r":{"type":"string"},"id":{"type":"string","pattern":"^[A-Za-z0-9_-]{1,64}$","x-entity":"User"},"z":{"type":"null"},"x":{},"l":{"const":3},"a":{"type":"array","items":{"type":"string"},"maxItems":2},"m":{"type":"object","additionalProperties":{"type":"integer"}},"u":{"anyOf":[{"type":"string"},{"type":"null"}]},"e":{"enum":["a","b"]},"o":{"type":"object","properties":{},"additionalProperties":false}},"required":["s","i","b","d","r","id","z","x","l","a","m","u","e","o"],"additionalProperties":false}`
	if got != want || !json.Valid([]byte(got)) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
