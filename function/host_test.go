package function

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/function/runtime"
	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

var standins = map[string]string{
	"functions.ts": `export const KIND = Symbol.for("pylon.function");
const make = (kind: string) => (d: any) => Object.freeze({ [KIND]: kind, auth: "user", ...d });
export const query = make("query"), mutation = make("mutation"), action = make("action");
export const describe = (v: any) => v; export const validate = (v: any, x: any) => ({ value: x });`,
	"loaders.ts": `import { sync } from "./host"; const fns = new Map<number, any>(); let n = 0;
export const registerLoader = (f: any) => { fns.set(++n, f); return n };
export const runLoader = (id: number) => { (async () => fns.get(id)())().then(v => sync("loaded", id, true, JSON.stringify(v)), e => sync("loaded", id, false, JSON.stringify({ name: e.name, message: e.message, code: e.code, stated: !!e.code }))) };`,
	"sdk.ts": `import { op } from "./host"; import { registerLoader } from "./loaders"; export const callbacks = new Map<string, any>();
export const cache = {
 get: (key: string) => op("cache.get", { key }), set: (key: string, value: any, o: any = {}) => op("cache.set", { key, value, ...o }),
 delete: (key: string) => op("cache.delete", { key }), invalidate: (prefix: string) => op("cache.invalidate", { prefix }), getMany: (keys: string[]) => op("cache.getMany", { keys }),
 async wrap(key: string, fn: any, o: any = {}) { const loader = registerLoader(fn); const r = await op("cache.wrap", { key, loader, ...o }); if (!r.load) return r.value; const value = await fn(); await cache.set(key, value, o); return value },
};`,
	"web/index.ts": ``,
}

type testSource string

func (s testSource) Code() string            { return string(s) }
func (testSource) Stack(stack string) string { return stack }

// compile bundles functions given as source text.
func compile(t testing.TB, files map[string]string) *Program {
	t.Helper()
	entry := `import "runtime/web/index"; import { register } from "runtime/call";` + "\n"
	list := ""
	i := 0
	for name := range files {
		entry += fmt.Sprintf("import * as f%d from %q;\n", i, "app/"+name)
		list += fmt.Sprintf("[%q, %q, f%d],", name, "functions/"+name+".ts", i)
		i++
	}
	result := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: entry + "register([" + list + "])", Loader: api.LoaderTS},
		Bundle: true, Format: api.FormatIIFE, Target: api.ES2022,
		Plugins: []api.Plugin{{Name: "test", Setup: func(b api.PluginBuild) {
			b.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
				p := a.Path
				switch {
				case p == "@pylonsync/functions":
					p = "runtime/functions"
				case p == "@pylonsync/sdk":
					p = "runtime/sdk"
				case strings.HasPrefix(p, "."):
					p = path.Join(path.Dir(a.Importer), p)
				}
				return api.OnResolveResult{Path: p, Namespace: "m"}, nil
			})
			b.OnLoad(api.OnLoadOptions{Filter: ".*"}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
				if name, ok := strings.CutPrefix(a.Path, "app/"); ok {
					text := files[name]
					return api.OnLoadResult{Contents: &text, Loader: api.LoaderTS}, nil
				}
				name := strings.TrimPrefix(a.Path, "runtime/") + ".ts"
				text, ok := standins[name]
				if b, err := fs.ReadFile(runtime.Files, name); err == nil {
					text = string(b)
				} else if !ok {
					return api.OnLoadResult{}, err
				}
				return api.OnLoadResult{Contents: &text, Loader: api.LoaderTS}, nil
			})
		}}},
	})
	for _, e := range result.Errors {
		t.Fatal(e.Text, e.Location)
	}
	p, err := NewProgram(testSource(result.OutputFiles[0].Contents), Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const testManifest = `{"manifest_version":1,"name":"t","entities":[
 {"name":"Item","fields":[{"name":"title","type":"string","unique":true},{"name":"count","type":"int","default":0},{"name":"secret","type":"string","optional":true,"serverOnly":true}]},
 {"name":"Other","fields":[{"name":"itemId","type":"id(Item)","optional":true}]}]}`

// app is a host on a real database, whose functions are one file each.
type app struct {
	*Host
	t  testing.TB
	db *store.DB
	// shared says that other processes may use the database.
	shared bool
}

func newApp(t testing.TB, files map[string]string, change ...func(*Config)) *app {
	t.Helper()
	return newAppAt(t, nil, files, change...)
}

func newAppAt(t testing.TB, clock clockwork.Clock, files map[string]string, change ...func(*Config)) *app {
	t.Helper()
	m, err := manifest.Parse("test.json", []byte(testManifest))
	if err != nil {
		t.Fatal(err)
	}
	entities, err := store.EntitiesOf(m)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := store.NewSchema(entities, append(queue.Tables(), Tables()...))
	if err != nil {
		t.Fatal(err)
	}
	database := enginetest.New(t)
	engine := database.Open(t, true)
	plan, err := engine.Plan(context.Background(), schema.AllTables(), false)
	if err == nil {
		err = engine.Apply(context.Background(), plan)
	}
	if err != nil {
		t.Fatal(err)
	}
	db := store.New(engine, schema, store.Options{Clock: clock})
	c := Config{DB: db, Dev: true, Logger: slog.New(slog.DiscardHandler), Outbound: plugin.NewOutbound(nil)}
	for _, f := range change {
		f(&c)
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	for name, text := range files {
		files[name] = `import { query, mutation, action } from "@pylonsync/functions"; import { cache } from "@pylonsync/sdk";` + "\n" + text
	}
	h.Load(compile(t, files))
	return &app{h, t, db, database.Shared()}
}

var alice = store.Actor{Type: store.ActorUser, ID: "alice", RequestID: "req1"}

func (a *app) call(name, args string) (string, error) {
	b, err := a.Call(store.WithActor(context.Background(), alice), Request{Name: name, Args: []byte(args)})
	return string(b), err
}

func (a *app) ok(name, args, want string) {
	a.t.Helper()
	if got, err := a.call(name, args); err != nil || got != want {
		a.t.Errorf("%s(%s) is %s, %v; want %s", name, args, got, err, want)
	}
}

func (a *app) fails(name, args, code string) *store.Error {
	a.t.Helper()
	got, err := a.call(name, args)
	var e *store.Error
	if !errors.As(err, &e) || e.Code != code {
		a.t.Errorf("%s(%s) is %s, %v; want the error %s", name, args, got, err, code)
		return &store.Error{}
	}
	return e
}
