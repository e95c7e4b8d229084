package postgres

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	atlas "ariga.io/atlas/sql/postgres"
	"ariga.io/atlas/sql/schema"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/plan"
)

// Plan compares the database with the declared tables; see [store.Engine].
func (e *Engine) Plan(ctx context.Context, want []*store.Table, drop bool) (*store.Migration, error) {
	release, err := e.use()
	if err != nil {
		return nil, err
	}
	defer release()
	m, err := e.plan(ctx, want, drop)
	return m, e.explain(err)
}

func (e *Engine) plan(ctx context.Context, want []*store.Table, drop bool) (*store.Migration, error) {
	db := stdlib.OpenDBFromPool(e.pool)
	defer db.Close()
	driver, err := atlas.Open(db)
	if err != nil {
		return nil, fmt.Errorf("inspect the database: %w", err)
	}
	d := &plan.Database{
		Driver: driver, Schema: e.schema, Column: column, Literal: literal, IndexPart: nullsFirst, Retype: retype, Fill: true, Normalize: normalize,
		Predicate: func(expr string) schema.Attr { return &atlas.IndexPredicate{P: expr} },
		Count: func(ctx context.Context, query string) (n int64, err error) {
			err = db.QueryRowContext(ctx, query).Scan(&n)
			return n, err
		},
	}
	return d.Make(ctx, want, drop)
}

// migrationLock is the advisory lock of whoever migrates.
var migrationLock = strconv.FormatInt(lockKey("migrate"), 10)

// Apply carries a plan out in one transaction, by one server at a time. What
// another did while this one waited is not done again.
func (e *Engine) Apply(ctx context.Context, m *store.Migration) error {
	release, err := e.use()
	if err != nil {
		return err
	}
	defer release()
	if len(m.Blocked) > 0 {
		return errors.New(strings.Join(m.Blocked, "; "))
	}
	if len(m.Steps) == 0 {
		return nil
	}
	// A connection of its own: the lock is waited for as long as another migrates,
	// and is gone with the connection.
	c, err := pgx.ConnectConfig(ctx, e.pool.Config().ConnConfig)
	if err != nil {
		return e.explain(&connectError{err})
	}
	defer c.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the outcome is known by then
	if _, err := c.Exec(ctx, "SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock("+migrationLock+"); SET lock_timeout = '60s'", pgx.QueryExecModeSimpleProtocol); err != nil {
		return e.explain(fmt.Errorf("wait for others that migrate: %w", err))
	}
	now, err := e.plan(ctx, m.Want, m.Drop)
	if err != nil {
		return e.explain(err)
	}
	switch {
	case len(now.Steps) == 0 && len(now.Blocked) == 0:
		return nil // another server did it
	case !sameSteps(now, m):
		return store.Errorf(store.Conflict, "MIGRATION_OUTDATED", "the database changed since the migration was planned").WithHint("plan again")
	}
	if err := e.steps(ctx, c, m); err != nil {
		return err
	}
	e.pool.Reset() // statements were prepared for the tables as they were
	return nil
}

// sameSteps compares plans. Defaults that are the time of the migration differ.
func sameSteps(a, b *store.Migration) bool {
	comments := func(m *store.Migration) (all []string) {
		for _, s := range m.Steps {
			all = append(all, s.Comment)
		}
		return all
	}
	return reflect.DeepEqual(comments(a), comments(b)) && reflect.DeepEqual(a.Losses, b.Losses) && reflect.DeepEqual(a.Blocked, b.Blocked)
}

func (e *Engine) steps(ctx context.Context, c *pgx.Conn, m *store.Migration) error {
	tx, err := c.Begin(ctx)
	if err != nil {
		return e.explain(err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // after a commit there is nothing to roll back
	for _, s := range m.Steps {
		if _, err := tx.Exec(ctx, s.SQL, pgx.QueryExecModeSimpleProtocol); err != nil {
			var pg *pgconn.PgError
			if errors.As(err, &pg) && pg.Code == "23505" {
				return fmt.Errorf("%s: rows in the table have the same value: %w", s.Comment, err)
			}
			return fmt.Errorf("%s: %w", s.Comment, e.explain(err))
		}
	}
	return e.explain(tx.Commit(ctx))
}

// column is a declared column. Text has the collation "C": its order is that of
// its bytes, as in Go and in SQLite, wherever the database was made.
func column(c store.Column, numbered bool) *schema.Column {
	var ac *schema.Column
	switch c.Type {
	case store.TypeInt:
		ac = schema.NewIntColumn(c.Name, atlas.TypeBigInt)
		if numbered {
			ac.AddAttrs(&atlas.Identity{Generation: "BY DEFAULT", Sequence: &atlas.Sequence{Start: 1, Increment: 1}})
		}
	case store.TypeBool:
		ac = schema.NewBoolColumn(c.Name, atlas.TypeBoolean)
	case store.TypeDatetime:
		precision := 6
		ac = schema.NewTimeColumn(c.Name, atlas.TypeTimestampTZ, schema.TimePrecision(precision))
	case store.TypeFloat:
		ac = schema.NewFloatColumn(c.Name, atlas.TypeDouble)
	case store.TypeBytes:
		ac = schema.NewBinaryColumn(c.Name, atlas.TypeBytea)
	default: // JSON too: its bytes are kept
		ac = schema.NewStringColumn(c.Name, atlas.TypeText).SetCollation("C")
	}
	ac.Type.Raw = rawTypes[c.Type]
	return ac
}

var rawTypes = map[store.Type]string{
	store.TypeInt: "bigint", store.TypeBool: "boolean", store.TypeDatetime: "timestamp with time zone", store.TypeFloat: "double precision",
	store.TypeBytes: "bytea", store.TypeString: "text", store.TypeRichtext: "text", store.TypeJSON: "text", store.TypeID: "text",
}

// nullsFirst gives an index the order of the queries, in which nulls are first.
func nullsFirst(p *schema.IndexPart, c store.Column) {
	if c.Null {
		p.AddAttrs(&atlas.IndexColumnProperty{NullsFirst: true})
	}
}

var notNull = regexp.MustCompile(`^\(*"?(.+?)"?\)* IS NOT NULL\)*$`)

// normalize writes the conditions of indexes as we do: PostgreSQL gives them back
// with parentheses, and with quotes only where it thinks them necessary.
func normalize(s *schema.Schema) {
	for _, t := range s.Tables {
		for _, ix := range t.Indexes {
			for _, a := range ix.Attrs {
				if p, ok := a.(*atlas.IndexPredicate); ok {
					if m := notNull.FindStringSubmatch(p.P); m != nil {
						p.P = `"` + m[1] + `" IS NOT NULL`
					}
				}
			}
		}
	}
}

// retype puts a new column in the place of the old one; with that go its indexes.
func retype(have, want *schema.Table, from, to *schema.Column) []schema.Change {
	changes := []schema.Change{&schema.DropColumn{C: from}, &schema.AddColumn{C: to}}
	for _, ix := range want.Indexes {
		if _, ok := have.Index(ix.Name); !ok || !covers(ix, to.Name) {
			continue // a new one is added anyway
		}
		changes = append(changes, &schema.AddIndex{I: ix})
	}
	return changes
}

func covers(ix *schema.Index, column string) bool {
	for _, p := range ix.Parts {
		if p.C != nil && p.C.Name == column {
			return true
		}
	}
	return false
}

// literal is a value as SQL.
func literal(v store.Value) string {
	switch v.Type() {
	case store.TypeInt:
		return strconv.FormatInt(v.Int(), 10)
	case store.TypeBool:
		return strconv.FormatBool(v.Bool())
	case store.TypeFloat:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case store.TypeDatetime:
		return plan.Text(v.Time().Format("2006-01-02 15:04:05.000000-07"))
	default:
		return plan.Text(v.Str())
	}
}
