package pylon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pylon-go/pylon/store"
)

// migrateAtStart adds what the database lacks. It never throws data away: a plan
// that would is refused, with what to do about it. Other servers may start at the
// same time, with another version of the app even.
func migrateAtStart(ctx context.Context, engine store.Engine, schema *store.Schema, o Options) error {
	for try := 1; ; try++ {
		err := migrateOnce(ctx, engine, schema, o)
		if !store.HasCode(err, "MIGRATION_OUTDATED") || try == 3 {
			return err
		}
	}
}

func migrateOnce(ctx context.Context, engine store.Engine, schema *store.Schema, o Options) error {
	m, err := engine.Plan(ctx, schema.AllTables(), false)
	if err != nil {
		return fmt.Errorf("compare the database with the manifest: %w", err)
	}
	switch {
	case len(m.Blocked) > 0:
		return fmt.Errorf("the database cannot follow the manifest:\n  %s", strings.Join(m.Blocked, "\n  "))
	case len(m.Losses) > 0:
		return fmt.Errorf("the manifest asks for changes that lose data:\n  %s\nrun `pylon migrate apply --allow-destructive` if that is what you want", strings.Join(m.Losses, "\n  "))
	case len(m.Steps) == 0:
		return nil
	case o.NoMigrate:
		return errors.New("the database is not up to date; `pylon migrate plan` shows what is missing, `pylon migrate apply` adds it")
	}
	if err := engine.Apply(ctx, m); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	for _, s := range m.Steps {
		o.Logger.Debug("migrated", "step", s.Comment)
	}
	o.Logger.Info("the database follows the manifest now", "steps", len(m.Steps))
	return nil
}

// ErrDestructive is what Migrate answers to a plan that loses data and may not.
var ErrDestructive = errors.New("the migration would lose data")

// Migrate plans the way from an app's database to its manifest and, with apply,
// goes it. With allowDestructive it also drops what is not declared any more;
// without, such a plan is refused with [ErrDestructive].
func Migrate(ctx context.Context, o Options, apply, allowDestructive bool) (*store.Migration, error) {
	o.defaults()
	d, err := declare(o.Dir, o.Getenv)
	if err != nil {
		return nil, err
	}
	engine, err := openEngine(ctx, o, d.manifest.Name, apply)
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	m, err := engine.Plan(ctx, d.schema.AllTables(), allowDestructive)
	if err != nil {
		return nil, err
	}
	if !apply {
		return m, nil
	}
	if len(m.Losses) > 0 && !allowDestructive {
		return m, ErrDestructive
	}
	return m, engine.Apply(ctx, m)
}

// Backup writes a consistent copy of an app's database to a new file, also while
// the app runs.
func Backup(ctx context.Context, o Options, file string, progress func(done, total int)) error {
	o.defaults()
	engine, err := openEngine(ctx, o, "backup", false)
	if err != nil {
		return err
	}
	defer engine.Close()
	return engine.Backup(ctx, file, progress)
}
