package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/enginetest"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 891_234_567, time.UTC)

// rig is a database with two entities and a record of what its hooks did.
type rig struct {
	t          *testing.T
	db         *store.DB
	post, note *store.Entity
	log        []string // what happened, in order
	sys        context.Context
	user       context.Context
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, sys: store.WithActor(t.Context(), store.System("test")),
		user: store.WithActor(t.Context(), store.Actor{Type: store.ActorUser, ID: "u1"})}
	r.post = &store.Entity{Name: "Post", Fields: []store.Field{
		{Name: "title", Type: store.TypeString},
		{Name: "state", Type: store.TypeString, HasDefault: true, Default: store.String("draft"), Enum: []string{"draft", "live"}},
		{Name: "views", Type: store.TypeInt, Optional: true},
		{Name: "createdAt", Type: store.TypeDatetime, DefaultNow: true},
		{Name: "secret", Type: store.TypeString, Optional: true, ServerOnly: true},
	}}
	r.note = &store.Entity{Name: "Note", Owner: "notes", Fields: []store.Field{{Name: "text", Type: store.TypeString}}}
	e := enginetest.New(t).Open(t, false)
	s, err := store.NewSchema([]*store.Entity{r.post, r.note}, nil)
	must(t, err)
	m, err := e.Plan(r.sys, s.AllTables(), false)
	must(t, err)
	must(t, e.Apply(r.sys, m))
	r.db = store.New(e, s, store.Options{Clock: clockwork.NewFakeClockAt(now), Logger: slog.New(slog.DiscardHandler)})
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %#v\nwant %#v", what, got, want)
	}
}

func (r *rig) saw(format string, args ...any) { r.log = append(r.log, fmt.Sprintf(format, args...)) }

type given map[string]store.Value

func patchOf(e *store.Entity, g given) *store.Patch {
	p := store.NewPatch(e)
	for name, v := range g {
		if err := p.Put(name, v); err != nil {
			panic(err)
		}
	}
	return p
}

func (r *rig) insert(ctx context.Context, g given) (row *store.Row, err error) {
	err = r.db.Update(ctx, func(tx *store.Tx) error {
		row, err = tx.Insert(patchOf(r.post, g))
		return err
	})
	return row, err
}

func (r *rig) count(e *store.Entity) int {
	r.t.Helper()
	n, err := r.db.Count(r.sys, &store.Query{Entity: e})
	must(r.t, err)
	return n
}

// hook is the hooks a test needs.
type hook struct {
	before func(tx *store.Tx, w *store.Write) error
	inTx   func(tx *store.Tx, w *store.Write) error
	after  func(writes []store.Write)
}

func (h hook) BeforeWrite(_ context.Context, tx *store.Tx, w *store.Write) error {
	if h.before == nil {
		return nil
	}
	return h.before(tx, w)
}

func (h hook) InTx(_ context.Context, tx *store.Tx, w *store.Write) error {
	if h.inTx == nil {
		return nil
	}
	return h.inTx(tx, w)
}

func (h hook) AfterCommit(_ context.Context, writes []store.Write) {
	if h.after != nil {
		h.after(writes)
	}
}

// tracing logs every step under a name.
func (r *rig) tracing(name string) hook {
	return hook{
		before: func(_ *store.Tx, w *store.Write) error { r.saw("%s before %s", name, w.Op); return nil },
		inTx:   func(_ *store.Tx, w *store.Write) error { r.saw("%s in tx %s", name, w.Op); return nil },
		after: func(ws []store.Write) {
			for _, w := range ws {
				r.saw("%s after %s", name, w.Op)
			}
		},
	}
}

func TestHooksRunInOrder(t *testing.T) {
	r := newRig(t)
	r.db.AddHook(r.tracing("a"))
	r.db.AddHook(r.tracing("b"))
	must(t, r.db.Update(r.sys, func(tx *store.Tx) error {
		tx.OnCommit(func() { r.saw("on commit") })
		row, err := tx.Insert(patchOf(r.post, given{"title": store.String("x")}))
		if err != nil {
			return err
		}
		if _, err := tx.Update(row.ID, patchOf(r.post, given{"views": store.Int(1)})); err != nil {
			return err
		}
		_, err = tx.Delete(r.post, row.ID)
		r.saw("fn ends")
		return err
	}))
	same(t, "order", r.log, []string{
		"a before insert", "b before insert", "a in tx insert", "b in tx insert",
		"a before update", "b before update", "a in tx update", "b in tx update",
		"a before delete", "b before delete", "a in tx delete", "b in tx delete",
		"fn ends", "on commit",
		"a after insert", "a after update", "a after delete", "b after insert", "b after update", "b after delete",
	})
}

func TestNothingFollowsARollback(t *testing.T) {
	refuse := errors.New("refused")
	for name, c := range map[string]struct {
		hook hook
		fn   error
		log  []string
	}{
		"by a before hook": {hook: hook{before: func(*store.Tx, *store.Write) error { return refuse }}, log: []string{"t before insert"}},
		"by an in-tx hook": {hook: hook{inTx: func(*store.Tx, *store.Write) error { return refuse }}, log: []string{"t before insert", "t in tx insert"}},
		"by the caller":    {fn: refuse, log: []string{"t before insert", "t in tx insert"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.db.AddHook(r.tracing("t"))
			r.db.AddHook(c.hook)
			err := r.db.Update(r.sys, func(tx *store.Tx) error {
				tx.OnCommit(func() { r.saw("on commit") })
				if _, err := tx.Insert(patchOf(r.post, given{"title": store.String("x")})); err != nil {
					return err
				}
				return c.fn
			})
			if !errors.Is(err, refuse) {
				t.Fatalf("got %v", err)
			}
			same(t, "steps", r.log, c.log)
			same(t, "rows", r.count(r.post), 0)
		})
	}
}

// A row whose in-transaction hook failed has no audit entry and no webhook, so
// it must not commit even if the caller takes no notice.
func TestOverlookedInTxFailureStillRollsBack(t *testing.T) {
	r := newRig(t)
	broken := errors.New("no audit entry")
	r.db.AddHook(hook{inTx: func(_ *store.Tx, w *store.Write) error {
		if w.After.Values[0] == store.String("bad") {
			return broken
		}
		return nil
	}})
	err := r.db.Update(r.sys, func(tx *store.Tx) error {
		for _, title := range []string{"good", "bad", "good"} {
			tx.Insert(patchOf(r.post, given{"title": store.String(title)})) //nolint:errcheck // the point of the test
		}
		return nil
	})
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	same(t, "rows", r.count(r.post), 0)
}

func TestHookWritesCommitWithTheRow(t *testing.T) {
	for _, fail := range []bool{false, true} {
		r := newRig(t)
		r.db.AddHook(hook{inTx: func(tx *store.Tx, w *store.Write) error {
			if w.Entity != r.post {
				r.saw("%s by %s %s in %v", w.Entity.Name, w.Actor.Type, w.Actor.ID, w.TxID == tx.ID())
				return nil
			}
			p := store.NewPatch(r.note)
			if err := p.Put("text", store.String("about "+w.ID)); err != nil {
				return err
			}
			_, err := tx.As(store.System("notes")).Insert(p)
			return err
		}, after: func(ws []store.Write) {
			for _, w := range ws {
				r.saw("after %s", w.Entity.Name)
			}
		}})
		err := r.db.Update(r.sys, func(tx *store.Tx) error {
			if _, err := tx.Insert(patchOf(r.post, given{"title": store.String("x")})); err != nil {
				return err
			}
			if fail {
				return errors.New("no")
			}
			return nil
		})
		want, log := 1, []string{"Note by system notes in true", "after Note", "after Post"}
		if fail {
			want, log = 0, log[:1]
		}
		if (err != nil) != fail {
			t.Fatal(err)
		}
		same(t, "notes", r.count(r.note), want)
		same(t, "posts", r.count(r.post), want)
		same(t, "steps", r.log, log)
	}
}

func TestHookThatCausesItselfIsStopped(t *testing.T) {
	r := newRig(t)
	calls := 0
	r.db.AddHook(hook{inTx: func(tx *store.Tx, w *store.Write) error {
		calls++
		_, err := tx.Insert(patchOf(r.post, given{"title": store.String("again")}))
		return err
	}})
	_, err := r.insert(r.sys, given{"title": store.String("x")})
	if err == nil || !strings.Contains(err.Error(), "nested too deep") {
		t.Fatalf("got %v", err)
	}
	same(t, "depth", calls, 16)
	same(t, "rows", r.count(r.post), 0)
}

func TestDepthIsOfNestingNotOfNumber(t *testing.T) {
	r := newRig(t)
	must(t, r.db.Update(r.sys, func(tx *store.Tx) error {
		for range 100 {
			if _, err := tx.Insert(patchOf(r.post, given{"title": store.String("x")})); err != nil {
				return err
			}
		}
		return nil
	}))
	same(t, "rows", r.count(r.post), 100)
}

// guard counts how often it is asked and refuses one title.
type guard struct{ asked int }

func (g *guard) Readable(context.Context, *store.Actor, *store.Entity) (store.ReadRule, error) {
	g.asked++
	return store.ReadRule{}, nil
}

func (g *guard) Allow(_ context.Context, w *store.Write) error {
	g.asked++
	if w.After != nil && w.After.Values[0] == store.String("forbidden") {
		return store.Errorf(store.Denied, "POLICY_DENIED", "not that")
	}
	return nil
}

func TestGuardIsAskedOfThoseItBinds(t *testing.T) {
	for _, c := range []struct {
		actor store.Actor
		bound bool
	}{
		{store.Actor{Type: store.ActorAnonymous}, true}, {store.Actor{}, true},
		{store.Actor{Type: store.ActorUser, ID: "u"}, true}, {store.Actor{Type: store.ActorGuest, ID: "g"}, true}, {store.Actor{Type: store.ActorAPIKey, ID: "u"}, true},
		{store.Actor{Type: store.ActorUser, ID: "u", Admin: true}, false}, {store.Actor{Type: store.ActorAdmin, Admin: true}, false},
		{store.Actor{Type: store.ActorFunction, ID: "u"}, false}, {store.System("x"), false},
	} {
		t.Run(fmt.Sprintf("%s admin=%v", c.actor.Type, c.actor.Admin), func(t *testing.T) {
			r := newRig(t)
			g := &guard{}
			r.db.SetGuard(g)
			ctx := store.WithActor(t.Context(), c.actor)
			row, err := r.insert(ctx, given{"title": store.String("fine")})
			must(t, err)
			_, err = r.db.Get(ctx, r.post, row.ID)
			must(t, err)
			_, err = r.insert(ctx, given{"title": store.String("forbidden")})
			if store.HasCode(err, "POLICY_DENIED") != c.bound || (g.asked == 3) != c.bound || (g.asked == 0) == c.bound {
				t.Errorf("the guard was asked %d times, the forbidden insert got %v", g.asked, err)
			}
		})
	}
}

func TestWithoutGuardNobodyElseMay(t *testing.T) {
	r := newRig(t)
	row, err := r.insert(r.sys, given{"title": store.String("x")})
	must(t, err)
	q := &store.Query{Entity: r.post}
	for name, do := range map[string]func() error{
		"get":    func() error { _, err := r.db.Get(r.user, r.post, row.ID); return err },
		"find":   func() error { _, err := r.db.Find(r.user, q); return err },
		"count":  func() error { _, err := r.db.Count(r.user, q); return err },
		"insert": func() error { _, err := r.insert(r.user, given{"title": store.String("x")}); return err },
		"delete": func() error {
			return r.db.Update(r.user, func(tx *store.Tx) error { _, err := tx.Delete(r.post, row.ID); return err })
		},
	} {
		if err := do(); !store.HasCode(err, "POLICY_DENIED") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOwnedEntityIsWrittenByItsOwnerAlone(t *testing.T) {
	r := newRig(t)
	r.db.SetGuard(&guard{})
	for _, c := range []struct {
		actor store.Actor
		may   bool
	}{
		{store.System("notes"), true}, {store.System("other"), false},
		{store.Actor{Type: store.ActorAdmin, ID: "__admin__", Admin: true}, false},
		{store.Actor{Type: store.ActorUser, ID: "notes", Admin: true}, false}, {store.Actor{Type: store.ActorFunction, ID: "notes"}, false},
	} {
		ctx := store.WithActor(t.Context(), c.actor)
		err := r.db.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Insert(patchOf(r.note, given{"text": store.String("x")}))
			return err
		})
		if c.may {
			must(t, err)
			continue
		}
		wantError(t, err, store.Error{Kind: store.Denied, Code: "READ_ONLY_ENTITY", Message: "Note is kept by the plugin notes and cannot be written"})
		if _, err := r.db.Find(ctx, &store.Query{Entity: r.note}); err != nil {
			t.Errorf("%v may read: %v", c.actor, err)
		}
	}
	same(t, "notes", r.count(r.note), 1)
}

func TestGivenAndChanged(t *testing.T) {
	r := newRig(t)
	r.db.AddHook(hook{
		before: func(_ *store.Tx, w *store.Write) error {
			if w.Op == store.Update && w.After.Values[0] == store.String("hooked") {
				w.After.Values[2] = store.Int(99)
			}
			return nil
		},
		inTx: func(_ *store.Tx, w *store.Write) error {
			r.saw("%s given %v changed %v", w.Op, w.Given.Names(w.Entity), w.Changed.Names(w.Entity))
			if w.Op == store.Update && (w.Before == nil || w.After == nil || w.Row() != w.After) || w.Op == store.Insert && w.Before != nil || w.Op == store.Delete && (w.After != nil || w.Row() != w.Before) {
				t.Errorf("%s has Before %v After %v", w.Op, w.Before, w.After)
			}
			if !w.Time.Equal(now.Truncate(time.Microsecond)) {
				t.Errorf("the write's time is %v", w.Time)
			}
			return nil
		}})
	var row *store.Row
	must(t, r.db.Update(r.sys, func(tx *store.Tx) (err error) {
		row, err = tx.Insert(patchOf(r.post, given{"title": store.String("x")}))
		if err != nil {
			return err
		}
		for _, g := range []given{
			{"title": store.String("x")}, // the same
			{"title": store.String("y"), "state": store.String("draft")},
			{"views": store.Int(0)}, // null is not 0
			{"views": store.Null},
			{"title": store.String("hooked")},
			{},
		} {
			if _, err := tx.Update(row.ID, patchOf(r.post, g)); err != nil {
				return err
			}
		}
		_, err = tx.Delete(r.post, row.ID)
		return err
	}))
	every := "[title state views createdAt secret]"
	same(t, "writes", r.log, []string{
		"insert given [title] changed " + every,
		"update given [title] changed []",
		"update given [title state] changed [title]",
		"update given [views] changed [views]",
		"update given [views] changed [views]",
		"update given [title] changed [title views]",
		"update given [] changed []",
		"delete given [] changed " + every,
	})
	same(t, "defaults", row.Values[:4], []store.Value{store.String("x"), store.String("draft"), store.Null, store.Time(now)})
}

func TestWhatABeforeHookSetsIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		field int
		value store.Value
		want  store.Error
	}{
		"null in a required field": {0, store.Null, store.Error{Kind: store.Invalid, Code: "INVALID_VALUE", Message: "title may not be null", Field: "title"}},
		"a wrong type":             {2, store.String("3"), store.Error{Kind: store.Invalid, Code: "INVALID_VALUE", Message: "views must be an int (whole number), got string", Field: "views"}},
		"not of the enum":          {1, store.String("dead"), store.Error{Kind: store.Invalid, Code: "INVALID_VALUE", Message: "state must be one of: draft, live", Field: "state"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.db.AddHook(hook{before: func(_ *store.Tx, w *store.Write) error { w.After.Values[c.field] = c.value; return nil }})
			_, err := r.insert(r.sys, given{"title": store.String("x")})
			wantError(t, err, c.want)
		})
	}
	r := newRig(t)
	r.db.AddHook(hook{before: func(_ *store.Tx, w *store.Write) error {
		w.After.Values[0] = store.ID("an id is text too")
		return nil
	}})
	row, err := r.insert(r.sys, given{"title": store.String("x")})
	must(t, err)
	got, err := r.db.Get(r.sys, r.post, row.ID)
	must(t, err)
	same(t, "title", got.Values[0], store.String("an id is text too"))
	same(t, "what Insert gives", row.Values[0], got.Values[0])
}

func TestMissingFields(t *testing.T) {
	r := newRig(t)
	_, err := r.insert(r.sys, given{})
	wantError(t, err, store.Error{Kind: store.Invalid, Code: "MISSING_FIELD", Message: "Post needs the field title", Field: "title"})
}

func TestPanics(t *testing.T) {
	t.Run("in a transaction rolls it back and is an error", func(t *testing.T) {
		r := newRig(t)
		r.db.AddHook(r.tracing("t"))
		err := r.db.Update(r.sys, func(tx *store.Tx) error {
			if _, err := tx.Insert(patchOf(r.post, given{"title": store.String("x")})); err != nil {
				return err
			}
			panic("a bug")
		})
		if err == nil || !strings.Contains(err.Error(), "a bug") {
			t.Fatalf("got %v", err)
		}
		same(t, "rows", r.count(r.post), 0)
		if slices.Contains(r.log, "t after insert") {
			t.Error("the after-commit hook ran")
		}
	})
	t.Run("after the commit are nobody's error, and the rest still runs", func(t *testing.T) {
		r := newRig(t)
		r.db.AddHook(hook{after: func([]store.Write) { panic("a bug") }})
		r.db.AddHook(hook{after: func([]store.Write) { r.saw("the next hook") }})
		must(t, r.db.Update(r.sys, func(tx *store.Tx) error {
			tx.OnCommit(func() { panic("another") })
			tx.OnCommit(func() { r.saw("the next on commit") })
			_, err := tx.Insert(patchOf(r.post, given{"title": store.String("x")}))
			return err
		}))
		same(t, "steps", r.log, []string{"the next on commit", "the next hook"})
		same(t, "rows", r.count(r.post), 1)
	})
}

func TestViewDoesNotWrite(t *testing.T) {
	r := newRig(t)
	err := r.db.View(r.sys, func(tx *store.Tx) error {
		_, err := tx.Insert(patchOf(r.post, given{"title": store.String("x")}))
		return err
	})
	if err == nil {
		t.Fatal("no error")
	}
	same(t, "rows", r.count(r.post), 0)
}

func TestServerOnlyStaysOnTheServer(t *testing.T) {
	r := newRig(t)
	row, err := r.insert(r.sys, given{"title": store.String("x"), "secret": store.String("hidden")})
	must(t, err)
	for _, only := range [][]string{nil, {"secret"}, {"title", "secret"}} {
		if got := string(row.AppendJSONFields(nil, only, nil)); strings.Contains(got, "secret") || strings.Contains(got, "hidden") {
			t.Errorf("only %v: %s", only, got)
		}
	}
	same(t, "chosen fields", string(row.AppendJSONFields(nil, []string{"title", "views"}, []string{"views"})), `{"id":"`+row.ID+`","title":"x"}`)
}
