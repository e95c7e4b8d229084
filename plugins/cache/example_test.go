package cache_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// A program that embeds Pylon reads through the cache and invalidates in the
// transaction of the change.
func Example() {
	ctx := store.WithActor(context.Background(), store.System("example"))
	app, remove, err := newApp(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()
	cache, _ := plugin.Find[plugin.Cache](app)
	note := app.DB().Schema().Entity("Note")

	count := func(context.Context) (string, error) {
		n, err := app.DB().Count(ctx, &store.Query{Entity: note})
		fmt.Println("counted")
		return fmt.Sprint(n), err
	}
	read := func() {
		view := plugin.BeginCache(cache, plugin.CacheOptions{}) // one a call
		n, err := view.Wrap(ctx, "notes:count", plugin.CacheLife{TTL: time.Minute}, count)
		fmt.Println("notes:", n, err)
	}
	read()
	read() // from the cache

	view := plugin.BeginCache(cache, plugin.CacheOptions{})
	err = app.DB().Update(ctx, func(tx *store.Tx) error {
		patch := store.NewPatch(note)
		if err := patch.Put("text", store.String("hello")); err != nil {
			return err
		}
		if _, err := tx.Insert(patch); err != nil {
			return err
		}
		return view.In(tx).Invalidate(ctx, "notes:") // with the commit
	})
	fmt.Println("written:", err)
	read()

	// Output:
	// counted
	// notes: 0 <nil>
	// notes: 0 <nil>
	// written: <nil>
	// counted
	// notes: 1 <nil>
}

// newApp is an app with one entity, in a folder of its own. Its manifest does not
// name the cache: it runs all the same.
func newApp(ctx context.Context) (app *pylon.App, remove func(), err error) {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		return nil, nil, err
	}
	const manifest = `{"manifest_version": 1, "name": "notes", "version": "1",
		"entities": [{"name": "Note", "fields": [{"name": "text", "type": "string"}]}]}`
	if err := os.WriteFile(filepath.Join(dir, pylon.ManifestName), []byte(manifest), 0o600); err != nil {
		return nil, nil, err
	}
	app, err = pylon.New(ctx, pylon.Options{Dir: dir, Dev: true, Getenv: func(string) string { return "" }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, err
	}
	return app, func() {
		if err := app.Stop(ctx); err != nil {
			fmt.Println(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			fmt.Println(err)
		}
	}, nil
}
