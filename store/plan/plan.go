// Package plan finds the way from a database as it is to the tables that are
// declared: ariga.io/atlas compares, and what keeps data or says why it cannot is
// decided here, for every engine alike.
package plan

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/schema"

	"github.com/pylon-go/pylon/store"
)

// Database is what differs between engines.
type Database struct {
	Driver migrate.Driver
	// Schema is the name of the schema that holds the tables.
	Schema string
	// Count answers a SELECT count(*).
	Count func(ctx context.Context, query string) (int64, error)
	// Column is a column as the database has it; numbered, when the database gives
	// its values.
	Column func(c store.Column, numbered bool) *schema.Column
	// Literal is a value that is not null, as SQL.
	Literal func(v store.Value) string
	// Predicate limits an index to some rows.
	Predicate func(expr string) schema.Attr
	// Normalize, if any, writes what was inspected as it was declared.
	Normalize func(*schema.Schema)
	// IndexPart, if any, sets how a column lies in an index.
	IndexPart func(p *schema.IndexPart, c store.Column)
	// Retype gives a column another type, without its values.
	Retype func(have, want *schema.Table, from, to *schema.Column) []schema.Change
	// Fill says that a column which becomes required does not get its default in
	// rows without a value by itself.
	Fill bool
	// Skip leaves a statement of atlas out.
	Skip func(sql string) bool
}

// Make compares the database with the wanted tables; see [store.Engine].
func (d *Database) Make(ctx context.Context, want []*store.Table, drop bool) (*store.Migration, error) {
	current, err := d.Driver.InspectSchema(ctx, d.Schema, nil)
	if err != nil {
		return nil, fmt.Errorf("inspect the database: %w", err)
	}
	if d.Normalize != nil {
		d.Normalize(current)
	}
	p := &planner{Database: d, ctx: ctx, plan: &store.Migration{Want: want, Drop: drop}}
	declared := map[string]bool{}
	for _, t := range want {
		declared[t.Name] = true
		have, ok := current.Table(t.Name)
		if !ok {
			p.add(&schema.AddTable{T: d.table(current, t)})
			continue
		}
		if err := p.change(have, d.table(current, t)); err != nil {
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
	if len(p.plan.Blocked) > 0 {
		p.plan.Steps = nil
	}
	if len(p.changes) == 0 || len(p.plan.Blocked) > 0 {
		return p.plan, nil
	}
	steps, err := d.Driver.PlanChanges(ctx, "migrate", p.changes, func(o *migrate.PlanOptions) {
		none := "" // plain names: main."User" would not survive a backup opened under another name
		o.SchemaQualifier = &none
	})
	if err != nil {
		return nil, fmt.Errorf("plan the migration: %w", err)
	}
	for _, s := range steps.Changes {
		if d.Skip != nil && d.Skip(s.Cmd) {
			continue
		}
		if len(s.Args) > 0 {
			return nil, fmt.Errorf("plan the migration: a step has arguments: %s", s.Cmd)
		}
		p.plan.Steps = append(p.plan.Steps, store.MigrationStep{SQL: s.Cmd, Comment: s.Comment})
	}
	return p.plan, nil
}

// planner turns differences into changes that keep data, or says why it cannot.
type planner struct {
	*Database
	ctx     context.Context
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
	diff, err := p.Driver.TableDiff(have, want)
	if err != nil {
		return fmt.Errorf("compare the table %s: %w", have.Name, err)
	}
	if len(diff) == 0 {
		return nil
	}
	empty, err := p.Count(p.ctx, "SELECT count(*) FROM (SELECT 1 FROM "+store.Quote(have.Name)+" LIMIT 1) AS one")
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
				keep = append(keep, p.Retype(have, want, c.From, c.To)...)
			case c.Change.Is(schema.ChangeNull):
				if !c.To.Type.Null {
					blocked, err := p.require(have, c)
					if err != nil {
						return err
					}
					if blocked {
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

// require prepares a column that becomes required.
func (p *planner) require(t *schema.Table, c *schema.ModifyColumn) (blocked bool, err error) {
	if c.To.Default != nil {
		if p.Fill {
			p.plan.Steps = append(p.plan.Steps, store.MigrationStep{
				SQL:     "UPDATE " + store.Quote(t.Name) + " SET " + store.Quote(c.To.Name) + " = " + c.To.Default.(*schema.Literal).V + " WHERE " + store.Quote(c.To.Name) + " IS NULL",
				Comment: fmt.Sprintf("give %q.%q its default where it is null", t.Name, c.To.Name),
			})
		}
		return false, nil
	}
	nulls, err := p.Count(p.ctx, "SELECT count(*) FROM "+store.Quote(t.Name)+" WHERE "+store.Quote(c.To.Name)+" IS NULL")
	if err != nil || nulls == 0 {
		return false, err
	}
	p.block("%s.%s becomes required and has no default, but is null in %d rows", t.Name, c.To.Name, nulls)
	return true, nil
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

// table is a declared table in atlas's terms.
func (d *Database) table(s *schema.Schema, t *store.Table) *schema.Table {
	at := schema.NewTable(t.Name).SetSchema(s)
	columns := map[string]store.Column{}
	for _, c := range t.Columns {
		columns[c.Name] = c
		ac := d.Column(c, t.Numbered() && t.PrimaryKey[0] == c.Name).SetNull(c.Null)
		if c.DefaultNow {
			ac.SetDefault(&schema.Literal{V: d.Literal(store.Time(time.Now()))})
		} else if !c.Default.IsNull() {
			ac.SetDefault(&schema.Literal{V: d.Literal(c.Default)})
		}
		at.AddColumns(ac)
	}
	var key []*schema.Column
	for _, name := range t.PrimaryKey {
		c, _ := at.Column(name)
		key = append(key, c)
	}
	at.SetPrimaryKey(schema.NewPrimaryKey(key...))
	for _, ix := range t.Indexes {
		ai := schema.NewIndex(ix.Name).SetUnique(ix.Unique)
		for _, name := range ix.Columns {
			c, _ := at.Column(name)
			ai.AddColumns(c)
			if d.IndexPart != nil {
				d.IndexPart(ai.Parts[len(ai.Parts)-1], columns[name])
			}
		}
		if ix.NotNull != "" {
			ai.AddAttrs(d.Predicate(store.Quote(ix.NotNull) + " IS NOT NULL"))
		}
		at.AddIndexes(ai)
	}
	return at
}

// Text is a string as SQL.
func Text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
