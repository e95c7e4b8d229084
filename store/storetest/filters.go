package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pylon-go/pylon/store"
)

// specimen has every kind of field twice over, so that fields can be compared.
func specimen() *store.Entity {
	e := &store.Entity{Name: "Specimen"}
	for _, typ := range []store.Type{store.TypeString, store.TypeInt, store.TypeFloat, store.TypeBool, store.TypeDatetime, store.TypeRichtext, store.TypeJSON, store.TypeID} {
		for _, n := range []string{"a", "b"} {
			e.Fields = append(e.Fields, store.Field{Name: typ.String() + "_" + n, Type: typ, Optional: true})
		}
	}
	return e
}

// pools are few values of each kind, close together, so that random rows and
// random filters meet often.
var pools = map[store.Type][]store.Value{
	store.TypeInt:      {store.Int(0), store.Int(1), store.Int(-1), store.Int(2), store.Int(1 << 53), store.Int(1<<53 + 1), store.Int(math.MaxInt64), store.Int(math.MinInt64)},
	store.TypeFloat:    {store.Float(0), store.Float(1), store.Float(0.5), store.Float(-0.5), store.Float(1 << 53), store.Float(1 << 63), store.Float(-1 << 63), store.Float(1e308), store.Float(5e-324)},
	store.TypeBool:     {store.Bool(false), store.Bool(true)},
	store.TypeDatetime: {date(1, 0), date(2026, 0), date(2026, 1), date(9999, 999_999), store.Micros(-1)},
	store.TypeJSON:     {store.JSON(`{}`), store.JSON(`{"a":1}`), store.JSON(`{"a":1.0}`), store.JSON(`[]`), store.JSON(`"x"`)},
}

var texts = []string{"", "a", "A", "ab", "aB", "abc", "b", "ä", "Ä", "äb", "cäb", "日本", "a日本", "日本語", "👩‍👧", "%", "_", "a%", "a_c", `\`, `a\%`, "'", " a", "a ", "Zz", "z"}

func randomValue(rnd *rand.Rand, typ store.Type) store.Value {
	if pool, ok := pools[typ]; ok {
		return pool[rnd.IntN(len(pool))]
	}
	return store.String(texts[rnd.IntN(len(texts))]).As(typ)
}

func randomRow(rnd *rand.Rand, e *store.Entity) fields {
	given := fields{}
	for _, f := range e.Fields {
		if v := randomValue(rnd, f.Type); rnd.IntN(5) > 0 && !(f.Type == store.TypeID && v.Str() == "") {
			given[f.Name] = v
		}
	}
	return given
}

// class is what values of a type can be compared with.
func class(t store.Type) string {
	switch t {
	case store.TypeInt, store.TypeFloat:
		return "number"
	case store.TypeBool, store.TypeDatetime, store.TypeJSON:
		return t.String()
	default:
		return "text"
	}
}

var compareOps = []store.CompareOp{store.Eq, store.Ne, store.Lt, store.Le, store.Gt, store.Ge}

func randomFilter(rnd *rand.Rand, e *store.Entity, depth int) store.Filter {
	if depth > 0 && rnd.IntN(2) == 0 {
		parts := make([]store.Filter, rnd.IntN(4))
		for i := range parts {
			parts[i] = randomFilter(rnd, e, depth-1)
		}
		switch rnd.IntN(3) {
		case 0:
			return store.And(parts)
		case 1:
			return store.Or(parts)
		default:
			return store.Not{Filter: randomFilter(rnd, e, depth-1)}
		}
	}
	field := rnd.IntN(len(e.Fields))
	typ := e.Fields[field].Type
	operand := func() store.Value {
		if class(typ) == "number" && rnd.IntN(2) == 0 {
			return randomValue(rnd, store.TypeFloat)
		}
		return randomValue(rnd, typ)
	}
	kind := rnd.IntN(8)
	if kind >= 5 && class(typ) != "text" {
		kind = rnd.IntN(5)
	}
	switch kind {
	case 0:
		return store.IsNull{Field: field}
	case 1:
		return store.Const(rnd.IntN(2) == 0)
	case 2:
		in := store.In{Field: field}
		for range rnd.IntN(4) {
			in.Values = append(in.Values, operand())
		}
		return in
	case 3:
		for {
			if other := rnd.IntN(len(e.Fields)); class(e.Fields[other].Type) == class(typ) {
				return store.CompareFields{Field: field, Op: compareOps[rnd.IntN(len(compareOps))], Other: other}
			}
		}
	case 4:
		v := operand()
		if rnd.IntN(20) == 0 {
			v = store.Null
		}
		return store.Compare{Field: field, Op: compareOps[rnd.IntN(len(compareOps))], Value: v}
	case 5:
		pattern := texts[rnd.IntN(len(texts))]
		for range rnd.IntN(3) {
			pattern += []string{"%", "_", "%%", "b", "Ä"}[rnd.IntN(5)]
		}
		if rnd.IntN(2) == 0 {
			pattern = "%" + pattern
		}
		return store.Like{Field: field, Pattern: pattern}
	case 6:
		return store.StartsWith{Field: field, Text: texts[rnd.IntN(len(texts))]}
	default:
		return store.EndsWith{Field: field, Text: texts[rnd.IntN(len(texts))]}
	}
}

// filters holds every engine's SQL against Filter.Match on the same rows.
func (s *suite) filters(t *testing.T) {
	e := specimen()
	r := s.rig(t, []*store.Entity{e})
	seed := rand.Uint64()
	if given := os.Getenv("STORETEST_SEED"); given != "" { // to see a failure again
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		must(t, err)
	}
	rnd := rand.New(rand.NewPCG(seed, 1))
	must(t, r.db.Update(r.ctx, func(tx *store.Tx) error {
		for i := range 150 {
			given := randomRow(rnd, e)
			if i == 0 {
				given = nil // a row of nulls
			}
			if _, err := insert(tx, e, given); err != nil {
				return err
			}
		}
		return nil
	}))
	all, err := r.db.Find(r.ctx, &store.Query{Entity: e})
	must(t, err)
	wantEqual(t, "rows", len(all), 150)

	check := func(t *testing.T, f store.Filter) {
		t.Helper()
		var want []string
		for _, row := range all {
			if f.Match(row) {
				want = append(want, row.ID)
			}
		}
		rows, err := r.db.Find(r.ctx, &store.Query{Entity: e, Filter: f})
		if err != nil {
			t.Fatalf("seed %d: %#v: %v", seed, f, err)
		}
		got := idsOf(rows)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %#v\nthe database finds %d rows, Match %d\nonly the database: %s\nonly Match: %s",
				seed, f, len(got), len(want), differing(all, got, want), differing(all, want, got))
		}
		if n, err := r.db.Count(r.ctx, &store.Query{Entity: e, Filter: f}); err != nil || n != len(want) {
			t.Fatalf("seed %d: %#v: Count %d, %v; want %d", seed, f, n, err, len(want))
		}
	}

	t.Run("every operator on every pair of values", func(t *testing.T) {
		for i, field := range e.Fields {
			for _, op := range compareOps {
				values := pools[field.Type]
				if class(field.Type) == "number" {
					values = slices.Concat(pools[store.TypeInt], pools[store.TypeFloat])
				}
				if class(field.Type) == "text" {
					for _, text := range texts {
						values = append(values, store.String(text))
					}
				}
				for _, v := range values {
					check(t, store.Compare{Field: i, Op: op, Value: v})
				}
				for j, other := range e.Fields {
					if class(field.Type) == class(other.Type) {
						check(t, store.CompareFields{Field: i, Op: op, Other: j})
						check(t, store.Not{Filter: store.CompareFields{Field: i, Op: op, Other: j}})
					}
				}
			}
		}
	})
	t.Run("text", func(t *testing.T) {
		i, _ := e.Lookup("string_a")
		for _, text := range texts {
			check(t, store.StartsWith{Field: i, Text: text})
			check(t, store.EndsWith{Field: i, Text: text})
			for _, pattern := range []string{text, text + "%", "%" + text, "%" + text + "%", "_" + text, text + "_", strings.ReplaceAll(text, "a", "%")} {
				check(t, store.Like{Field: i, Pattern: pattern})
				check(t, store.Not{Filter: store.Like{Field: i, Pattern: pattern}})
			}
		}
	})
	t.Run("empty and constant", func(t *testing.T) {
		for _, f := range []store.Filter{store.And{}, store.Or{}, store.Not{Filter: store.And{}}, store.Not{Filter: store.Or{}}, store.In{}, store.Not{Filter: store.In{}},
			store.Const(true), store.Const(false), store.Compare{Op: store.Eq}, store.Not{Filter: store.Compare{Op: store.Ne}}} {
			check(t, f)
		}
	})
	t.Run("by id", func(t *testing.T) {
		check(t, store.Compare{Field: store.FieldIDIndex, Op: store.Gt, Value: store.ID(all[70].ID)})
		check(t, store.In{Field: store.FieldIDIndex, Values: []store.Value{store.ID(all[3].ID), store.ID("none"), store.ID(all[9].ID)}})
	})
	t.Run("random", func(t *testing.T) {
		rounds := 1500
		if testing.Short() {
			rounds = 300
		}
		for range rounds {
			check(t, randomFilter(rnd, e, 4))
		}
	})
}

func idsOf(rows []*store.Row) []string {
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

func differing(all []*store.Row, in, notIn []string) string {
	for _, r := range all {
		if slices.Contains(in, r.ID) && !slices.Contains(notIn, r.ID) {
			return fmt.Sprintf("%s …", r.AppendJSON(nil))
		}
	}
	return "none"
}
