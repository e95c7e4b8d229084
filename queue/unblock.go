package queue

import (
	"fmt"

	"github.com/pylon-go/pylon/store"
)

// An item behind another of its key is let go by whoever removes that one. Among
// several processes the item may still be on its way in when the other is
// dropped; a scan finds it later.

// countBlocked notes a lane that has items which wait for others.
func (p *pool) countBlocked(tx *store.Tx, lane store.Value, blocked map[string]bool) error {
	return tx.Query("SELECT max(due) FROM _pylon_queue WHERE queue=? AND lane=?", []store.Value{store.String(p.name), lane}, func(r store.Rows) error {
		if r.Value(0, store.TypeInt).Int() == never {
			blocked[lane.Str()] = true
		}
		return nil
	})
}

// unblock lets items go that are the first of their key and wait all the same.
func (q *Queue) unblock(lane, queue string) error {
	return q.db.Update(q.ctx, func(tx *store.Tx) error {
		now := tx.Now().UnixMicro()
		tx.OnCommit(func() { q.wake(queue, lane, now) })
		if err := unblockFirst(tx, queue, lane, now); err != nil {
			return fmt.Errorf("let items of %s/%s go: %w", queue, lane, err)
		}
		return nil
	})
}

func unblockFirst(tx *store.Tx, queue, lane string, now int64) error {
	at := []store.Value{store.String(queue), store.String(lane)}
	return tx.Exec("UPDATE _pylon_queue SET due=? WHERE queue=? AND lane=? AND due=? AND seq IN "+
		"(SELECT min(seq) FROM _pylon_queue WHERE queue=? AND lane=? AND key IS NOT NULL GROUP BY key)",
		store.Int(now), at[0], at[1], store.Int(never), at[0], at[1])
}
