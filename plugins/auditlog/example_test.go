package auditlog_test

import (
	"context"
	"fmt"

	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/plugins/auditlog"
	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/sqlite"
)

// A log is verified in its database, beside the server or without one.
func ExampleVerify() {
	dir, err := os.MkdirTemp("", "shop")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	key := "0123456789abcdef0123456789abcdef"
	manifest := `{ "manifest_version": 1, "name": "shop", "version": "1",
		"entities": [{ "name": "Order", "fields": [{ "name": "n", "type": "int" }] }],
		"plugins": [{ "name": "audit_log", "config": { "entities": "*", "sign_entries": true, "signing_key_env": "KEY" } }] }`
	if err := os.WriteFile(filepath.Join(dir, pylon.ManifestName), []byte(manifest), 0o600); err != nil {
		panic(err)
	}
	ctx := context.Background()
	app, err := pylon.New(ctx, pylon.Options{Dir: dir, Dev: true, DBPath: filepath.Join(dir, "app.db"), Logger: slog.New(slog.DiscardHandler),
		Getenv: func(name string) string { return map[string]string{"KEY": key}[name] }})
	if err != nil {
		panic(err)
	}
	err = app.DB().Update(store.WithActor(ctx, store.System("import")), func(tx *store.Tx) error {
		order := store.NewPatch(tx.Schema().Entity("Order"))
		if err := order.Put("n", store.Int(1)); err != nil {
			return err
		}
		_, err := tx.Insert(order)
		return err
	})
	if err != nil {
		panic(err)
	}
	if err := app.Stop(ctx); err != nil { // what is left is sealed
		panic(err)
	}

	engine, err := sqlite.Open(filepath.Join(dir, "app.db"), sqlite.Options{})
	if err != nil {
		panic(err)
	}
	defer engine.Close()
	report, err := auditlog.Verify(ctx, auditlog.OpenDatabase(engine), auditlog.VerifyOptions{
		Secrets: [][]byte{[]byte(key)}, Now: time.Now(), MaxLag: time.Minute,
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(report.Entries, "entry,", report.Verdict)
	// Output: 1 entry, INTACT, NOT ANCHORED
}
