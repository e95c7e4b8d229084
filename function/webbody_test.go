package function

import "testing"

func TestHeaders(t *testing.T) {
	runWebCases(t, []webCase{
		{`const h = new Headers({ B: " x ", a: "1" }); h.append("b", "y"); return JSON.stringify([...h]) + h.get("B") + h.get("c") + h.has("A")`, `[["a","1"],["b","x, y"]]x, ynulltrue`},
		{`const h = new Headers([["set-cookie", "a=1"], ["x", "1"], ["Set-Cookie", "b=2"]]); return JSON.stringify([...h, h.getSetCookie(), h.get("set-cookie")])`, `[["set-cookie","a=1"],["set-cookie","b=2"],["x","1"],["a=1","b=2"],"a=1, b=2"]`},
		{`const h = new Headers(new Headers({ a: 1 })); h.set("A", 2); h.set("b", 3); h.delete("A"); return JSON.stringify([...h.keys(), ...h.values(), ...h.entries()])`, `["b","3",["b","3"]]`},
		{`const o = []; new Headers({ b: 1, a: 2 }).forEach((v, k) => o.push(k + v)); return o`, `["a2","b1"]`},
		{`new Headers(null)`, "! TypeError: Headers are made from an object, from pairs or from Headers"},
		{`new Headers("a")`, "! TypeError: Headers are made from an object, from pairs or from Headers"},
		{`new Headers([["a"]])`, "! TypeError: Each header must be a pair of name and value"},
		{`new Headers({ "a b": 1 })`, `! TypeError: "a b" is not a header's name`},
		{`new Headers().append("", "x")`, `! TypeError: "" is not a header's name`},
		{`new Headers().get("a:")`, `! TypeError: "a:" is not a header's name`},
		{`new Headers({ "a\r\nb": 1 })`, `! TypeError: "a\r\nb" is not a header's name`},
		{`new Headers({ "é": 1 })`, `! TypeError: "é" is not a header's name`},
		{`new Headers({ a: "secret\r\nx: y" })`, "! TypeError: The value of the header a holds a line break or a zero byte"},
		{`new Headers({ a: "x\0y" })`, "! TypeError: The value of the header a holds a line break or a zero byte"},
		{`new Headers({ a: "☕" })`, "! TypeError: The value of the header a holds characters above U+00FF"},
		{`return new Headers({ a: "\r\n\t x\t y \n" }).get("a") + new Headers({ a: "ü" }).get("a")`, "x\t yü"},
		{`new Headers({ [Symbol()]: 1 })`, "! TypeError: A header's name must be a string"},
		{`return [...new Headers({ __proto__: null, constructor: "x" }).keys()]`, `["constructor"]`},
		{`const h = new Headers({ host: "x", "content-length": 1, cookie: "a" }); const r = new Request("http://h", { headers: h }); r.headers.set("Transfer-Encoding", "chunked"); r.headers.append("X", 1); return JSON.stringify([...r.headers]) + h.get("host")`, `[["cookie","a"],["x","1"]]x`},
		{`Response.error().headers.set("a", "b")`, "! TypeError: These headers cannot be changed"},
		{`Headers.prototype.get.call({}, "a")`, "! TypeError: private class field '#list' does not exist"},
	})
}

func TestRequest(t *testing.T) {
	runWebCases(t, []webCase{
		{`const r = new Request("HTTP://H/x#f"); return [r.method, r.url, r.redirect, r.body, r.bodyUsed, r.signal.aborted, await r.text()]`, `["GET","http://h/x#f","follow",null,false,false,""]`},
		{`const r = new Request("http://h", { method: "post", body: "é" }); return [r.method, r.headers.get("content-type"), await r.text(), r.bodyUsed]`, `["POST","text/plain;charset=UTF-8","é",true]`},
		{`return new Request("http://h", { method: "patch", body: "x" }).method`, "patch"},
		{`return new Request("http://h", { method: "POST", body: new URLSearchParams({ a: "b c" }) }).headers.get("content-type")`, "application/x-www-form-urlencoded;charset=UTF-8"},
		{`return new Request("http://h", { method: "POST", body: "{}", headers: { "Content-Type": "application/json" } }).headers.get("content-type")`, "application/json"},
		{`return new Request("http://h", { method: "POST", body: new Uint8Array(1) }).headers.get("content-type")`, "null"},
		{`const a = new Request("http://h", { method: "POST", body: "x", headers: { a: 1 } }); const b = new Request(a, { headers: { b: 2 } }); return [a.bodyUsed, b.method, await b.text(), [...b.headers].join()]`, `[true,"POST","x","b,2"]`},
		{`const a = new Request("http://h", { method: "POST", body: "x" }); const b = a.clone(); return [await a.text(), await b.text(), a.bodyUsed]`, `["x","x",true]`},
		{`const a = new Request("http://h", { method: "POST", body: "x" }); await a.text(); a.clone()`, "! TypeError: The body was read already"},
		{`const a = new Request("http://h", { method: "POST", body: "x" }); await a.text(); new Request(a)`, "! TypeError: The body was read already"},
		{`const a = new Request("http://h", { method: "POST", body: "x" }); await a.text(); await a.json()`, "! TypeError: The body was read already"},
		{`const c = new AbortController(); const r = new Request("http://h", { signal: c.signal }); c.abort("why"); return [r.signal === c.signal, r.signal.reason]`, `[false,"why"]`},
		{`new Request("/x")`, "! TypeError: The request's URL is not valid"},
		{`new Request("http://u:p@h")`, "! TypeError: A request's URL must not hold credentials; use the authorization header"},
		{`new Request("http://h", { body: "x" })`, "! TypeError: A request with the method GET or HEAD cannot have a body"},
		{`new Request("http://h", { method: "A B" })`, "! TypeError: The method is not valid"},
		{`new Request("http://h", { method: "GET\r\nX: y" })`, "! TypeError: The method is not valid"},
		{`new Request("http://h", { method: "trace" })`, "! TypeError: The method TRACE is forbidden"},
		{`new Request("http://h", { redirect: "x" })`, `! TypeError: redirect must be "follow", "error" or "manual"`},
		{`new Request("http://h", { signal: {} })`, "! TypeError: signal must be an AbortSignal"},
		{`new Request("http://h", { integrity: "sha256-x" })`, "! TypeError: Subresource integrity is not supported"},
		{`new Request("http://h", { method: "POST", body: { a: 1 } })`, "! TypeError: A body must be a string, ArrayBuffer, typed array or URLSearchParams, not [object Object]; JSON.stringify makes an object a string"},
		{`return new Request("http://h", { method: "POST", body: 42 }).text()`, "42"},
	})
}

func TestResponse(t *testing.T) {
	runWebCases(t, []webCase{
		{`const r = new Response("a", { status: 201, statusText: "Made", headers: { x: "y" } }); return [r.status, r.statusText, r.ok, r.type, r.url, r.redirected, r.body, [...r.headers].join(), await r.text(), r.bodyUsed]`,
			`[201,"Made",true,"default","",false,null,"content-type,text/plain;charset=UTF-8,x,y","a",true]`},
		{`const r = new Response(); return [r.status, await r.text(), r.bodyUsed, (await r.arrayBuffer()).byteLength]`, `[200,"",false,0]`},
		{`return new Response('{"a":[1]}').json()`, `{"a":[1]}`},
		{`await new Response("{").json()`, "! SyntaxError: Expected property name or '}' in JSON at position 1 (line 1 column 2)"},
		{`await new Response().json()`, "! SyntaxError: Unexpected end of JSON input"},
		{`return [...await new Response("é\ud800").bytes()].join()`, "195,169,239,191,189"},
		{`return [(await new Response(new Uint8Array([0xef, 0xbb, 0xbf, 0x41, 0xff])).text()), (await new Response("\ufeffx").text())]`, `["A` + "\uFFFD" + `","x"]`},
		{`const b = new Uint8Array([1, 2, 3]); const r = new Response(b.subarray(1)); b[1] = 9; return [...await r.bytes()].join()`, "2,3"},
		{`const r = new Response(new Uint8Array([1])); const c = r.clone(); const b = await r.bytes(); b[0] = 9; return [...await c.bytes()].join()`, "1"},
		{`const r = Response.json({ a: 1 }, { status: 404 }); return [r.status, r.headers.get("content-type"), await r.text()]`, `[404,"application/json","{\"a\":1}"]`},
		{`return Response.json(1, { headers: { "content-type": "text/x" } }).headers.get("content-type")`, "text/x"},
		{`Response.json(() => 1)`, "! TypeError: The value has no JSON"},
		{`const r = Response.redirect("http://h/é", 307); return [r.status, r.headers.get("location")]`, `[307,"http://h/%C3%A9"]`},
		{`Response.redirect("http://h", 200)`, "! RangeError: 200 is not the status of a redirect"},
		{`const r = Response.error(); return [r.type, r.status, r.ok]`, `["error",0,false]`},
		{`new Response("x", { status: 204 })`, "! TypeError: A response with the status 204 cannot have a body"},
		{`return new Response(null, { status: 304 }).status`, "304"},
		{`new Response("", { status: 99 })`, "! RangeError: A response's status is between 200 and 599"},
		{`new Response("", { status: 600 })`, "! RangeError: A response's status is between 200 and 599"},
		{`new Response("", { statusText: "a\nb" })`, "! TypeError: The status text is not valid"},
		{`const r = new Response("x"); const p = r.text(); return [r.bodyUsed, await p, await r.text().catch((e) => e.message)]`, `[true,"x","The body was read already"]`},
		{`return [new Response("x") instanceof Response, Object.prototype.toString.call(new Response()), Response.name, Request.length]`, `[true,"[object Response]","Response",1]`},
	})
}
