package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/pylon-go/pylon/store"
)

// benchRig is an app with one entity and one private table.
func benchRig(b *testing.B) (*store.DB, *store.Entity, context.Context) {
	e, err := Open(filepath.Join(b.TempDir(), "a.db"), Options{Exclusive: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close() })
	item := &store.Entity{Name: "Item", Fields: []store.Field{{Name: "room", Type: store.TypeString, Unique: true}, {Name: "body", Type: store.TypeString}, {Name: "n", Type: store.TypeInt, Optional: true}}}
	s, err := store.NewSchema([]*store.Entity{item}, nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx := store.WithActor(context.Background(), store.System("bench"))
	m, err := e.Plan(ctx, s.AllTables(), false)
	if err != nil {
		b.Fatal(err)
	}
	if err := e.Apply(ctx, m); err != nil {
		b.Fatal(err)
	}
	return store.New(e, s, store.Options{}), item, ctx
}

func insertItem(db *store.DB, ctx context.Context, item *store.Entity, room string) (row *store.Row, err error) {
	err = db.Update(ctx, func(tx *store.Tx) error {
		p := store.NewPatch(item)
		if err := p.Put("room", store.String(room)); err != nil {
			return err
		}
		if err := p.Put("body", store.String("b")); err != nil {
			return err
		}
		row, err = tx.Insert(p)
		return err
	})
	return row, err
}

func BenchmarkGet(b *testing.B) {
	db, item, ctx := benchRig(b)
	row, err := insertItem(db, ctx, item, "a")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetParallelism(32)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := db.Get(ctx, item, row.ID); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkInsert(b *testing.B) {
	db, item, ctx := benchRig(b)
	b.ReportAllocs()
	b.SetParallelism(32)
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := insertItem(db, ctx, item, fmt.Sprint(n.Add(1))); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkQuery runs statements whose plan may depend on their arguments.
// "cleared" does what conn.release does not: it clears the bindings after each use.
func BenchmarkQuery(b *testing.B) {
	for name, q := range planDependent {
		for _, cleared := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/cleared=%v", name, cleared), func(b *testing.B) {
				c := planConn(b)
				b.ReportAllocs()
				for i := range b.N {
					if err := c.Query(q, []store.Value{store.String(fmt.Sprint("k", i%50))}, func(store.Rows) error { return nil }); err != nil {
						b.Fatal(err)
					}
					if cleared {
						if err := c.stmts[q].raw.ClearBindings(); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
