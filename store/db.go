// Package store keeps an app's rows. Every write of the app, whoever makes it,
// goes through one pipeline: the guard (policies), the plugins' before hooks, the
// row change, the plugins' in-transaction hooks, the commit, the after-commit hooks.
// What a hook writes in the transaction commits with the row or not at all.
//
// The package knows no database; engines live in store/sqlite and store/postgres.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/jonboulle/clockwork"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Op is what a write does to a row.
type Op string

const (
	Insert Op = "insert"
	Update Op = "update"
	Delete Op = "delete"
)

// Write is one change of one row on its way through the pipeline.
type Write struct {
	Op     Op
	Entity *Entity
	ID     string
	Before *Row // nil for an insert
	After  *Row // nil for a delete; before hooks may change its values
	// Given marks the fields the caller set; Changed those that differ from
	// Before (all of an insert or delete), known once the before hooks have run.
	Given   FieldSet
	Changed FieldSet
	Actor   *Actor
	Time    time.Time
	// TxID groups the writes of one transaction.
	TxID string
}

// Row is the row after the write or, for a delete, as it was last.
func (w *Write) Row() *Row {
	if w.After != nil {
		return w.After
	}
	return w.Before
}

// Guard decides what an actor may read and write. It is asked for every actor
// that does not bypass policies.
type Guard interface {
	// Readable is the rule for the rows of e that the actor may see. An error
	// means none at all.
	Readable(ctx context.Context, a *Actor, e *Entity) (ReadRule, error)
	// Allow refuses a write with an error.
	Allow(ctx context.Context, w *Write) error
}

// ReadRule is which rows an actor sees: those that match the filter, which the
// database applies, and pass the check, which is left for Go. Nil means all.
type ReadRule struct {
	Filter Filter
	Check  func(*Row) bool
}

// Allows decides for one row.
func (r *ReadRule) Allows(row *Row) bool {
	return (r.Filter == nil || r.Filter.Match(row)) && (r.Check == nil || r.Check(row))
}

// The pipeline's hooks; a hook implements those it needs.
type (
	// BeforeWriter may check, change or refuse a write before the row changes.
	BeforeWriter interface {
		BeforeWrite(ctx context.Context, tx *Tx, w *Write) error
	}
	// InTxer runs after the row changed, in the same transaction; an error rolls
	// all of it back.
	InTxer interface {
		InTx(ctx context.Context, tx *Tx, w *Write) error
	}
	// AfterCommitter hears of writes that are on disk. It cannot fail them any more.
	AfterCommitter interface {
		AfterCommit(ctx context.Context, writes []Write)
	}
	// RefusalHearer hears of writes that the guard refused, once their transaction
	// is over. Their hooks did not run: Changed is not known.
	RefusalHearer interface {
		Refused(ctx context.Context, w *Write, cause error)
	}
	// AfterReader hears which entities somebody read, before he gets what he asked
	// for: with an error he does not. It is asked once which ones it wants to hear of.
	AfterReader interface {
		Watches(e *Entity) bool
		// AfterRead is called once a transaction for each entity and actor. tx is nil
		// when the transaction only read, and is over.
		AfterRead(ctx context.Context, tx *Tx, e *Entity, by *Actor) error
	}
)

// DB is the app's rows behind the write pipeline.
type DB struct {
	engine Engine
	schema *Schema
	clock  clockwork.Clock
	log    *slog.Logger
	tracer trace.Tracer

	guard  Guard
	before []BeforeWriter
	inTx   []InTxer
	after  []AfterCommitter
	// refused and watched are for hooks that few have; watched is nil then.
	refused []RefusalHearer
	watched map[*Entity][]AfterReader
}

// Options are what a DB needs beside its engine and schema; zero values get defaults.
type Options struct {
	Clock  clockwork.Clock
	Logger *slog.Logger
	Tracer trace.Tracer
}

// New puts the pipeline on top of an engine.
func New(engine Engine, schema *Schema, o Options) *DB {
	if o.Clock == nil {
		o.Clock = clockwork.NewRealClock()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	return &DB{engine: engine, schema: schema, clock: o.Clock, log: o.Logger, tracer: o.Tracer}
}

// SetGuard sets who decides on access. Without one, only actors that bypass
// policies may do anything. Call before the first use.
func (db *DB) SetGuard(g Guard) { db.guard = g }

// AddHook adds what of the hook interfaces h implements, after those added
// before. Call before the first use.
func (db *DB) AddHook(h any) {
	if b, ok := h.(BeforeWriter); ok {
		db.before = append(db.before, b)
	}
	if b, ok := h.(InTxer); ok {
		db.inTx = append(db.inTx, b)
	}
	if b, ok := h.(AfterCommitter); ok {
		db.after = append(db.after, b)
	}
	if b, ok := h.(RefusalHearer); ok {
		db.refused = append(db.refused, b)
	}
	if b, ok := h.(AfterReader); ok {
		for _, e := range db.schema.Entities {
			if b.Watches(e) {
				if db.watched == nil {
					db.watched = map[*Entity][]AfterReader{}
				}
				db.watched[e] = append(db.watched[e], b)
			}
		}
	}
}

func (db *DB) Schema() *Schema { return db.schema }
func (db *DB) Engine() Engine  { return db.engine }

// Alone reports whether no other process can serve the database.
func (db *DB) Alone() bool {
	e, ok := db.engine.(interface{ Exclusive() bool })
	return ok && e.Exclusive()
}

func (db *DB) Clock() clockwork.Clock { return db.clock }

// View runs fn on one consistent snapshot.
func (db *DB) View(ctx context.Context, fn func(tx *Tx) error) error {
	state := &txState{now: db.now(), readOnly: true}
	actor := ActorFrom(ctx)
	err := db.engine.Read(ctx, func(conn Conn) error {
		return fn(&Tx{ctx: ctx, db: db, conn: conn, actor: actor, state: state})
	})
	if err != nil {
		return err
	}
	return state.tellReaders(ctx, db, nil)
}

// ViewOne is View for an fn that asks one statement only, which some engines
// answer faster; a second one may fail.
func (db *DB) ViewOne(ctx context.Context, fn func(tx *Tx) error) error {
	one, ok := db.engine.(SingleReader)
	if !ok {
		return db.View(ctx, fn)
	}
	state := &txState{now: db.now(), readOnly: true}
	actor := ActorFrom(ctx)
	err := one.ReadOne(ctx, func(conn Conn) error {
		return fn(&Tx{ctx: ctx, db: db, conn: conn, actor: actor, state: state})
	})
	if err != nil {
		return err
	}
	return state.tellReaders(ctx, db, nil)
}

// Update runs fn in a write transaction. When it returns nil, everything fn and
// the hooks wrote is on disk; otherwise nothing is. fn must have no effect
// outside tx, since an engine may run it again after a conflict.
func (db *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	ctx, span := db.tracer.Start(ctx, "store.Update")
	defer span.End()
	actor := ActorFrom(ctx)
	var state *txState
	err := db.engine.Write(ctx, func(conn Conn) (err error) {
		db.undone(state) // of the run before
		state = &txState{now: db.now()}
		defer func() {
			if p := recover(); p != nil { // one caller's bug must not take the shared transaction down
				err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
			}
		}()
		tx := &Tx{ctx: ctx, db: db, conn: conn, actor: actor, state: state}
		if err := fn(tx); err != nil {
			return err
		}
		if err := state.tellReaders(ctx, db, tx); err != nil {
			return err
		}
		return state.failed
	})
	db.tellRefused(ctx, state)
	if err != nil {
		db.undone(state)
		span.SetStatus(codes.Error, "rolled back")
		return err
	}
	if span.IsRecording() {
		span.SetAttributes(attribute.Int("pylon.writes", len(state.writes)))
	}
	for _, f := range state.onCommit {
		db.afterwards(f)
	}
	if len(state.writes) > 0 {
		for _, h := range db.after {
			db.afterwards(func() { h.AfterCommit(ctx, state.writes) })
		}
	}
	return nil
}

func (db *DB) undone(state *txState) {
	if state == nil {
		return
	}
	for _, f := range state.onUndone {
		db.afterwards(f)
	}
}

// afterwards runs what follows a commit; a panic there is logged, the write stands.
func (db *DB) afterwards(f func()) {
	defer func() {
		if p := recover(); p != nil {
			db.log.Error("panic after commit", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	f()
}

func (db *DB) now() time.Time { return db.clock.Now().UTC().Truncate(time.Microsecond) }

// Get reads one row, in a snapshot of its own.
func (db *DB) Get(ctx context.Context, e *Entity, id string) (row *Row, err error) {
	err = db.ViewOne(ctx, func(tx *Tx) error {
		row, err = tx.Get(e, id)
		return err
	})
	return row, err
}

// Find reads the rows of a query, in a snapshot of its own.
func (db *DB) Find(ctx context.Context, q *Query) (rows []*Row, err error) {
	err = db.ViewOne(ctx, func(tx *Tx) error {
		rows, err = tx.Find(q)
		return err
	})
	return rows, err
}

// Count counts the rows of a query that the actor may see, in a snapshot of its own.
func (db *DB) Count(ctx context.Context, q *Query) (n int, err error) {
	err = db.ViewOne(ctx, func(tx *Tx) error {
		n, err = tx.Count(q)
		return err
	})
	return n, err
}

// isStop reports whether rows were ended on purpose.
func isStop(err error) bool {
	var e *Error
	return errors.As(err, &e) && e == Stop
}
