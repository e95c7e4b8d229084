package function

import (
	"strings"
	"testing"
)

func TestURL(t *testing.T) {
	parse := func(input, base string) string {
		if base != "" {
			base = ", " + base
		}
		return `const u = new URL(` + input + base + `); return [u.href, u.origin, u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname, u.search, u.hash].join(" ")`
	}
	const invalid = "! TypeError: Invalid URL"
	runWebCases(t, []webCase{
		{parse(`"http://user:p%40ss@EXAMPLE.com:8080/a/../b;c?d=e#f"`, ""), "http://user:p%40ss@example.com:8080/b;c?d=e#f http://example.com:8080 http: user p%40ss example.com:8080 example.com 8080 /b;c ?d=e #f"},
		{parse(`"../x?y"`, `"https://h/a/b/c"`), "https://h/a/x?y https://h https:   h h  /a/x ?y "},
		{parse(`"//other/p"`, `"https://h/a"`), "https://other/p https://other https:   other other  /p  "},
		{parse(`"\\\\x\\y"`, `"http://h/"`), "http://x/y http://x http:   x x  /y  "},
		{parse(`"?q"`, `"http://h/a#f"`), "http://h/a?q http://h http:   h h  /a ?q "},
		{parse(`"#n"`, `"mailto:a@b"`), "mailto:a@b#n null mailto:      a@b  #n"},
		{parse(`"  ht\ntp://a\t/b  "`, ""), "http://a/b http://a http:   a a  /b  "},
		{parse(`"http://bücher.example/ä?ö#ü"`, ""), "http://xn--bcher-kva.example/%C3%A4?%C3%B6#%C3%BC http://xn--bcher-kva.example http:   xn--bcher-kva.example xn--bcher-kva.example  /%C3%A4 ?%C3%B6 #%C3%BC"},
		{parse(`"http://faß.example/"`, ""), "http://xn--fa-hia.example/ http://xn--fa-hia.example http:   xn--fa-hia.example xn--fa-hia.example  /  "},
		{parse(`"http://0x7f.1/"`, ""), "http://127.0.0.1/ http://127.0.0.1 http:   127.0.0.1 127.0.0.1  /  "},
		{parse(`"http://2130706433"`, ""), "http://127.0.0.1/ http://127.0.0.1 http:   127.0.0.1 127.0.0.1  /  "},
		{parse(`"http://[0:0::1:0]:80/"`, ""), "http://[::1:0]/ http://[::1:0] http:   [::1:0] [::1:0]  /  "},
		{parse(`"http://[::ffff:1.2.3.4]"`, ""), "http://[::ffff:102:304]/ http://[::ffff:102:304] http:   [::ffff:102:304] [::ffff:102:304]  /  "},
		{parse(`"https://h:443/%2e%2E/%41"`, ""), "https://h/%41 https://h https:   h h  /%41  "},
		{parse(`"file:///C|/a/../../b"`, ""), "file:///C:/b null file:      /C:/b  "},
		{parse(`"file://localhost/x"`, ""), "file:///x null file:      /x  "},
		{parse(`"data:text/plain,a b?c d#e f"`, ""), "data:text/plain,a b?c%20d#e%20f null data:      text/plain,a b ?c%20d #e%20f"},
		{parse(`"blob:https://h:8/uuid"`, ""), "blob:https://h:8/uuid https://h:8 blob:      https://h:8/uuid  "},
		{parse(`"foo://H%41/x"`, ""), "foo://H%41/x null foo:   H%41 H%41  /x  "},
		{parse(`"web+demo:/.//not-a-host/"`, ""), "web+demo:/.//not-a-host/ null web+demo:      //not-a-host/  "},
		{parse(`"http://h/\ud800?\udc00"`, ""), "http://h/%EF%BF%BD?%EF%BF%BD http://h http:   h h  /%EF%BF%BD ?%EF%BF%BD "},
		{parse("\"http://h/ \\\"<>`{}^|?\\\"<>'`{}^|#\\\"<>`{}^|\"", ""), "http://h/%20%22%3C%3E%60%7B%7D%5E|?%22%3C%3E%27`{}^|#%22%3C%3E%60{}^| http://h http:   h h  /%20%22%3C%3E%60%7B%7D%5E| ?%22%3C%3E%27`{}^| #%22%3C%3E%60{}^|"},
		{parse(`"http://h/%zz%"`, ""), "http://h/%zz% http://h http:   h h  /%zz%  "},
		{parse(`""`, ""), invalid}, {parse(`"x"`, ""), invalid}, {parse(`"/x"`, ""), invalid}, {parse(`"http://"`, ""), invalid},
		{parse(`"http://a b/"`, ""), invalid}, {parse(`"http://h:65536"`, ""), invalid}, {parse(`"http://h:x"`, ""), invalid}, {parse(`"http://[::1"`, ""), invalid},
		{parse(`"http://256.0.0.1.1"`, ""), invalid}, {parse(`"http://1.2.3.256"`, ""), invalid}, {parse(`"http://%00"`, ""), invalid}, {parse(`"http://a<b"`, ""), invalid},
		{parse(`"http://xn--a"`, ""), invalid}, {parse(`"x"`, `"mailto:a"`), invalid}, {parse(`"http://x"`, `"nothing"`), invalid}, {parse(`"http://a%2fb"`, ""), invalid},
		{parse(`"https://\u00ad"`, ""), invalid}, {parse(`"https://@/x"`, ""), invalid}, {parse(`null`, ""), invalid}, {parse(``, ""), "! TypeError: URL needs a text"},
		{parse(`"http://a" + "\u0000b"`, ""), invalid},

		{`return [URL.canParse("x:y"), URL.canParse("x"), URL.canParse("x", "http://h"), URL.parse("no"), URL.parse("/p", "http://h").href]`, `[true,false,true,null,"http://h/p"]`},
		{`return JSON.stringify({ u: new URL("http://h") }) + new URL(new URL("http://h/a"))`, `{"u":"http://h/"}http://h/a`},
		{`const u = new URL("http://h"); try { u.href = "no" } catch (e) { return e.name + u }`, "TypeErrorhttp://h/"},
		{`return [URL.prototype.hasOwnProperty("href"), (() => { try { return URL.prototype.href } catch (e) { return e.name } })()]`, `[true,"TypeError"]`},
	})
}

func TestURLSetters(t *testing.T) {
	set := func(url, part, value string) string {
		return `const u = new URL(` + url + `); u.` + part + ` = ` + value + `; return u.href`
	}
	runWebCases(t, []webCase{
		{set(`"http://h/"`, "protocol", `"https"`), "https://h/"},
		{set(`"http://h:443/"`, "protocol", `"https:"`), "https://h/"},
		{set(`"http://h/"`, "protocol", `"foo"`), "http://h/"},
		{set(`"foo://h/"`, "protocol", `"http"`), "foo://h/"},
		{set(`"http://h/"`, "username", `"a:b@c"`), "http://a%3Ab%40c@h/"},
		{set(`"http://u@h/"`, "password", `"p/"`), "http://u:p%2F@h/"},
		{set(`"file:///x"`, "username", `"a"`), "file:///x"},
		{set(`"http://h:1/p"`, "host", `"x.y:2/ignored"`), "http://x.y:2/p"},
		{set(`"http://h:1/p"`, "hostname", `"x:2"`), "http://h:1/p"},
		{set(`"http://h/p"`, "hostname", `""`), "http://h/p"},
		{set(`"http://h/p"`, "port", `8080`), "http://h:8080/p"},
		{set(`"http://h:1/p"`, "port", `"80"`), "http://h/p"},
		{set(`"http://h:1/p"`, "port", `"9x"`), "http://h:9/p"},
		{set(`"http://h:1/p"`, "port", `"x"`), "http://h:1/p"},
		{set(`"http://h:1/p"`, "port", `""`), "http://h/p"},
		{set(`"http://h/p"`, "pathname", `"a b?c#d"`), "http://h/a%20b%3Fc%23d"},
		{set(`"mailto:x"`, "pathname", `"y"`), "mailto:x"},
		{set(`"http://h/p?a#b"`, "search", `"x y#z"`), "http://h/p?x%20y%23z#b"},
		{set(`"http://h/p?a#b"`, "search", `""`), "http://h/p#b"},
		{set(`"http://h/p?a#b"`, "hash", `"#x y"`), "http://h/p?a#x%20y"},
		{set(`"http://h/p?a#b"`, "hash", `""`), "http://h/p?a"},
		{set(`"http://h/"`, "pathname", `"/\ud800"`), "http://h/%EF%BF%BD"},

		{`const u = new URL("http://h/?a=1&b=2"), p = u.searchParams; p.set("a", "x y"); p.delete("b"); const one = u.href; u.search = "?c=3"; const two = [...p].join(); p.append("ü", "&"); return [one, two, u.href, p === u.searchParams]`,
			`["http://h/?a=x+y","c,3","http://h/?c=3&%C3%BC=%26",true]`},
		{`const u = new URL("http://h/?a"); u.searchParams.delete("a"); return u.href + u.search`, "http://h/"},
		{`const u = new URL("http://h/?a=1"); const p = u.searchParams; u.href = "http://x/?b=2"; return p.toString()`, "b=2"},
	})
}

func TestURLSearchParams(t *testing.T) {
	runWebCases(t, []webCase{
		{`return [...new URLSearchParams("?a=1&b=%20+%2B&&c&=d&a=2&e=f=g")].join("|")`, "a,1|b,  +|c,|,d|a,2|e,f=g"},
		{`return [...new URLSearchParams("a=%zz&b=%ff%41&c=%e4%b8%ad%&%E4=%f0%9f")].join("|")`, "a,%zz|b,\uFFFDA|c,中%|\uFFFD,\uFFFD"},
		{`return String(new URLSearchParams({ "a b": "é*-._~!'()", c: 1, d: undefined }))`, "a+b=%C3%A9*-._%7E%21%27%28%29&c=1&d=undefined"},
		{`return String(new URLSearchParams([["a", 1], ["a", 2], new Set(["x", "y"])]))`, "a=1&a=2&x=y"},
		{`return String(new URLSearchParams(new URLSearchParams("a=1&a=2")))`, "a=1&a=2"},
		{`return String(new URLSearchParams(new Map([["a", "b"]])))`, "a=b"},
		{`return String(new URLSearchParams("\ud800=\udfff"))`, "%EF%BF%BD=%EF%BF%BD"},
		{`return String(new URLSearchParams("a=\u0000\n"))`, "a=%00%0A"},
		{`new URLSearchParams([["a"]])`, "! TypeError: Each parameter must be a pair of name and value"},
		{`new URLSearchParams([1])`, "! TypeError: Each parameter must be a pair of name and value"},
		{`const p = new URLSearchParams("a=1&b=2&a=3"); return [p.get("a"), p.get("x"), p.getAll("a"), p.has("b"), p.has("b", "3"), p.has("a", "3"), p.size]`, `["1",null,["1","3"],true,false,true,3]`},
		{`const p = new URLSearchParams("a=1&b=2&a=3"); p.set("a", 9); p.set("n", 0); return p + ""`, "a=9&b=2&n=0"},
		{`const p = new URLSearchParams("a=1&b=2&a=3"); p.delete("a", "3"); p.append("b", ""); return p + ""`, "a=1&b=2&b="},
		{`const p = new URLSearchParams("z=1&ﬃ=2&🌈=3&a=4&z=0"); p.sort(); return [...p.keys()].join()`, "a,z,z,🌈,ﬃ"},
		{`const p = new URLSearchParams("a=1&b=2"); const o = []; p.forEach(function (v, k, q) { o.push(k, v, q === p, this.x) }, { x: 1 }); return o`, `["a","1",true,1,"b","2",true,1]`},
		{`const p = new URLSearchParams("a=1"); const o = []; for (const [k] of p) { o.push(k); if (o.length < 3) p.append("n" + o.length, 1) } return o`, `["a","n1","n2"]`},
		{`new URLSearchParams().append("x")`, "! TypeError: 2 arguments required, but only 1 present"},
		{`return [...new URLSearchParams("a=1").values()].join() + new URLSearchParams(undefined) + new URLSearchParams(null)`, "1null="},
	})
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{"http://h/a?b#c", "x", "mailto:a@b", "http://[::1]:8/%zz", "\x00", "http://h/\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := parseURL(s, nil)
		if err != nil {
			return
		}
		if c := components(u); strings.Count(c, "\n") != 10 {
			t.Fatalf("%q has components with line breaks: %q", s, c)
		}
		if again, err := parseURL(u.Href(false), nil); err == nil && again.Href(false) != u.Href(false) {
			t.Errorf("%q is %q, and that is %q", s, u.Href(false), again.Href(false))
		}
	})
}
