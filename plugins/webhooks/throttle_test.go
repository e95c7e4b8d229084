package webhooks_test

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// A receiver that says when to come back is not asked before by the whole hook, and
// chance never makes it sooner.
func TestRetryAfterHoldsBackTheHook(t *testing.T) {
	for name, value := range map[string]string{
		"in seconds":     "100",
		"as a date":      epoch.Add(100 * time.Second).Format(http.TimeFormat),
		"as an old date": epoch.Add(100 * time.Second).Format(time.ANSIC),
	} {
		for _, code := range []int{429, 503, 500} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				// The hook's own pause is 80 to 120 s, so that half of them by chance would be too soon.
				r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL/h", "retry": { "backoff_secs": 100 } }, { "name": "other", "entity": "Item", "url": "URL/other" }`, "", nil)
				const n = 8            // below what breaks the hook
				var all sync.WaitGroup // the first answer already holds back what is not under way
				all.Add(n)
				for range n {
					r.answers <- func(w http.ResponseWriter) {
						all.Done()
						all.Wait()
						status(code, "Retry-After", value)(w)
					}
				}
				operation := `,{"op":"insert","entity":"Order","data":{"n":1}}`
				r.must("POST", "/api/transact", "["+(operation + operation + operation + operation + operation + operation + operation + operation)[1:]+"]")
				r.receiveN(n)
				r.waitFailures(n)
				later := r.create(`{"n":2}`)
				r.clock.Advance(100*time.Second - time.Millisecond)
				r.nothing()
				r.insert("Item", `{}`)
				if got := r.receive(); got.hook() != "other" {
					t.Error("another hook is not held back")
				}
				r.clock.Advance(time.Millisecond)
				seen := map[string]bool{}
				r.clock.Advance(20 * time.Second)
				for _, got := range r.receiveN(n + 1) {
					seen[got.row()] = true
				}
				if !seen[later] || len(seen) != n+1 {
					t.Errorf("%d rows", len(seen))
				}
				if h := r.hook("h"); h.State != "active" {
					t.Errorf("%+v", h)
				}
			})
		}
	}
}

// A delivery waits a day at most, the hook an hour.
func TestRetryAfterIsBounded(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL/h", "retry": { "backoff_secs": 1 } }`, "", nil)
	r.answers <- status(429, "Retry-After", "99999999999999999999999")
	first := r.create(`{"n":1}`)
	r.receive()
	r.waitFailures(1)
	second := r.create(`{"n":2}`)
	r.clock.Advance(time.Hour - time.Millisecond)
	r.nothing()
	r.clock.Advance(time.Millisecond)
	if got := r.receive(); got.row() != second {
		t.Error("the one that was told to wait came first")
	}
	r.clock.Advance(23*time.Hour - time.Millisecond)
	r.nothing()
	r.clock.Advance(time.Millisecond)
	if got := r.receive(); got.row() != first {
		t.Errorf("%+v", got)
	}
}

// What was under way when a receiver asked for time does not take it away again,
// neither by asking for less nor by arriving.
func TestTheLongestRetryAfterCounts(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"asks for less":    status(429, "Retry-After", "10"),
		"fails":            status(500),
		"arrives":          status(200),
		"asks for nothing": status(429),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL/h", "retry": { "backoff_secs": 1 } }`, "", nil)
			slow := make(chan struct{})
			r.answers <- func(w http.ResponseWriter) { <-slow; answer(w) }
			r.create(`{"n":1}`)
			r.receive()
			r.answers <- status(429, "Retry-After", "1000")
			r.create(`{"n":2}`)
			r.receive()
			r.waitFailures(1)
			close(slow)
			r.wait("the other one ended", func() bool { return r.metric(`pylon_queue_held{queue="webhooks"}`) == 0 })
			r.create(`{"n":3}`)
			r.clock.Advance(1000*time.Second - time.Millisecond)
			r.nothing()
			r.clock.Advance(time.Millisecond)
			r.receiveN(2)
		})
	}
}
