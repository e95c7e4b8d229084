package function

import (
	"context"
	"testing"

	"github.com/pylon-go/pylon/store"
)

func BenchmarkCalls(b *testing.B) {
	a := newApp(b, map[string]string{
		"empty": `export default query({ handler: () => 1 })`,
		"get":   `export default query({ handler: (ctx, { id }) => ctx.db.get("Item", id) })`,
		"three": `export default query({ handler: async (ctx, { id }) => { const a = await ctx.db.get("Item", id); const b = await ctx.db.get("Item", id); const c = await ctx.db.get("Item", id); return a.count + b.count + c.count } })`,
		"add":   `export default mutation({ handler: (ctx, args) => ctx.db.insert("Item", args) })`,
	})
	id, err := a.call("add", `{"title":"x"}`)
	if err != nil {
		b.Fatal(err)
	}
	ctx := store.WithActor(context.Background(), alice)
	for _, name := range []string{"empty", "get", "three"} {
		b.Run(name, func(b *testing.B) {
			args := []byte(`{"id":` + id + `}`)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Call(ctx, Request{Name: name, Args: args}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("threeInGo", func(b *testing.B) { // what the database costs of it
		e := a.db.Schema().Entity("Item")
		for b.Loop() {
			err := a.db.View(store.WithActor(ctx, store.System("bench")), func(tx *store.Tx) error {
				for range 3 {
					row, err := tx.Get(e, id[1:len(id)-1])
					if err != nil {
						return err
					}
					_ = row.AppendJSON(nil)
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// As 64 connections do it: each has its own goroutine, and calls wait for each other's commits.
func BenchmarkInsert64(b *testing.B) {
	a := newApp(b, map[string]string{"add": `export default mutation({ handler: (ctx, args) => ctx.db.insert("Other", args) })`})
	ctx := store.WithActor(context.Background(), alice)
	e := a.db.Schema().Entity("Other")
	for name, insert := range map[string]func() error{
		"function": func() error { _, err := a.Call(ctx, Request{Name: "add", Args: []byte(`{"itemId":"x"}`)}); return err },
		"go": func() error {
			return a.db.Update(store.WithActor(ctx, store.System("bench")), func(tx *store.Tx) error {
				p, err := store.DecodePatch(e, []byte(`{"itemId":"x"}`), true)
				if err == nil {
					_, err = tx.Insert(p)
				}
				return err
			})
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := insert(); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	files := map[string]string{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"} {
		files[name] = `import { query } from "@pylonsync/functions"; export default query({ handler: (ctx) => ctx.db.list("Item") })`
	}
	for b.Loop() {
		compile(b, files)
	}
}
