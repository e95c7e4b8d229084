package auditlog

import "slices"

// rangeSet is a set of numbers that mostly come in order.
type rangeSet [][2]int64

// add adds a number; fresh is false when it is there.
func (s *rangeSet) add(n int64) (fresh bool) {
	r := *s
	if last := len(r) - 1; last >= 0 && r[last][1]+1 == n {
		r[last][1] = n
		return true
	}
	i, found := slices.BinarySearchFunc(r, n, func(e [2]int64, n int64) int {
		switch {
		case e[1] < n:
			return -1
		case e[0] > n:
			return 1
		}
		return 0
	})
	if found {
		return false
	}
	left := i > 0 && r[i-1][1]+1 == n
	right := i < len(r) && r[i][0]-1 == n
	switch {
	case left && right:
		r[i-1][1] = r[i][1]
		r = slices.Delete(r, i, i+1)
	case left:
		r[i-1][1] = n
	case right:
		r[i][0] = n
	default:
		r = slices.Insert(r, i, [2]int64{n, n})
	}
	*s = r
	return true
}

// addRange adds numbers that may be there.
func (s *rangeSet) addRange(from, to int64) {
	var out rangeSet
	for _, e := range *s {
		switch {
		case e[1] < from-1:
			out = append(out, e)
		case e[0] > to+1:
			out = append(out, [2]int64{from, to}, e)
			from, to = e[0], e[1]
			out = out[:len(out)-1]
		default:
			from, to = min(from, e[0]), max(to, e[1])
		}
	}
	*s = append(out, [2]int64{from, to})
}

// holes calls fn for the ranges from 1 to high that are not in the set.
func (s rangeSet) holes(high int64, fn func(from, to int64)) {
	next := int64(1)
	for _, e := range s {
		if e[0] > high {
			break
		}
		if e[0] > next {
			fn(next, e[0]-1)
		}
		next = max(next, e[1]+1)
	}
	if next <= high {
		fn(next, high)
	}
}

// top is the largest number, 0 when there is none.
func (s rangeSet) top() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1][1]
}
