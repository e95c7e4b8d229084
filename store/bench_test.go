package store_test

import (
	"testing"
	"time"

	"github.com/pylon-go/pylon/store"
)

var body = []byte(`{"title":"A title of usual length","count":42,"ratio":0.75,"done":true,"due":"2026-01-31T09:30:00Z","body":"some <b>text</b> that is longer","data":{"a":[1,2,3]},"owner":"01ARZ3NDEKTSV4RRFFQ69G5FAV","kind":"a"}`)

func sampleRow(t testing.TB) *store.Row {
	p, err := store.DecodePatch(sample(t), body, false)
	must(t, err)
	return &store.Row{Entity: p.Entity, ID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", Values: p.Values}
}

// A row is written into a buffer that is there without another allocation.
func TestRowJSONAllocatesNothing(t *testing.T) {
	row := sampleRow(t)
	buffer := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buffer = row.AppendJSON(buffer[:0]) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecodePatch(b *testing.B) {
	e := sample(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := store.DecodePatch(e, body, false); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeQuery(b *testing.B) {
	e := sample(b)
	q := []byte(`{"title":{"$like":"a%"},"count":{"$gt":5},"$order":{"due":"desc"},"$limit":20}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := store.DecodeQuery(e, q); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRowJSON(b *testing.B) {
	row := sampleRow(b)
	buffer := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buffer = row.AppendJSON(buffer[:0])
	}
}

func BenchmarkNewID(b *testing.B) {
	at := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		store.NewID(at)
	}
}

func BenchmarkMatch(b *testing.B) {
	row := sampleRow(b)
	f := store.And{store.Compare{Field: 1, Op: store.Gt, Value: store.Int(5)}, store.Like{Field: 0, Pattern: "%usual%"}, store.Not{Filter: store.IsNull{Field: 2}}}
	b.ReportAllocs()
	for b.Loop() {
		if !f.Match(row) {
			b.Fatal("no match")
		}
	}
}
