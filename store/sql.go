package store

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// entitySQL holds the statements of an entity that never change.
type entitySQL struct {
	insert   string
	get      string
	delete   string
	columns  string   // "id","a","b"
	jsonKeys []string // `,"name":`
}

func newEntitySQL(e *Entity) entitySQL {
	var s entitySQL
	cols := []string{Quote("id")}
	for _, name := range e.FieldNames() {
		cols = append(cols, Quote(name))
		s.jsonKeys = append(s.jsonKeys, ","+string(AppendJSONString(nil, name))+":")
	}
	s.columns = strings.Join(cols, ",")
	table := Quote(e.Name)
	s.insert = "INSERT INTO " + table + " (" + s.columns + ") VALUES (?" + strings.Repeat(",?", len(e.Fields)) + ")"
	s.get = "SELECT " + s.columns + " FROM " + table + " WHERE " + Quote("id") + " = ?"
	s.delete = "DELETE FROM " + table + " WHERE " + Quote("id") + " = ?"
	return s
}

// Quote quotes an identifier.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// sqlBuilder writes SQL and collects its arguments.
type sqlBuilder struct {
	dialect *Dialect
	entity  *Entity
	sql     []byte
	args    []Value
}

func (b *sqlBuilder) text(s string) { b.sql = append(b.sql, s...) }

func (b *sqlBuilder) column(field int) string {
	if field == FieldIDIndex {
		return Quote("id")
	}
	return Quote(b.entity.Fields[field].Name)
}

func (b *sqlBuilder) typeOf(field int) Type {
	if field == FieldIDIndex {
		return TypeID
	}
	return b.entity.Fields[field].Type
}

// nullable reports whether a field may be null, and so has a place for nulls in
// an order. An engine's indexes have the same.
func (b *sqlBuilder) nullable(field int) bool {
	return field != FieldIDIndex && b.entity.Fields[field].Optional
}

func (b *sqlBuilder) arg(v Value) {
	b.sql = append(b.sql, '?')
	b.args = append(b.args, v)
}

func (b *sqlBuilder) join(parts []Filter, sep, empty string) {
	if len(parts) == 0 {
		b.text(empty)
		return
	}
	b.text("(")
	for i, p := range parts {
		if i > 0 {
			b.text(sep)
		}
		p.appendSQL(b)
	}
	b.text(")")
}

func (f And) appendSQL(b *sqlBuilder) { b.join(f, " AND ", "1=1") }
func (f Or) appendSQL(b *sqlBuilder)  { b.join(f, " OR ", "1=0") }

// A comparison with null is unknown in SQL and false here, so Not must say true.
func (f Not) appendSQL(b *sqlBuilder) {
	b.text("((")
	f.Filter.appendSQL(b)
	b.text(") IS NOT TRUE)")
}

func (f Const) appendSQL(b *sqlBuilder) {
	if f {
		b.text("1=1")
	} else {
		b.text("1=0")
	}
}

func (f Compare) appendSQL(b *sqlBuilder) {
	if f.Value.IsNull() {
		b.text("1=0")
		return
	}
	op, v, all := exactly(b.typeOf(f.Field), f.Op, f.Value)
	switch {
	case op != "":
		b.text(b.column(f.Field) + " " + string(op) + " ")
		b.arg(v)
	case all:
		b.text(b.column(f.Field) + " IS NOT NULL")
	default:
		b.text("1=0")
	}
}

func (f CompareFields) appendSQL(b *sqlBuilder) {
	if exact := b.dialect.IntFloat; exact != nil {
		switch one, other := b.typeOf(f.Field), b.typeOf(f.Other); {
		case one == TypeInt && other == TypeFloat:
			b.text(exact(b.column(f.Field), string(f.Op), b.column(f.Other)))
			return
		case one == TypeFloat && other == TypeInt:
			b.text(exact(b.column(f.Other), string(f.Op.turned()), b.column(f.Field)))
			return
		}
	}
	b.text(b.column(f.Field) + " " + string(f.Op) + " " + b.column(f.Other))
}

func (f IsNull) appendSQL(b *sqlBuilder) { b.text(b.column(f.Field) + " IS NULL") }

func (f In) appendSQL(b *sqlBuilder) {
	before := len(b.sql)
	b.text(b.column(f.Field) + " IN (")
	sep := ""
	for _, v := range f.Values {
		op, v, _ := exactly(b.typeOf(f.Field), Eq, v)
		if op == "" || v.IsNull() { // equals nothing
			continue
		}
		b.text(sep)
		b.arg(v)
		sep = ","
	}
	if sep == "" {
		b.sql = append(b.sql[:before], "1=0"...)
		return
	}
	b.text(")")
}

func (f Like) appendSQL(b *sqlBuilder) {
	b.text(b.dialect.Like(b.column(f.Field), "?"))
	b.args = append(b.args, String(f.Pattern))
}

func (f StartsWith) appendSQL(b *sqlBuilder) {
	b.text("substr(" + b.column(f.Field) + ",1," + strconv.Itoa(utf8.RuneCountInString(f.Text)) + ") = ")
	b.arg(String(f.Text))
}

func (f EndsWith) appendSQL(b *sqlBuilder) {
	if f.Text == "" {
		b.text(b.column(f.Field) + " IS NOT NULL")
		return
	}
	b.text(b.dialect.EndsWith(b.column(f.Field), utf8.RuneCountInString(f.Text), "?"))
	b.args = append(b.args, String(f.Text))
}

// Query asks for rows of one entity.
type Query struct {
	Entity *Entity
	Filter Filter // nil means all
	Order  []Order
	// Limit 0 means no limit.
	Limit, Offset int
}

// Order sorts by a field. Nulls come first ascending and last descending; rows
// that are equal in every given field are ordered by id.
type Order struct {
	Field int
	Desc  bool
}

// selectSQL builds the statement of a query. paged says that the database itself
// may apply limit and offset (no rule is left to check on each row).
func selectSQL(d *Dialect, q *Query, filter Filter, paged bool) (string, []Value) {
	b := &sqlBuilder{dialect: d, entity: q.Entity}
	b.text("SELECT " + q.Entity.sql.columns + " FROM " + Quote(q.Entity.Name))
	if filter != nil {
		b.text(" WHERE ")
		filter.appendSQL(b)
	}
	b.text(" ORDER BY ")
	byID := false
	for _, o := range q.Order {
		b.text(b.column(o.Field))
		switch null := b.nullable(o.Field); {
		case o.Desc && null:
			b.text(" DESC" + d.NullsLast + ",")
		case o.Desc:
			b.text(" DESC,")
		case null:
			b.text(" ASC" + d.NullsFirst + ",")
		default:
			b.text(" ASC,")
		}
		if byID = o.Field == FieldIDIndex; byID {
			break
		}
	}
	if byID {
		b.sql = b.sql[:len(b.sql)-1]
	} else {
		b.text(Quote("id") + " ASC")
	}
	if paged && q.Limit > 0 {
		b.text(" LIMIT ")
		b.arg(Int(int64(q.Limit)))
		if q.Offset > 0 {
			b.text(" OFFSET ")
			b.arg(Int(int64(q.Offset)))
		}
	}
	return string(b.sql), b.args
}
