package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/store"
)

// inspection is what the database holds in the end.
type inspection struct {
	rows       map[key]state
	violations []violation
}

func (i *inspection) add(kind, format string, args ...any) {
	i.violations = append(i.violations, violation{kind, fmt.Sprintf(format, args...)})
}

// inspect opens the app in this process, on the database of either engine, lets it
// finish what the stopped server gave back, and reads everything.
func (h *harness) inspect(ctx context.Context, deadline time.Time) (found *inspection, err error) {
	env := map[string]string{"HOOK_SECRET": secret, "AUDIT_KEY": auditKey, "PYLON_DB_PATH": h.app.Database()}
	app, err := pylon.New(ctx, pylon.Options{Dir: h.app.App(), AdminToken: "the-inspector", Logger: slog.New(slog.NewJSONHandler(h.log, nil)),
		Getenv: func(name string) string {
			if v, ok := env[name]; ok {
				return v
			}
			return os.Getenv(name)
		}})
	if err != nil {
		return nil, fmt.Errorf("open the app to look into its database: %w", err)
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		if stopErr := app.Stop(stop); err == nil {
			err = stopErr
		}
	}()
	ctx = store.WithActor(ctx, store.System("crash"))
	found = &inspection{rows: map[key]state{}}
	if err := h.awaitQueue(ctx, app, found, deadline); err != nil {
		return nil, err
	}
	if err := app.DB().View(ctx, func(tx *store.Tx) error { return found.read(tx) }); err != nil {
		return nil, err
	}
	return found, h.auditEnd(ctx, app, found)
}

// awaitQueue waits until nothing is left to deliver. Nothing writes any more, so it
// is empty for good then.
func (h *harness) awaitQueue(ctx context.Context, app *pylon.App, found *inspection, deadline time.Time) error {
	for {
		var left int
		err := app.DB().View(ctx, func(tx *store.Tx) (err error) { left, err = app.Queue().Depth(tx, "webhooks"); return err })
		if err != nil || left == 0 {
			return err
		}
		if time.Now().After(deadline) {
			found.add(leftInQueue, "%d deliveries wait after %s without a failure of the receiver", left, h.drain)
			return nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func (i *inspection) read(tx *store.Tx) error {
	for _, name := range []string{"Item", "Entry"} {
		err := tx.Each(&store.Query{Entity: tx.Schema().Entity(name)}, func(r *store.Row) error {
			number := func(field string) int { v, _ := r.Get(field); return int(v.Int()) }
			id := key{number("writer"), number("birth")}
			if other, twice := i.rows[id]; twice {
				i.add(wrongRow, "two rows (%s, version %d; %s, version %d) were inserted as write %d of writer %d", other.Entity, other.Version, name, number("version"), id.N, id.Writer)
			}
			i.rows[id] = state{name, number("n"), number("version")}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read the rows of %s: %w", name, err)
		}
	}
	err := tx.Each(&store.Query{Entity: tx.Schema().Entity("WebhookDelivery")}, func(r *store.Row) error {
		i.add(failedForGood, "%s", r.AppendJSON(nil))
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the deliveries that failed for good: %w", err)
	}
	dead := int64(0)
	if err := tx.Query("SELECT count(*) FROM _pylon_queue_dead", nil, func(r store.Rows) error { dead = r.Value(0, store.TypeInt).Int(); return nil }); err != nil {
		return fmt.Errorf("count the dead letters: %w", err)
	}
	if dead > 0 {
		i.add(failedForGood, "%d dead letters are in the queue", dead)
	}
	if tx.Dialect().Name != "sqlite" {
		return nil
	}
	return tx.Query("PRAGMA integrity_check", nil, func(r store.Rows) error {
		if s := r.Value(0, store.TypeString).Str(); s != "ok" {
			i.add(misbehaved, "the database is damaged: %s", s)
		}
		return nil
	})
}
