package policy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/enginetest"
)

// generator makes random rules that are well typed, from values so few that
// rows often match.
type generator struct{ *rand.Rand }

func (g generator) of(choices ...string) string { return choices[g.IntN(len(choices))] }

func (g generator) text() string {
	if g.IntN(8) == 0 {
		return "(" + g.text() + " + " + g.text() + ")"
	}
	return g.of("'a'", "'b'", "'ab'", "''", "'é'", "'B'", "auth.userId", "auth.tenantId", "auth.email", "data.owner", "data.title", "data.body", "data.id", "data.in")
}

func (g generator) number() string {
	if g.IntN(4) == 0 {
		return "(" + g.number() + g.of(" + ", " - ", " * ", " / ", " % ") + g.number() + ")"
	}
	return g.of("0", "1", "2", "1.5", "-1", "9007199254740993", "data.count", "data.price")
}

func (g generator) time() string {
	return g.of("data.at", "data.at", "'2026-01-01T00:00:00Z'", "'2026-01-01T00:00:00.000001Z'")
}

func (g generator) times() (string, string) {
	a, b := "data.at", g.time()
	if g.IntN(2) == 0 {
		return b, a
	}
	return a, b
}

func (g generator) rule(depth int) string {
	if depth > 0 {
		switch g.IntN(4) {
		case 0:
			return "(" + g.rule(depth-1) + " && " + g.rule(depth-1) + ")"
		case 1:
			return "(" + g.rule(depth-1) + " || " + g.rule(depth-1) + ")"
		case 2:
			return "!(" + g.rule(depth-1) + ")"
		}
	}
	comparison := g.of(" == ", " != ", " < ", " <= ", " > ", " >= ")
	switch g.IntN(12) {
	case 0:
		return g.of("data.live", "true", "false", "auth.isAdmin", "data.live == true", "data.live != false", "data.live == auth.isAdmin")
	case 1:
		return g.of("data.owner", "data.title", "data.count", "data.price", "data.live", "data.at", "data.tags", "auth.userId", "auth.email", g.number(), g.text()) + g.of(" == ", " != ") + "null"
	case 2:
		return g.number() + comparison + g.number()
	case 3:
		a, b := g.times()
		return a + comparison + b
	case 4:
		return g.text() + " in [" + g.text() + ", " + g.text() + "]"
	case 5:
		return g.number() + " in [" + g.number() + ", " + g.number() + "]"
	case 6:
		return g.text() + " in auth.roles"
	case 7:
		return g.text() + g.of(" starts_with ", " ends_with ") + g.text()
	case 8:
		return g.of(g.text(), g.number()) + " in data.tags"
	case 9:
		return "auth.hasAnyRole('a', " + g.text() + ")"
	default:
		return g.text() + comparison + g.text()
	}
}

func (g generator) row(e *store.Entity, id int) *store.Row {
	text := func() string { return g.of("", "a", "b", "ab", "é", "aé", "B", "ab b") }
	r := &store.Row{Entity: e, ID: g.of("a", "b", "r") + fmt.Sprint(id), Values: make([]store.Value, len(e.Fields))}
	for i := range e.Fields {
		if g.IntN(4) == 0 {
			continue // null
		}
		switch e.Fields[i].Type {
		case store.TypeInt:
			r.Values[i] = store.Int([]int64{0, 1, 2, -1, 9007199254740992, 9007199254740993}[g.IntN(6)])
		case store.TypeFloat:
			r.Values[i] = store.Float([]float64{0, 1, 1.5, -1, 0.1, 9007199254740992}[g.IntN(6)])
		case store.TypeBool:
			r.Values[i] = store.Bool(g.IntN(2) == 0)
		case store.TypeDatetime:
			r.Values[i] = store.Micros(1767225600000000 + int64(g.IntN(3)-1))
		case store.TypeJSON:
			r.Values[i] = store.JSON(g.of(`[]`, `["a"]`, `["b",1]`, `[1.5,"ab"]`, `{"a":1}`, `"a"`, `["\u00e9"]`, `[null,true]`))
		case store.TypeID:
			r.Values[i] = store.ID(g.of("a", "b", "ab"))
		default:
			r.Values[i] = store.String(text()).As(e.Fields[i].Type)
		}
	}
	return r
}

// TestPushdownAgrees holds three ways to read against each other on random rules
// and rows: direct evaluation, the filter and check in memory, and the database.
func TestPushdownAgrees(t *testing.T) {
	e, s := doc(t)
	engine := enginetest.New(t).Open(t, false)
	ctx := context.Background()
	plan, err := engine.Plan(ctx, s.AllTables(), false)
	if err == nil {
		err = engine.Apply(ctx, plan)
	}
	if err != nil {
		t.Fatal(err)
	}
	g := generator{rand.New(rand.NewPCG(1, 2))}
	db := store.New(engine, s, store.Options{})
	var rows []*store.Row
	err = db.Update(store.WithActor(ctx, store.System("test")), func(tx *store.Tx) error {
		for i := range 60 {
			r := g.row(e, i)
			rows = append(rows, r)
			p := store.NewPatch(e)
			p.ID = r.ID
			for f, v := range r.Values {
				if err := p.PutAt(f, v); err != nil {
					return err
				}
			}
			if _, err := tx.Insert(p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	actors := []*store.Actor{
		{Type: store.ActorAnonymous},
		{Type: store.ActorUser, ID: "a", Roles: []string{"a", "é"}},
		{Type: store.ActorUser, ID: "ab", TenantID: "b", Email: "a", Roles: []string{"b"}},
	}
	rules := &Policies{entities: map[string]*[actions][]*rule{e.Name: {}}}
	db.SetGuard(rules)

	n := 1500
	if testing.Short() {
		n = 300
	}
	pushed := 0
	for range n {
		expression := g.rule(3)
		r, err := newRule(expression, e, read, map[string]bool{})
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		rules.entities[e.Name][read] = []*rule{r}
		for _, a := range actors {
			rule := readable(t, a, e, r)
			if rule.Check == nil {
				pushed++
			}
			var want, memory, got []string
			for _, row := range rows {
				if r.holds(env{actor: a, data: row}) {
					want = append(want, row.ID)
				}
				if rule.Allows(row) {
					memory = append(memory, row.ID)
				}
			}
			found, err := db.Find(store.WithActor(ctx, *a), &store.Query{Entity: e})
			if err != nil {
				t.Fatalf("%s: %v", expression, err)
			}
			in := map[string]bool{}
			for _, row := range found {
				in[row.ID] = true
			}
			for _, row := range rows {
				if in[row.ID] {
					got = append(got, row.ID)
				}
			}
			if direct := strings.Join(want, " "); direct != strings.Join(memory, " ") || direct != strings.Join(got, " ") {
				t.Fatalf("%s for %q\ndirect   %v\nmemory   %v\ndatabase %v", expression, a.ID, want, memory, got)
			}
		}
	}
	if pushed < n/2 {
		t.Errorf("only %d of %d rules became filters", pushed, 3*n)
	}
}
