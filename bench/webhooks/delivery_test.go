package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/bench/process"
	"github.com/pylon-go/pylon/store"
)

// BenchmarkDelivery is a row's way to the receiver without HTTP in front of the
// app, in this process, so that a profile shows where the time goes:
//
//	go test ./bench/webhooks -run '^$' -bench Delivery -benchtime 30000x -cpuprofile cpu.out
func BenchmarkDelivery(b *testing.B) {
	ctx := b.Context()
	root, err := process.ModuleRoot(ctx)
	if err != nil {
		b.Fatal(err)
	}
	sink, err := startSink(ctx, root, b.TempDir())
	if sink != nil {
		defer sink.process.Kill()
	}
	if err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		hooks int
	}{{"hooks=1", 1}, {"hooks=10", 10}} {
		b.Run(tt.name, func(b *testing.B) {
			if err := sink.reset(); err != nil {
				b.Fatal(err)
			}
			var addresses []string
			for i := range tt.hooks {
				addresses = append(addresses, sink.address("d", i))
			}
			dir := b.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "pylon.manifest.json"), []byte(appManifest(addresses)), 0o600); err != nil {
				b.Fatal(err)
			}
			app, err := pylon.New(ctx, pylon.Options{Dir: dir, DBPath: filepath.Join(dir, "app.db"), AdminToken: "token",
				Getenv: func(name string) string { return map[string]string{"HOOK_SECRET": secret}[name] }, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := app.Stop(ctx); err != nil {
					b.Error(err)
				}
			}()
			b.ResetTimer()
			writeRows(b, app, b.N)
			if _, _, err := sink.await(ctx, tt.hooks, int64(b.N*tt.hooks)); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N*tt.hooks)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// writeRows inserts n rows from as many goroutines as the other measurements have clients.
func writeRows(b *testing.B, app *pylon.App, n int) {
	ctx := store.WithActor(b.Context(), store.System("bench"))
	entity := app.DB().Schema().Entity("Item")
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for worker := range concurrency {
		wg.Go(func() {
			for i := 0; left.Add(-1) >= 0; i++ {
				patch, err := store.DecodePatch(entity, []byte(row(worker, i)), false)
				if err == nil {
					err = app.DB().Update(ctx, func(tx *store.Tx) error { _, err := tx.Insert(patch); return err })
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
