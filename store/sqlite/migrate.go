package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"ariga.io/atlas/sql/schema"
	atlas "ariga.io/atlas/sql/sqlite"
	_ "modernc.org/sqlite" // database/sql driver, for atlas's inspection only

	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/plan"
)

// Plan compares the file with the declared tables; see [store.Engine].
func (e *Engine) Plan(ctx context.Context, want []*store.Table, drop bool) (*store.Migration, error) {
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(e.path)}).String())
	if err != nil {
		return nil, err
	}
	defer db.Close()
	driver, err := atlas.Open(db)
	if err != nil {
		return nil, fmt.Errorf("inspect the database: %w", err)
	}
	d := &plan.Database{
		Driver: driver, Schema: "main", Count: e.count, Column: column, Literal: literal,
		Predicate: func(expr string) schema.Attr { return &atlas.IndexPredicate{P: expr} },
		// To atlas the new column is one without old values. The drop makes it build
		// the table anew; it must not have the name that the new column has.
		Retype: func(_, _ *schema.Table, from, to *schema.Column) []schema.Change {
			return []schema.Change{&schema.DropColumn{C: schema.NewColumn(from.Name + " of the old type")}, &schema.AddColumn{C: to}}
		},
		Skip: func(sql string) bool { return strings.HasPrefix(sql, "PRAGMA") }, // foreign_keys is off on our connections anyway
	}
	return d.Make(ctx, want, drop)
}

// Apply carries a plan out in one transaction.
func (e *Engine) Apply(ctx context.Context, m *store.Migration) error {
	if len(m.Blocked) > 0 {
		return errors.New(strings.Join(m.Blocked, "; "))
	}
	return e.Write(ctx, func(c store.Conn) error {
		for _, s := range m.Steps {
			if err := c.Exec(s.SQL, nil); err != nil {
				if store.HasCode(err, "UNIQUE_VIOLATION") {
					return fmt.Errorf("%s: rows in the table have the same value: %w", s.Comment, err)
				}
				return fmt.Errorf("%s: %w", s.Comment, err)
			}
		}
		return nil
	})
}

func (e *Engine) count(ctx context.Context, query string) (n int64, err error) {
	err = e.Read(ctx, func(c store.Conn) error {
		return c.Query(query, nil, func(r store.Rows) error {
			n = r.Value(0, store.TypeInt).Int()
			return nil
		})
	})
	return n, err
}

func column(c store.Column, numbered bool) *schema.Column {
	var ac *schema.Column
	switch c.Type {
	case store.TypeInt, store.TypeBool, store.TypeDatetime:
		ac = schema.NewIntColumn(c.Name, "integer")
		ac.Type.Raw = "integer"
	case store.TypeFloat:
		ac = schema.NewFloatColumn(c.Name, "real")
		ac.Type.Raw = "real"
	case store.TypeBytes:
		ac = schema.NewBinaryColumn(c.Name, "blob")
		ac.Type.Raw = "blob"
	default:
		ac = schema.NewStringColumn(c.Name, "text")
		ac.Type.Raw = "text"
	}
	if numbered {
		ac.AddAttrs(&atlas.AutoIncrement{}) // a number is never given twice
	}
	return ac
}

// literal is a value as SQL.
func literal(v store.Value) string {
	switch v.Type() {
	case store.TypeInt, store.TypeBool, store.TypeDatetime:
		return strconv.FormatInt(v.Int(), 10)
	case store.TypeFloat:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	default:
		return plan.Text(v.Str())
	}
}
