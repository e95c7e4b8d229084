package policy

import (
	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/store"
)

// Condition is an expression of the policy language about one write, for rules
// other than access: a webhook's `when`. `data` is the row as it is after the
// write (on delete, as it was), `existing` the row before it, whose fields are all
// null in an insert; `auth` is who writes.
type Condition struct {
	holds condition
	none  *store.Row // stands for existing in an insert
}

// CompileCondition compiles an expression. A mistake is reported as a problem with
// the value at node.
func CompileCondition(expression string, e *store.Entity, node manifest.Node) (*Condition, *manifest.Problem) {
	uses := map[string]bool{}
	r, err := newRule(expression, e, update, uses)
	if err == nil && uses["auth.email"] { // the host loads it for policies only
		return nil, node.Problem("INVALID_EXPRESSION", "auth.email is known in policies only; use auth.userId")
	}
	if err != nil {
		problem := node.Problem("INVALID_EXPRESSION", "%s, at character %d", err.message, err.at+1)
		if err.name != "" {
			problem = problem.WithNearest(err.name, err.candidates)
		}
		return nil, problem
	}
	return &Condition{holds: r.holds, none: &store.Row{Entity: e, Values: make([]store.Value, len(e.Fields))}}, nil
}

// Holds evaluates the condition for a write.
func (c *Condition) Holds(w *store.Write) bool {
	before := w.Before
	if before == nil {
		before = c.none
	}
	return c.holds(env{actor: w.Actor, data: w.Row(), existing: before})
}
