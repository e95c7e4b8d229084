package pylon_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// example makes the folder of an app from its manifest.
func example(text string) (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "pylon-example-")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, pylon.ManifestName), []byte(text), 0o644)
	}
	if err != nil {
		panic(err)
	}
	return dir, func() { os.RemoveAll(dir) }
}

// A program that embeds Pylon: an app from its folder, with a function written in Go.
// Its arguments and its result are Go types; calls over HTTP, by other functions and by
// the scheduler are the same.
func Example_functions() {
	dir, remove := example(`{ "manifest_version": 1, "name": "shop", "entities": [
		{ "name": "Product", "fields": [{ "name": "title", "type": "string" }, { "name": "stock", "type": "int" }] } ] }`)
	defer remove()

	type take struct {
		Product  string `json:"product"`
		Quantity int64  `json:"quantity"`
	}
	takeStock := pylon.Mutation("stock/take", pylon.AuthPublic, func(c *pylon.Ctx, in take) (map[string]int64, error) {
		products := c.Tx.Schema().Entity("Product")
		row, err := c.Tx.Get(products, in.Product)
		if err != nil {
			return nil, err
		}
		stock, _ := row.Get("stock")
		left := stock.Int() - in.Quantity
		if left < 0 {
			return nil, store.Errorf(store.Conflict, "OUT_OF_STOCK", "only %d are left", stock.Int())
		}
		p := store.NewPatch(products)
		if err := p.Put("stock", store.Int(left)); err != nil {
			return nil, err
		}
		_, err = c.Tx.Update(in.Product, p)
		return map[string]int64{"left": left}, err
	})

	ctx := context.Background()
	app, err := pylon.New(ctx, pylon.Options{
		Dir: dir, AdminToken: "a-long-random-string", Logger: slog.New(slog.DiscardHandler),
		DBPath: filepath.Join(dir, "app.db"), Functions: pylon.Functions{Go: []*pylon.Function{takeStock}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer app.Stop(ctx)

	server := httptest.NewServer(app) // or pylon.Serve, on a listener
	defer server.Close()
	id := post(server.URL+"/api/entities/Product", `{"title":"cup","stock":3}`)
	id = strings.Split(id, `"`)[3]
	fmt.Println(post(server.URL+"/api/fn/stock/take", `{"product":"`+id+`","quantity":2}`))
	fmt.Println(post(server.URL+"/api/fn/stock/take", `{"product":"`+id+`","quantity":2}`))
	// Output:
	// {"left":1}
	// {"error":{"code":"OUT_OF_STOCK","message":"only 1 are left"}}
}

// post sends a request of the administrator and answers the body.
func post(url, body string) string {
	r, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", "Bearer a-long-random-string")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// slugs is a whole plugin: it fills a field with the title in a form for addresses,
// before the row is written, whoever writes it.
type slugs struct {
	config struct {
		// Entity whose rows get a slug.
		Entity string `json:"entity"`
		// From and To are the fields.
		From string `json:"from,omitempty"`
		To   string `json:"to,omitempty"`
	}
}

func newSlugs() plugin.Plugin {
	s := new(slugs)
	s.config.From, s.config.To = "title", "slug" // the defaults
	return s
}

func (s *slugs) Info() plugin.Info {
	return plugin.Info{Summary: "Fills a field with a title's form for addresses."}
}
func (s *slugs) Config() any { return &s.config }

func (s *slugs) Validate(c *plugin.Check) {
	if c.Schema.Entity(s.config.Entity) == nil {
		c.Problems.Add(c.Config.At("entity").Problem("UNKNOWN_ENTITY", "no entity %q", s.config.Entity))
	}
}

func (s *slugs) BeforeWrite(_ context.Context, _ *store.Tx, w *store.Write) error {
	if w.Entity.Name != s.config.Entity || w.After == nil {
		return nil
	}
	title, _ := w.After.Get(s.config.From)
	words := strings.FieldsFunc(strings.ToLower(title.Str()), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	if i, ok := w.Entity.Lookup(s.config.To); ok {
		w.After.Values[i] = store.String(strings.Join(words, "-"))
	}
	return nil
}

var (
	_ plugin.Configurable = (*slugs)(nil)
	_ plugin.Validator    = (*slugs)(nil)
	_ store.BeforeWriter  = (*slugs)(nil)
)

func init() { plugin.Register("slugs", newSlugs) }

// A plugin of one's own: registered by name, configured by the manifest, and in the path
// of every write.
func Example_plugin() {
	dir, remove := example(`{ "manifest_version": 1, "name": "blog",
		"entities": [{ "name": "Post", "fields": [{ "name": "title", "type": "string" }, { "name": "slug", "type": "string", "unique": true, "default": "" }] }],
		"plugins": [{ "name": "slugs", "config": { "entity": "Post" } }] }`)
	defer remove()
	ctx := context.Background()
	app, err := pylon.New(ctx, pylon.Options{Dir: dir, AdminToken: "a-long-random-string", DBPath: filepath.Join(dir, "app.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer app.Stop(ctx)
	server := httptest.NewServer(app)
	defer server.Close()
	post(server.URL+"/api/entities/Post", `{"title":"Hello, World: 2 Ways"}`)
	fmt.Println(post(server.URL+"/api/query/Post", `{"slug":"hello-world-2-ways"}`)[36:])
	fmt.Println(post(server.URL+"/api/entities/Post", `{"title":"hello world, 2 ways!"}`))

	_, err = pylon.Check(dir, nil)
	fmt.Println(err)
	if err := os.WriteFile(filepath.Join(dir, pylon.ManifestName), []byte(`{ "manifest_version": 1, "name": "blog", "plugins": [{ "name": "slugs", "config": { "entity": "Post" } }] }`), 0o644); err != nil {
		fmt.Println(err)
	}
	_, err = pylon.Check(dir, nil)
	var problems *manifest.Problems
	problems, _ = err.(*manifest.Problems)
	fmt.Println(problems.List()[0].Path, problems.List()[0].Message)
	// Output:
	// "title":"Hello, World: 2 Ways","slug":"hello-world-2-ways"}]
	// {"error":{"code":"UNIQUE_VIOLATION","message":"another Post has this slug","field":"slug"}}
	// <nil>
	// plugins[0].config.entity no entity "Post"
}
