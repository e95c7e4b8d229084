package quickjs_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pylon-go/pylon/internal/quickjs"
)

const prelude = `
globalThis.__guest = {
	run(code) { __host(String((0, eval)(code))) },
	start(code) { (0, eval)("(async () => {" + code + "})()").then(v => __host(String(v)), e => __host("rejected: " + e)) },
	echo(...args) { __host(...args) },
};
`

func build(t testing.TB, o quickjs.Options) *quickjs.Image {
	t.Helper()
	im, err := quickjs.Build(o, nil, quickjs.Script{Name: "prelude.js", Code: prelude})
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// run evaluates code in an engine and answers what it became, as text.
func run(vm *quickjs.VM, fn, code string) (out string, err error) {
	out = "(nothing)"
	vm.Host = func(_ *quickjs.VM, a quickjs.Args) (any, error) { out = a.String(0); return nil, nil }
	err = vm.Call(fn, code)
	return out, err
}

func TestCallsAndValues(t *testing.T) {
	vm := build(t, quickjs.Options{}).New()
	long := strings.Repeat("é😀\x00x", 1000)
	vm.Host = func(_ *quickjs.VM, a quickjs.Args) (any, error) {
		if a.Len() != 6 || a.String(0) != long || a.Number(1) != 1.5 || !a.Bool(2) || string(a.Bytes(3)) != "\x00\x01\xff" || a.Given(4) || a.Given(5) || a.Given(6) {
			t.Errorf("got %d: %q %v %v %v %v", a.Len(), a.String(0), a.Number(1), a.Bool(2), a.Bytes(3), a.Given(4))
		}
		return nil, nil
	}
	if err := vm.Call("echo", long, 1.5, true, []byte("\x00\x01\xff"), nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := vm.Call("nothing"); err == nil {
		t.Error("an unknown function was called")
	}
}

func TestWhatTheHostAnswers(t *testing.T) {
	vm := build(t, quickjs.Options{}).New()
	for i, c := range []struct {
		answer any
		err    error
		want   string
	}{
		{nil, nil, "undefined"},
		{true, nil, "true"},
		{1.25, nil, "1.25"},
		{"text", nil, "text"},
		{[]byte("abc"), nil, "[object ArrayBuffer]"},
		{nil, errors.New("no: \"quoted\""), "caught Error: no: \"quoted\""},
	} {
		var got string
		n := 0
		vm.Host = func(_ *quickjs.VM, a quickjs.Args) (any, error) {
			if n++; n == 1 {
				return c.answer, c.err
			}
			got = a.String(0)
			return nil, nil
		}
		if err := vm.Call("run", `try { String(__host()) } catch (e) { "caught " + e }`); err != nil || got != c.want {
			t.Errorf("%d: got %q, %v; want %q", i, got, err, c.want)
		}
	}
}

// What the engine can do, so that an update that loses something is noticed.
func TestLanguage(t *testing.T) {
	vm := build(t, quickjs.Options{Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }}).New()
	for _, c := range []struct{ code, want string }{
		{`return 1 + 1`, "2"},
		{`class A { #x = 1; static { A.y = 2 } get x() { return this.#x } }; return new A().x + A.y`, "3"},
		{`async function* g() { yield 1; yield 2 } let s = 0; for await (const x of g()) s += x; return s`, "3"},
		{`return Object.groupBy([1, 2, 3], x => x % 2 ? "odd" : "even").odd.length`, "2"},
		{`return [3, 1, 2].toSorted().join() + [1, 2].at(-1) + structuredCloneMissing()
		  function structuredCloneMissing() { return typeof structuredClone }`, "1,2,32undefined"},
		{`return "Äß".match(/\p{L}+/u)[0] + "2024-05".replace(/(?<y>\d+)-(?<m>\d+)/, "$<m>/$<y>")`, "Äß05/2024"},
		{`return /(?<=\$)\d+/.exec("$42")[0]`, "42"},
		{`return (2n ** 64n).toString()`, "18446744073709551616"},
		{`return new Date().toISOString() + new Date(2026, 0, 1).getTimezoneOffset()`, "2026-01-02T03:04:05.000Z0"},
		{`return await Promise.any([Promise.reject(1), Promise.resolve(2)])`, "2"},
		{`const o = {}; return new WeakRef(o).deref() === o`, "true"},
		{`const { a, ...rest } = { a: 1, b: 2 }; return JSON.stringify(rest) + (rest?.c ?? "none")`, `{"b":2}none`},
		{`return new Intl.NumberFormat("en").format(1)`, "rejected: ReferenceError: Intl is not defined"},
	} {
		vm.Reset()
		if got, err := run(vm, "start", c.code); err != nil || got != c.want {
			t.Errorf("%s\n\tgot %q, %v\n\twant %q", c.code, got, err, c.want)
		}
	}
}

func TestResetForgetsEverything(t *testing.T) {
	vm := build(t, quickjs.Options{}).New()
	fresh := vm.Save()
	for _, code := range []string{
		`globalThis.x = 1`, `Object.prototype.evil = 1`, `Array.prototype.push = () => { throw 1 }`,
		`JSON.parse = null`, `Promise.prototype.then = null`, `globalThis.keep = new Array(100000).fill("x")`,
		`Object.freeze(globalThis)`, `throw new Error("x")`,
	} {
		run(vm, "run", code)
		vm.Reset()
		if string(vm.Save()) != string(fresh) {
			t.Fatalf("%s left something behind", code)
		}
	}
	if got, err := run(vm, "run", `({}).evil`); got != "undefined" || err != nil {
		t.Error(got, err)
	}
}

func TestSaveAndRestore(t *testing.T) {
	vm := build(t, quickjs.Options{}).New()
	run(vm, "run", `globalThis.n = 1; globalThis.waiting = new Promise(r => globalThis.go = r); waiting.then(v => __host("went " + v + n))`)
	saved := vm.Save()
	for range 3 {
		if got, err := run(vm, "run", `n++; go("on"); ""`); got != "went on2" || err != nil {
			t.Fatal(got, err)
		}
		run(vm, "run", `globalThis.big = "x".repeat(1 << 22)`) // the memory grows
		vm.Restore(saved)
	}
}

func TestErrors(t *testing.T) {
	vm := build(t, quickjs.Options{}).New()
	var e *quickjs.Error
	_, err := run(vm, "run", "\nnull.x")
	if !errors.As(err, &e) || e.Name != "TypeError" || !strings.Contains(e.Message, "null") || !strings.Contains(e.Stack, "run") {
		t.Errorf("got %#v", err)
	}
	if _, err = run(vm, "run", `throw "just text"`); !errors.As(err, &e) || e.Error() != "just text" {
		t.Errorf("got %#v", err)
	}
	if _, err = run(vm, "run", `throw { toString() { throw 1 } }`); err == nil {
		t.Error("no error")
	}
	if _, err := quickjs.Build(quickjs.Options{}, nil, quickjs.Script{Name: "broken.js", Code: "let = ;"}); !errors.As(err, &e) || e.Name != "SyntaxError" || !strings.Contains(e.Stack, "broken.js:1") {
		t.Errorf("got %#v", err)
	}
	if _, err := quickjs.Build(quickjs.Options{}, nil, quickjs.Script{Code: "__host()"}); err == nil {
		t.Error("the host answered while a module was loaded")
	}
}

func TestUnheardRejections(t *testing.T) {
	vm := build(t, quickjs.Options{}).New()
	run(vm, "run", `Promise.reject(new Error("unheard")); ""`)
	if why, rejected := vm.Rejected(); !rejected || why != "Error: unheard" {
		t.Errorf("a rejection went unnoticed: %q", why)
	}
	vm.Reset()
	run(vm, "run", `const p = Promise.reject(1); Promise.resolve().then(() => p.catch(() => {})); ""`)
	if _, rejected := vm.Rejected(); rejected {
		t.Error("a rejection that was heard in the end counts")
	}
}

// Scripts that want the whole machine. Each must end soon, with an error or in peace,
// and leave an engine that works.
func TestHostileScripts(t *testing.T) {
	im := build(t, quickjs.Options{Memory: 32 << 20})
	for _, code := range []string{
		`for (;;) {}`,
		`try { for (;;) {} } catch (e) { for (;;) {} } finally { for (;;) {} }`,
		`(async () => { for (;;) await null })()`,
		`(function f() { Promise.resolve().then(f); f2(); function f2() {} })()`,
		`/^(?=(a+)+$)/.test("a".repeat(50) + "b")`,
		`/(a*)*c/.test("a".repeat(100))`,
		`const a = []; for (;;) a.push(new Array(1000).fill(1))`,
		`let s = "x"; for (;;) s += s`,
		`const all = []; for (;;) { try { all.push("x".repeat(1 << 20)) } catch (e) {} }`,
		`new ArrayBuffer(1 << 30)`,
		`(function f() { return f() + 1 })()`,
		`const o = {}; o.toString = () => String(o); String(o)`,
		`JSON.parse("[".repeat(1e6))`,
		`let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; JSON.stringify(o)`,
		`(0, eval)("(".repeat(1e5))`,
		`(0, eval)("[" .repeat(1e5) + "]".repeat(1e5))`,
		`new RegExp("(".repeat(1e5))`,
		`new RegExp("(?:".repeat(1e4) + ")*".repeat(1e4))`,
		`let f = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(null); f()`,
		`let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x`,
		`let x = [1]; for (let i = 0; i < 1e5; i++) x = [x]; x.flat(Infinity); String(x)`,
		`Array.from({ length: 1e9 })`,
		`new Array(1e7).fill(0).sort(() => 1)`,
		`"a".repeat(1e6).replace(/a/g, "b".repeat(1000))`,
		`10n ** 1000000n`,
		`(2n ** 100000n).toString().length + "" + ((2n ** 100000n) ** 20n)`,
		`Object.defineProperty(Object.prototype, "then", { get() { for (;;) {} } }); Promise.resolve({})`,
		`new Uint8Array(3e7).sort(() => 1)`,
		`"x".repeat(2e7).split("")`,
		`let m = new Map(); for (let i = 0; ; i++) m.set(i, {})`,
		`structuredClone`,
		`delete globalThis.Object; delete globalThis.Promise; globalThis.undefinedThing`,
		`const g = function* () { yield* g() }; [...g()]`,
		`class A { constructor() { return new this.constructor() } }; new A()`,
		`Array.prototype.concat.call([], new Proxy([], { get(t, k) { return k === "length" ? 2 ** 53 - 1 : 1 }, has: () => true }))`,
		`let d = 0; const r = { get x() { d++; return this.x } }; r.x`,
	} {
		vm := im.New()
		var took time.Duration
		watchdog := time.AfterFunc(200*time.Millisecond, vm.Interrupt)
		start := time.Now()
		_, err := run(vm, "run", code)
		took = time.Since(start)
		watchdog.Stop()
		if testing.Verbose() {
			t.Logf("%8s %-80.80s %.100v", took.Round(time.Millisecond), code, err)
		}
		if vm.Broken() {
			t.Errorf("%s broke the engine: %v", code, err)
			continue
		}
		// How long a built-in may go on after the interrupt is not ours to choose; that
		// it ends is. A test cannot be timed closely on a busy machine.
		if took > 20*time.Second {
			t.Errorf("%s took %s", code, took)
		}
		vm.Reset()
		if got, err := run(vm, "start", `return [1, 2].map(x => x * 2).join()`); got != "2,4" || err != nil {
			t.Errorf("after %s the engine answers %q, %v", code, got, err)
		}
	}
}

// Built-ins that no interrupt reaches.
func TestKill(t *testing.T) {
	if raceEnabled {
		t.Skip("Kill is a race by design, see its comment")
	}
	im := build(t, quickjs.Options{})
	for _, code := range []string{
		`new Array(4e9).join("x")`,
		`[].indexOf.call({ length: 2 ** 53 - 1 }, 1)`,
		`[].includes.call({ length: 2 ** 53 - 1 }, 1)`,
		`[].lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)`,
		`[].reverse.call({ length: 2 ** 53 - 1 })`,
	} {
		vm := im.New()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		ended := vm.Until(ctx)
		_, err := run(vm, "run", code)
		ended()
		cancel()
		if !errors.Is(err, quickjs.ErrBroken) && !errors.Is(err, quickjs.ErrInterrupted) {
			t.Errorf("%s: %v", code, err)
		}
		if errors.Is(err, quickjs.ErrBroken) != vm.Broken() {
			t.Errorf("%s: broken is %v after %v", code, vm.Broken(), err)
		}
	}
}

func TestMemoryIsGivenBack(t *testing.T) {
	im := build(t, quickjs.Options{Memory: 64 << 20})
	vm := im.New()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 3 {
		if _, err := run(vm, "run", `const a = []; for (;;) a.push(new Array(1000).fill(1))`); err == nil {
			t.Error("a hog found all it wanted")
		}
		if n := len(vm.Save()); n > 64<<20+2<<20 { // while it grows, the old memory is there too
			t.Errorf("it has %d MiB", n>>20)
		}
		vm.Reset()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("%d MiB are kept", grown>>20)
	}
	if got, err := run(vm, "run", `1 + 1`); got != "2" || err != nil {
		t.Error(got, err)
	}
}

func TestManyCallsLeakNothing(t *testing.T) {
	vm := build(t, quickjs.Options{Memory: 2 << 20}).New()
	payload := strings.Repeat("x", 1000)
	vm.Host = func(_ *quickjs.VM, a quickjs.Args) (any, error) { return a.String(0), nil }
	for i := range 20000 {
		if err := vm.Call("echo", payload, nil, true, float64(i), []byte(payload)); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
}

func TestEnginesSideBySide(t *testing.T) {
	im := build(t, quickjs.Options{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			vm := im.New()
			for n := range 20 {
				want := fmt.Sprint(i * n)
				if got, err := run(vm, "start", fmt.Sprintf(`globalThis.v = (globalThis.v ?? 0) + %d * %d; return v`, i, n)); got != want || err != nil {
					t.Errorf("got %q, %v; want %q", got, err, want)
				}
				vm.Reset()
			}
		})
	}
	wg.Wait()
}

func BenchmarkReset(b *testing.B) {
	vm := build(b, quickjs.Options{}).New()
	b.SetBytes(int64(len(vm.Save())))
	for b.Loop() {
		vm.Reset()
	}
}

func BenchmarkNew(b *testing.B) {
	im := build(b, quickjs.Options{})
	b.ReportAllocs()
	for b.Loop() {
		im.New()
	}
}

func BenchmarkCall(b *testing.B) {
	vm := build(b, quickjs.Options{}).New()
	b.ReportAllocs()
	for b.Loop() {
		vm.Host = func(_ *quickjs.VM, a quickjs.Args) (any, error) { return nil, nil }
		if err := vm.Call("echo", "x"); err != nil {
			b.Fatal(err)
		}
		vm.Reset()
	}
}
