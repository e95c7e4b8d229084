package pylon

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"strconv"
	"strings"

	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/postgres"
	"github.com/pylon-go/pylon/store/sqlite"
)

// CopiedTable is what [CopyDatabase] did with a table.
type CopiedTable struct {
	Name string
	Rows int
	// Checksum is SHA-256 over all values in the order of the primary key, the same
	// for the source and, read back, for the copy.
	Checksum string
}

// CopyDatabase moves an app's data from one database into another, of the same
// engine or another: src and dst are files of SQLite or URLs of PostgreSQL. The
// source must follow the app's manifest, and the destination must hold none of its
// rows. Everything declared is copied, what waits in the queue too, in one
// transaction that reads its rows back and compares before it commits: after an
// error the destination is as empty as before. Tables that nothing declares any
// more stay behind and are named.
//
// No server may write to the source meanwhile; one on SQLite is refused.
func CopyDatabase(ctx context.Context, o Options, src, dst string, progress func(table string, done, total int)) (tables []CopiedTable, left []string, err error) {
	o.defaults()
	d, err := declare(o.Dir, o.Getenv)
	if err != nil {
		return nil, nil, err
	}
	want := d.schema.AllTables()
	if !isURL(src) {
		if _, err := os.Stat(src); err != nil {
			return nil, nil, fmt.Errorf("the source: %w", err)
		}
	}
	from, err := openAny(ctx, src)
	if err != nil {
		return nil, nil, fmt.Errorf("the source: %w", err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	m, err := from.Plan(ctx, want, false)
	if err != nil {
		return nil, nil, fmt.Errorf("the source: %w", err)
	}
	if len(m.Steps)+len(m.Losses)+len(m.Blocked) > 0 {
		return nil, nil, errors.New("the source does not follow the manifest; run `pylon migrate apply` on it first")
	}
	left = m.Undeclared
	to, err := openAny(ctx, dst)
	if err != nil {
		return nil, nil, fmt.Errorf("the destination: %w", err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if err := prepareCopy(ctx, to, want); err != nil {
		return nil, nil, fmt.Errorf("the destination: %w", err)
	}
	// What the copy reads it has written itself, under the eyes of nobody.
	err = to.Write(store.ReadCommitted(ctx), func(write store.Conn) error {
		tables = tables[:0]
		return from.Read(ctx, func(read store.Conn) error {
			for _, t := range want {
				c, err := copyTable(read, write, to.Dialect(), t, progress)
				if err != nil {
					return fmt.Errorf("copy the table %s: %w", t.Name, err)
				}
				tables = append(tables, c)
			}
			return nil
		})
	})
	if err != nil {
		return nil, nil, err
	}
	return tables, left, nil
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

// openAny opens a database by its URL or file, for itself alone where that is possible.
func openAny(ctx context.Context, at string) (store.Engine, error) {
	if isURL(at) {
		e, err := postgres.Open(ctx, at, postgres.Options{Application: "copy"})
		if err != nil {
			return nil, err
		}
		return e, nil
	}
	e, err := sqlite.Open(at, sqlite.Options{Exclusive: true})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// prepareCopy makes the tables, unless they hold something.
func prepareCopy(ctx context.Context, to store.Engine, want []*store.Table) error {
	m, err := to.Plan(ctx, want, false)
	if err != nil {
		return err
	}
	if len(m.Losses)+len(m.Blocked) > 0 {
		return errors.New("it holds tables of another form; use an empty database")
	}
	if err := to.Apply(ctx, m); err != nil {
		return err
	}
	return to.Read(ctx, func(c store.Conn) error {
		for _, t := range want {
			n, err := countRows(c, t)
			if err != nil {
				return err
			}
			if n > 0 {
				return fmt.Errorf("the table %s has %d rows; a copy does not mix with what is there", t.Name, n)
			}
		}
		return nil
	})
}

func countRows(c store.Conn, t *store.Table) (n int, err error) {
	err = c.Query("SELECT count(*) FROM "+store.Quote(t.Name), nil, func(r store.Rows) error {
		n = int(r.Value(0, store.TypeInt).Int())
		return nil
	})
	return n, err
}

// copyTable copies a table's rows, reads them back and compares.
func copyTable(read, write store.Conn, to *store.Dialect, t *store.Table, progress func(string, int, int)) (CopiedTable, error) {
	c := CopiedTable{Name: t.Name}
	total, err := countRows(read, t)
	if err != nil {
		return c, err
	}
	insert := "INSERT INTO " + store.Quote(t.Name) + " (" + columnList(t) + ") VALUES (?" + strings.Repeat(",?", len(t.Columns)-1) + ")"
	sum, err := eachRow(read, t, func(row []store.Value) error {
		if err := write.Exec(insert, row); err != nil {
			return err
		}
		if c.Rows++; progress != nil && (c.Rows%1000 == 0 || c.Rows == total) {
			progress(t.Name, c.Rows, total)
		}
		return nil
	})
	if err != nil {
		return c, err
	}
	back := 0
	again, err := eachRow(write, t, func([]store.Value) error { back++; return nil })
	switch {
	case err != nil:
		return c, fmt.Errorf("read back: %w", err)
	case c.Rows != total || back != total:
		return c, fmt.Errorf("the source has %d rows, %d were read and %d written", total, c.Rows, back)
	case sum != again:
		return c, errors.New("the rows read back differ from those of the source")
	}
	c.Checksum = sum
	if to.Renumber != nil && t.Numbered() {
		if err := write.Query(to.Renumber(t.Name, t.PrimaryKey[0]), nil, nil); err != nil {
			return c, fmt.Errorf("let its numbers go on: %w", err)
		}
	}
	return c, nil
}

func columnList(t *store.Table) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = store.Quote(c.Name)
	}
	return strings.Join(names, ",")
}

// eachRow gives every row in the order of the primary key, which is the same on
// every engine, and a checksum of all. The row is valid during the call only where
// fn does not keep it.
func eachRow(c store.Conn, t *store.Table, fn func(row []store.Value) error) (checksum string, err error) {
	var key []string
	for _, name := range t.PrimaryKey {
		key = append(key, store.Quote(name))
	}
	sum := sha256.New()
	err = c.Query("SELECT "+columnList(t)+" FROM "+store.Quote(t.Name)+" ORDER BY "+strings.Join(key, ","), nil, func(r store.Rows) error {
		row := make([]store.Value, len(t.Columns)) // an engine may send it later
		for i, column := range t.Columns {
			row[i] = r.Value(i, column.Type)
			addValue(sum, row[i])
		}
		return fn(row)
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// addValue adds a value to a checksum so that no two lists of values look the same.
func addValue(sum hash.Hash, v store.Value) {
	text := v.Str()
	if !v.IsNull() && !v.IsText() {
		if text = strconv.FormatInt(v.Int(), 10); v.Type() == store.TypeFloat {
			text = strconv.FormatFloat(v.Float(), 'g', -1, 64)
		}
	}
	var head [9]byte
	head[0] = byte(v.Type())
	binary.BigEndian.PutUint64(head[1:], uint64(len(text)))
	sum.Write(head[:])      //nolint:errcheck // never fails
	sum.Write([]byte(text)) //nolint:errcheck // never fails
}
