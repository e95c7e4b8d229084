package policy

import "github.com/pylon-go/pylon/store"

// kind is the static type of an expression. Every expression has one: fields and
// auth values are declared, so nothing is left to be found out at run time.
type kind uint8

const (
	kNull kind = iota // the literal null
	kBool
	kNumber
	kText
	kTime
	kJSON
	kList // only as the right side of in
)

var kindNames = [...]string{"null", "a bool", "a number", "text", "a datetime", "json", "a list"}

func (k kind) String() string { return kindNames[k] }

func kindOf(t store.Type) kind {
	switch t {
	case store.TypeBool:
		return kBool
	case store.TypeInt, store.TypeFloat:
		return kNumber
	case store.TypeDatetime:
		return kTime
	case store.TypeJSON:
		return kJSON
	default:
		return kText
	}
}

type op uint8

const (
	opConst  op = iota // value
	opField            // data.field or existing.field
	opAuth             // auth.name
	opRoles            // auth.roles
	opList             // [args]
	opNot              // !a
	opAnd              // a && b
	opOr               // a || b
	opEq               // a == b
	opLt               // a < b
	opLe               // a <= b
	opGt               // a > b
	opGe               // a >= b
	opIsNull           // a == null
	opIn               // a in b
	opStarts           // a starts_with b
	opEnds             // a ends_with b
	opAdd              // a + b, numbers
	opSub              // a - b
	opMul              // a * b
	opDiv              // a / b
	opMod              // a % b
	opConcat           // a + b, text
)

// node is a checked expression. != has no node of its own: it is !(a == b).
type node struct {
	op       op
	kind     kind
	value    store.Value // opConst
	auth     string      // opAuth: the name after the dot
	field    int         // opField
	existing bool        // opField: of the stored row
	args     []*node
	row      bool // depends on the row; otherwise the actor decides it alone
}

func newNode(o op, k kind, args ...*node) *node {
	n := &node{op: o, kind: k, args: args}
	for _, a := range args {
		n.row = n.row || a.row
	}
	return n
}

func constant(k kind, v store.Value) *node { return &node{op: opConst, kind: k, value: v} }

// conjuncts are the parts of n that must all be true.
func (n *node) conjuncts() []*node {
	if n.op != opAnd {
		return []*node{n}
	}
	return append(n.args[0].conjuncts(), n.args[1].conjuncts()...)
}
