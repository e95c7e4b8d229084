package queue

import (
	"fmt"
	"time"

	"github.com/pylon-go/pylon/store"
)

// Revive puts a dead letter back to work, with its id and payload, as if it were
// new. It fails with NOT_FOUND when there is no such dead letter.
func (q *Queue) Revive(tx *store.Tx, id string) error {
	var it *Item
	err := tx.Query("SELECT queue,lane,key,payload FROM _pylon_queue_dead WHERE id=?"+tx.Dialect().ForUpdate, []store.Value{store.String(id)}, func(r store.Rows) error {
		it = &Item{ID: id, Queue: r.Value(0, store.TypeString).Str(), Lane: r.Value(1, store.TypeString).Str(),
			Key: r.Value(2, store.TypeString).Str(), Payload: []byte(r.Value(3, store.TypeBytes).Str())}
		return nil
	})
	if err != nil {
		return err
	}
	if it == nil {
		return store.Errorf(store.NotFound, "NOT_FOUND", "no dead letter with id %q", id)
	}
	if err := tx.Exec("DELETE FROM _pylon_queue_dead WHERE id=?", store.String(id)); err != nil {
		return err
	}
	_, err = q.Enqueue(tx, *it)
	return err
}

// PurgeDead deletes the dead letters of a queue that died before a time, and says how many.
func (q *Queue) PurgeDead(tx *store.Tx, queue string, before time.Time) (n int, err error) {
	err = tx.Query("DELETE FROM _pylon_queue_dead WHERE queue=? AND died_at<? RETURNING 1",
		[]store.Value{store.String(queue), store.Time(before)}, func(store.Rows) error { n++; return nil })
	if err != nil {
		return 0, fmt.Errorf("purge dead letters of %s: %w", queue, err)
	}
	return n, nil
}
