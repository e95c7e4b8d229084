package policy

import "github.com/pylon-go/pylon/store"

// pushdown is the filter that a condition is for one actor; ok is false when no
// filter says the same. What the actor decides alone becomes a constant.
func (n *node) pushdown(a *store.Actor) (f store.Filter, ok bool) {
	if !n.row {
		return store.Const(n.condition()(env{actor: a})), true
	}
	switch n.op {
	case opField:
		return store.Compare{Field: n.field, Op: store.Eq, Value: store.Bool(true)}, true
	case opNot:
		f, ok := n.args[0].pushdown(a)
		return not(f), ok
	case opAnd, opOr:
		x, ok := n.args[0].pushdown(a)
		if !ok {
			return nil, false
		}
		y, ok := n.args[1].pushdown(a)
		if !ok {
			return nil, false
		}
		if n.op == opAnd {
			return and(x, y), true
		}
		return or(x, y), true
	case opIsNull:
		if n.args[0].op == opField {
			return store.IsNull{Field: n.args[0].field}, true
		}
	case opEq, opLt, opLe, opGt, opGe:
		return comparison(compareOps[n.op], n.args[0], n.args[1], a)
	case opIn:
		return inList(n.args[0], n.args[1], a)
	case opStarts, opEnds:
		return affix(n.op, n.args[0], n.args[1], a)
	}
	return nil, false
}

var compareOps = map[op]store.CompareOp{opEq: store.Eq, opLt: store.Lt, opLe: store.Le, opGt: store.Gt, opGe: store.Ge}

// flipped turns an operator for exchanged sides.
var flipped = map[store.CompareOp]store.CompareOp{
	store.Eq: store.Eq, store.Lt: store.Gt, store.Le: store.Ge, store.Gt: store.Lt, store.Ge: store.Le,
}

// evaluate is the value of a node that does not depend on the row.
func (n *node) evaluate(a *store.Actor) store.Value { return n.compile()(env{actor: a}) }

func comparison(o store.CompareOp, x, y *node, a *store.Actor) (store.Filter, bool) {
	switch {
	case x.op == opField && y.op == opField:
		return store.CompareFields{Field: x.field, Op: o, Other: y.field}, true
	case x.op == opField && !y.row:
		v := y.evaluate(a)
		if v.IsNull() {
			return store.Const(false), true
		}
		return store.Compare{Field: x.field, Op: o, Value: v}, true
	case y.op == opField && !x.row:
		return comparison(flipped[o], y, x, a)
	}
	return nil, false
}

func inList(x, list *node, a *store.Actor) (store.Filter, bool) {
	switch list.op {
	case opRoles:
		if x.op != opField {
			return nil, false
		}
		values := make([]store.Value, len(a.Roles))
		for i, role := range a.Roles {
			values[i] = store.String(role)
		}
		return in(x.field, values), true
	case opList:
		if x.op == opField && !list.row {
			var values []store.Value
			for _, item := range list.args {
				if v := item.evaluate(a); !v.IsNull() {
					values = append(values, v)
				}
			}
			return in(x.field, values), true
		}
		var any store.Filter = store.Const(false)
		for _, item := range list.args {
			f, ok := newNode(opEq, kBool, x, item).pushdown(a)
			if !ok {
				return nil, false
			}
			any = or(any, f)
		}
		return any, true
	}
	return nil, false
}

func in(field int, values []store.Value) store.Filter {
	switch len(values) {
	case 0:
		return store.Const(false)
	case 1:
		return store.Compare{Field: field, Op: store.Eq, Value: values[0]}
	}
	return store.In{Field: field, Values: values}
}

func affix(o op, x, text *node, a *store.Actor) (store.Filter, bool) {
	if x.op != opField || text.row {
		return nil, false
	}
	v := text.evaluate(a)
	switch {
	case v.IsNull():
		return store.Const(false), true
	case o == opStarts:
		return store.StartsWith{Field: x.field, Text: v.Str()}, true
	default:
		return store.EndsWith{Field: x.field, Text: v.Str()}, true
	}
}

// and, or and not put filters together, constants taken out.

func and(x, y store.Filter) store.Filter {
	if c, ok := x.(store.Const); ok {
		if c {
			return y
		}
		return c
	}
	if c, ok := y.(store.Const); ok {
		if c {
			return x
		}
		return c
	}
	return store.And{x, y}
}

func or(x, y store.Filter) store.Filter {
	if c, ok := x.(store.Const); ok {
		if c {
			return c
		}
		return y
	}
	if c, ok := y.(store.Const); ok {
		if c {
			return c
		}
		return x
	}
	return store.Or{x, y}
}

func not(f store.Filter) store.Filter {
	if c, ok := f.(store.Const); ok {
		return !c
	}
	return store.Not{Filter: f}
}
