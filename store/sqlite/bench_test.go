package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/pylon-go/pylon/store"
)

func open(t testing.TB) (*store.DB, *Engine, *store.Entity) {
	e, err := Open(filepath.Join(t.TempDir(), "a.db"), Options{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	ent := &store.Entity{Name: "Item", Fields: []store.Field{{Name: "room", Type: store.TypeString, Unique: true}, {Name: "body", Type: store.TypeString}, {Name: "n", Type: store.TypeInt, Optional: true}}}
	s, err := store.NewSchema([]*store.Entity{ent}, []*store.Table{{Name: "_pylon_x", Columns: []store.Column{{Name: "seq", Type: store.TypeInt}, {Name: "k", Type: store.TypeString, Null: true}}, PrimaryKey: []string{"seq"}, Indexes: []store.Index{{Name: "_pylon_x_k", Columns: []string{"k"}, NotNull: "k"}}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	m, err := e.Plan(ctx, s.AllTables(), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range m.Steps {
		t.Log(st.SQL)
	}
	if err := e.Apply(ctx, m); err != nil {
		t.Fatal(err)
	}
	m, err = e.Plan(ctx, s.AllTables(), false)
	if err != nil || len(m.Steps) > 0 {
		t.Fatal(err, m)
	}
	return store.New(e, s, store.Options{}), e, ent
}

func TestSmoke(t *testing.T) {
	db, _, ent := open(t)
	ctx := store.WithActor(context.Background(), store.System("x"))
	var id string
	err := db.Update(ctx, func(tx *store.Tx) error {
		p := store.NewPatch(ent)
		p.Put("room", store.String("a"))
		p.Put("body", store.String("b"))
		r, err := tx.Insert(p)
		if err == nil {
			id = r.ID
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := db.Get(ctx, ent, id)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(string(r.AppendJSON(nil)))
	err = db.Update(ctx, func(tx *store.Tx) error {
		p := store.NewPatch(ent)
		p.Put("room", store.String("a"))
		p.Put("body", store.String("b"))
		_, err := tx.Insert(p)
		return err
	})
	t.Log(err)
	cctx, cancel := context.WithCancel(ctx)
	cancel()
	_, err = db.Get(cctx, ent, id)
	t.Log(err)
	for range 5 {
		if _, err = db.Get(ctx, ent, id); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	db, _, ent := open(b)
	ctx := store.WithActor(context.Background(), store.System("x"))
	var id string
	db.Update(ctx, func(tx *store.Tx) error {
		p := store.NewPatch(ent)
		p.Put("room", store.String("a"))
		p.Put("body", store.String("b"))
		r, err := tx.Insert(p)
		id = r.ID
		return err
	})
	b.ReportAllocs()
	b.SetParallelism(32)
	cctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := db.Get(cctx, ent, id); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkInsert(b *testing.B) {
	db, _, ent := open(b)
	ctx := store.WithActor(context.Background(), store.System("x"))
	b.ReportAllocs()
	b.SetParallelism(32)
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			err := db.Update(ctx, func(tx *store.Tx) error {
				p := store.NewPatch(ent)
				p.Put("room", store.String(fmt.Sprint(n.Add(1))))
				p.Put("body", store.String("b"))
				_, err := tx.Insert(p)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
