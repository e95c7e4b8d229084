package policy

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/pylon-go/pylon/store"
)

// env is what an expression is evaluated on. It is passed by value, so that an
// evaluation allocates nothing.
type env struct {
	actor          *store.Actor
	data, existing *store.Row
}

type (
	value     func(env) store.Value
	condition func(env) bool
)

// condition compiles a node of kind bool. A bool that is null is false.
func (n *node) condition() condition {
	switch n.op {
	case opConst:
		b := n.value.Bool()
		return func(env) bool { return b }
	case opNot:
		a := n.args[0].condition()
		return func(e env) bool { return !a(e) }
	case opAnd:
		a, b := n.args[0].condition(), n.args[1].condition()
		return func(e env) bool { return a(e) && b(e) }
	case opOr:
		a, b := n.args[0].condition(), n.args[1].condition()
		return func(e env) bool { return a(e) || b(e) }
	case opIsNull:
		a := n.args[0].compile()
		return func(e env) bool { return a(e).IsNull() }
	case opEq:
		a, b := n.args[0].compile(), n.args[1].compile()
		return func(e env) bool { return equal(a(e), b(e)) }
	case opLt:
		return n.compare(func(c int) bool { return c < 0 })
	case opLe:
		return n.compare(func(c int) bool { return c <= 0 })
	case opGt:
		return n.compare(func(c int) bool { return c > 0 })
	case opGe:
		return n.compare(func(c int) bool { return c >= 0 })
	case opIn:
		return n.in()
	case opStarts:
		return n.affix(strings.HasPrefix)
	case opEnds:
		return n.affix(strings.HasSuffix)
	default:
		v := n.compile()
		return func(e env) bool { return v(e).Bool() }
	}
}

func equal(a, b store.Value) bool {
	return !a.IsNull() && !b.IsNull() && store.CompareValues(a, b) == 0
}

func (n *node) compare(holds func(int) bool) condition {
	a, b := n.args[0].compile(), n.args[1].compile()
	return func(e env) bool {
		x, y := a(e), b(e)
		return !x.IsNull() && !y.IsNull() && holds(store.CompareValues(x, y))
	}
}

func (n *node) affix(holds func(s, affix string) bool) condition {
	a, b := n.args[0].compile(), n.args[1].compile()
	return func(e env) bool {
		x, y := a(e), b(e)
		return !x.IsNull() && !y.IsNull() && holds(x.Str(), y.Str())
	}
}

func (n *node) in() condition {
	a, list := n.args[0].compile(), n.args[1]
	switch list.op {
	case opRoles:
		return func(e env) bool {
			x := a(e)
			return !x.IsNull() && slices.Contains(e.actor.Roles, x.Str())
		}
	case opList:
		items := make([]value, len(list.args))
		for i, item := range list.args {
			items[i] = item.compile()
		}
		return func(e env) bool {
			x := a(e)
			for _, item := range items {
				if equal(x, item(e)) {
					return true
				}
			}
			return false
		}
	default:
		array := list.compile()
		return func(e env) bool { return inJSON(a(e), array(e)) }
	}
}

// compile compiles a node to its value; lists have none.
func (n *node) compile() value {
	switch n.op {
	case opConst:
		v := n.value
		return func(env) store.Value { return v }
	case opField:
		i := n.field
		switch {
		case n.existing:
			return func(e env) store.Value { return e.existing.At(i) }
		default:
			return func(e env) store.Value { return e.data.At(i) }
		}
	case opAuth:
		return authValue(n.auth)
	case opAdd, opSub, opMul, opDiv, opMod:
		a, b, o := n.args[0].compile(), n.args[1].compile(), n.op
		return func(e env) store.Value { return calculate(o, a(e), b(e)) }
	case opConcat:
		a, b := n.args[0].compile(), n.args[1].compile()
		return func(e env) store.Value {
			x, y := a(e), b(e)
			if x.IsNull() || y.IsNull() {
				return store.Null
			}
			return store.String(x.Str() + y.Str())
		}
	default:
		c := n.condition()
		return func(e env) store.Value { return store.Bool(c(e)) }
	}
}

func authValue(name string) value {
	switch name {
	case "userId":
		return func(e env) store.Value { return store.OptString(e.actor.UserID()) }
	case "email":
		return func(e env) store.Value { return store.OptString(e.actor.Email) }
	case "tenantId":
		return func(e env) store.Value { return store.OptString(e.actor.TenantID) }
	default:
		return func(e env) store.Value { return store.Bool(e.actor.Admin) }
	}
}

// calculate is null where there is no number for an answer.
func calculate(o op, a, b store.Value) store.Value {
	if a.IsNull() || b.IsNull() {
		return store.Null
	}
	if a.Type() == store.TypeInt && b.Type() == store.TypeInt {
		if v, ok := calculateInt(o, a.Int(), b.Int()); ok {
			return v
		}
	}
	x, y := a.Float(), b.Float()
	var f float64
	switch o {
	case opAdd:
		f = x + y
	case opSub:
		f = x - y
	case opMul:
		f = x * y
	case opDiv:
		f = x / y
	default:
		f = math.Mod(x, y)
	}
	if y == 0 && (o == opDiv || o == opMod) || math.IsNaN(f) || math.IsInf(f, 0) {
		return store.Null
	}
	return store.Float(f)
}

// calculateInt leaves uneven divisions to floats, by ok false; an overflow is null.
func calculateInt(o op, a, b int64) (v store.Value, ok bool) {
	switch o {
	case opAdd:
		if s := a + b; (s > a) == (b > 0) {
			return store.Int(s), true
		}
	case opSub:
		if d := a - b; (d < a) == (b > 0) {
			return store.Int(d), true
		}
	case opMul:
		if p := new(big.Int).Mul(big.NewInt(a), big.NewInt(b)); p.IsInt64() {
			return store.Int(p.Int64()), true
		}
	case opDiv, opMod:
		switch {
		case b == 0, b == -1 && a == math.MinInt64 && o == opDiv:
		case o == opMod:
			return store.Int(a % b), true
		case a%b == 0:
			return store.Int(a / b), true
		default:
			return store.Null, false
		}
	}
	return store.Null, true
}

// inJSON looks for x among the elements of a json array.
func inJSON(x, array store.Value) bool {
	if x.IsNull() || array.IsNull() {
		return false
	}
	raw := array.Str()
	if x.IsText() && strings.IndexByte(raw, '\\') < 0 && !strings.Contains(raw, x.Str()) {
		return false // most rows of a list end here, without being parsed
	}
	d := json.NewDecoder(strings.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return false
	}
	for d.More() {
		var item json.RawMessage
		if d.Decode(&item) != nil {
			return false
		}
		if item = bytes.TrimSpace(item); jsonEqual(x, item) {
			return true
		}
	}
	return false
}

func jsonEqual(x store.Value, item json.RawMessage) bool {
	switch first := item[0]; {
	case first == '"':
		var s string
		return x.IsText() && json.Unmarshal(item, &s) == nil && s == x.Str()
	case first == 't' || first == 'f':
		return x.Type() == store.TypeBool && x.Bool() == (first == 't')
	case first == '-' || first >= '0' && first <= '9':
		if x.Type() != store.TypeInt && x.Type() != store.TypeFloat {
			return false
		}
		var i int64
		if json.Unmarshal(item, &i) == nil {
			return store.CompareValues(x, store.Int(i)) == 0
		}
		var f float64
		return json.Unmarshal(item, &f) == nil && store.CompareValues(x, store.Float(f)) == 0
	default:
		return false
	}
}
