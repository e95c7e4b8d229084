package main

import (
	"slices"
	"strconv"
	"testing"
)

var testHooks = []hook{{"plain", "Item", ""}, {"byrow", "Item", "row"}, {"byhook", "Entry", "hook"}}

// story is a history in which everything went well: an Item with three versions,
// another one, an Entry with two; writer 2 wrote an Item whose answer was lost.
type story struct {
	writes   []write
	rows     map[key]state
	accepted []acceptance
}

func goodStory() *story {
	s := &story{rows: map[key]state{}}
	add := func(entity string, writer, n, birth, version int, o outcome) {
		row := key{writer, birth}
		s.writes = append(s.writes, write{key: key{writer, n}, Entity: entity, Row: row, Version: version, Outcome: o})
		if o == absent {
			return
		}
		s.rows[row] = state{entity, n, version}
		for _, h := range testHooks {
			if h.entity == entity {
				id := h.name + "-" + strconv.Itoa(writer) + "-" + strconv.Itoa(n)
				s.accepted = append(s.accepted, acceptance{h.name, id, uint64(n), key{writer, n}, row, version})
			}
		}
	}
	add("Item", 1, 1, 1, 1, acknowledged)
	add("Item", 1, 2, 1, 2, acknowledged)
	add("Entry", 1, 3, 3, 1, acknowledged)
	add("Item", 1, 4, 1, 3, absent)
	add("Item", 1, 5, 1, 3, acknowledged)
	add("Entry", 1, 6, 3, 2, acknowledged)
	add("Item", 2, 1, 1, 1, unanswered)
	return s
}

// of finds the acceptance of a write.
func (s *story) of(hook string, writer, n int) int {
	return slices.IndexFunc(s.accepted, func(a acceptance) bool { return a.Hook == hook && a.Write == key{writer, n} })
}

func TestCheckFindsNothingInAGoodStory(t *testing.T) {
	s := goodStory()
	again := s.accepted[s.of("byrow", 1, 2)]
	s.accepted = append(s.accepted, again) // at least once
	v := check(testHooks, s.writes, s.rows, s.accepted)
	if len(v.violations) > 0 {
		t.Errorf("%v", v.violations)
	}
	if v.acknowledged != 5 || v.unanswered != 1 || v.committed != 1 || v.duplicates != 1 || v.deliveries != 10 {
		t.Errorf("%+v", v)
	}

	// An unanswered write that did not happen leaves nothing behind.
	s = goodStory()
	delete(s.rows, key{2, 1})
	s.accepted = slices.DeleteFunc(s.accepted, func(a acceptance) bool { return a.Write.Writer == 2 })
	if v = check(testHooks, s.writes, s.rows, s.accepted); len(v.violations) > 0 || v.committed != 0 {
		t.Errorf("%+v", v)
	}
}

func TestCheckFinds(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(s *story)
		want  []string
	}{
		"a lost insert": {func(s *story) {
			delete(s.rows, key{1, 3})
			s.accepted = slices.DeleteFunc(s.accepted, func(a acceptance) bool { return a.Hook == "byhook" })
		}, []string{lostWrite, lostWrite}},
		"a lost update":                   {func(s *story) { s.rows[key{1, 3}] = state{"Entry", 3, 1} }, []string{lostWrite, orphan}},
		"a row nobody wrote":              {func(s *story) { s.rows[key{9, 9}] = state{"Item", 9, 1} }, []string{wrongRow}},
		"a row of a version nobody wrote": {func(s *story) { s.rows[key{1, 1}] = state{"Item", 5, 7} }, []string{wrongRow}},
		"a write that came back": {func(s *story) {
			s.writes = append(s.writes, write{key: key{1, 7}, Entity: "Item", Row: key{1, 1}, Version: 4, Outcome: absent})
			s.rows[key{1, 1}] = state{"Item", 7, 4}
		}, []string{wrongRow}},
		"a half of a transaction": {func(s *story) {
			for n := 8; n <= 9; n++ {
				s.writes = append(s.writes, write{key: key{2, n}, Entity: "Entry", Row: key{2, n}, Version: 1, Group: 8})
			}
			s.rows[key{2, 9}] = state{"Entry", 9, 1}
			s.accepted = append(s.accepted, acceptance{"byhook", "z", 9, key{2, 9}, key{2, 9}, 1})
		}, []string{halfWrite}},
		"a lost delivery": {func(s *story) {
			i := s.of("plain", 1, 2)
			s.accepted = slices.Delete(s.accepted, i, i+1)
		}, []string{lostDelivery}},
		"an unanswered write in the database, half of its deliveries": {func(s *story) {
			i := s.of("byrow", 2, 1)
			s.accepted = slices.Delete(s.accepted, i, i+1)
		}, []string{lostDelivery}},
		"deliveries of an unanswered write that is not in the database": {func(s *story) { delete(s.rows, key{2, 1}) }, []string{orphan, orphan}},
		"a delivery of a write that is absent": {func(s *story) {
			s.accepted = append(s.accepted, acceptance{"plain", "x", 4, key{1, 4}, key{1, 1}, 3})
		}, []string{orphan}},
		"a duplicate with another id": {func(s *story) {
			again := s.accepted[s.of("plain", 1, 1)]
			again.ID = "another"
			s.accepted = append(s.accepted, again)
		}, []string{twoIDs}},
		"a duplicate with other bytes": {func(s *story) {
			again := s.accepted[s.of("plain", 1, 1)]
			again.Body++
			s.accepted = append(s.accepted, again)
		}, []string{changedBody}},
		"an id for two writes": {func(s *story) {
			s.accepted[s.of("plain", 1, 2)].ID = s.accepted[s.of("plain", 1, 1)].ID
		}, []string{oneIDTwice, lostDelivery}},
		"an id for two hooks": {func(s *story) {
			s.accepted[s.of("byrow", 1, 1)].ID = s.accepted[s.of("plain", 1, 1)].ID
		}, []string{oneIDTwice, lostDelivery}},
		"versions of a row out of order": {func(s *story) {
			i, j := s.of("byrow", 1, 1), s.of("byrow", 1, 2)
			s.accepted[i], s.accepted[j] = s.accepted[j], s.accepted[i]
		}, []string{outOfOrder}},
		"writes of a writer out of the hook's order": {func(s *story) {
			s.writes = append(s.writes, write{key: key{1, 8}, Entity: "Entry", Row: key{1, 8}, Version: 1, Outcome: acknowledged})
			s.rows[key{1, 8}] = state{"Entry", 8, 1}
			s.accepted = slices.Insert(s.accepted, s.of("byhook", 1, 6), acceptance{"byhook", "y", 8, key{1, 8}, key{1, 8}, 1})
		}, []string{outOfOrder}},
	} {
		t.Run(name, func(t *testing.T) {
			s := goodStory()
			tt.spoil(s)
			var got []string
			for _, v := range check(testHooks, s.writes, s.rows, s.accepted).violations {
				got = append(got, v.Kind)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}

	// What an unordered hook may do.
	s := goodStory()
	slices.Reverse(s.accepted)
	for _, v := range check(testHooks[:1], s.writes, s.rows, slices.DeleteFunc(s.accepted, func(a acceptance) bool { return a.Hook != "plain" })).violations {
		t.Errorf("an unordered hook: %v", v)
	}
}
