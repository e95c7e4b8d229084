package function

import "testing"

func TestAbort(t *testing.T) {
	runWebCases(t, []webCase{
		{`const c = new AbortController(); const s = c.signal; const o = [s.aborted, s.reason]; s.onabort = (e) => o.push("on" + e.type); s.addEventListener("abort", (e) => o.push(e.target === s)); c.abort(); c.abort("again"); return [...o, s.aborted, s.reason.name, s.reason instanceof DOMException, s.reason.code]`,
			`[false,null,"onabort",true,true,"AbortError",true,20]`},
		{`AbortSignal.abort().throwIfAborted()`, "! AbortError: This operation was aborted"},
		{`try { AbortSignal.abort(5).throwIfAborted() } catch (e) { return e }`, "5"},
		{`new AbortController().signal.throwIfAborted(); return "fine"`, "fine"},
		{`const s = AbortSignal.timeout(5); await new Promise((r) => { s.onabort = r }); return [s.reason.name, s.reason.code]`, `["TimeoutError",23]`},
		{`AbortSignal.timeout(-1)`, "! TypeError: The timeout must be a number of milliseconds"},
		{`AbortSignal.timeout("x")`, "! TypeError: The timeout must be a number of milliseconds"},
		{`const a = new AbortController(), b = new AbortController(); const s = AbortSignal.any([a.signal, b.signal]); const t = AbortSignal.any([s]); let n = 0; t.onabort = () => n++; b.abort("b"); a.abort("a"); return [s.reason, t.reason, n]`, `["b","b",1]`},
		{`return [AbortSignal.any([]).aborted, AbortSignal.any([AbortSignal.abort(1), AbortSignal.abort(2)]).reason]`, "[false,1]"},
		{`AbortSignal.any([{}])`, "! TypeError: AbortSignal.any needs signals"},
		{`new AbortSignal()`, "! TypeError: Illegal constructor"},
		{`const c = new AbortController(); let n = 0; const f = () => n++; c.signal.onabort = f; c.signal.onabort = null; c.abort(); return n`, "0"},
	})
}

func TestEvents(t *testing.T) {
	runWebCases(t, []webCase{
		{`const e = new EventTarget(); const o = []; const f = (v) => o.push(v.type); e.addEventListener("a", f); e.addEventListener("a", f); e.addEventListener("a", { handleEvent() { o.push(this.x) }, x: 1 }, { once: true }); e.dispatchEvent(new Event("a")); e.dispatchEvent(new Event("a")); e.removeEventListener("a", f); e.dispatchEvent(new Event("a")); return o`, `["a",1,"a"]`},
		{`const e = new EventTarget(); const o = []; e.addEventListener("a", (v) => { o.push(1); v.stopImmediatePropagation() }); e.addEventListener("a", () => o.push(2)); e.dispatchEvent(new Event("a")); return o`, "[1]"},
		{`const e = new EventTarget(); e.addEventListener("a", (v) => v.preventDefault()); return [e.dispatchEvent(new Event("a")), e.dispatchEvent(new Event("a", { cancelable: true }))]`, "[true,false]"},
		{`const e = new EventTarget(); const c = new AbortController(); let n = 0; e.addEventListener("a", () => n++, { signal: c.signal }); e.dispatchEvent(new Event("a")); c.abort(); e.dispatchEvent(new Event("a")); return n`, "1"},
		{`const e = new EventTarget(); const v = new Event("a"); e.addEventListener("a", () => e.dispatchEvent(v)); let m; e.addEventListener("a", () => { m = v.eventPhase + "" + (v.currentTarget === e) + v.composedPath().length }); try { e.dispatchEvent(v) } finally { return [m, v.currentTarget, v.eventPhase] }`, "!! InvalidStateError: The event is being dispatched already"},
		{`class T extends EventTarget { go() { this.dispatchEvent(new Event("x")) } }; const t = new T(); let n = 0; t.addEventListener("x", () => n++); t.go(); return n`, "1"},
		{`new EventTarget().dispatchEvent({})`, "! TypeError: dispatchEvent needs an Event"},
		{`new Event()`, "! TypeError: Event needs a type"},
		{`new EventTarget().addEventListener("a", 1)`, "! TypeError: The listener must be a function or an object"},
	})
}

func TestTimers(t *testing.T) {
	runWebCases(t, []webCase{
		{`const o = []; setTimeout((a, b) => o.push(a + b), 1, 1, 2); const id = setTimeout(() => o.push("no"), 1); clearTimeout(id); await new Promise((r) => setTimeout(r, 30)); return [o, typeof id]`, `[[3],"number"]`},
		{`const o = []; await new Promise((r) => { setTimeout(() => o.push("b"), 30); setTimeout(() => o.push("a"), 5); setTimeout(r, 60); queueMicrotask(() => o.push("m")); o.push("s") }); return o`, `["s","m","a","b"]`},
		{`let n = 0; await new Promise((r) => { const id = setInterval(() => { if (++n === 3) { clearInterval(id); r() } }, 1) }); await new Promise((r) => setTimeout(r, 20)); return n`, "3"},
		{`clearTimeout(); clearTimeout(999); clearInterval("x"); clearTimeout(null); return "fine"`, "fine"},
		{`setTimeout("code", 1)`, "! TypeError: The timer's handler must be a function"},
		{`await new Promise((r) => setTimeout(r)); await new Promise((r) => setTimeout(r, -5)); await new Promise((r) => setTimeout(r, NaN)); return "fine"`, "fine"},
		{`setTimeout(() => { throw new RangeError("in a timer") }, 1); await new Promise((r) => setTimeout(r, 1000))`, "!! RangeError: in a timer"},
		{`setTimeout(() => {}, 1e9); setTimeout(() => {}, Infinity); return "does not wait"`, "does not wait"},
		{`queueMicrotask(1)`, "! TypeError: not a function"},
	})
}

// What is patched by the app is the app's trouble, but the runtime keeps its own.
func TestPatchedGlobals(t *testing.T) {
	runWebCases(t, []webCase{
		{`globalThis.URL = globalThis.Headers = globalThis.DOMException = globalThis.ArrayBuffer = null; JSON.stringify = Object.keys = Object.defineProperty = Array.isArray = () => { throw 1 }; const r = new Request("http://h", { headers: { a: "1" } }); return r.url + r.headers.get("a")`, "http://h/1"},
		{`Object.prototype.method = "DELETE"; Object.prototype.signal = 1; try { return new Request("http://h").method } catch (e) { return e.name } finally { delete Object.prototype.signal; delete Object.prototype.method }`, "TypeError"},
	})
}

func TestGarbageInNeverBreaksTheEngine(t *testing.T) {
	r := newWebRun(t)
	values := []string{"undefined", "null", "0", "-1", "NaN", "1e999", `""`, `"\ud800"`, `"\0"`, "{}", "[]", "[[]]", "Symbol()", "() => {}", "1n", "new Proxy({}, { get() { throw new RangeError(\"trap\") } })",
		"{ toString() { throw new RangeError(\"x\") } }", "Object.create(null)", "new Uint8Array(3)", "new ArrayBuffer(1, { maxByteLength: 8 })", "{ [Symbol.iterator]: 1 }", `"x".repeat(1e5)`, "new Proxy([], {})", "(() => { const a = []; a[0] = a; return a })()", "{ length: 1e5 }", "new Date(NaN)", "new SharedArrayBuffer(4)"}
	uses := []string{"new URL(v)", "new URL('http://h').searchParams.set(v, v)", "{ const u = new URL('http://h/'); u.port = v; u.hash = v; u.href = v }", "new URLSearchParams(v)", "new Headers(v)", "new Headers([[v, v]])", "new Request(v)", "new Request('http://h', v)", "new Request('http://h', { method: 'POST', body: v })",
		"new Response(v).text()", "new Response('', v)", "new Response('', { headers: v, status: v })", "Response.json(v)", "Response.redirect(v, v)", "new AbortController().abort(v)", "AbortSignal.any(v)", "AbortSignal.timeout(v)", "new Event(v, v)", "new EventTarget().addEventListener(v, v, v)", "new TextEncoder().encode(v)", "new TextEncoder().encodeInto(v, v)",
		"new TextDecoder(v, v)", "new TextDecoder().decode(v, v)", "atob(v)", "btoa(v)", "structuredClone(v)", "structuredClone(v, { transfer: v })", "structuredClone(v, v)", "crypto.getRandomValues(v)", "crypto.subtle.digest(v, v)", "crypto.subtle.digest('SHA-1', v)", "crypto.subtle.importKey(v, v, v, v, v)", "crypto.subtle.importKey('raw', v, { name: 'HMAC', hash: v }, true, v)", "crypto.subtle.sign('HMAC', v, v)", "crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-1', length: v }, v, ['sign'])",
		"console.log(v)", "console.log('%s %d %i %f %j %o %O %c', v, v, v, v, v, v, v, v)", "console.table(v)", "console.table([v], v)", "console.dir(v, v)", "console.count(v)", "console.time(v)", "console.assert(v, v)", "setTimeout(v, v)", "clearTimeout(v)", "setInterval(v, v)", "fetch(v)", "fetch('http://127.0.0.1:1', v)", "process.env[v]", "process.env[v] = v", "queueMicrotask(v)", "performance.now(v)"}
	for _, use := range uses {
		for _, v := range values {
			code := "const v = " + v + "; try { await (async () => { " + use + " })() } catch (e) { return e instanceof Error || e instanceof DOMException || e === v ? 'threw' : 'threw ' + typeof e } return 'fine'"
			got := r.run(code)
			if got != "fine" && got != "threw" || r.vm.Broken() {
				t.Errorf("%s with %s: %s", use, v, got)
			}
			if r.vm.Broken() {
				r = newWebRun(t)
			}
		}
	}
}
