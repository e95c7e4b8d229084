package policy

import (
	"context"
	"fmt"

	"github.com/pylon-go/pylon/store"
)

// action is what a rule is about.
type action uint8

const (
	read action = iota
	insert
	update
	del
	actions // how many there are
)

var actionNames = [actions]string{"read", "insert", "update", "delete"}

var actionOf = map[store.Op]action{store.Insert: insert, store.Update: update, store.Delete: del}

// Policies are the compiled rules of an app. They never change and may be used
// by any number of goroutines.
type Policies struct {
	entities map[string]*[actions][]*rule
	uses     map[string]bool
}

// rule is one policy's word on one action.
type rule struct {
	policy   string // for the denial's hint
	holds    condition
	parts    []part // of a read rule
	existing bool   // mentions existing
}

// part is one conjunct of a read rule.
type part struct {
	node  *node
	holds condition
}

// newRule compiles an expression for one action on one entity.
func newRule(expression string, e *store.Entity, a action, uses map[string]bool) (*rule, *exprError) {
	tree, err := parse(expression)
	if err != nil {
		return nil, err
	}
	c := &checker{entity: e, action: a, uses: uses}
	n, err := c.rule(tree)
	if err != nil {
		return nil, err
	}
	r := &rule{holds: n.condition(), existing: c.usesExisting}
	if a == read {
		for _, p := range n.conjuncts() {
			r.parts = append(r.parts, part{node: p, holds: p.condition()})
		}
	}
	return r, nil
}

// Uses reports whether a rule mentions a value of auth, such as "auth.email", so
// that the host loads only what is asked for.
func (p *Policies) Uses(name string) bool { return p.uses[name] }

func (p *Policies) rules(entity string, a action) []*rule {
	if rules := p.entities[entity]; rules != nil {
		return rules[a]
	}
	return nil
}

// Allow implements [store.Guard].
func (p *Policies) Allow(_ context.Context, w *store.Write) error {
	a := actionOf[w.Op]
	rules := p.rules(w.Entity.Name, a)
	if len(rules) == 0 {
		return silent(w.Entity, a)
	}
	for _, r := range rules {
		if !r.allows(w) {
			return store.Errorf(store.Denied, "POLICY_DENIED", "you may not %s this %s", w.Op, w.Entity.Name).
				WithHint("refused by the policy %s", r.policy)
		}
	}
	return nil
}

func (r *rule) allows(w *store.Write) bool {
	switch {
	case w.Op == store.Insert:
		return r.holds(env{actor: w.Actor, data: w.After})
	case w.Op == store.Delete:
		return r.holds(env{actor: w.Actor, data: w.Before, existing: w.Before})
	case r.existing:
		return r.holds(env{actor: w.Actor, data: w.After, existing: w.Before})
	default:
		return r.holds(env{actor: w.Actor, data: w.Before}) && r.holds(env{actor: w.Actor, data: w.After})
	}
}

// Readable implements [store.Guard].
func (p *Policies) Readable(_ context.Context, a *store.Actor, e *store.Entity) (store.ReadRule, error) {
	rules := p.rules(e.Name, read)
	if len(rules) == 0 {
		return store.ReadRule{}, silent(e, read)
	}
	var filter store.Filter = store.Const(true)
	var checks []condition
	for _, r := range rules {
		for _, part := range r.parts {
			if f, ok := part.node.pushdown(a); ok {
				filter = and(filter, f)
			} else {
				checks = append(checks, part.holds)
			}
		}
	}
	if all, is := filter.(store.Const); is {
		if !all {
			return store.ReadRule{Filter: filter}, nil
		}
		filter = nil
	}
	out := store.ReadRule{Filter: filter}
	if checks != nil {
		out.Check = func(row *store.Row) bool {
			for _, holds := range checks {
				if !holds(env{actor: a, data: row}) {
					return false
				}
			}
			return true
		}
	}
	return out, nil
}

// silent is the denial of an action that no policy speaks on.
func silent(e *store.Entity, a action) error {
	name := actionNames[a]
	return store.Errorf(store.Denied, "POLICY_DENIED", "no policy allows %s on %s", name, e.Name).
		WithHint("a policy for %s with %s or allow would", e.Name, ruleKeys[a][0])
}

// quoted is a policy as denials name it.
func quoted(name string, index int) string {
	if name == "" {
		return fmt.Sprintf("number %d", index+1)
	}
	return fmt.Sprintf("%q", name)
}

var _ store.Guard = (*Policies)(nil)
