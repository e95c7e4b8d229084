package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/bench/process"
	"github.com/pylon-go/pylon/plugins/auditlog"
	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/sqlite"
)

// verify makes a log and verifies it with one core.
func (b *bench) verify(ctx context.Context) error {
	dir := filepath.Join(b.dir, "verify")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, pylon.ManifestName), []byte(manifest(servers[2].plugin)), 0o600); err != nil {
		return err
	}
	db := filepath.Join(dir, "app.db")
	app, err := pylon.New(ctx, pylon.Options{Dir: dir, DBPath: db, AdminToken: "bench", Getenv: func(name string) string {
		if name == "AUDIT_KEY" {
			return key[len("AUDIT_KEY="):]
		}
		return ""
	}})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "writing %d entries\n", b.rows)
	ctx = store.WithActor(ctx, store.System("bench"))
	user := app.DB().Schema().Entity("User")
	for done := 0; done < b.rows && err == nil; done += 1000 {
		err = app.DB().Update(ctx, func(tx *store.Tx) error {
			for i := range 1000 {
				p := store.NewPatch(user)
				for name, v := range map[string]store.Value{"email": store.String(fmt.Sprintf("u%d@example.com", done+i)), "name": store.String("User"), "bio": store.String(bio), "n": store.Int(int64(i))} {
					if err := p.Put(name, v); err != nil {
						return err
					}
				}
				if _, err := tx.Insert(p); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if stopErr := app.Stop(ctx); err == nil {
		err = stopErr
	}
	if err != nil {
		return err
	}
	engine, err := sqlite.Open(db, sqlite.Options{Readers: 1})
	if err != nil {
		return err
	}
	defer engine.Close()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	fmt.Println()
	for range b.rounds {
		cpu, err := process.CPUTime(os.Getpid())
		if err != nil {
			return err
		}
		begin := time.Now()
		report, err := auditlog.Verify(ctx, auditlog.OpenDatabase(engine), auditlog.VerifyOptions{Secrets: [][]byte{[]byte(key[len("AUDIT_KEY="):])}, Now: time.Now(), MaxLag: time.Minute})
		if err != nil {
			return err
		}
		took := time.Since(begin)
		spent, err := process.CPUTime(os.Getpid())
		if err != nil {
			return err
		}
		if report.Verdict != auditlog.VerdictNotAnchored {
			return fmt.Errorf("the verdict is %s: %v", report.Verdict, report.Findings)
		}
		rate := float64(report.Entries) / (spent - cpu).Seconds()
		mark := "met"
		if rate < 50_000 {
			mark = "MISSED"
		}
		fmt.Printf("verify %d entries: %.2f s, %.0f a second of processor time   goal >= 50000 %s\n", report.Entries, took.Seconds(), rate, mark)
	}
	return nil
}

const bio = "A text of two hundred characters, more or less, so that a row is as large as rows are in applications; it says nothing of anybody, and it is the same in every row, as nothing here looks at it, neither."
