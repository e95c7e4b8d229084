package store

import "math"

// exactly turns a comparison of a number field with a number of the other type
// into one with a number of the field's own type, so that no database rounds one
// of them to compare: an int field is compared with an int, a float field with a
// float. An empty op means that the answer is the same for every value that is
// not null: yes when all, no otherwise.
func exactly(field Type, op CompareOp, v Value) (newOp CompareOp, w Value, all bool) {
	switch {
	case field == TypeInt && v.Type() == TypeFloat:
		return intBound(op, v.Float())
	case field == TypeFloat && v.Type() == TypeInt:
		return floatBound(op, v.Int())
	}
	return op, v, false
}

// intBound is for ints compared with f.
func intBound(op CompareOp, f float64) (CompareOp, Value, bool) {
	switch {
	case f >= 1<<63: // above every int
		return "", Null, op == Lt || op == Le || op == Ne
	case f < -1<<63:
		return "", Null, op == Gt || op == Ge || op == Ne
	}
	floor := math.Floor(f)
	if floor == f {
		return op, Int(int64(f)), false
	}
	return between(op, Int(int64(floor)))
}

// floatBound is for floats compared with i.
func floatBound(op CompareOp, i int64) (CompareOp, Value, bool) {
	f := float64(i) // the nearest
	switch c := compareIntFloat(i, f); {
	case c == 0:
		return op, Float(f), false
	case c < 0: // rounded up
		f = math.Nextafter(f, math.Inf(-1))
	}
	return between(op, Float(f))
}

// between compares with a number that the field cannot have; below is the next
// one that it can have.
func between(op CompareOp, below Value) (CompareOp, Value, bool) {
	switch op {
	case Lt, Le:
		return Le, below, false
	case Gt, Ge:
		return Gt, below, false
	default:
		return "", Null, op == Ne
	}
}

// turned is the operator with its sides exchanged.
func (op CompareOp) turned() CompareOp {
	switch op {
	case Lt:
		return Gt
	case Le:
		return Ge
	case Gt:
		return Lt
	case Ge:
		return Le
	}
	return op
}
