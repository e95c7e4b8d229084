package policy

import (
	"time"

	"github.com/expr-lang/expr/ast"

	"github.com/pylon-go/pylon/store"
)

// checker turns expr's tree into checked nodes for the rows of one entity.
type checker struct {
	entity *store.Entity
	action action

	usesExisting bool
	uses         map[string]bool // "auth.email" and so on
}

// authKinds are the plain values of auth.
var authKinds = map[string]kind{"userId": kText, "email": kText, "tenantId": kText, "isAdmin": kBool}

var (
	authNames = []string{"userId", "email", "roles", "tenantId", "isAdmin", "hasRole", "hasAnyRole"}
	rootNames = []string{"auth", "data", "existing"}
)

// rule checks a whole expression, which must be true or false.
func (c *checker) rule(root ast.Node) (*node, *exprError) {
	n, err := c.check(root)
	if err != nil {
		return nil, err
	}
	if n.kind != kBool {
		return nil, errorAt(root.Location(), "a rule must be true or false, this is %s", n.kind)
	}
	return n, nil
}

func (c *checker) check(n ast.Node) (*node, *exprError) {
	switch n := n.(type) {
	case *ast.NilNode:
		return constant(kNull, store.Null), nil
	case *ast.BoolNode:
		return constant(kBool, store.Bool(n.Value)), nil
	case *ast.IntegerNode:
		return constant(kNumber, store.Int(int64(n.Value))), nil
	case *ast.FloatNode:
		return constant(kNumber, store.Float(n.Value)), nil
	case *ast.StringNode:
		return constant(kText, store.String(n.Value)), nil
	case *ast.ArrayNode:
		return c.list(n)
	case *ast.MemberNode:
		return c.member(n)
	case *ast.CallNode:
		return c.call(n)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.IdentifierNode:
		for _, root := range rootNames {
			if n.Value == root {
				return nil, errorAt(n.Location(), "%s needs a name after it: %s.name", root, root)
			}
		}
		return nil, unknown(n, "unknown name "+n.Value, n.Value, rootNames)
	case *ast.BuiltinNode:
		return nil, unknown(n, "unknown function "+n.Name, n.Name, []string{"auth.hasRole", "auth.hasAnyRole"})
	default:
		return nil, errorAt(n.Location(), "this is not part of the policy language")
	}
}

func unknown(n ast.Node, message, name string, candidates []string) *exprError {
	err := errorAt(n.Location(), "%s", message)
	err.name, err.candidates = name, candidates
	return err
}

// list checks [a, b]. Its elements are of one kind; an empty list fits any.
func (c *checker) list(n *ast.ArrayNode) (*node, *exprError) {
	var items []*node
	for _, item := range n.Nodes {
		checked, err := c.check(item)
		if err != nil {
			return nil, err
		}
		switch checked.kind {
		case kNull:
			return nil, errorAt(item.Location(), "null in a list equals nothing; compare with == null instead")
		case kList, kJSON:
			return nil, errorAt(item.Location(), "a list cannot hold %s", checked.kind)
		}
		items = append(items, checked)
	}
	return newNode(opList, kList, items...), nil
}

// member checks auth.name, data.field and existing.field.
func (c *checker) member(n *ast.MemberNode) (*node, *exprError) {
	root, ok := n.Node.(*ast.IdentifierNode)
	if !ok {
		return nil, errorAt(n.Location(), "only auth, data and existing have names inside")
	}
	property, ok := n.Property.(*ast.StringNode)
	if !ok {
		return nil, errorAt(n.Location(), "a name must follow %s", root.Value)
	}
	name := property.Value
	switch root.Value {
	case "auth":
		return c.authMember(n, name)
	case "existing":
		if c.action == read || c.action == insert {
			return nil, errorAt(root.Location(), "existing is known in updates and deletes only, and this rule is for %s", actionNames[c.action])
		}
		c.usesExisting = true
	case "data":
	default:
		return nil, unknown(root, "unknown name "+root.Value, root.Value, rootNames)
	}
	i, ok := c.entity.Lookup(name)
	if !ok {
		return nil, unknown(n, c.entity.Name+" has no field "+name, name, append([]string{"id"}, c.entity.FieldNames()...))
	}
	k := kText
	if i != store.FieldIDIndex {
		k = kindOf(c.entity.Fields[i].Type)
	}
	return &node{op: opField, kind: k, field: i, existing: root.Value == "existing", row: true}, nil
}

func (c *checker) authMember(n *ast.MemberNode, name string) (*node, *exprError) {
	if name == "hasRole" || name == "hasAnyRole" {
		return nil, errorAt(n.Location(), "auth.%s needs a role: auth.%s(\"editor\")", name, name)
	}
	k, ok := authKinds[name]
	if !ok && name != "roles" {
		return nil, unknown(n, "auth has no "+name, name, authNames)
	}
	c.uses["auth."+name] = true
	if name == "roles" {
		return newNode(opRoles, kList), nil
	}
	return &node{op: opAuth, kind: k, auth: name}, nil
}

// call checks auth.hasRole and auth.hasAnyRole, which are `in` said differently.
func (c *checker) call(n *ast.CallNode) (*node, *exprError) {
	name, root := "", ""
	switch callee := n.Callee.(type) {
	case *ast.IdentifierNode:
		name = callee.Value
	case *ast.MemberNode:
		id, ok := callee.Node.(*ast.IdentifierNode)
		property, is := callee.Property.(*ast.StringNode)
		if !ok || !is {
			return nil, errorAt(n.Location(), "this cannot be called")
		}
		root, name = id.Value, property.Value
	default:
		return nil, errorAt(n.Location(), "this cannot be called")
	}
	if root != "auth" || (name != "hasRole" && name != "hasAnyRole") {
		full := name
		if root != "" {
			full = root + "." + name
		}
		return nil, unknown(n, "unknown function "+full, full, []string{"auth.hasRole", "auth.hasAnyRole"})
	}
	c.uses["auth.roles"] = true
	args := n.Arguments
	if len(args) == 1 && name == "hasAnyRole" {
		if list, ok := args[0].(*ast.ArrayNode); ok {
			args = list.Nodes
		}
	}
	if len(args) == 0 || (name == "hasRole" && len(args) != 1) {
		return nil, errorAt(n.Location(), "auth.%s needs %s", name, map[string]string{"hasRole": "one role", "hasAnyRole": "at least one role"}[name])
	}
	var any *node
	for _, a := range args {
		role, err := c.check(a)
		if err != nil {
			return nil, err
		}
		if role.kind != kText {
			return nil, errorAt(a.Location(), "a role is text, this is %s", role.kind)
		}
		one := newNode(opIn, kBool, role, newNode(opRoles, kList))
		if any == nil {
			any = one
		} else {
			any = newNode(opOr, kBool, any, one)
		}
	}
	return any, nil
}

func (c *checker) unary(n *ast.UnaryNode) (*node, *exprError) {
	a, err := c.check(n.Node)
	if err != nil {
		return nil, err
	}
	want := kNumber
	if n.Operator == "!" {
		want = kBool
	}
	if a.kind != want {
		return nil, errorAt(n.Location(), "%s needs %s, this is %s", n.Operator, want, a.kind)
	}
	switch n.Operator {
	case "!":
		return newNode(opNot, kBool, a), nil
	case "-":
		return newNode(opSub, kNumber, constant(kNumber, store.Int(0)), a), nil
	default:
		return a, nil
	}
}

var (
	ordering   = map[string]op{"<": opLt, "<=": opLe, ">": opGt, ">=": opGe}
	arithmetic = map[string]op{"+": opAdd, "-": opSub, "*": opMul, "/": opDiv, "%": opMod}
)

func (c *checker) binary(n *ast.BinaryNode) (*node, *exprError) {
	a, err := c.check(n.Left)
	if err != nil {
		return nil, err
	}
	b, err := c.check(n.Right)
	if err != nil {
		return nil, err
	}
	switch n.Operator {
	case "&&", "||":
		if a.kind != kBool || b.kind != kBool {
			return nil, mismatch(n, a, b)
		}
		if n.Operator == "&&" {
			return newNode(opAnd, kBool, a, b), nil
		}
		return newNode(opOr, kBool, a, b), nil
	case "==", "!=":
		eq, err := equality(n, a, b)
		if err != nil || n.Operator == "==" {
			return eq, err
		}
		return newNode(opNot, kBool, eq), nil
	case "<", "<=", ">", ">=":
		if err := sameKind(n, a, b); err != nil {
			return nil, err
		}
		if a.kind == kBool {
			return nil, errorAt(n.Location(), "bools have no order; use == or !=")
		}
		return newNode(ordering[n.Operator], kBool, a, b), nil
	case "in":
		return membership(n, a, b)
	case "startsWith", "endsWith":
		if a.kind != kText || b.kind != kText {
			return nil, mismatch(n, a, b)
		}
		if n.Operator == "startsWith" {
			return newNode(opStarts, kBool, a, b), nil
		}
		return newNode(opEnds, kBool, a, b), nil
	}
	o, ok := arithmetic[n.Operator]
	switch {
	case !ok:
		return nil, errorAt(n.Location(), "%s is not part of the policy language", n.Operator)
	case o == opAdd && a.kind == kText && b.kind == kText:
		return newNode(opConcat, kText, a, b), nil
	case a.kind != kNumber || b.kind != kNumber:
		return nil, mismatch(n, a, b)
	}
	return newNode(o, kNumber, a, b), nil
}

func mismatch(n *ast.BinaryNode, a, b *node) *exprError {
	word := n.Operator
	for own, theirs := range translated {
		if word == theirs {
			word = own
		}
	}
	return errorAt(n.Location(), "%s cannot be used between %s and %s", word, a.kind, b.kind)
}

// equality checks a == b; with the literal null it is a test for null.
func equality(n *ast.BinaryNode, a, b *node) (*node, *exprError) {
	switch {
	case a.kind == kNull && b.kind == kNull:
		return constant(kBool, store.Bool(true)), nil
	case a.kind == kList || b.kind == kList:
		return nil, mismatch(n, a, b)
	case a.kind == kNull:
		return newNode(opIsNull, kBool, b), nil
	case b.kind == kNull:
		return newNode(opIsNull, kBool, a), nil
	}
	if err := sameKind(n, a, b); err != nil {
		return nil, err
	}
	return newNode(opEq, kBool, a, b), nil
}

// sameKind refuses to compare what cannot be equal, after making datetimes of
// literals that stand beside one.
func sameKind(n *ast.BinaryNode, a, b *node) *exprError {
	if err := literalTime(n.Left, a, b); err != nil {
		return err
	}
	if err := literalTime(n.Right, b, a); err != nil {
		return err
	}
	if a.kind != b.kind || a.kind == kNull || a.kind == kJSON || a.kind == kList {
		return mismatch(n, a, b)
	}
	return nil
}

// literalTime makes n a datetime when it is a literal and other is one.
func literalTime(at ast.Node, n, other *node) *exprError {
	if other.kind != kTime || n.op != opConst || n.kind != kText {
		return nil
	}
	t, err := time.Parse(time.RFC3339, n.value.Str())
	if err != nil {
		return errorAt(at.Location(), "%q is not an RFC 3339 datetime such as \"2026-01-31T12:00:00Z\"", n.value.Str())
	}
	n.kind, n.value = kTime, store.Time(t)
	return nil
}

// membership checks a in b: a list, auth.roles or a json array.
func membership(n *ast.BinaryNode, a, b *node) (*node, *exprError) {
	switch {
	case b.kind == kJSON && (a.kind == kText || a.kind == kNumber || a.kind == kBool):
	case b.op == opRoles && a.kind == kText:
	case b.op == opList && a.kind != kNull && a.kind != kJSON && a.kind != kList:
		items := n.Right.(*ast.ArrayNode).Nodes
		for i, item := range b.args {
			if err := literalTime(items[i], item, a); err != nil {
				return nil, err
			}
			if item.kind != a.kind {
				return nil, errorAt(items[i].Location(), "%s can never equal %s", item.kind, a.kind)
			}
		}
	default:
		return nil, mismatch(n, a, b)
	}
	return newNode(opIn, kBool, a, b), nil
}
