package function

import "testing"

func TestStructuredClone(t *testing.T) {
	runWebCases(t, []webCase{
		{`const v = { a: [1, , "x", null, undefined, true, 2n, NaN, -0], d: new Date(5), n: { m: 1 } }; const c = structuredClone(v); return [c !== v, c.a !== v.a, 1 in c.a, c.a.length, typeof c.a[6], Number.isNaN(c.a[7]), Object.is(c.a[8], -0), c.d instanceof Date, c.d.getTime(), c.n.m]`, `[true,true,false,9,"bigint",true,true,true,5,1]`},
		{`const v = { x: 1 }; v.self = v; v.twice = [v, v]; const c = structuredClone(v); return [c.self === c, c.twice[0] === c, c !== v]`, "[true,true,true]"},
		{`const m = new Map([["a", { b: 1 }]]); m.set(m, m); const c = structuredClone(m); return [c instanceof Map, c.get("a").b, c.get("a") !== m.get("a"), c.get(c) === c, c.size]`, "[true,1,true,true,2]"},
		{`const s = new Set([1, "x"]); s.add(s); const c = structuredClone(s); return [c instanceof Set, c.has(1), c.has(c), c.size]`, "[true,true,true,3]"},
		{`const r = /a+/giu; r.lastIndex = 3; const c = structuredClone(r); return [String(c), c.lastIndex, c instanceof RegExp]`, `["/a+/giu",0,true]`},
		{`const e = new RangeError("no", { cause: { x: 1 } }); e.extra = 1; const c = structuredClone(e); return [c instanceof RangeError, c.name, c.message, c.cause.x, c.extra, c.stack === e.stack, Object.keys(c)]`, `[true,"RangeError","no",1,null,true,[]]`},
		{`class Mine extends Error { name = "Mine" }; const c = structuredClone(new Mine("m")); return [c.constructor === Error, c.message, c.name]`, `[true,"m","Error"]`},
		{`const d = new DOMException("m", "DataError"); const c = structuredClone(d); return [c instanceof DOMException, c.name, c.message, c !== d]`, `[true,"DataError","m",true]`},
		{`const b = new Uint8Array([1, 2, 3, 4]); const v = { b, sub: b.subarray(1, 3), dv: new DataView(b.buffer, 2), f: new Float64Array([1.5]) }; const c = structuredClone(v); b[1] = 99; return [[...c.b].join(), [...c.sub].join(), c.sub.buffer === c.b.buffer, c.dv.getUint8(0), c.f[0], c.sub.byteOffset]`, `["1,2,3,4","2,3",true,3,1.5,1]`},
		{`const c = structuredClone([new Boolean(false), new Number(1), new String("s"), Object(1n)]); return c.map((x) => typeof x + x.constructor.name).join()`, "objectBoolean,objectNumber,objectString,objectBigInt"},
		{`class P { #x = 1; y = 2; get z() { return 3 } }; const c = structuredClone(new P()); return [c.constructor === Object, JSON.stringify(c)]`, `[true,"{\"y\":2}"]`},
		{`const o = Object.create({ inherited: 1 }, { hidden: { value: 1 }, shown: { get: () => 7, enumerable: true } }); o[Symbol()] = 1; return JSON.stringify(structuredClone(o))`, `{"shown":7}`},
		{`return JSON.stringify(structuredClone(JSON.parse('{"__proto__":{"x":1}}'))) + ({}).x`, `{"__proto__":{"x":1}}undefined`},
		{`const a = [1]; a.extra = 2; const c = structuredClone(a); return [c.extra, Array.isArray(c)]`, "[2,true]"},
		{`const fake = Object.create(Date.prototype); fake.a = 1; return JSON.stringify({ ...structuredClone(fake) })`, `{"a":1}`},
		{`return structuredClone(undefined) === undefined && structuredClone(null) === null`, "true"},
		{`structuredClone()`, "! TypeError: structuredClone needs a value"},
		{`structuredClone(() => 1)`, "! DataCloneError: A function cannot be cloned"},
		{`structuredClone({ a: [function named() {}] })`, "! DataCloneError: The function named cannot be cloned"},
		{`structuredClone(Symbol())`, "! DataCloneError: A symbol cannot be cloned"},
		{`structuredClone(Promise.resolve())`, "! DataCloneError: An object of the class Promise cannot be cloned"},
		{`structuredClone(new WeakMap())`, "! DataCloneError: An object of the class WeakMap cannot be cloned"},
		{`structuredClone(new Headers())`, "! DataCloneError: An object of the class Headers cannot be cloned"},
		{`structuredClone({ u: new URL("http://h") })`, "! DataCloneError: An object of the class URL cannot be cloned"},
		{`structuredClone(new AbortController().signal)`, "! DataCloneError: An object of the class EventTarget cannot be cloned"},
		{`const b = new ArrayBuffer(4); const v = new Uint8Array(b); v[0] = 7; const c = structuredClone(v, { transfer: [b] }); return [c[0], b.byteLength, v.length, b.detached]`, "[7,0,0,true]"},
		{`const b = new ArrayBuffer(4); structuredClone(1, { transfer: [b, b] })`, "! DataCloneError: The ArrayBuffer was transferred already"},
		{`const b = new ArrayBuffer(4); try { structuredClone(() => 1, { transfer: [b] }) } catch {} return b.byteLength`, "4"},
		{`structuredClone(1, { transfer: [{}] })`, "! DataCloneError: Only an ArrayBuffer can be transferred"},
		{`const b = new ArrayBuffer(4); structuredClone(b, { transfer: [b] }); structuredClone(b)`, "! DataCloneError: A detached ArrayBuffer cannot be cloned"},
		{`let o = {}; for (let i = 0; i < 2e4; i++) o = { o }; try { structuredClone(o) } catch (e) { return e.name }`, "RangeError"},
	})
}
