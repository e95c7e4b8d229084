package store

import (
	"context"
	"slices"
)

// refusal is a write that the guard refused.
type refusal struct {
	write Write
	cause error
}

// readBy is an entity that was read, and by whom.
type readBy struct {
	entity *Entity
	by     *Actor
}

func (s *txState) read(e *Entity, by *Actor) {
	if !slices.Contains(s.reads, readBy{e, by}) {
		s.reads = append(s.reads, readBy{e, by})
	}
}

// tellReaders tells the [AfterReader] hooks what was read.
func (s *txState) tellReaders(ctx context.Context, db *DB, tx *Tx) error {
	reads := s.reads
	s.reads = nil // what the hooks read is their own business
	for _, r := range reads {
		for _, h := range db.watched[r.entity] {
			if err := h.AfterRead(ctx, tx, r.entity, r.by); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellRefused tells the [RefusalHearer] hooks what was refused.
func (db *DB) tellRefused(ctx context.Context, state *txState) {
	if state == nil {
		return
	}
	for i := range state.refused {
		for _, h := range db.refused {
			db.afterwards(func() { h.Refused(ctx, &state.refused[i].write, state.refused[i].cause) })
		}
	}
}
