package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pylon-go/pylon/store"
)

// shelf is the table that the migrations change.
func shelf(change ...func(t *store.Table)) *store.Table {
	t := &store.Table{Name: "Shelf", PrimaryKey: []string{"id"}, Columns: []store.Column{
		{Name: "id", Type: store.TypeID},
		{Name: "title", Type: store.TypeString},
		{Name: "note", Type: store.TypeString, Null: true},
		{Name: "size", Type: store.TypeInt, Null: true},
	}, Indexes: []store.Index{{Name: "Shelf_size", Columns: []string{"size"}}}}
	for _, c := range change {
		c(t)
	}
	return t
}

func addColumn(c store.Column) func(*store.Table) {
	return func(t *store.Table) { t.Columns = append(t.Columns, c) }
}

func dropColumn(name string) func(*store.Table) {
	return func(t *store.Table) {
		t.Columns = slices.DeleteFunc(t.Columns, func(c store.Column) bool { return c.Name == name })
		t.Indexes = slices.DeleteFunc(t.Indexes, func(i store.Index) bool { return slices.Contains(i.Columns, name) })
	}
}

func setColumn(name string, set func(*store.Column)) func(*store.Table) {
	return func(t *store.Table) {
		i := slices.IndexFunc(t.Columns, func(c store.Column) bool { return c.Name == name })
		set(&t.Columns[i])
	}
}

func setIndexes(ix ...store.Index) func(*store.Table) {
	return func(t *store.Table) { t.Indexes = ix }
}

// migration is a change of one table that has rows a to e, or none.
type migration struct {
	name    string
	empty   bool
	from    []func(*store.Table)
	to      []func(*store.Table)
	losses  []string // how each must begin
	blocked []string // exactly
	// rows are the contents afterwards, "id|column=value…" of the columns in show.
	show string
	rows []string
	// fails is in the error of Apply.
	fails string
	// same says that there is nothing to do.
	same bool
}

var kept = []string{"a|T'a|note a|1", "b|T'b|<null>|2", "c|T'c|note c|<null>", "d|T'd|<null>|2", "e|T'e|note e|5"}

var migrations = []migration{
	{name: "nothing changes", same: true, show: "title,note,size", rows: kept},
	{name: "add an optional column", to: []func(*store.Table){addColumn(store.Column{Name: "extra", Type: store.TypeFloat, Null: true})},
		show: "title,note,size,extra", rows: suffixed("|<null>")},
	{name: "add a required column with a default", to: []func(*store.Table){addColumn(store.Column{Name: "extra", Type: store.TypeString, Default: store.String(`it's "x"`)})},
		show: "title,note,size,extra", rows: suffixed(`|it's "x"`)},
	{name: "add a required int with a default", to: []func(*store.Table){addColumn(store.Column{Name: "extra", Type: store.TypeInt, Default: store.Int(-7)})},
		show: "title,note,size,extra", rows: suffixed(`|-7`)},
	{name: "add a required float with a default", to: []func(*store.Table){addColumn(store.Column{Name: "extra", Type: store.TypeFloat, Default: store.Float(0.25)})},
		show: "title,note,size,extra", rows: suffixed(`|0.25`)},
	{name: "add a required bool with a default", to: []func(*store.Table){addColumn(store.Column{Name: "extra", Type: store.TypeBool, Default: store.Bool(true)})},
		show: "title,note,size,extra", rows: suffixed(`|true`)},
	{name: "add a required column with an empty default", to: []func(*store.Table){addColumn(store.Column{Name: "extra", Type: store.TypeJSON, Default: store.JSON(`{"a":[]}`)})},
		show: "title,note,size,extra", rows: suffixed(`|{"a":[]}`)},
	{name: "add a required column without a default", to: []func(*store.Table){addColumn(store.Column{Name: "extra", Type: store.TypeString})},
		blocked: []string{"Shelf.extra is required and has no default, but the table has rows: make it optional or give it a default"}},
	{name: "add a required column without a default to an empty table", empty: true, to: []func(*store.Table){addColumn(store.Column{Name: "extra", Type: store.TypeString})},
		show: "extra"},
	{name: "drop a column", to: []func(*store.Table){dropColumn("note")}, losses: []string{"drops Shelf.note with its values"},
		show: "title,size", rows: []string{"a|T'a|1", "b|T'b|2", "c|T'c|<null>", "d|T'd|2", "e|T'e|5"}},
	{name: "drop a column with its index", to: []func(*store.Table){dropColumn("size")}, losses: []string{"drops Shelf.size with its values"},
		show: "title", rows: []string{"a|T'a", "b|T'b", "c|T'c", "d|T'd", "e|T'e"}},
	{name: "drop a column of an empty table", empty: true, to: []func(*store.Table){dropColumn("note")}, show: "title"},
	{name: "change a type", to: []func(*store.Table){setColumn("size", func(c *store.Column) { c.Type = store.TypeString })},
		losses: []string{"changes the type of Shelf.size from "}, show: "title,note,size", rows: []string{"a|T'a|note a|<null>", "b|T'b|<null>|<null>", "c|T'c|note c|<null>", "d|T'd|<null>|<null>", "e|T'e|note e|<null>"}},
	{name: "change the type of a required column", to: []func(*store.Table){setColumn("title", func(c *store.Column) { c.Type = store.TypeInt })},
		losses: []string{"changes the type of Shelf.title from "}, blocked: []string{"Shelf.title changes its type, is required and has no default, but the table has rows"}},
	{name: "change the type of an empty table", empty: true, to: []func(*store.Table){setColumn("title", func(c *store.Column) { c.Type = store.TypeInt })}, show: "title"},
	{name: "types of the same storage are the same", same: true, to: []func(*store.Table){setColumn("note", func(c *store.Column) { c.Type = store.TypeRichtext })},
		show: "title,note,size", rows: kept},
	{name: "required becomes optional", to: []func(*store.Table){setColumn("title", func(c *store.Column) { c.Null = true })},
		show: "title,note,size", rows: kept},
	{name: "optional becomes required, with nulls and a default", to: []func(*store.Table){setColumn("note", func(c *store.Column) { c.Null, c.Default = false, store.String("none") })},
		show: "title,note,size", rows: []string{"a|T'a|note a|1", "b|T'b|none|2", "c|T'c|note c|<null>", "d|T'd|none|2", "e|T'e|note e|5"}},
	{name: "optional becomes required, with nulls and no default", to: []func(*store.Table){setColumn("note", func(c *store.Column) { c.Null = false })},
		blocked: []string{"Shelf.note becomes required and has no default, but is null in 2 rows"}},
	{name: "optional becomes required, without nulls", from: []func(*store.Table){setColumn("title", func(c *store.Column) { c.Null = true })}, show: "title,note,size", rows: kept},
	{name: "a default alone", same: true, to: []func(*store.Table){setColumn("note", func(c *store.Column) { c.Default = store.String("new") })}, show: "title,note,size", rows: kept},
	{name: "add indexes", to: []func(*store.Table){setIndexes(store.Index{Name: "Shelf_size", Columns: []string{"size"}}, store.Index{Name: "Shelf_title_u", Columns: []string{"title"}, Unique: true}, store.Index{Name: "Shelf_n", Columns: []string{"note", "size"}}, store.Index{Name: "Shelf_partial", Columns: []string{"note"}, NotNull: "note"})},
		show: "title,note,size", rows: kept},
	{name: "drop an index", to: []func(*store.Table){setIndexes()}, show: "title,note,size", rows: kept},
	{name: "change the columns of an index", to: []func(*store.Table){setIndexes(store.Index{Name: "Shelf_size", Columns: []string{"size", "title"}})}, show: "title,note,size", rows: kept},
	{name: "an index becomes unique", from: []func(*store.Table){setIndexes(store.Index{Name: "Shelf_t", Columns: []string{"title"}})},
		to: []func(*store.Table){setIndexes(store.Index{Name: "Shelf_t", Columns: []string{"title"}, Unique: true})}, show: "title,note,size", rows: kept},
	{name: "an index becomes partial", from: []func(*store.Table){setIndexes(store.Index{Name: "Shelf_t", Columns: []string{"note"}})},
		to: []func(*store.Table){setIndexes(store.Index{Name: "Shelf_t", Columns: []string{"note"}, NotNull: "note"})}, show: "title,note,size", rows: kept},
	{name: "a unique index over duplicates", to: []func(*store.Table){addColumn(store.Column{Name: "extra", Type: store.TypeInt, Null: true}), setIndexes(store.Index{Name: "Shelf_size_u", Columns: []string{"size"}, Unique: true})},
		fails: "rows in the table have the same value", show: "title,note,size", rows: kept},
	{name: "several changes at once", to: []func(*store.Table){dropColumn("size"), addColumn(store.Column{Name: "extra", Type: store.TypeInt, Default: store.Int(3)}),
		setColumn("note", func(c *store.Column) { c.Null, c.Default = false, store.String("") }), setIndexes(store.Index{Name: "Shelf_x", Columns: []string{"extra", "note"}})},
		losses: []string{"drops Shelf.size with its values"}, show: "title,note,extra", rows: []string{"a|T'a|note a|3", "b|T'b||3", "c|T'c|note c|3", "d|T'd||3", "e|T'e|note e|3"}},
}

func suffixed(s string) (out []string) {
	for _, k := range kept {
		out = append(out, k+s)
	}
	return out
}

func (s *suite) migrate(t *testing.T) {
	for _, m := range migrations {
		t.Run(m.name, func(t *testing.T) { s.migrateOne(t, m) })
	}
	t.Run("undeclared tables are kept and reported, dropped when told", func(t *testing.T) {
		r := s.rig(t, nil, shelf(), counter())
		must(t, r.engine.Write(t.Context(), func(c store.Conn) error { return addNumber(c, 1, "x") }))
		plan, err := r.engine.Plan(t.Context(), []*store.Table{shelf()}, false)
		must(t, err)
		wantEqual(t, "undeclared", plan.Undeclared, []string{"_pylon_counter"})
		wantEqual(t, "steps", len(plan.Steps)+len(plan.Losses)+len(plan.Blocked), 0)
		must(t, r.engine.Apply(t.Context(), plan))
		wantEqual(t, "numbers", ints(t, r.engine, counterAll), []int64{1})

		plan, err = r.engine.Plan(t.Context(), []*store.Table{shelf()}, true)
		must(t, err)
		wantEqual(t, "losses", plan.Losses, []string{"drops the table _pylon_counter with all its rows"})
		wantEqual(t, "undeclared", plan.Undeclared, []string(nil))
		must(t, r.engine.Apply(t.Context(), plan))
		plan, err = r.engine.Plan(t.Context(), []*store.Table{shelf()}, true)
		must(t, err)
		wantEqual(t, "what is left to do", len(plan.Steps)+len(plan.Losses)+len(plan.Undeclared), 0)
	})
	t.Run("every declared thing is made once", func(t *testing.T) {
		r := s.rig(t, []*store.Entity{person(), specimen()}, counter(), &store.Table{Name: "_pylon_pair", PrimaryKey: []string{"a", "b"}, Columns: []store.Column{
			{Name: "a", Type: store.TypeString}, {Name: "b", Type: store.TypeInt}, {Name: "raw", Type: store.TypeBytes, Null: true},
			{Name: "at", Type: store.TypeDatetime, Default: store.Micros(5)}, {Name: "order", Type: store.TypeBool, Default: store.Bool(false)}},
			Indexes: []store.Index{{Name: "_pylon_pair_at", Columns: []string{"order", "at"}, NotNull: "raw"}}})
		plan, err := r.engine.Plan(t.Context(), r.db.Schema().AllTables(), true)
		must(t, err)
		if len(plan.Steps)+len(plan.Losses)+len(plan.Blocked)+len(plan.Undeclared) > 0 {
			t.Fatalf("the second plan is not empty: %+v", plan)
		}
		if s.reopen == nil {
			return
		}
		plan, err = s.reopen(t, r.engine).Plan(t.Context(), r.db.Schema().AllTables(), true)
		must(t, err)
		wantEqual(t, "steps after a restart", len(plan.Steps), 0)
	})
}

func (s *suite) migrateOne(t *testing.T, m migration) {
	r := s.rig(t, nil, shelf(m.from...))
	e := r.engine
	if !m.empty {
		must(t, e.Write(t.Context(), func(c store.Conn) error {
			for i, id := range []string{"a", "b", "c", "d", "e"} {
				note, size := store.String("note "+id), store.Int([]int64{1, 2, 0, 2, 5}[i])
				if i%2 == 1 {
					note = store.Null
				}
				if i == 2 {
					size = store.Null
				}
				if err := c.Exec(`INSERT INTO "Shelf" ("id","title","note","size") VALUES (?,?,?,?)`, []store.Value{store.ID(id), store.String("T'" + id), note, size}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	want := []*store.Table{shelf(m.to...)}
	plan, err := e.Plan(t.Context(), want, false)
	must(t, err)
	wantEqual(t, "blocked", plan.Blocked, m.blocked)
	if len(plan.Losses) != len(m.losses) {
		t.Fatalf("losses: got %q, want %q", plan.Losses, m.losses)
	}
	for i, l := range m.losses {
		if !strings.HasPrefix(plan.Losses[i], l) {
			t.Fatalf("losses: got %q, want %q", plan.Losses, m.losses)
		}
	}
	if m.same && len(plan.Steps) > 0 || !m.same && m.blocked == nil && len(plan.Steps) == 0 {
		t.Fatalf("steps: %+v", plan.Steps)
	}

	err = e.Apply(t.Context(), plan)
	switch {
	case m.blocked != nil:
		if err == nil || !strings.Contains(err.Error(), m.blocked[0]) {
			t.Fatalf("Apply of a blocked plan: %v", err)
		}
		wantEqual(t, "rows", ints(t, e, `SELECT count(*) FROM "Shelf"`), []int64{5})
		return
	case m.fails != "":
		if err == nil || !strings.Contains(err.Error(), m.fails) {
			t.Fatalf("Apply: %v, want an error with %q", err, m.fails)
		}
		plan, err := e.Plan(t.Context(), []*store.Table{shelf(m.from...)}, true)
		must(t, err)
		wantEqual(t, "steps back to where it was", len(plan.Steps), 0)
		wantEqual(t, "rows", contents(t, e, shelf(m.from...), m.show), m.rows)
		return
	}
	must(t, err)
	plan, err = e.Plan(t.Context(), want, true)
	must(t, err)
	if len(plan.Steps) > 0 {
		t.Fatalf("the plan after its own work is not empty: %+v", plan.Steps)
	}
	wantEqual(t, "rows", contents(t, e, want[0], m.show), m.rows)
}

// contents are the rows of a table as text.
func contents(t *testing.T, e store.Engine, table *store.Table, show string) (out []string) {
	t.Helper()
	names := strings.Split(show, ",")
	sql := `SELECT "id"`
	var types []store.Type
	for _, name := range names {
		sql += "," + store.Quote(name)
		for _, c := range table.Columns {
			if c.Name == name {
				types = append(types, c.Type)
			}
		}
	}
	must(t, e.Read(t.Context(), func(c store.Conn) error {
		return c.Query(sql+` FROM "Shelf" ORDER BY "id"`, nil, func(r store.Rows) error {
			line := r.Value(0, store.TypeID).Str()
			for i, typ := range types {
				v := r.Value(i+1, typ)
				if v.IsNull() {
					line += "|<null>"
				} else {
					line += fmt.Sprint("|", v.Interface())
				}
			}
			out = append(out, line)
			return nil
		})
	}))
	return out
}
