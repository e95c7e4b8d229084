package postgres

import (
	"sync"

	"github.com/pylon-go/pylon/store"
)

// batch is a few rows of a result, out of the connection's buffer: a caller may
// ask something else between two of them. It is the [store.Rows] of its current row.
type batch struct {
	oids  []uint32
	data  []byte
	cells []cell
	rows  int
	row   int
}

// cell is where a value is in data; a length of -1 is null.
type cell struct{ from, length int }

var batches = sync.Pool{New: func() any { return new(batch) }}

func newBatch(st *statement) *batch {
	b := batches.Get().(*batch)
	b.oids = st.results
	b.reset()
	return b
}

func (b *batch) free() {
	if cap(b.data) > 1<<20 { // large values are not kept for ever
		b.data = nil
	}
	b.oids = nil
	batches.Put(b)
}

func (b *batch) reset() { b.data, b.cells, b.rows = b.data[:0], b.cells[:0], 0 }

func (b *batch) add(values [][]byte) {
	for _, v := range values {
		c := cell{len(b.data), len(v)}
		if v == nil {
			c.length = -1
		}
		b.cells = append(b.cells, c)
		b.data = append(b.data, v...)
	}
	b.rows++
}

func (b *batch) Value(col int, t store.Type) store.Value {
	c := b.cells[b.row*len(b.oids)+col]
	if c.length < 0 {
		return store.Null
	}
	return decode(b.data[c.from:c.from+c.length], b.oids[col], t)
}
