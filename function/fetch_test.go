package function

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// far serves what the tests of fetch ask for.
func far(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	switch r.URL.Path {
	case "/echo":
		w.Header().Set("X-Method", r.Method)
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "%s %s %s|", r.Method, r.RequestURI, r.Host)
		for _, n := range []string{"Content-Type", "Content-Length", "User-Agent", "Accept", "X-A", "Authorization", "Cookie", "Accept-Encoding"} {
			if v := r.Header.Values(n); len(v) > 0 {
				fmt.Fprintf(w, "%s=%s|", n, strings.Join(v, ";"))
			}
		}
		w.Write(body)
	case "/status":
		code, _ := strconv.Atoi(r.URL.Query().Get("code"))
		w.WriteHeader(code)
	case "/headers":
		w.Header()["X-Two"] = []string{"1", "2"}
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		w.Header()["X-Latin"] = []string{"\xfc"}
		w.Write([]byte("x"))
	case "/redirect":
		code, _ := strconv.Atoi(r.URL.Query().Get("code"))
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(code)
		w.Write([]byte("moved"))
	case "/loop":
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		if n > 0 {
			w.Header().Set("Location", fmt.Sprintf("/loop?n=%d", n-1))
			w.WriteHeader(302)
		}
	case "/coded":
		coded(w, r.URL.Query().Get("how"))
	case "/big":
		w.Header().Set("Content-Type", "application/octet-stream")
		if r.URL.Query().Has("length") {
			w.Header().Set("Content-Length", strconv.Itoa(11<<20))
		}
		block := make([]byte, 1<<16)
		for range 11 << 4 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	case "/slow-headers":
		<-r.Context().Done()
	case "/slow-body":
		w.Write([]byte("begun"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case "/cut":
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("short"))
		panic(http.ErrAbortHandler)
	default:
		http.NotFound(w, r)
	}
}

// coded answers "hello" in a content coding, right or wrong.
func coded(w http.ResponseWriter, how string) {
	var b bytes.Buffer
	write := func(z io.WriteCloser) {
		io.WriteString(z, "hello")
		z.Close()
	}
	name := how
	switch how {
	case "gzip", "x-gzip":
		write(gzip.NewWriter(&b))
	case "deflate":
		write(zlib.NewWriter(&b))
	case "raw":
		z, _ := flate.NewWriter(&b, 9)
		write(z)
		name = "deflate"
	case "twice":
		var inner bytes.Buffer
		write(gzip.NewWriter(&inner))
		z := zlib.NewWriter(&b)
		z.Write(inner.Bytes())
		z.Close()
		name = "gzip, deflate"
	case "bomb":
		z, _ := gzip.NewWriterLevel(&b, 9)
		zeros := make([]byte, 1<<20)
		for range 100 {
			z.Write(zeros)
		}
		z.Close()
		name = "gzip"
	case "not":
		b.WriteString("not gzip at all")
		name = "gzip"
	case "cut":
		z := gzip.NewWriter(&b)
		io.WriteString(z, strings.Repeat("hello", 100))
		z.Close()
		b.Truncate(b.Len() - 10)
		name = "gzip"
	case "bad-sum":
		write(gzip.NewWriter(&b))
		b.Bytes()[b.Len()-5] ^= 1
		name = "gzip"
	case "many":
		name = "gzip,gzip,gzip,gzip,gzip,gzip"
	case "empty":
		name = "gzip"
	default:
		b.WriteString("hello")
	}
	w.Header().Set("Content-Encoding", name)
	w.Write(b.Bytes())
}

func serveFar(t testing.TB) string {
	s := httptest.NewServer(http.HandlerFunc(far))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	return s.URL
}

// failing is code that fetches and tells how that failed.
func failing(args string) string {
	return `const began = Date.now(); try { const r = await fetch(` + args + `); return "status " + r.status + " " + await r.text() } catch (e) { return e.name + " " + (e.cause ? e.cause.code : "") + " " + e.message }`
}

func TestFetch(t *testing.T) {
	u := serveFar(t)
	host := strings.TrimPrefix(u, "http://")
	const agent = "User-Agent=Pylon/1|Accept=*/*|"
	const coding = "Accept-Encoding=gzip, deflate|"
	cases := []webCase{
		{`const r = await fetch("` + u + `/echo?a=b#frag"); return [r.status, r.statusText, r.ok, r.type, r.redirected, r.url === "` + u + `/echo?a=b", r.headers.get("content-type"), await r.text(), r.bodyUsed]`,
			`[200,"OK",true,"basic",false,true,"text/plain","GET /echo?a=b ` + host + "|" + agent + coding + `",true]`},
		{`const r = await fetch(new URL("` + u + `/echo"), { method: "post", body: "é", headers: { "X-A": "ü", "user-agent": "me", accept: "x/y" } }); return r.text()`,
			"POST /echo " + host + "|Content-Type=text/plain;charset=UTF-8|Content-Length=2|User-Agent=me|Accept=x/y|X-A=\uFFFD|" + coding + "é"},
		{`const r = await fetch("` + u + `/echo", { method: "POST", body: new URLSearchParams({ a: "b c" }) }); return r.text()`,
			"POST /echo " + host + "|Content-Type=application/x-www-form-urlencoded;charset=UTF-8|Content-Length=5|" + agent + coding + "a=b+c"},
		{`const r = await fetch(new Request("` + u + `/echo", { method: "PUT", body: new Uint8Array([65, 66]).subarray(1) })); return r.text()`, "PUT /echo " + host + "|Content-Length=1|" + agent + coding + "B"},
		{`const r = await fetch("` + u + `/echo", { method: "POST" }); return r.text()`, "POST /echo " + host + "|Content-Length=0|" + agent + coding},
		{`const r = await fetch("` + u + `/echo", { method: "POST", body: "" }); return r.text()`, "POST /echo " + host + "|Content-Type=text/plain;charset=UTF-8|Content-Length=0|" + agent + coding},
		{`const r = await fetch("` + u + `/echo", { method: "HEAD" }); return [await r.text(), r.headers.get("x-method")]`, `["","HEAD"]`},
		{`const r = await fetch("` + u + `/status?code=204"); return [r.status, await r.text(), r.bodyUsed]`, `[204,"",false]`},
		{`return (await fetch("` + u + `/nothing")).status`, "404"},
		{`const h = (await fetch("` + u + `/headers")).headers; const o = [h.get("x-two"), h.getSetCookie(), h.get("x-latin")]; try { h.set("a", "b") } catch (e) { o.push(e.name) } return o`, `["1, 2",["a=1","b=2"],"ü","TypeError"]`},
		{`return (await fetch("` + u + `/echo", { headers: { host: "evil", "content-length": "5", connection: "x", "transfer-encoding": "chunked", "accept-encoding": "br", cookie: "a=1" } })).text()`, "GET /echo " + host + "|" + agent + "Cookie=a=1|" + coding},
		// Path and query go out as the URL Standard writes them.
		{`return (await (await fetch("` + u + `/%2e/echo?%zz=^|'é\\")).text()).split(" ")[1]`, "/echo?%zz=^|%27%C3%A9\\"},
		{`return (await fetch("` + u + `//echo")).status + " " + (await fetch("` + u + `/a%zz%2f;=")).status`, "404 400"},
		{`const q = new Request("` + u + `/echo", { method: "POST", body: "x" }); const p = fetch(q); return [q.bodyUsed, (await p).status, await fetch(q).catch((e) => e.message)]`, `[true,200,"The body was read already"]`},
		{`const all = await Promise.all(Array.from({ length: 100 }, (_, i) => fetch("` + u + `/echo?" + i).then((r) => r.text()))); return all.every((s, i) => s.startsWith("GET /echo?" + i + " "))`, "true"},
		{`const r = await fetch("` + u + `/echo", { method: "POST", body: new Uint8Array(1 << 20).fill(65) }); return (await r.text()).length > 1 << 20`, "true"},
	}
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"} {
		cases = append(cases, webCase{`return (await fetch("` + u + `/echo", { method: "` + m + `" })).headers.get("x-method")`, m})
	}
	for _, how := range []string{"gzip", "x-gzip", "deflate", "raw", "twice", "identity"} {
		cases = append(cases, webCase{`const r = await fetch("` + u + `/coded?how=` + how + `"); return r.text()`, "hello"})
	}
	cases = append(cases,
		webCase{`const r = await fetch("` + u + `/coded?how=br"); return r.headers.get("content-encoding") + await r.text()`, "brhello"},
		webCase{`const r = await fetch("` + u + `/coded?how=empty"); return r.text()`, ""},
		webCase{failing(`"` + u + `/coded?how=bomb"`), "TypeError TOO_LARGE fetch failed: the response is larger than 10 MiB"},
		webCase{failing(`"` + u + `/coded?how=not"`), "TypeError NETWORK fetch failed: the response is not encoded as it says"},
		webCase{failing(`"` + u + `/coded?how=bad-sum"`), "TypeError NETWORK fetch failed: the response is not encoded as it says"},
		webCase{failing(`"` + u + `/coded?how=cut"`), "TypeError NETWORK fetch failed: the connection was lost or the server does not speak HTTP"},
		webCase{failing(`"` + u + `/coded?how=many"`), "TypeError NETWORK fetch failed: the response is encoded too often"},
		webCase{failing(`"` + u + `/big"`), "TypeError TOO_LARGE fetch failed: the response is larger than 10 MiB"},
		webCase{failing(`"` + u + `/big?length"`), "TypeError TOO_LARGE fetch failed: the response is larger than 10 MiB"},
		webCase{failing(`"` + u + `/echo", { method: "POST", body: new Uint8Array((10 << 20) + 1) }`), "TypeError TOO_LARGE fetch failed: the request's body is larger than 10 MiB"},
		webCase{failing(`"` + u + `/cut"`), "TypeError NETWORK fetch failed: the connection was lost or the server does not speak HTTP"},
		webCase{failing(`"` + u + `/status?code=101"`), "TypeError NETWORK fetch failed: the server switched to another protocol"},
		webCase{failing(`"ftp://127.0.0.1/"`), "TypeError NETWORK fetch failed: only http and https URLs can be fetched"},
		webCase{failing(`"data:,x"`), "TypeError NETWORK fetch failed: only http and https URLs can be fetched"},
		webCase{failing(`"http://127.0.0.1:22/"`), "TypeError BLOCKED fetch failed: the port 22 belongs to another protocol"},
		webCase{failing(`"http://name.invalid/"`), "TypeError DNS fetch failed: the host's name could not be resolved"},
		webCase{failing(`"/relative"`), "TypeError  The request's URL is not valid"},
		webCase{failing(`"` + u + `/echo", { headers: { "a": "b\r\nX-Evil: 1" } }`), "TypeError  The value of the header a holds a line break or a zero byte"},
		webCase{failing(`"` + u + `/echo", { headers: { "a\r\nb": "1" } }`), `TypeError  "a\r\nb" is not a header's name`},
	)
	runWebCases(t, cases)
}

func TestFetchRedirects(t *testing.T) {
	u, other := serveFar(t), serveFar(t)
	to := func(code int, to string) string {
		return fmt.Sprintf(`"%s/redirect?code=%d&to=" + encodeURIComponent("%s")`, u, code, to)
	}
	body := `method: "POST", body: "B", headers: { authorization: "secret", cookie: "c=1", "x-a": "1", "content-language": "en" }`
	const rest = `.then((r) => r.text()).then((t) => t.replace(/ 127[^|]*\|/, "|").replace(/User-Agent.*Accept=...\|/, "").replace(/Accept-Encoding=[^|]*\|/, ""))`
	cases := []webCase{
		{`const r = await fetch(` + to(302, "/echo?x#y") + `); return [r.redirected, r.url === "` + u + `/echo?x", r.status]`, "[true,true,200]"},
		{`return fetch(` + to(307, "/echo") + `, { ` + body + ` })` + rest, "POST /echo|Content-Type=text/plain;charset=UTF-8|Content-Length=1|X-A=1|Authorization=secret|Cookie=c=1|B"},
		{`return fetch(` + to(308, other+"/echo") + `, { ` + body + ` })` + rest, "POST /echo|Content-Type=text/plain;charset=UTF-8|Content-Length=1|X-A=1|B"},
		{`return fetch(` + to(303, other+"/echo") + `, { ` + body + ` })` + rest, "GET /echo|X-A=1|"},
		{`return fetch(` + to(303, "/echo") + `, { method: "PUT", body: "x" })` + rest, "GET /echo|"},
		{`return fetch(` + to(302, "/echo") + `, { method: "PUT", body: "x" })` + rest, "PUT /echo|Content-Type=text/plain;charset=UTF-8|Content-Length=1|x"},
		{`const r = await fetch(` + to(303, "/echo") + `, { method: "HEAD" }); return r.headers.get("x-method")`, "HEAD"},
		{`const r = await fetch(` + to(302, "/echo") + `, { redirect: "manual" }); return [r.status, r.type, r.redirected, r.headers.get("location"), await r.text()]`, `[302,"basic",false,"/echo","moved"]`},
		{failing(to(302, "/echo") + `, { redirect: "error" }`), `TypeError REDIRECT fetch failed: the server redirects, and redirect is "error"`},
		{`return (await fetch("` + u + `/loop?n=20")).status`, "200"},
		{failing(`"` + u + `/loop?n=21"`), "TypeError REDIRECT fetch failed: there were more than 20 redirects"},
		{failing(to(302, "http://[bad")), "TypeError REDIRECT fetch failed: the server redirects to an URL that is not valid"},
		{failing(to(302, "file:///etc/passwd")), "TypeError REDIRECT fetch failed: the server redirects to where it may not: only http and https URLs can be fetched"},
		{failing(to(302, "http://user:pw@127.0.0.1/")), "TypeError REDIRECT fetch failed: the server redirects to where it may not: the URL holds credentials; use the authorization header"},
		{failing(to(302, "http://127.0.0.1:25/")), "TypeError REDIRECT fetch failed: the server redirects to where it may not: the port 25 belongs to another protocol"},
		{`return (await fetch("` + u + `/redirect?code=302&to=")).status`, "302"},
		{`return (await fetch(` + to(304, "/echo") + `)).status`, "304"},
	}
	for code, want := range map[int]string{301: "GET", 302: "GET", 303: "GET", 307: "POST", 308: "POST"} {
		cases = append(cases, webCase{`return (await fetch(` + to(code, "/echo") + `, { method: "POST", body: "x" })).headers.get("x-method")`, want})
	}
	runWebCases(t, cases)
}

func TestFetchAborts(t *testing.T) {
	u := serveFar(t)
	const soon = `; if (Date.now() - began > 5000) return "late"`
	runWebCases(t, []webCase{
		{failing(`"` + u + `/echo", { signal: AbortSignal.abort() }`), "AbortError  This operation was aborted"},
		{failing(`"` + u + `/slow-headers", { signal: AbortSignal.timeout(30) }`), "TimeoutError  The operation timed out"},
		{failing(`"` + u + `/slow-body", { signal: AbortSignal.timeout(30) }`), "TimeoutError  The operation timed out"},
		{`const c = new AbortController(); setTimeout(() => c.abort("why"), 20); return fetch("` + u + `/slow-headers", { signal: c.signal }).catch((e) => e)`, "why"},
		{`const c = new AbortController(); const r = await fetch("` + u + `/echo", { signal: c.signal }); c.abort(); return (await r.text()).slice(0, 3)`, "GET"},
		{`const c = new AbortController(); const all = Array.from({ length: 50 }, () => fetch("` + u + `/slow-headers", { signal: c.signal }).catch((e) => e.name)); setTimeout(() => c.abort(), 50); return new Set(await Promise.all(all)).size + " " + (await fetch("` + u + `/echo")).status`, "1 200"},
		{`const c = new AbortController(); const p = fetch("` + u + `/slow-headers", { signal: AbortSignal.any([c.signal, AbortSignal.timeout(5000)]) }); c.abort(new RangeError("mine")); return p.catch((e) => e.message)` + soon, "mine"},
	})
}

// What was begun ends with its context: nothing is left behind.
func TestFetchLeavesNothing(t *testing.T) {
	u := serveFar(t)
	r := newWebRun(t)
	r.run(`return (await fetch("` + u + `/echo")).status`)
	r.call.host.fetcher.close()
	before := runtime.NumGoroutine()
	for range 20 {
		if got := r.run(`fetch("` + u + `/slow-body").catch(() => {}); fetch("` + u + `/slow-headers").catch(() => {}); await new Promise((r) => setTimeout(r, 5)); return "left"`); got != "left" {
			t.Fatal(got)
		}
	}
	r.call.host.fetcher.close()
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+4 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before+4 {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}

func TestFetchTakesTooLong(t *testing.T) {
	u := serveFar(t)
	r := newWebRun(t)
	r.call.host.fetcher.limit = 100 * time.Millisecond
	for _, path := range []string{"/slow-headers", "/slow-body"} {
		if got := r.run(failing(`"` + u + path + `"`)); got != "TypeError TIMEOUT fetch failed: it took too long" {
			t.Error(path, got)
		}
	}
}

// At most 32 at once, the others wait.
func TestFetchesAtOnce(t *testing.T) {
	var now, most atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(20 * time.Millisecond)
		now.Add(-1)
	}))
	defer s.Close()
	if got := newWebRun(t).run(`const all = await Promise.all(Array.from({ length: 100 }, () => fetch("` + s.URL + `"))); return all.length`); got != "100" {
		t.Error(got)
	}
	if m := most.Load(); m > 32 || m < 16 {
		t.Errorf("%d at once", m)
	}
}

// Servers that do not speak HTTP as they should.
func TestFetchMalformed(t *testing.T) {
	const lost = "TypeError NETWORK fetch failed: the connection was lost or the server does not speak HTTP"
	for _, c := range []struct{ answer, want string }{
		{"", lost}, {"nonsense\r\n\r\n", lost}, {"HTTP/1.1 abc\r\n\r\n", lost}, {"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", lost},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", lost},
		{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", lost},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", lost},
		{"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 100<<10) + "\r\n\r\n", lost},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", lost},
		{"HTTP/1.0 200\r\n\r\nold", "status 200 old"},
		{"HTTP/1.1 999 Odd\xff\r\nContent-Length: 0\r\n\r\n", "status 999 "},
		{"HTTP/1.1 302 Found\r\nLocation: \xff\xfe/\r\nContent-Length: 0\r\n\r\n", lost}, // closes then
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for n := 0; ; n++ {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				buf := make([]byte, 4096)
				conn.Read(buf)
				if n == 0 || !strings.Contains(c.answer, "302") {
					io.WriteString(conn, c.answer)
				}
				conn.Close()
			}
		}()
		if got := newWebRun(t).run(failing(`"http://` + l.Addr().String() + `/"`)); got != c.want {
			t.Errorf("%.60q: %s", c.answer, got)
		}
		l.Close()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if got := newWebRun(t).run(failing(`"http://` + l.Addr().String() + `/"`)); got != "TypeError REFUSED fetch failed: the server refused the connection" {
		t.Error(got)
	}
}

func TestFetchTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	const bad = "TypeError TLS fetch failed: the server's certificate or its TLS is not acceptable"
	r := newWebRun(t)
	if got := r.run(failing(`"` + s.URL + `"`)); got != bad {
		t.Error("an unknown authority:", got)
	}
	roots := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	trusting := func() *webRun {
		r := newWebRun(t)
		r.call.host.fetcher.transport.TLSClientConfig = &tls.Config{RootCAs: roots}
		return r
	}
	if got := trusting().run(failing(`"` + s.URL + `"`)); got != "status 200 HTTP/2.0" {
		t.Error(got)
	}
	if got := trusting().run(failing(`"` + strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + `"`)); got != bad {
		t.Error("another name:", got)
	}
	plain := serveFar(t)
	if got := r.run(failing(`"https` + strings.TrimPrefix(plain, "http") + `"`)); got != bad {
		t.Error("no TLS at all:", got)
	}
	if got := r.run(failing(`"http` + strings.TrimPrefix(s.URL, "https") + `/x"`)); !strings.HasPrefix(got, "status 400") {
		t.Error("TLS asked without:", got)
	}
}

// refusing is a guard that lets nothing through but one host and port.
type refusing struct{ allow string }

func (g refusing) GuardDial(_ context.Context, host, _, address string) error {
	if address == g.allow {
		return nil
	}
	return &plugin.BlockedError{Host: host, Address: address, Rule: "loopback"}
}

func TestFetchIsGuarded(t *testing.T) {
	u, inside := serveFar(t), serveFar(t)
	r := newWebRun(t)
	r.call.host.fetcher = newFetcher(plugin.NewOutbound(refusing{strings.TrimPrefix(u, "http://")}))
	t.Cleanup(r.call.host.fetcher.close)
	const blocked = "TypeError BLOCKED fetch failed: net_guard refused the connection: loopback"
	for args, want := range map[string]string{
		`"` + inside + `/echo"`:                                blocked,
		`"http://127.1/echo"`:                                  blocked,
		`"http://0x7f000001/"`:                                 blocked,
		`"http://localhost/"`:                                  blocked,
		`"http://[::ffff:127.0.0.1]/"`:                         blocked,
		`"https://127.0.0.1/"`:                                 blocked,
		`"` + u + `/status?code=200"`:                          "status 200 ",
		`"` + u + `/redirect?code=302&to=` + inside + `/echo"`: blocked,
	} {
		if got := r.run(failing(args)); got != want {
			t.Errorf("%s: %s", args, got)
		}
	}
}

// Nothing of an address, a path or a header gets into the message that a client may see.
func TestFetchErrorsSayLittle(t *testing.T) {
	f := newFetcher(plugin.NewOutbound(refusing{}))
	defer f.close()
	for _, args := range []string{
		`{"url":"http://127.0.0.1:1/secret-path?token=secret","method":"GET","headers":[["authorization","secret"]]}`,
		`{"url":"http://secret.invalid/","method":"GET"}`,
		`{"url":"http://h/","method":"secret method"}`,
		`{"url":"http://h/","method":"GET","headers":[["a","secret\r\nx"]]}`,
		`{"url":"http://h/","method":"GET","headers":[["a","secret☕"]]}`,
		`{"url":"http://secret:secret@h/","method":"GET"}`,
		`{"url":"secret","method":"GET"}`,
	} {
		_, err := f.do(t.Context(), nil, []byte(args), nil)
		var e *store.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", args, err)
		} else if strings.Contains(e.Message, "secret") || strings.Contains(e.Message, "127.") || e.Hint != "" {
			t.Errorf("%s: %s", args, e.Message)
		}
	}
	if _, err := f.do(t.Context(), nil, []byte("{"), nil); err == nil {
		t.Error("arguments that are no JSON were taken")
	}
}
