package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pylon-go/pylon/store"
)

// marshal is encoding/json without the escapes that only HTML needs.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// wantOurs holds every refusal to be one that the caller may see.
func wantOurs(t *testing.T, err error) {
	t.Helper()
	var e *store.Error
	if !errors.As(err, &e) || e.Kind != store.Invalid || e.Code == "" || e.Message == "" {
		t.Fatalf("not an error for the caller: %v", err)
	}
}

func addBodies(f *testing.F) {
	for _, s := range []string{``, `{}`, `{"title":"x"}`, `{"count":1e3,"data":{"a":[1,{"b":null}]}}`, ` { "due" : "2026-01-31T09:30:00Z" } `, `{"a":"\"},{"}`, `{"\u0074itle":"\ud800"}`,
		`{"count":{"$gt":1,"$in":[1,null]},"$order":{"id":"asc"},"$limit":3}`, `{"title":{"$like":"%a_"}}`, "{\"title\":\"\xff\"}", `[{}]`, `{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}`, `{"data":-0.0}`, `{"x":01}`, "{\"\\\\\":1}"} {
		f.Add([]byte(s))
	}
}

func FuzzDecodePatch(f *testing.F) {
	addBodies(f)
	e := sample(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := store.DecodePatch(e, body, true)
		if err != nil {
			wantOurs(t, err)
			return
		}
		// What was taken is written and taken again to the same values.
		row := &store.Row{Entity: e, ID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", Values: p.Values}
		text := row.AppendJSONFields(nil, append([]string{}, p.Set.Names(e)...), nil) // no names are not all names
		if !json.Valid(text) || !utf8.Valid(text) {
			t.Fatalf("%s became %s", body, text)
		}
		again, err := store.DecodePatch(e, text, true)
		if err != nil {
			t.Fatalf("%s became %s: %v", body, text, err)
		}
		for i, on := range p.Set {
			if on && !e.Fields[i].ServerOnly && (!again.Set[i] || again.Values[i] != p.Values[i]) {
				t.Fatalf("%s became %s: %s was %#v, is %#v", body, text, e.Fields[i].Name, p.Values[i], again.Values[i])
			}
		}
	})
}

func FuzzDecodeQuery(f *testing.F) {
	addBodies(f)
	e := sample(f)
	rows := []*store.Row{
		{Entity: e, ID: "a", Values: make([]store.Value, len(e.Fields))},
		{Entity: e, ID: "b", Values: []store.Value{store.String("x"), store.Int(1), store.Float(1.5), store.Bool(true), store.Micros(0), store.Richtext("b"), store.JSON("{}"), store.ID("a"), store.String("a"), store.Null}},
	}
	hidden, _ := e.Lookup("hash")
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := store.DecodeQuery(e, body)
		if err != nil {
			wantOurs(t, err)
			return
		}
		if q.Limit < 1 || q.Limit > store.MaxLimit || q.Offset < 0 {
			t.Fatalf("limit %d offset %d", q.Limit, q.Offset)
		}
		for _, o := range q.Order {
			if o.Field == hidden {
				t.Fatal("orders by a serverOnly field")
			}
		}
		if q.Filter == nil {
			return
		}
		for _, r := range rows { // must not panic, and never look at the hidden field
			before := q.Filter.Match(r)
			changed := r.Clone()
			changed.Values[hidden] = store.String("secret")
			if q.Filter.Match(changed) != before {
				t.Fatal("filters by a serverOnly field")
			}
			if (store.Not{Filter: q.Filter}).Match(r) == before {
				t.Fatal("Not of the filter says the same")
			}
		}
	})
}

func FuzzEachMember(f *testing.F) {
	addBodies(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		type pair struct{ key, value string }
		var got []pair
		err := store.EachMember(body, func(key string, raw []byte) error {
			got = append(got, pair{string([]rune(key)), string(raw)}) // encoding/json repairs UTF-8
			return nil
		})
		want, ok := members[pair](body, func(k, v string) pair { return pair{k, v} })
		if (err == nil) != ok {
			t.Fatalf("EachMember: %v, encoding/json takes it: %v", err, ok)
		}
		if err != nil {
			wantOurs(t, err)
			return
		}
		if len(got) != len(want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("member %d: got %q, want %q", i, got[i], want[i])
			}
		}
	})
}

// members are those of a JSON object as encoding/json sees them.
func members[P any](body []byte, make func(k, v string) P) (out []P, ok bool) {
	if !json.Valid(body) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, false
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, false
		}
		out = append(out, make(key.(string), string(raw)))
	}
	return out, true
}

func FuzzAppendJSONString(f *testing.F) {
	for _, s := range []string{"", "a", "\x00\x1f\"\\", "\u2028", "\xff", "ä\xc3", "😀\xf0\x9f", strings.Repeat("x", 100), "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := store.AppendJSONString(nil, s)
		want, err := marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var ours, theirs string
		if err := json.Unmarshal(got, &ours); err != nil {
			t.Fatalf("%q: %s: %v", s, got, err)
		}
		if err := json.Unmarshal(want, &theirs); err != nil {
			t.Fatal(err)
		}
		if ours != theirs || !utf8.Valid(got) || bytes.ContainsAny(got, "\u2028\u2029") {
			t.Fatalf("%q: got %s, encoding/json has %s", s, got, want)
		}
	})
}
