package store_test

import (
	"encoding/json"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/pylon-go/pylon/store"
)

func TestAppendJSONAgreesWithEncodingJSON(t *testing.T) {
	var cases []struct {
		v    store.Value
		same any
	}
	add := func(v store.Value, same any) {
		cases = append(cases, struct {
			v    store.Value
			same any
		}{v, same})
	}
	add(store.Null, nil)
	for _, i := range []int64{0, -1, math.MaxInt64, math.MinInt64} {
		add(store.Int(i), i)
	}
	for _, f := range []float64{0, 1, -1.5, 0.1, 1e20, 1e21, 1.5e21, 1e-6, 9.9e-7, 1e-9, 1e-10, 5e-324, 1e308, math.MaxFloat64, 1 << 53, math.Pi, -1e-7} {
		add(store.Float(f), f)
	}
	add(store.Bool(true), true)
	add(store.Bool(false), false)
	for _, s := range []string{"", "a", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "äöü日本😀", "\u2028\u2029", "\xff\xfe a\xc3", "</script>&"} {
		add(store.String(s), s)
		add(store.Richtext(s), s)
		add(store.ID(s), s)
	}
	add(store.JSON(`{"b":[1.50,null],"a":"ä"}`), json.RawMessage(`{"b":[1.50,null],"a":"ä"}`))
	for _, c := range cases {
		want, err := marshal(c.same)
		must(t, err)
		got := c.v.AppendJSON([]byte("before "))
		if string(got) != "before "+string(want) {
			t.Errorf("%#v: got %s, want %s", c.v, got, want)
		}
	}
}

func TestDatetimeAsJSON(t *testing.T) {
	for in, want := range map[time.Time]string{
		time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC):                                     `"2026-01-31T09:30:00.000Z"`,
		time.Date(2026, 1, 31, 9, 30, 0, 120_000_000, time.UTC):                           `"2026-01-31T09:30:00.120Z"`,
		time.Date(2026, 1, 31, 9, 30, 0, 120_001_999, time.UTC):                           `"2026-01-31T09:30:00.120001Z"`,
		time.Date(2026, 1, 31, 9, 30, 0, 999, time.UTC):                                   `"2026-01-31T09:30:00.000Z"`,
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC):                                          `"0001-01-01T00:00:00.000Z"`,
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC):                        `"9999-12-31T23:59:59.999999Z"`,
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC):                        `"1969-12-31T23:59:59.999999Z"`,
		time.Date(2026, 1, 31, 0, 30, 0, 0, time.FixedZone("", int(time.Hour.Seconds()))): `"2026-01-30T23:30:00.000Z"`,
	} {
		if got := string(store.Time(in).AppendJSON(nil)); got != want {
			t.Errorf("%v: got %s, want %s", in, got, want)
		}
	}
}

func TestZeroHasNoSign(t *testing.T) {
	negative := math.Copysign(0, -1)
	if v := store.Float(negative); v != store.Float(0) || math.Signbit(v.Float()) || string(v.AppendJSON(nil)) != "0" {
		t.Errorf("-0 is %#v, written %s", v, v.AppendJSON(nil))
	}
}

func TestFloatsThatAreNoNumbersAreRefused(t *testing.T) {
	e := sample(t)
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		wantError(t, store.NewPatch(e).Put("ratio", store.Float(f)), store.Error{Kind: store.Invalid, Code: "INVALID_VALUE", Field: "ratio", Message: "ratio must be a finite number"})
	}
}

func TestCompareValues(t *testing.T) {
	// Each list rises; equal neighbours are in one group.
	for name, groups := range map[string][][]store.Value{
		"numbers": {{store.Null}, {store.Float(math.Inf(-1))}, {store.Float(-1e300)}, {store.Int(math.MinInt64), store.Float(-1 << 63)}, {store.Int(math.MinInt64 + 1)}, {store.Float(-1.5)}, {store.Int(-1), store.Float(-1)}, {store.Float(-0.5)},
			{store.Int(0), store.Float(0)}, {store.Float(5e-324)}, {store.Float(0.5)}, {store.Int(1)}, {store.Int(1 << 53), store.Float(1 << 53)}, {store.Int(1<<53 + 1)}, {store.Int(math.MaxInt64 - 1)}, {store.Int(math.MaxInt64)}, {store.Float(1 << 63)}, {store.Float(math.Inf(1))}},
		"text":      {{store.Null}, {store.String(""), store.ID("")}, {store.String("A")}, {store.String("a"), store.Richtext("a"), store.ID("a")}, {store.String("ab")}, {store.String("b")}, {store.String("ä")}, {store.String("\uffff")}, {store.String("😀")}},
		"booleans":  {{store.Null}, {store.Bool(false)}, {store.Bool(true)}},
		"datetimes": {{store.Null}, {store.Micros(-1)}, {store.Micros(0)}, {store.Micros(1)}},
	} {
		for i, as := range groups {
			for j, bs := range groups {
				for _, a := range as {
					for _, b := range bs {
						got, want := store.CompareValues(a, b), 0
						if i != j {
							want = map[bool]int{true: -1, false: 1}[i < j]
						}
						if got != want {
							t.Errorf("%s: %#v against %#v is %d, want %d", name, a, b, got, want)
						}
					}
				}
			}
		}
	}
}

func TestNewIDRises(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	last := ""
	for i, moment := range []time.Time{at, at, at.Add(time.Millisecond), at.Add(-time.Hour), at, at.Add(time.Second)} {
		for range 100 {
			id := store.NewID(moment)
			if id <= last {
				t.Fatalf("step %d: %s does not follow %s", i, id, last)
			}
			if !store.ValidID(id) {
				t.Fatalf("%s is not valid", id)
			}
			last = id
		}
	}
}

func TestNewIDConcurrently(t *testing.T) {
	const each, callers = 2000, 8
	var all sync.WaitGroup
	lists := make([][]string, callers)
	at := time.Now()
	for c := range callers {
		all.Go(func() {
			for range each {
				lists[c] = append(lists[c], store.NewID(at))
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for _, ids := range lists {
		for i, id := range ids {
			if seen[id] {
				t.Fatalf("%s twice", id)
			}
			seen[id] = true
			if i > 0 && ids[i-1] >= id {
				t.Fatalf("one caller got %s and then %s", ids[i-1], id)
			}
		}
	}
}

func TestValidID(t *testing.T) {
	for id, want := range map[string]bool{
		"01ARZ3NDEKTSV4RRFFQ69G5FAV": true, "00000000000000000000000000": true, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ": true,
		"8ZZZZZZZZZZZZZZZZZZZZZZZZZ": false, // more than 128 bits
		"01arz3ndektsv4rrffq69g5fav": false, "01ARZ3NDEKTSV4RRFFQ69G5FAU": false, "01ARZ3NDEKTSV4RRFFQ69G5FAI": false, "01ARZ3NDEKTSV4RRFFQ69G5FA": false,
		"01ARZ3NDEKTSV4RRFFQ69G5FAVV": false, "": false, "01ARZ3NDEKTSV4RRFFQ69G5F\x00V": false, "01ARZ3NDEKTSV4RRFFQ69G5Fä": false,
	} {
		if store.ValidID(id) != want {
			t.Errorf("ValidID(%q) is %v", id, !want)
		}
	}
}
