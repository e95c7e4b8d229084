package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/pylon-go/pylon/store"
)

// onlyEven lets an actor see the rows whose n is even, by a check in Go or by a
// filter in the database.
type onlyEven struct{ byCheck, byFilter bool }

func (g onlyEven) Readable(_ context.Context, _ *store.Actor, e *store.Entity) (store.ReadRule, error) {
	rule := store.ReadRule{}
	if i, _ := e.Lookup("even"); g.byFilter {
		rule.Filter = store.Compare{Field: i, Op: store.Eq, Value: store.Bool(true)}
	}
	if i, _ := e.Lookup("n"); g.byCheck {
		rule.Check = func(r *store.Row) bool { return r.At(i).Int()%2 == 0 }
	}
	return rule, nil
}

func (onlyEven) Allow(context.Context, *store.Write) error { return nil }

func (s *suite) query(t *testing.T) {
	e := &store.Entity{Name: "Num", Fields: []store.Field{
		{Name: "n", Type: store.TypeInt},
		{Name: "even", Type: store.TypeBool},
		{Name: "third", Type: store.TypeInt, Optional: true}, // n/3, null for every fourth
		{Name: "word", Type: store.TypeString, Optional: true},
	}}
	r := s.rig(t, []*store.Entity{e})
	const rows = 60
	words := []store.Value{store.String("a"), store.Null, store.String("B"), store.String("ä"), store.String("")}
	must(t, r.db.Update(r.ctx, func(tx *store.Tx) error {
		for n := range int64(rows) {
			third := store.Int(n / 3)
			if n%4 == 0 {
				third = store.Null
			}
			if _, err := insert(tx, e, fields{"n": store.Int(n), "even": store.Bool(n%2 == 0), "third": third, "word": words[n%5]}); err != nil {
				return err
			}
		}
		return nil
	}))
	all, err := r.db.Find(r.ctx, &store.Query{Entity: e})
	must(t, err)
	wantEqual(t, "rows", len(all), rows)
	if ids := idsOf(all); !slices.IsSorted(ids) {
		t.Fatalf("without an order rows come by id, got %v", ids)
	}

	// sorted is what the database should answer to an order.
	sorted := func(orders []store.Order) []string {
		rows := slices.Clone(all)
		slices.SortStableFunc(rows, func(a, b *store.Row) int {
			for _, o := range orders {
				c := store.CompareValues(a.At(o.Field), b.At(o.Field))
				if o.Desc {
					c = -c
				}
				if c != 0 {
					return c
				}
			}
			return 0
		})
		return idsOf(rows)
	}
	for _, orders := range [][]store.Order{
		{{Field: 2}}, {{Field: 2, Desc: true}}, {{Field: 3}}, {{Field: 3, Desc: true}}, {{Field: 1, Desc: true}, {Field: 2}},
		{{Field: 3}, {Field: 2, Desc: true}}, {{Field: store.FieldIDIndex, Desc: true}}, {{Field: 1}, {Field: store.FieldIDIndex, Desc: true}},
		{{Field: store.FieldIDIndex}, {Field: 0, Desc: true}},
	} {
		t.Run(fmt.Sprintf("order %v", orders), func(t *testing.T) {
			rows, err := r.db.Find(r.ctx, &store.Query{Entity: e, Order: orders})
			must(t, err)
			wantEqual(t, "order", idsOf(rows), sorted(orders))
		})
	}

	for _, guard := range []*onlyEven{nil, {}, {byCheck: true}, {byFilter: true}, {byCheck: true, byFilter: true}} {
		name, ctx, visible := "no guard", r.ctx, idsOf(all)
		if guard != nil {
			name = fmt.Sprintf("guard %+v", *guard)
			r.db.SetGuard(*guard)
			ctx = store.WithActor(t.Context(), store.Actor{Type: store.ActorUser, ID: "u"})
			if guard.byCheck || guard.byFilter {
				visible = nil
				for _, row := range all {
					if row.Values[1].Bool() {
						visible = append(visible, row.ID)
					}
				}
			}
		}
		t.Run("limit and offset, "+name, func(t *testing.T) {
			for _, c := range []struct{ limit, offset int }{{0, 0}, {1, 0}, {7, 0}, {7, 5}, {1000, 0}, {1000, 25}, {5, 1000}, {0, 3}, {0, 1000}, {len(visible), 0}, {len(visible) + 1, 1}} {
				want := visible[min(c.offset, len(visible)):]
				if c.limit > 0 {
					want = want[:min(c.limit, len(want))]
				}
				q := &store.Query{Entity: e, Limit: c.limit, Offset: c.offset}
				rows, err := r.db.Find(ctx, q)
				must(t, err)
				if !slices.Equal(idsOf(rows), want) {
					t.Errorf("limit %d offset %d: got %d rows %v, want %d", c.limit, c.offset, len(rows), idsOf(rows), len(want))
				}
				if n, err := r.db.Count(ctx, q); err != nil || n != len(visible) {
					t.Errorf("limit %d offset %d: Count is %d, %v; want %d, which limit and offset do not change", c.limit, c.offset, n, err, len(visible))
				}
			}
		})
		t.Run("a cursor by id meets every row once, "+name, func(t *testing.T) {
			var seen []string
			last := ""
			for {
				rows, err := r.db.Find(ctx, &store.Query{Entity: e, Limit: 7, Filter: store.Compare{Field: store.FieldIDIndex, Op: store.Gt, Value: store.ID(last)}})
				must(t, err)
				if len(rows) == 0 {
					break
				}
				seen = append(seen, idsOf(rows)...)
				last = seen[len(seen)-1]
			}
			wantEqual(t, "rows seen", seen, visible)
		})
		t.Run("one row, "+name, func(t *testing.T) {
			for _, row := range all[:4] {
				_, err := r.db.Get(ctx, e, row.ID)
				if slices.Contains(visible, row.ID) {
					must(t, err)
				} else {
					wantCode(t, err, "POLICY_DENIED", "")
				}
			}
		})
	}

	t.Run("Stop ends the rows and is no error", func(t *testing.T) {
		n := 0
		must(t, r.db.View(r.ctx, func(tx *store.Tx) error {
			return tx.Each(&store.Query{Entity: e}, func(*store.Row) error {
				if n++; n == 3 {
					return store.Stop
				}
				return nil
			})
		}))
		wantEqual(t, "rows before Stop", n, 3)
	})
}
