package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/pylon-go/pylon/store"
)

// A required datetime whose default is the time of the write can be added to a
// table that has rows: they get the time of the migration.
func TestAddedColumnWithTheTimeAsDefault(t *testing.T) {
	e, err := Open(filepath.Join(t.TempDir(), "a.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx := t.Context()
	table := &store.Table{Name: "T", Columns: []store.Column{{Name: "id", Type: store.TypeID}}, PrimaryKey: []string{"id"}}
	migrate := func() *store.Migration {
		t.Helper()
		m, err := e.Plan(ctx, []*store.Table{table}, false)
		if err == nil {
			err = e.Apply(ctx, m)
		}
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	migrate()
	if err := e.Write(ctx, func(c store.Conn) error { return c.Exec(`INSERT INTO "T" (id) VALUES ('x')`, nil) }); err != nil {
		t.Fatal(err)
	}
	table.Columns = append(table.Columns, store.Column{Name: "at", Type: store.TypeDatetime, DefaultNow: true})
	before := time.Now().Add(-time.Microsecond)
	migrate()
	var got time.Time
	if err := e.Read(ctx, func(c store.Conn) error {
		return c.Query(`SELECT at FROM "T"`, nil, func(r store.Rows) error {
			got = r.Value(0, store.TypeDatetime).Time()
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	if got.Before(before) || got.After(time.Now()) {
		t.Errorf("the row got %s", got)
	}
	if m := migrate(); len(m.Steps) > 0 {
		t.Errorf("a second plan has steps: %v", m.Steps)
	}
}
