package webhooks_test

import (
	"fmt"
	"testing"
	"time"
)

const day = 24 * time.Hour

// elapse moves the clock by whole hours, each when the hourly work is done.
func (r *rig) elapse(d time.Duration) {
	r.t.Helper()
	r.clock.Advance(d)
	// What is hourly runs once, however long it was: afterwards nothing is held.
	r.wait("the hourly work", func() bool {
		time.Sleep(5 * time.Millisecond) // until it has begun
		return r.metric(`pylon_queue_held{queue="periodic"}`) == 0
	})
}

func (r *rig) ids() (ids []any) {
	for _, row := range r.rows() {
		ids = append(ids, row["deliveryId"])
	}
	return ids
}

// Rows are kept for retention_days, to the hour.
func TestRetentionOfFailedDeliveries(t *testing.T) {
	r := newStoppedRig(t, nil)
	const hook = `{ "name": "h", "entity": "Order", "url": "URL/h", "retry": { "max_attempts": 1 } }`
	r.declare(hook, "", `"retention_days": 2,`)
	r.start()
	r.on("/h", status(400))
	fail := func(n int) string {
		t.Helper()
		r.create(`{"n":1}`)
		got := r.receive()
		r.waitRows(n)
		return got.id()
	}
	fail(1)
	r.elapse(30 * time.Hour)
	young := fail(2)
	r.elapse(17 * time.Hour) // 47 hours
	if ids := r.ids(); len(ids) != 2 {
		t.Errorf("before its time: %v", ids)
	}
	r.elapse(2 * time.Hour)
	r.wait("the old one is gone", func() bool { return fmt.Sprint(r.ids()) == fmt.Sprint([]any{young}) })

	// One that is being replayed is kept however old it is, and goes when it is done.
	r.on("/h", status(500))
	r.stop()
	r.declare(`{ "name": "h", "entity": "Order", "url": "URL/h", "retry": { "max_attempts": 2, "backoff_secs": 86400 } }`, "", `"retention_days": 2,`)
	r.start()
	r.replay(`{}`)
	r.receive()
	r.waitFailures(1)
	r.must("POST", "/api/webhooks/hooks/h/pause", "")
	r.elapse(10 * day)
	r.elapse(time.Hour)
	if ids := r.ids(); fmt.Sprint(ids) != fmt.Sprint([]any{young}) {
		t.Errorf("while it is replayed: %v", ids)
	}
	r.on("/h", nil)
	r.must("POST", "/api/webhooks/hooks/h/resume", "")
	r.receive()
	r.wait("it is delivered", func() bool { return r.rows()[0]["state"] == "delivered" })
	r.elapse(time.Hour)
	r.wait("it is gone", func() bool { return len(r.rows()) == 0 })
}

func TestRetentionForEver(t *testing.T) {
	r := newStoppedRig(t, nil)
	r.declare(`{ "name": "h", "entity": "Order", "url": "URL/h", "retry": { "max_attempts": 1 } }`, "", `"retention_days": 0,`)
	r.start()
	r.on("/h", status(400))
	r.create(`{"n":1}`)
	r.receive()
	r.waitRows(1)
	for range 3 {
		r.elapse(1000 * day)
	}
	if n := len(r.rows()); n != 1 {
		t.Errorf("%d rows are left", n)
	}
}

// More than one transaction's worth is deleted in one go.
func TestRetentionOfMany(t *testing.T) {
	r := newStoppedRig(t, nil)
	r.declare(`{ "name": "h", "entity": "Order", "url": "URL/h", "ordered": "hook", "retry": { "max_attempts": 1 } }`, "", `"retention_days": 1,`)
	r.start()
	r.failMany(800)
	r.elapse(26 * time.Hour)
	r.wait("all are gone", func() bool { return r.hook("h").Failed == 0 })
}

// What waits for a hook that is disabled does not wait for ever, which the log
// tells; what waits for a paused one does. A replay that ends like that can be
// repeated.
func TestRetentionOfWhatWaits(t *testing.T) {
	r := newStoppedRig(t, nil)
	r.declare(`{ "name": "gone", "entity": "Order", "url": "URL/gone", "ordered": "row", "retry": { "max_attempts": 1 } }, { "name": "paused", "entity": "Order", "url": "URL/paused" }`, "", `"retention_days": 3,`)
	r.start()
	r.must("POST", "/api/webhooks/hooks/paused/pause", "")
	r.on("/gone", status(410))
	r.create(`{"n":1}`)
	dead := r.receive().id()
	r.waitState("gone", "disabled")
	r.waitRows(1)
	r.replay(`{}`)
	old := r.create(`{"n":2}`)
	r.must("PATCH", "/api/entities/Order/"+old, `{"n":3}`)
	r.waitWaiting("gone", 3)
	r.elapse(2 * day)
	young := r.create(`{"n":4}`)
	r.must("PATCH", "/api/entities/Order/"+old, `{"n":5}`)
	r.elapse(23 * time.Hour)
	if h := r.hook("gone"); h.Waiting != 5 {
		t.Errorf("before their time: %+v", h)
	}
	r.elapse(2 * time.Hour)
	r.waitWaiting("gone", 2)
	if r.logs.line(`"level":"WARN"`, "deliveries of a disabled webhook were deleted: they waited longer than retention_days", `"hook":"gone"`, `"deliveries":3`) == "" {
		t.Errorf("%s", r.logs)
	}
	if h := r.hook("paused"); h.Waiting != 5 {
		t.Errorf("%+v", h)
	}
	// The replay was dropped with the others. Its row is not left as if it went on:
	// it failed, long ago, and goes with the next purge.
	if rows := r.rows(); len(rows) > 1 || len(rows) == 1 && (rows[0]["state"] != "failed" || rows[0]["deliveryId"] != dead) {
		t.Errorf("%v", rows)
	}
	r.elapse(time.Hour)
	r.wait("the row is gone", func() bool { return len(r.rows()) == 0 })
	// What is left goes on, those behind dropped ones too.
	r.on("/gone", nil)
	r.must("POST", "/api/webhooks/hooks/gone/resume", "")
	came := map[string]bool{}
	for _, got := range r.receiveN(2) {
		came[got.row()] = true
	}
	if !came[old] || !came[young] {
		t.Errorf("%v", came)
	}
}
