package storetest

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/pylon-go/pylon/store"
)

func date(year int, micro int) store.Value {
	return store.Time(time.Date(year, 12, 31, 23, 59, 59, micro*1000, time.UTC))
}

var awkwardTexts = []string{
	"", " ", "a", `quotes ' " \ and ;--`, "line\nbreak\r\n\ttab", "äöü ß ñ", "日本語", "👩‍👩‍👧 family", "e\u0301 combining",
	"\u2028\u2029", "\U0010FFFF", "NULL", "0", "1e5", "%_%", strings.Repeat("long ✓ ", 40_000),
}

// roundTrips are values that must come back exactly as they went in.
func roundTrips() map[store.Type][]store.Value {
	m := map[store.Type][]store.Value{
		store.TypeInt: {store.Int(0), store.Int(1), store.Int(-1), store.Int(1<<53 + 1), store.Int(math.MaxInt64), store.Int(math.MinInt64)},
		store.TypeFloat: {store.Float(0), store.Float(1), store.Float(-1.5), store.Float(0.1), store.Float(1e308), store.Float(-1e308),
			store.Float(math.MaxFloat64), store.Float(math.SmallestNonzeroFloat64), store.Float(1 << 53), store.Float(9007199254740993), store.Float(math.Pi), store.Float(math.Copysign(0, -1))},
		store.TypeBool: {store.Bool(false), store.Bool(true)},
		store.TypeDatetime: {date(1, 0), date(1, 999_999), date(1582, 1), date(1969, 999_999), store.Micros(0), store.Micros(-1), date(2026, 123_456),
			date(9999, 999_999), store.Time(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC))},
		store.TypeJSON: {store.JSON(`{}`), store.JSON(`[]`), store.JSON(`{"z":1,"a":{"y":[1,2.50,1e3,-0,100000000000000000000000]},"z":2}`), store.JSON(`"text"`),
			store.JSON(`1.0`), store.JSON(`true`), store.JSON(`{"u":"\u00e4ä\u0000","q":"'\""}`)},
		store.TypeBytes: {store.Bytes(nil), store.Bytes([]byte{0}), store.Bytes([]byte("a\x00b\xff\xfe")), store.Bytes([]byte(strings.Repeat("\x00\x01", 50_000)))},
		store.TypeID:    {store.ID("01HZ0000000000000000000000"), store.ID("x"), store.ID(strings.Repeat("ü", 64))},
	}
	for _, s := range awkwardTexts {
		m[store.TypeString] = append(m[store.TypeString], store.String(s))
		m[store.TypeRichtext] = append(m[store.TypeRichtext], store.Richtext(s))
	}
	return m
}

func (s *suite) values(t *testing.T) {
	for typ, values := range roundTrips() {
		t.Run(typ.String(), func(t *testing.T) {
			if typ != store.TypeBytes { // entities have no bytes
				t.Run("in an entity", func(t *testing.T) { s.entityValues(t, typ, values) })
			}
			t.Run("in a private table", func(t *testing.T) { s.tableValues(t, typ, values) })
		})
	}
}

func (s *suite) entityValues(t *testing.T, typ store.Type, values []store.Value) {
	e := &store.Entity{Name: "Thing", Fields: []store.Field{{Name: "v", Type: typ, Optional: true}}}
	r := s.rig(t, []*store.Entity{e})
	for _, v := range append(values, store.Null) {
		row := r.add(e, fields{"v": v})
		got, err := r.db.Get(r.ctx, e, row.ID)
		must(t, err)
		if got.Values[0] != v || row.Values[0] != v {
			t.Errorf("stored %.100s, inserted row has %.100s, read row %.100s", short(v), short(row.Values[0]), short(got.Values[0]))
		}
		must(t, r.db.Update(r.ctx, func(tx *store.Tx) error {
			p := store.NewPatch(e)
			if err := p.Put("v", store.Null); err != nil {
				return err
			}
			if _, err := tx.Update(row.ID, p); err != nil {
				return err
			}
			if err := p.Put("v", v); err != nil {
				return err
			}
			_, err := tx.Update(row.ID, p)
			return err
		}))
		got, err = r.db.Get(r.ctx, e, row.ID)
		must(t, err)
		if got.Values[0] != v {
			t.Errorf("updated to %s, read %s", short(v), short(got.Values[0]))
		}
		if v.IsNull() {
			continue
		}
		found, err := r.db.Find(r.ctx, &store.Query{Entity: e, Filter: store.And{store.Compare{Field: 0, Op: store.Eq, Value: v}, store.Compare{Field: store.FieldIDIndex, Op: store.Eq, Value: store.ID(row.ID)}}})
		must(t, err)
		if len(found) != 1 {
			t.Errorf("the row is not found by its own value %s", short(v))
		}
	}
}

func (s *suite) tableValues(t *testing.T, typ store.Type, values []store.Value) {
	e := s.rig(t, nil, &store.Table{Name: "_pylon_v", PrimaryKey: []string{"k"}, Columns: []store.Column{
		{Name: "k", Type: store.TypeInt}, {Name: "v", Type: typ, Null: true}}}).engine
	values = append(values, store.Null)
	must(t, e.Write(t.Context(), func(c store.Conn) error {
		for i, v := range values {
			if err := c.Exec(`INSERT INTO "_pylon_v" ("k","v") VALUES (?,?)`, []store.Value{store.Int(int64(i)), v}); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, e.Read(t.Context(), func(c store.Conn) error {
		got, err := column(c, typ, `SELECT "v" FROM "_pylon_v" ORDER BY "k"`)
		for i := range got {
			if got[i] != values[i] {
				t.Errorf("stored %s, read %s", short(values[i]), short(got[i]))
			}
		}
		wantEqual(t, "rows", len(got), len(values))
		return err
	}))
}

// short shows a value in a message.
func short(v store.Value) string {
	s := v.GoString()
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return s
}
