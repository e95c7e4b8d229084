package function

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// compile builds functions given as source text.
func compile(t testing.TB, files map[string]string) *Program {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, "functions", name+".ts")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Compile(Build{Dir: dir, Dev: true})
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
