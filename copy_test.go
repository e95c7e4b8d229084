package pylon_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/internal/pgtest"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

const everyType = `{ "manifest_version": 1, "name": "copy", "version": "1", "entities": [
	{ "name": "User", "fields": [{ "name": "email", "type": "string", "unique": true }] },
	{ "name": "Thing", "fields": [
		{ "name": "s", "type": "string", "optional": true }, { "name": "i", "type": "int", "optional": true }, { "name": "f", "type": "float", "optional": true },
		{ "name": "b", "type": "bool", "optional": true }, { "name": "d", "type": "datetime", "optional": true }, { "name": "j", "type": "json", "optional": true },
		{ "name": "r", "type": "richtext", "optional": true }, { "name": "u", "type": "id(User)", "optional": true } ] } ] }`

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openApp runs the app on a database, a file or a URL.
func openApp(t *testing.T, dir, at string) (app *pylon.App, stop func()) {
	t.Helper()
	o := pylon.Options{Dir: dir, Dev: true, Logger: slog.New(slog.DiscardHandler), Getenv: func(string) string { return "" }}
	if strings.HasPrefix(at, "postgres") {
		o.DatabaseURL = at
	} else {
		o.DBPath = at
	}
	app, err := pylon.New(t.Context(), o)
	must(t, err)
	return app, func() { must(t, app.Stop(context.Background())) }
}

// fill writes rows of every kind, and work that waits.
func fill(t *testing.T, app *pylon.App) {
	t.Helper()
	e := app.DB().Schema().Entity("Thing")
	ctx := store.WithActor(t.Context(), store.System("test"))
	must(t, app.DB().Update(ctx, func(tx *store.Tx) error {
		for i := range 700 {
			p := store.NewPatch(e)
			if i%7 > 0 { // the others are null throughout
				for name, v := range map[string]store.Value{"s": store.String(fmt.Sprint("ä'\"\\ ", i)), "i": store.Int(1<<62 + int64(i)), "f": store.Float(0.1 * float64(i)), "b": store.Bool(i%2 == 0),
					"d": store.Micros(-int64(i) * 1_000_003), "j": store.JSON(`{"b":1.0,"a":[` + fmt.Sprint(i) + `]}`), "r": store.Richtext("<p>\n"), "u": store.ID("x")} {
					if err := p.Put(name, v); err != nil {
						return err
					}
				}
			}
			if _, err := tx.Insert(p); err != nil {
				return err
			}
		}
		for i := range 20 {
			if _, err := app.Queue().Enqueue(tx, queue.Item{Queue: "later", Lane: "a", Key: fmt.Sprint(i % 3), Payload: []byte{0, 255, byte(i)}}); err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestCopyDatabase(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, pylon.ManifestName), []byte(everyType), 0o600))
	first := filepath.Join(t.TempDir(), "first.db")
	app, stop := openApp(t, dir, first)
	fill(t, app)
	stop()

	// SQLite → PostgreSQL → PostgreSQL → SQLite: the checksums are of the values, so
	// they stay the same all the way.
	hops := []string{first, pgtest.New(t).URL, pgtest.New(t).URL, filepath.Join(t.TempDir(), "last.db")}
	o := pylon.Options{Dir: dir, Getenv: func(string) string { return "" }}
	var sums []pylon.CopiedTable
	for i := 1; i < len(hops); i++ {
		seen := map[string]int{}
		tables, left, err := pylon.CopyDatabase(t.Context(), o, hops[i-1], hops[i], func(table string, done, total int) { seen[table] = done })
		must(t, err)
		if len(left) > 0 || seen["Thing"] != 700 || seen["_pylon_queue"] < 20 {
			t.Errorf("hop %d: left %v, progress %v", i, left, seen)
		}
		if sums != nil && fmt.Sprint(sums) != fmt.Sprint(tables) {
			t.Errorf("hop %d:\n%v\nbefore\n%v", i, tables, sums)
		}
		sums = tables
		if _, _, err := pylon.CopyDatabase(t.Context(), o, hops[i-1], hops[i], nil); err == nil || !strings.Contains(err.Error(), "rows; a copy does not mix") {
			t.Errorf("hop %d, again: %v", i, err)
		}
	}
	for _, at := range hops[1:] {
		app, stop := openApp(t, dir, at)
		ctx := store.WithActor(t.Context(), store.System("test"))
		n, err := app.DB().Count(ctx, &store.Query{Entity: app.DB().Schema().Entity("Thing")})
		must(t, err)
		if n != 700 {
			t.Errorf("%.8s: %d rows", at, n)
		}
		// Numbers go on: the next item is behind those of its key.
		must(t, app.DB().Update(ctx, func(tx *store.Tx) error {
			_, err := app.Queue().Enqueue(tx, queue.Item{Queue: "later", Lane: "a", Key: "0"})
			return err
		}))
		stop()
	}
}

func TestACopyThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, pylon.ManifestName), []byte(everyType), 0o600))
	o := pylon.Options{Dir: dir, Getenv: func(string) string { return "" }}
	src := filepath.Join(t.TempDir(), "src.db")
	app, stop := openApp(t, dir, src)
	fill(t, app)
	copyTo := func(src, dst string) error {
		_, _, err := pylon.CopyDatabase(t.Context(), o, src, dst, nil)
		return err
	}
	dst := pgtest.New(t)
	if err := copyTo(src, dst.URL); err == nil || !strings.Contains(err.Error(), "served by another process") {
		t.Errorf("of a source that is in use: %v", err)
	}
	stop()
	if err := copyTo(filepath.Join(t.TempDir(), "none.db"), dst.URL); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("of no source: %v", err)
	}
	empty := filepath.Join(t.TempDir(), "empty.db")
	must(t, os.WriteFile(empty, nil, 0o600))
	if err := copyTo(empty, dst.URL); err == nil || !strings.Contains(err.Error(), "does not follow the manifest") {
		t.Errorf("of a source without tables: %v", err)
	}

	// A trigger spoils what is written: nothing may stay.
	_, stop = openApp(t, dir, dst.URL)
	stop()
	dst.Exec(t, `CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.i % 100 = 3 THEN NEW.s := 'spoilt'; END IF; RETURN NEW; END $$;
		CREATE TRIGGER spoil BEFORE INSERT ON "Thing" FOR EACH ROW EXECUTE FUNCTION spoil()`)
	dst.Exec(t, `DELETE FROM _pylon_queue`) // the app's own periodic work
	if err := copyTo(src, dst.URL); err == nil || !strings.Contains(err.Error(), "copy the table Thing: the rows read back differ") {
		t.Errorf("of rows that were spoilt: %v", err)
	}
	dst.Exec(t, `DROP TRIGGER spoil ON "Thing"`)
	must(t, copyTo(src, dst.URL)) // it was left as empty as before
}
