package queue

import (
	"fmt"
	"time"

	"github.com/pylon-go/pylon/store"
)

// Depth counts the items of a queue that wait or are worked on.
func (q *Queue) Depth(tx *store.Tx, queue string) (n int, err error) {
	err = tx.Query("SELECT count(*) FROM _pylon_queue WHERE queue=?", []store.Value{store.String(queue)}, func(r store.Rows) error {
		n = int(r.Value(0, store.TypeInt).Int())
		return nil
	})
	return n, err
}

// LaneDepth is what a lane holds.
type LaneDepth struct {
	Items  int       // that wait or are worked on
	Oldest time.Time // when the first of them was enqueued
}

// Lanes tells the depth of every lane of a queue that holds something.
func (q *Queue) Lanes(tx *store.Tx, queue string) (map[string]LaneDepth, error) {
	lanes := map[string]LaneDepth{}
	err := tx.Query("SELECT lane, count(*), min(enqueued_at) FROM _pylon_queue WHERE queue=? GROUP BY lane", []store.Value{store.String(queue)}, func(r store.Rows) error {
		lanes[r.Value(0, store.TypeString).Str()] = LaneDepth{int(r.Value(1, store.TypeInt).Int()), r.Value(2, store.TypeDatetime).Time()}
		return nil
	})
	return lanes, err
}

// Drop deletes the items of a lane that were enqueued before a time and are not
// being worked on, and says how many. Items behind a dropped one go on.
func (q *Queue) Drop(tx *store.Tx, queue, lane string, before time.Time) (n int, err error) {
	at := []store.Value{store.String(queue), store.String(lane)}
	err = tx.Query("DELETE FROM _pylon_queue WHERE queue=? AND lane=? AND enqueued_at<? AND claim IS NULL RETURNING 1",
		append(at, store.Time(before)), func(store.Rows) error { n++; return nil })
	if err != nil || n == 0 {
		return 0, wrapDrop(err, queue, lane)
	}
	now := tx.Now().UnixMicro()
	tx.OnCommit(func() { q.wake(queue, lane, now) })
	return n, wrapDrop(unblockFirst(tx, queue, lane, now), queue, lane)
}

func wrapDrop(err error, queue, lane string) error {
	if err != nil {
		return fmt.Errorf("drop items of %s/%s: %w", queue, lane, err)
	}
	return nil
}

// Cancel removes an item whose time has not come; was reports whether there was one.
// Later it may be under way.
func (q *Queue) Cancel(tx *store.Tx, queue, id string) (was bool, err error) {
	err = tx.Query("DELETE FROM _pylon_queue WHERE queue=? AND id=? AND claim IS NULL AND due>? RETURNING id", []store.Value{store.String(queue), store.String(id), store.Int(tx.Now().UnixMicro())}, func(store.Rows) error {
		was = true
		return nil
	})
	return was, err
}
