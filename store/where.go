package store

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// MaxLimit is the most rows one answer holds.
const MaxLimit = 1000

// DecodeQuery reads the flat filter of POST /api/query/E: keys are fields, values
// a scalar or an object of operators ($gt $gte $lt $lte $not $in $like), beside
// $order, $limit and $offset. serverOnly fields are unknown to it: a filter on
// them would tell what they hold.
func DecodeQuery(e *Entity, body []byte) (*Query, error) {
	return decodeQuery(e, body, e.ClientField)
}

// DecodeServerQuery is DecodeQuery for the app's own code, which may filter by all
// fields.
func DecodeServerQuery(e *Entity, body []byte) (*Query, error) {
	return decodeQuery(e, body, e.ServerField)
}

func decodeQuery(e *Entity, body []byte, find func(name string) (int, error)) (*Query, error) {
	q := &Query{Entity: e, Limit: MaxLimit}
	var and And
	seen := map[string]bool{}
	err := EachMember(body, func(key string, raw []byte) error {
		if seen[key] {
			return keyTwice(key)
		}
		seen[key] = true
		switch key {
		case "$order":
			return decodeOrder(q, raw, find)
		case "$limit":
			n, err := count(key, raw, 1, MaxLimit)
			q.Limit = n
			return err
		case "$offset":
			n, err := count(key, raw, 0, 1<<31)
			q.Offset = n
			return err
		}
		field, err := find(key)
		if err != nil {
			return err
		}
		f, err := decodeCondition(e, field, raw)
		and = append(and, f...)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(and) > 0 {
		q.Filter = and
	}
	return q, nil
}

// ServerField finds a field that the app's own code names.
func (e *Entity) ServerField(name string) (int, error) {
	if i, ok := e.Lookup(name); ok {
		return i, nil
	}
	return e.ClientField(name)
}

// ClientField finds a field that clients may name in filters, orders and lookups.
func (e *Entity) ClientField(name string) (int, error) {
	i, ok := e.Lookup(name)
	switch {
	case ok && (i == FieldIDIndex || !e.Fields[i].ServerOnly):
		return i, nil
	case strings.HasPrefix(name, "$"):
		return 0, Errorf(Invalid, "INVALID_QUERY", "unknown key %q", name).WithField(name).WithHint("beside fields there are $order, $limit and $offset")
	}
	return 0, unknownField(e, name)
}

func count(key string, raw []byte, low, high int) (int, error) {
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < low || n > high {
		return 0, Errorf(Invalid, "INVALID_QUERY", "%s must be a whole number from %d to %d", key, low, high).WithField(key)
	}
	return n, nil
}

func decodeOrder(q *Query, raw []byte, find func(name string) (int, error)) error {
	if raw[0] != '{' {
		return Errorf(Invalid, "INVALID_QUERY", `$order must be an object like {"createdAt":"desc"}`).WithField("$order")
	}
	return EachMember(raw, func(key string, dir []byte) error {
		i, err := find(key)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(q.Order, func(o Order) bool { return o.Field == i }) {
			return keyTwice("$order." + key)
		}
		switch string(dir) {
		case `"asc"`, `"desc"`:
			q.Order = append(q.Order, Order{Field: i, Desc: string(dir) == `"desc"`})
			return nil
		}
		return Errorf(Invalid, "INVALID_QUERY", `$order.%s must be "asc" or "desc"`, key).WithField("$order." + key)
	})
}

var idField = Field{Name: "id", Type: TypeID}

func (e *Entity) fieldAt(i int) *Field {
	if i == FieldIDIndex {
		return &idField
	}
	return &e.Fields[i]
}

var operators = []string{"$gt", "$gte", "$lt", "$lte", "$not", "$in", "$like"}

// decodeCondition reads what follows a field: a scalar, or an object of operators.
func decodeCondition(e *Entity, i int, raw []byte) ([]Filter, error) {
	f := e.fieldAt(i)
	if raw[0] != '{' || f.Type == TypeJSON && !looksLikeOperators(raw) {
		eq, err := equals(f, i, raw)
		return []Filter{eq}, err
	}
	var all []Filter
	seen := map[string]bool{}
	err := EachMember(raw, func(op string, raw []byte) error {
		if seen[op] {
			return keyTwice(f.Name + "." + op)
		}
		seen[op] = true
		one, err := decodeOperator(f, i, op, raw)
		all = append(all, one)
		return err
	})
	if err == nil && len(all) == 0 {
		err = Errorf(Invalid, "INVALID_QUERY", "the condition on %s is empty", f.Name).WithField(f.Name)
	}
	return all, err
}

func looksLikeOperators(raw []byte) bool {
	found := false
	EachMember(raw, func(key string, _ []byte) error { //nolint:errcheck // raw is valid JSON and the callback never fails
		found = found || slices.Contains(operators, key)
		return nil
	})
	return found
}

func decodeOperator(f *Field, i int, op string, raw []byte) (Filter, error) {
	var cmp CompareOp
	switch op {
	case "$gt":
		cmp = Gt
	case "$gte":
		cmp = Ge
	case "$lt":
		cmp = Lt
	case "$lte":
		cmp = Le
	case "$not":
		eq, err := equals(f, i, raw)
		return Not{eq}, err
	case "$in":
		return decodeIn(f, i, raw)
	case "$like":
		if f.Type != TypeString && f.Type != TypeRichtext && f.Type != TypeID {
			return nil, Errorf(Invalid, "INVALID_QUERY", "$like works on text, %s is %s", f.Name, typeArticle(f)).WithField(f.Name)
		}
		if raw[0] != '"' {
			return nil, Errorf(Invalid, "INVALID_QUERY", "%s: $like takes a string", f.Name).WithField(f.Name)
		}
		pattern, err := unquote(raw)
		if err == nil {
			err = textOperand(f, pattern)
		}
		return Like{Field: i, Pattern: pattern}, err
	default:
		return nil, Errorf(Invalid, "INVALID_QUERY", "%s: unknown operator %q", f.Name, op).WithField(f.Name).WithHint("operators: %s", strings.Join(operators, ", "))
	}
	if f.Type == TypeJSON || f.Type == TypeBool {
		return nil, Errorf(Invalid, "INVALID_QUERY", "%s does not work on %s, which is %s", op, f.Name, typeArticle(f)).WithField(f.Name)
	}
	v, err := parseOperand(f, raw)
	if err == nil && v.IsNull() {
		err = Errorf(Invalid, "INVALID_QUERY", "%s: %s takes a value, not null", f.Name, op).WithField(f.Name)
	}
	return Compare{Field: i, Op: cmp, Value: v}, err
}

func parseOperand(f *Field, raw []byte) (Value, error) {
	v, err := ParseJSONValue(f, raw)
	if err != nil && f.Type == TypeInt && isNumber(raw) { // 2.5 is a fair bound for an int
		if x, ferr := strconv.ParseFloat(string(raw), 64); ferr == nil {
			return Float(x), nil
		}
	}
	if err == nil {
		err = f.storable(v)
	}
	return v, err
}

// maxPattern is less than what any engine takes as the pattern of a LIKE.
const maxPattern = 10_000

func textOperand(f *Field, pattern string) error {
	if len(pattern) > maxPattern {
		return Errorf(Invalid, "INVALID_QUERY", "%s: a $like pattern has at most %d bytes", f.Name, maxPattern).WithField(f.Name)
	}
	return f.storable(String(pattern))
}

func equals(f *Field, i int, raw []byte) (Filter, error) {
	v, err := parseOperand(f, raw)
	if err != nil {
		return nil, err
	}
	if v.IsNull() {
		return IsNull{i}, nil
	}
	return Compare{Field: i, Op: Eq, Value: v}, nil
}

func decodeIn(f *Field, i int, raw []byte) (Filter, error) {
	var items []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		return nil, Errorf(Invalid, "INVALID_QUERY", "%s: $in takes a list", f.Name).WithField(f.Name)
	}
	if len(items) > MaxLimit {
		return nil, Errorf(Invalid, "INVALID_QUERY", "%s: $in takes at most %d values", f.Name, MaxLimit).WithField(f.Name)
	}
	in := In{Field: i}
	null := false
	for _, item := range items {
		v, err := parseOperand(f, item)
		if err != nil {
			return nil, err
		}
		if v.IsNull() {
			null = true
			continue
		}
		in.Values = append(in.Values, v)
	}
	if null {
		return Or{in, IsNull{i}}, nil
	}
	return in, nil
}
