package bundle_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pylon-go/pylon/function/bundle"
	"github.com/pylon-go/pylon/internal/quickjs"
)

// evaluate runs a bundle and answers what an expression is afterwards, or the stack of
// what was thrown in terms of the sources.
func evaluate(t *testing.T, b *bundle.Bundle, expression string) string {
	t.Helper()
	image, err := quickjs.Build(quickjs.Options{}, nil, quickjs.Script{Name: bundle.Script, Code: b.Code()},
		quickjs.Script{Name: "probe", Code: fmt.Sprintf("globalThis.__guest = { get() { __host(String(%s)) } }", expression)})
	var thrown *quickjs.Error
	if errors.As(err, &thrown) {
		return thrown.Error() + "\n" + b.Stack(thrown.Stack)
	}
	if err != nil {
		t.Fatal(err)
	}
	vm := image.New()
	out := ""
	vm.Host = func(_ *quickjs.VM, a quickjs.Args) (any, error) { out = a.String(0); return nil, nil }
	if err := vm.Call("get"); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBundles(t *testing.T) {
	pkg := func(main string, more ...string) string {
		return fmt.Sprintf(`{"name":"p","version":"1.0.0","main":%q%s}`, main, strings.Join(more, ""))
	}
	for _, tt := range []struct {
		name  string
		files map[string]string
		expr  string
		want  string
	}{
		{"functions in order, by name", map[string]string{"functions/b.ts": "", "functions/a/x.ts": "", "functions/a.ts": ""}, "log.join()", "a,a/x,b"},
		{"the provided modules", map[string]string{"functions/a.ts": `import { query } from "@pylonsync/functions"; import { cache } from "@pylonsync/sdk"; export default query([typeof cache])`},
			"registered[0][2].default", "object"},
		{"one instance of them", map[string]string{
			"functions/a.ts": `import * as x from "@pylonsync/functions"; export default x.query`,
			"functions/b.ts": `import { query } from "@pylonsync/functions"; export default query`,
		}, "registered[0][2].default === registered[1][2].default", "true"},
		{"helpers, types, enums and JSON", map[string]string{
			"functions/a.ts":    `import { half } from "./_lib"; import data from "../data.json"; enum E { X = 4 } interface I { y: number } export default half(data.n as number) + E.X satisfies number`,
			"functions/_lib.ts": `export function half(x: number): number { return x / 2 }`, "data.json": `{"n":10}`,
		}, "registered[0][2].default", "9"},
		{"a package's ES module", map[string]string{
			"functions/a.ts":              `import { a } from "p"; export default a`,
			"node_modules/p/package.json": pkg("cjs.js", `,"module":"esm.js"`),
			"node_modules/p/esm.js":       `export const a = "esm"`,
			"node_modules/p/cjs.js":       `exports.a = "cjs"`,
		}, "registered[0][2].default", "esm"},
		{"CommonJS", map[string]string{
			"functions/a.ts":              `import p from "p"; export default p.a + typeof global`,
			"node_modules/p/package.json": pkg("cjs.js"),
			"node_modules/p/cjs.js":       `module.exports = { a: process.env.NODE_ENV }`,
		}, "registered[0][2].default", "productionobject"},
		{"what a package offers in place of Node", map[string]string{
			"functions/a.ts":              `import { a, fs } from "p"; export default a + JSON.stringify(fs)`,
			"node_modules/p/package.json": `{"name":"p","exports":{".":{"node":"./node.js","browser":"./web.js","default":"./node.js"}},"browser":{"fs":false}}`,
			"node_modules/p/web.js":       `import f from "fs"; export const a = "web", fs = f`,
			"node_modules/p/node.js":      `import "node:fs"; export const a = "node"`,
		}, "registered[0][2].default", "web{}"},
		{"a package with the name of a module of Node", map[string]string{
			"functions/a.ts":                   `import { a } from "events"; export default a`,
			"node_modules/events/package.json": pkg("i.js"), "node_modules/events/i.js": `exports.a = "mine"`,
		}, "registered[0][2].default", "mine"},
		{"Node where a package can do without", map[string]string{
			"functions/a.ts":              `import p from "p"; export default p`,
			"node_modules/p/package.json": pkg("cjs.js"),
			"node_modules/p/cjs.js":       `try { module.exports = require("crypto") } catch { module.exports = "without" }`,
		}, "registered[0][2].default", "without"},
		{"a package without side effects", map[string]string{"functions/a.ts": "globalThis.seen = 1", "package.json": `{"sideEffects":false}`}, "seen", "1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := build(t, tt.files)
			if err != nil {
				t.Fatal(err)
			}
			if got := evaluate(t, b, tt.expr); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestTheSameSourcesMakeTheSameBundle(t *testing.T) {
	files := map[string]string{"functions/a.ts": "export default 1", "functions/b/c.ts": `import "./_d"`, "functions/b/_d.ts": "globalThis.x = 1"}
	first, err := build(t, files)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		next, err := build(t, files) // in another folder
		if err != nil || next.Code() != first.Code() {
			t.Fatal("the code differs", err)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"syntax", map[string]string{"functions/a.ts": "const x = 1\n\tconst é = (x\nexport default x\n"}, `functions/a.ts:3:1: SYNTAX: Expected ")" but found "export"

    1 │ const x = 1
    2 │ 	const é = (x
    3 │ export default x
      ╵ ~~~~~~`},
		{"columns count characters", map[string]string{"functions/a.ts": "\tconst é = \"üü\" @"}, `functions/a.ts:1:17: SYNTAX: Expected ";" but found "@"

    1 │ 	const é = "üü" @
      ╵ 	               ^`},
		{"await", map[string]string{"functions/a.ts": "const x = await fetch('x');\nexport default x"}, `functions/a.ts:1:11: TOP_LEVEL_AWAIT: await outside of a function

    1 │ const x = await fetch('x');
      ╵           ~~~~~
  hint: modules are evaluated once, before there is a call; do it in the handler`},
		{"a module of Node", map[string]string{"functions/a.ts": "import { readFile } from \"node:fs/promises\";\nreadFile('x')"}, `functions/a.ts:1:26: NODE_BUILTIN: "node:fs/promises" is a module of Node.js, which does not run here

    1 │ import { readFile } from "node:fs/promises";
      ╵                          ~~~~~~~~~~~~~~~~~~
  hint: functions have no files: keep data in entities, and import JSON files as modules`},
		{"a module of Node in a package", map[string]string{
			"functions/a.ts": `import "./_lib"`, "functions/_lib.ts": `import "p"`,
			"node_modules/p/package.json": `{"name":"p","main":"m.js"}`, "node_modules/p/m.js": `require("./deep/net")`, "node_modules/p/deep/net.js": `const net = require("net")`,
		}, `node_modules/p/deep/net.js:1:21: NODE_BUILTIN: "net" is a module of Node.js, which does not run here; it is imported by node_modules/p/deep/net.js, by node_modules/p/m.js, by functions/_lib.ts, by functions/a.ts

    1 │ const net = require("net")
      ╵                     ~~~~~
  hint: functions have no sockets; use fetch in an action`},
		{"an unknown module of Node", map[string]string{"functions/a.ts": `import "node:brand_new"`}, `functions/a.ts:1:8: NODE_BUILTIN: "node:brand_new" is a module of Node.js, which does not run here

    1 │ import "node:brand_new"
      ╵        ~~~~~~~~~~~~~~~~
  hint: functions run without Node.js; look for a package that is made for browsers or workers too`},
		{"a package that is not there", map[string]string{"functions/a.ts": `import x from "@scope/pkg/deep"; export default x`}, `functions/a.ts:1:15: MISSING_MODULE: the package "@scope/pkg" is not installed

    1 │ import x from "@scope/pkg/deep"; export default x
      ╵               ~~~~~~~~~~~~~~~~~
  hint: npm install @scope/pkg in the app's folder`},
		{"a file that is not there", map[string]string{"functions/a.ts": `import "./b"`}, `functions/a.ts:1:8: MISSING_MODULE: there is no file "./b"

    1 │ import "./b"
      ╵        ~~~~~`},
		{"a module of the clients", map[string]string{"functions/a.ts": `import "@pylonsync/react"`}, `functions/a.ts:1:8: MISSING_MODULE: there is no module "@pylonsync/react"

    1 │ import "@pylonsync/react"
      ╵        ~~~~~~~~~~~~~~~~~~
  hint: functions import @pylonsync/functions and @pylonsync/sdk; the other packages are for clients`},
		{"the runtime's own modules", map[string]string{"functions/a.ts": `import "pylon:runtime/host.ts"`}, `functions/a.ts:1:8: MISSING_MODULE: the package "pylon:runtime" is not installed`},
		{"an export that is not there", map[string]string{"functions/a.ts": `import { qery } from "@pylonsync/functions"; qery()`}, `functions/a.ts:1:10: MISSING_EXPORT: @pylonsync/functions has no export "qery"`},
		{"a file that is no code", map[string]string{"functions/a.ts": `import "./a.png"`, "functions/a.png": "x"}, `functions/a.ts:1:8: UNKNOWN_FILE_TYPE: files of the type .png cannot be imported`},
		{"several", map[string]string{"functions/a.ts": "import \"fs\"\nimport \"nope\"", "functions/b.ts": "x x"}, "functions/b.ts:1:3: SYNTAX: Expected \";\" but found \"x\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := build(t, tt.files)
			var wrong *bundle.Error
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got\n%v\nwant\n%s", err, tt.want)
			}
		})
	}
}

func TestABundleHasALimit(t *testing.T) {
	_, err := build(t, map[string]string{"functions/a.ts": `import text from "../big.txt"; export default text`, "big.txt": strings.Repeat("x", bundle.MaxSize)})
	var wrong *bundle.Error
	if !errors.As(err, &wrong) || wrong.Problems[0].Code != "BUNDLE_TOO_LARGE" || !strings.Contains(wrong.Problems[0].Hint, "big.txt (10.0 MiB)") {
		t.Error(err)
	}
}

func TestStacks(t *testing.T) {
	b, err := build(t, map[string]string{
		"functions/orders/create.ts": "import { fail } from '../_lib';\nimport { run } from '@pylonsync/functions';\n\ninterface Unused { x: number }\n\nexport default function create() {\n  return run(() => fail('é'));\n}\ncreate();\n",
		"functions/_lib.ts":          "// a comment\nexport function fail(why: string): never {\n  throw new TypeError(why);\n}\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `TypeError: é
    at fail (functions/_lib.ts:3:23)
    at functions/orders/create.ts:7:20
    at create (functions/orders/create.ts:7:10)
    at functions/orders/create.ts:9:1`
	if got := evaluate(t, b, "1"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func FuzzStack(f *testing.F) {
	b, err := build(f, map[string]string{"functions/a.ts": "export default 1"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("    at x (bundle.js:3:4)\n    at bundle.js:1\n    at native")
	f.Add("at (bundle.js:999999999:999999999)")
	f.Add("at (bundle.js:0:0)")
	f.Fuzz(func(t *testing.T, stack string) {
		out := b.Stack(stack)
		if strings.Contains(out, "pylon:") {
			t.Error(out)
		}
		b.Place(stack)
	})
}

func TestFrame(t *testing.T) {
	long := strings.Repeat("a", 200) + "X" + strings.Repeat("b", 200)
	for _, tt := range []struct {
		text                 string
		line, column, length int
		want                 string
	}{
		{"one", 1, 2, 1, "    1 │ one\n      ╵  ^"},
		{"one\r\ntwo\r\n", 2, 1, 9, "    1 │ one\n    2 │ two\n      ╵ ~~~"},
		{"one", 1, 9, 1, "    1 │ one\n      ╵    ^"},
		{"one", 2, 1, 1, ""},
		{"one", 0, 0, 0, ""},
		{long, 1, 201, 1, "    1 │ " + long[140:260] + "\n      ╵ " + strings.Repeat(" ", 60) + "^"},
	} {
		if got := bundle.Frame(tt.text, tt.line, tt.column, tt.length); got != tt.want {
			t.Errorf("%q %d:%d\ngot\n%s\nwant\n%s", tt.text, tt.line, tt.column, got, tt.want)
		}
	}
}
