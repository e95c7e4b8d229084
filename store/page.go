package store

import "strconv"

// AppendRows writes the rows of a query that the actor may see as a JSON array, each by
// row. It asks for one row more than the limit, to know whether there are more; n rows
// are written, and last is the id of the last one.
func (tx *Tx) AppendRows(dst []byte, q *Query, row func(dst []byte, r *Row) []byte) (out []byte, n int, last string, more bool, err error) {
	ask := *q
	ask.Limit++
	dst = append(dst, '[')
	err = tx.Each(&ask, func(r *Row) error {
		if n == q.Limit {
			more = true
			return Stop
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = row(dst, r)
		last = r.ID
		n++
		return nil
	})
	return append(dst, ']'), n, last, more, err
}

// AppendPage writes a page of a query in the order of ids:
// {"data":[…],"next_cursor":…,"has_more":…}. The cursor is the id of the last row, null on
// the last page.
func (tx *Tx) AppendPage(dst []byte, q *Query, row func(dst []byte, r *Row) []byte) ([]byte, error) {
	dst, _, last, more, err := tx.AppendRows(append(dst, `{"data":`...), q, row)
	dst = append(dst, `,"next_cursor":`...)
	if more {
		dst = AppendJSONString(dst, last)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"has_more":`...)
	return append(strconv.AppendBool(dst, more), '}'), err
}
