package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/schema"
	atlas "ariga.io/atlas/sql/sqlite"
	_ "modernc.org/sqlite" // database/sql driver, for atlas's inspection only

	"github.com/pylon-go/pylon/store"
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
	current, err := driver.InspectSchema(ctx, "main", nil)
	if err != nil {
		return nil, fmt.Errorf("inspect the database: %w", err)
	}
	p := &planner{ctx: ctx, engine: e, driver: driver, plan: &store.Migration{}}
	declared := map[string]bool{}
	for _, t := range want {
		declared[t.Name] = true
		have, ok := current.Table(t.Name)
		if !ok {
			p.add(&schema.AddTable{T: desired(current, t)})
			continue
		}
		if err := p.change(have, desired(current, t)); err != nil {
			return nil, err
		}
	}
	for _, t := range current.Tables {
		switch {
		case declared[t.Name]:
		case drop:
			p.lose("drops the table %s with all its rows", t.Name)
			p.add(&schema.DropTable{T: t})
		default:
			p.plan.Undeclared = append(p.plan.Undeclared, t.Name)
		}
	}
	if len(p.changes) == 0 || len(p.plan.Blocked) > 0 {
		return p.plan, nil
	}
	steps, err := driver.PlanChanges(ctx, "migrate", p.changes, func(o *migrate.PlanOptions) {
		none := "" // plain names: main."User" would not survive a backup opened under another name
		o.SchemaQualifier = &none
	})
	if err != nil {
		return nil, fmt.Errorf("plan the migration: %w", err)
	}
	for _, s := range steps.Changes {
		if strings.HasPrefix(s.Cmd, "PRAGMA") { // foreign_keys is off on our connections anyway
			continue
		}
		if len(s.Args) > 0 {
			return nil, fmt.Errorf("plan the migration: a step has arguments: %s", s.Cmd)
		}
		p.plan.Steps = append(p.plan.Steps, store.MigrationStep{SQL: s.Cmd, Comment: s.Comment})
	}
	return p.plan, nil
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

// planner turns differences into changes that keep data, or says why it cannot.
type planner struct {
	ctx     context.Context
	engine  *Engine
	driver  migrate.Driver
	changes []schema.Change
	plan    *store.Migration
}

func (p *planner) add(c ...schema.Change) { p.changes = append(p.changes, c...) }

func (p *planner) lose(format string, args ...any) {
	p.plan.Losses = append(p.plan.Losses, fmt.Sprintf(format, args...))
}

func (p *planner) block(format string, args ...any) {
	p.plan.Blocked = append(p.plan.Blocked, fmt.Sprintf(format, args...))
}

// change plans how a table gets its new form.
func (p *planner) change(have, want *schema.Table) error {
	diff, err := p.driver.TableDiff(have, want)
	if err != nil {
		return fmt.Errorf("compare the table %s: %w", have.Name, err)
	}
	if len(diff) == 0 {
		return nil
	}
	empty, err := p.count("SELECT count(*) FROM (SELECT 1 FROM " + store.Quote(have.Name) + " LIMIT 1)")
	if err != nil {
		return err
	}
	if empty == 0 { // nothing to keep: the simplest way is always possible
		if relevant(diff) {
			p.add(&schema.DropTable{T: have}, &schema.AddTable{T: want})
		}
		return nil
	}
	var keep []schema.Change
	for _, c := range diff {
		switch c := c.(type) {
		case *schema.AddColumn:
			if !c.C.Type.Null && c.C.Default == nil {
				p.block("%s.%s is required and has no default, but the table has rows: make it optional or give it a default", have.Name, c.C.Name)
				continue
			}
			keep = append(keep, c)
		case *schema.DropColumn:
			p.lose("drops %s.%s with its values", have.Name, c.C.Name)
			keep = append(keep, c)
		case *schema.ModifyColumn:
			switch {
			case c.Change.Is(schema.ChangeType):
				p.lose("changes the type of %s.%s from %s to %s, which drops its values", have.Name, c.To.Name, c.From.Type.Raw, c.To.Type.Raw)
				if !c.To.Type.Null && c.To.Default == nil {
					p.block("%s.%s changes its type, is required and has no default, but the table has rows", have.Name, c.To.Name)
					continue
				}
				// To atlas the new column is one without old values. The drop makes it build
				// the table anew; it must not have the name that the new column has.
				keep = append(keep, &schema.DropColumn{C: schema.NewColumn(c.From.Name + " of the old type")}, &schema.AddColumn{C: c.To})
			case c.Change.Is(schema.ChangeNull):
				if !c.To.Type.Null && c.To.Default == nil {
					nulls, err := p.count("SELECT count(*) FROM " + store.Quote(have.Name) + " WHERE " + store.Quote(c.To.Name) + " IS NULL")
					if err != nil {
						return err
					}
					if nulls > 0 {
						p.block("%s.%s becomes required and has no default, but is null in %d rows", have.Name, c.To.Name, nulls)
						continue
					}
				}
				keep = append(keep, c)
			}
			// A changed default alone matters to new rows only, and those get it from the manifest.
		case *schema.AddIndex, *schema.DropIndex, *schema.ModifyIndex:
			keep = append(keep, c)
		default:
			p.block("%s: %T is not a change that can be made to a table with rows", have.Name, c)
		}
	}
	if len(keep) > 0 {
		p.add(&schema.ModifyTable{T: want, Changes: keep})
	}
	return nil
}

// relevant reports whether a difference is more than a column's default.
func relevant(diff []schema.Change) bool {
	for _, c := range diff {
		if m, ok := c.(*schema.ModifyColumn); !ok || m.Change != schema.ChangeDefault {
			return true
		}
	}
	return false
}

func (p *planner) count(query string) (n int64, err error) {
	err = p.engine.Read(p.ctx, func(c store.Conn) error {
		return c.Query(query, nil, func(r store.Rows) error {
			n = r.Value(0, store.TypeInt).Int()
			return nil
		})
	})
	return n, err
}

// desired is a declared table in atlas's terms.
func desired(s *schema.Schema, t *store.Table) *schema.Table {
	at := schema.NewTable(t.Name).SetSchema(s)
	for _, c := range t.Columns {
		ac := column(c)
		if c.DefaultNow {
			ac.SetDefault(&schema.Literal{V: literal(store.Time(time.Now()))})
		} else if !c.Default.IsNull() {
			ac.SetDefault(&schema.Literal{V: literal(c.Default)})
		}
		at.AddColumns(ac)
	}
	var key []*schema.Column
	for _, name := range t.PrimaryKey {
		c, _ := at.Column(name)
		key = append(key, c)
	}
	if len(key) == 1 && t.Numbered() {
		key[0].AddAttrs(&atlas.AutoIncrement{}) // a number is never given twice
	}
	at.SetPrimaryKey(schema.NewPrimaryKey(key...))
	for _, ix := range t.Indexes {
		ai := schema.NewIndex(ix.Name).SetUnique(ix.Unique)
		for _, name := range ix.Columns {
			c, _ := at.Column(name)
			ai.AddColumns(c)
		}
		if ix.NotNull != "" {
			ai.AddAttrs(&atlas.IndexPredicate{P: store.Quote(ix.NotNull) + " IS NOT NULL"})
		}
		at.AddIndexes(ai)
	}
	return at
}

func column(c store.Column) *schema.Column {
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
	return ac.SetNull(c.Null)
}

// literal is a value as SQL.
func literal(v store.Value) string {
	switch v.Type() {
	case store.TypeInt, store.TypeBool, store.TypeDatetime:
		return strconv.FormatInt(v.Int(), 10)
	case store.TypeFloat:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	default:
		return "'" + strings.ReplaceAll(v.Str(), "'", "''") + "'"
	}
}
