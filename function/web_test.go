package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/internal/quickjs"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// driver is the part of runtime/call.ts that the web platform needs: it evaluates a
// body of an async function and says what became of it.
const driver = `
import "./web/index.ts";
import { settle, sync } from "./host.ts";
globalThis.__guest = {
	settle,
	start(code) {
		(0, eval)("(async () => {" + code + "\n})()").then(
			(v) => sync("test.done", true, typeof v === "string" ? v : JSON.stringify(v) ?? "undefined"),
			(e) => sync("test.done", false, (e instanceof Error || e instanceof DOMException) ? e.name + ": " + e.message : String(e)));
	},
};
`

func bundleWeb(t testing.TB, minify bool) string {
	t.Helper()
	r := api.Build(api.BuildOptions{
		Stdin:             &api.StdinOptions{Contents: driver, ResolveDir: "runtime", Sourcefile: "driver.ts", Loader: api.LoaderTS},
		Bundle:            true,
		Format:            api.FormatIIFE,
		Target:            api.ES2022,
		Charset:           api.CharsetUTF8,
		MinifyWhitespace:  minify,
		MinifySyntax:      minify,
		MinifyIdentifiers: minify,
	})
	for _, e := range r.Errors {
		t.Fatal(e.Text, e.Location)
	}
	return string(r.OutputFiles[0].Contents)
}

// webAtLoad answers what modules may ask while they are loaded.
func webAtLoad(_ *quickjs.VM, a quickjs.Args) (any, error) {
	name := a.String(0)
	if name == "env" {
		return testEnv(a.String(1)), nil
	}
	if !worksAtLoad[name] {
		return nil, fmt.Errorf("%s does not work while modules are loaded", name)
	}
	return webSyncs[name](nil, a)
}

func testEnv(name string) any {
	switch name {
	case "NODE_ENV":
		return "production"
	case "REGION":
		return "eu"
	}
	return nil
}

// webRun is one engine with the web platform in it.
type webRun struct {
	vm      *quickjs.VM
	call    *call
	answers chan webAnswer
	cancels map[float64]context.CancelFunc
	waits   int
	done    bool
	ok      bool
	result  string
}

type webAnswer struct {
	id float64
	answer
	err error
}

var webImage = sync.OnceValues(func() (*quickjs.Image, error) {
	var t fakeTB
	code := bundleWeb(&t, false)
	return quickjs.Build(quickjs.Options{}, webAtLoad, quickjs.Script{Name: "web.js", Code: code})
})

// fakeTB lets the shared image be built outside of any one test.
type fakeTB struct{ testing.TB }

func (*fakeTB) Helper()           {}
func (*fakeTB) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func newWebRun(t testing.TB) *webRun {
	t.Helper()
	im, err := webImage()
	if err != nil {
		t.Fatal(err)
	}
	h := &Host{clock: clockwork.NewRealClock(), log: slog.New(slog.DiscardHandler), outbound: plugin.NewOutbound(nil)}
	h.fetcher = newFetcher(h.outbound)
	t.Cleanup(func() { h.fetcher.close() })
	return &webRun{vm: im.New(), call: &call{host: h, name: "test", requestID: "r1"}}
}

// run evaluates the body of an async function, carries out what it asks of the host,
// and answers what it returned ("! " before what it threw).
func (r *webRun) run(code string) string {
	got, err := r.try(code)
	if err != nil {
		return "!! " + err.Error()
	}
	return got
}

func (r *webRun) try(code string) (string, error) {
	r.vm.Reset()
	r.answers, r.cancels = make(chan webAnswer, 1000), map[float64]context.CancelFunc{}
	r.waits, r.done, r.result = 0, false, "(nothing)"
	r.vm.Host = r.host
	watchdog := time.AfterFunc(20*time.Second, r.vm.Interrupt)
	defer watchdog.Stop()
	defer func() {
		for _, cancel := range r.cancels {
			cancel()
		}
	}()
	if err := r.vm.Call("start", code); err != nil {
		return "", err
	}
	for !r.done && r.waits > 0 {
		a := <-r.answers
		r.waits--
		if err := r.settle(a); err != nil {
			return "", err
		}
	}
	if !r.done {
		return "", errors.New("the handler waits for nothing")
	}
	if !r.ok {
		return "! " + r.result, nil
	}
	return r.result, nil
}

func (r *webRun) settle(a webAnswer) error {
	if a.err == nil {
		var j, body any
		if a.json != nil {
			j = string(a.json)
		}
		if a.body != nil {
			body = a.body
		}
		return r.vm.Call("settle", a.id, true, j, body)
	}
	e := &store.Error{Code: "INTERNAL", Message: a.err.Error()}
	if !errors.As(a.err, &e) && errors.Is(a.err, context.Canceled) {
		e.Code = "ABORTED"
	}
	j, err := json.Marshal(map[string]any{"code": e.Code, "message": e.Message})
	if err != nil {
		return err
	}
	return r.vm.Call("settle", a.id, false, string(j), nil)
}

func (r *webRun) host(_ *quickjs.VM, a quickjs.Args) (any, error) {
	switch name := a.String(0); name {
	case "test.done":
		r.done, r.ok, r.result = true, a.Bool(1), a.String(2)
	case "env":
		return testEnv(a.String(1)), nil
	case "cancel":
		if cancel := r.cancels[a.Number(1)]; cancel != nil {
			cancel()
		}
	case "op":
		op, ok := webOperations[a.String(2)]
		if !ok {
			return nil, fmt.Errorf("no operation %s", a.String(2))
		}
		ctx, cancel := context.WithCancel(context.Background())
		id, args, body := a.Number(1), []byte(a.String(3)), a.Bytes(4)
		r.cancels[id] = cancel
		r.waits++
		answers := r.answers
		go func() {
			v, err := op.run(ctx, r.call, args, body)
			answers <- webAnswer{id, v, err}
		}()
	default:
		f, ok := webSyncs[name]
		if !ok {
			return nil, fmt.Errorf("no %s", name)
		}
		return f(r.call, a)
	}
	return nil, nil
}

// webCase is a handler's body and what it answers.
type webCase struct{ code, want string }

func runWebCases(t *testing.T, cases []webCase) {
	t.Helper()
	r := newWebRun(t)
	for _, c := range cases {
		if got := r.run(c.code); got != c.want {
			t.Errorf("%s\n\tgot  %s\n\twant %s", strings.TrimSpace(c.code), got, c.want)
		}
	}
}

func TestWhatIsInstalled(t *testing.T) {
	names := `AbortController AbortSignal Crypto CryptoKey DOMException Event EventTarget Headers Performance Request Response SubtleCrypto TextDecoder TextEncoder URL URLSearchParams atob btoa clearInterval clearTimeout console crypto fetch performance process queueMicrotask setInterval setTimeout structuredClone`
	runWebCases(t, []webCase{
		{`return "` + names + `".split(" ").filter((n) => !(n in globalThis)).join()`, ""},
		{`return "` + names + `".split(" ").filter((n) => { const d = Object.getOwnPropertyDescriptor(globalThis, n); return d.enumerable || !d.writable || !d.configurable }).join()`, ""},
		{`return [typeof __host, typeof __guest, typeof navigator, typeof window, typeof require]`, `["undefined","undefined","undefined","undefined","undefined"]`},
		{`return [Headers.name, String(new Headers()), fetch.name, String(new URL("a:b")), Object.prototype.toString.call(crypto.subtle), Math.random.name]`,
			`["Headers","[object Headers]","fetch","a:b","[object SubtleCrypto]","random"]`},
		{`return process.env.REGION + process.env.NODE_ENV + ("HOME" in process.env) + typeof process.env.HOME`, "euproductionfalseundefined"},
		{`process.env.REGION = 1; return process.env.REGION + JSON.stringify(process.env) + Object.keys(process.env)`, `1{"REGION":"1"}REGION`},
		{`const a = []; for (let i = 0; i < 100; i++) a.push(Math.random()); return a.every((x) => x >= 0 && x < 1) && new Set(a).size > 90`, "true"},
		{`const t = performance.now(); await new Promise((r) => setTimeout(r, 20)); const d = performance.now() - t; return t < 1000 && d >= 15 && performance.timeOrigin > 1.7e12 && Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 1000`, "true"},
	})
}

// Two calls start from one image and still differ.
func TestRandomDiffersBetweenCalls(t *testing.T) {
	r := newWebRun(t)
	const code = `return [Math.random(), crypto.randomUUID(), crypto.getRandomValues(new Uint8Array(8)).join()].join()`
	if a, b := r.run(code), r.run(code); a == b || strings.HasPrefix(a, "!") {
		t.Errorf("%s and %s", a, b)
	}
}

func TestAtLoad(t *testing.T) {
	for _, c := range []struct{ code, err string }{
		{`const u = new URL("/x?a=1", "http://h"); u.hash = "y"; new TextDecoder().decode(new TextEncoder().encode("é")); crypto.subtle.digest("SHA-1", new Uint8Array(3)); if (u.href !== "http://h/x?a=1#y") throw new Error(u.href); new Headers({ a: "b" }); new AbortController(); process.env.NODE_ENV; structuredClone({}); new Request("http://x"); new Response("x")`, ""},
		{`Math.random()`, "random does not work"},
		{`crypto.randomUUID()`, "uuid does not work"},
		{`console.log(1)`, "console does not work"},
		{`performance.now()`, "clock does not work"},
		{`setTimeout(() => {}, 1)`, "op does not work"},
		{`fetch("http://x").catch((e) => { globalThis.e = e })`, ""},
	} {
		_, err := quickjs.Build(quickjs.Options{}, webAtLoad, quickjs.Script{Name: "web.js", Code: bundleWeb(t, false)}, quickjs.Script{Name: "app.js", Code: c.code})
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", c.code, err)
		}
	}
}

// What every cold start pays for the web platform.
func BenchmarkLoadWeb(b *testing.B) {
	for _, minify := range []bool{false, true} {
		b.Run(fmt.Sprintf("minify=%v", minify), func(b *testing.B) {
			code := bundleWeb(b, minify)
			empty, err := quickjs.Build(quickjs.Options{}, nil)
			if err != nil {
				b.Fatal(err)
			}
			var im *quickjs.Image
			for b.Loop() {
				if im, err = quickjs.Build(quickjs.Options{}, webAtLoad, quickjs.Script{Name: "web.js", Code: code}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(code)), "source-bytes")
			b.ReportMetric(float64(im.Size()-empty.Size()), "image-bytes")
		})
	}
}
