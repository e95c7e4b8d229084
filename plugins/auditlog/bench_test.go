package auditlog_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/store"
)

// BenchmarkUpdate updates rows from 64 goroutines, without HTTP in front.
func BenchmarkUpdate(b *testing.B) {
	for _, c := range []struct{ name, plugin string }{
		{"off", ""},
		{"unsigned", `{ "name": "audit_log", "config": { "entities": ["Item"] } }`},
		{"signed", `{ "name": "audit_log", "config": { "entities": ["Item"], "sign_entries": true, "signing_key_env": "KEY" } }`},
	} {
		b.Run(c.name, func(b *testing.B) {
			dir := b.TempDir()
			i := strings.Index(manifest, `"plugins"`)
			if err := os.WriteFile(filepath.Join(dir, pylon.ManifestName), []byte(manifest[:i]+`"plugins": [`+c.plugin+`] }`), 0o600); err != nil {
				b.Fatal(err)
			}
			if c.plugin == "" {
				text := strings.Replace(manifest[:i]+`"plugins": [] }`, `{ "name": "own entries", "entity": "AuditLog", "allowRead": "auth.userId == data.actorId" },`, "", 1)
				if err := os.WriteFile(filepath.Join(dir, pylon.ManifestName), []byte(text), 0o600); err != nil {
					b.Fatal(err)
				}
			}
			app, err := pylon.New(b.Context(), pylon.Options{Dir: dir, Dev: true, AdminToken: admin, DBPath: filepath.Join(dir, "app.db"),
				Logger: slog.New(slog.DiscardHandler), Getenv: func(name string) string { return map[string]string{"KEY": secret}[name] }})
			if err != nil {
				b.Fatal(err)
			}
			defer app.Stop(b.Context())
			ctx := store.WithActor(b.Context(), store.Actor{Type: store.ActorAdmin, ID: "__admin__", Admin: true, IP: "192.0.2.1", UserAgent: "bench/1.0", RequestID: "01KGA00000000000000000000A"})
			item := app.DB().Schema().Entity("Item")
			put := func(p *store.Patch, name string, v store.Value) *store.Patch {
				if err := p.Put(name, v); err != nil {
					b.Fatal(err)
				}
				return p
			}
			var ids []string
			if err := app.DB().Update(ctx, func(tx *store.Tx) error {
				for range 1000 {
					row, err := tx.Insert(put(put(store.NewPatch(item), "name", store.String("a")), "card", store.String(strings.Repeat("x", 200))))
					if err != nil {
						return err
					}
					ids = append(ids, row.ID)
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
			var n atomic.Int64
			b.SetParallelism(32)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					p := put(store.NewPatch(item), "name", store.String(fmt.Sprint(i)))
					if err := app.DB().Update(ctx, func(tx *store.Tx) error { _, err := tx.Update(ids[i%1000], p); return err }); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
