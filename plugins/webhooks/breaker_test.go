package webhooks_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// breakReceiver makes the hook's receiver fail until the hook is probed only, and
// says how many failures that took.
func (r *rig) breakReceiver(hook string, write func()) {
	r.t.Helper()
	r.on("/"+hook, status(500))
	before := r.metric(`pylon_webhooks_attempts_total{hook="` + hook + `",result="refused"}`)
	for i := range 10 {
		write()
		r.waitMetric(fmt.Sprintf(`pylon_webhooks_attempts_total{hook="%s",result="refused"} %d`, hook, before+i+1))
	}
	r.waitState(hook, "failing")
}

// After ten failures in a row one request at a time is made, at growing intervals,
// and what waits keeps its attempts. The first success lets everything go.
func TestBreaker(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL/h", "retry": { "max_attempts": 100, "backoff_secs": 1 } }, { "name": "well", "entity": "Order", "url": "URL/well" }`, "", nil)
	next := func(hook string) request {
		t.Helper()
		for {
			if got := r.receive(); got.hook() == hook {
				return got
			}
		}
	}
	r.breakReceiver("h", func() { r.create(`{"n":1}`) })
	for range 10 {
		next("h")
	}
	if r.logs.line(`"a webhook's receiver fails; it is probed until it works again"`, `"hook":"h"`, `"failures":10`, `500 Internal Server Error`) == "" {
		t.Errorf("%s", r.logs)
	}
	r.quiet()
	for range 20 {
		r.create(`{"n":2}`)
	}
	for range 20 { // the healthy hook does not notice
		if got := r.receive(); got.hook() != "well" {
			t.Fatalf("%s is tried while its receiver rests", got.hook())
		}
	}
	attempts := 10
	for i, pause := range []time.Duration{5, 10, 20, 40, 60, 60, 60} {
		r.clock.Advance(pause*time.Second - time.Millisecond)
		r.nothing()
		r.clock.Advance(time.Millisecond)
		if got := r.receive(); got.hook() != "h" {
			t.Fatal(got.hook())
		}
		attempts++
		r.waitFailures(attempts)
		r.nothing()
		if h := r.hook("h"); h.State != "failing" || h.Waiting != 30 || h.Since[:19] != "2026-01-31T09:30:00" {
			t.Fatalf("after probe %d: %+v", i+1, h)
		}
	}
	r.on("/h", nil)
	r.clock.Advance(time.Minute)
	once := 0
	for _, got := range r.receiveN(30) {
		if got.hook() != "h" {
			t.Fatal(got.hook())
		}
		if got.header.Get("X-Pylon-Attempt") == "1" {
			once++
		}
	}
	// 10 and 7 attempts were made; 20 + 10 deliveries wait, so 13 of them at least were not tried.
	if once < 13 {
		t.Errorf("%d deliveries were not tried while they waited", once)
	}
	r.waitState("h", "active")
	r.waitWaiting("h", 0)
	if r.logs.line(`"a webhook's receiver works again"`, `"hook":"h"`) == "" {
		t.Errorf("%s", r.logs)
	}
	// And it is as before: nine failures do not break it.
	r.on("/h", status(500))
	for range 9 {
		r.create(`{"n":3}`)
		next("h")
	}
	r.waitFailures(attempts + 9)
	if h := r.hook("h"); h.State != "active" {
		t.Errorf("%+v", h)
	}
}

// Many attempts that fail at once are one piece of news: the first probe comes after
// the first pause all the same. One of them that arrives late and well is another.
func TestManyFailuresAtOnce(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL/h", "retry": { "max_attempts": 100, "backoff_secs": 1 } }`, "", nil)
	fail, slow := make(chan struct{}), make(chan struct{})
	end := sync.OnceFunc(func() { close(slow) })
	t.Cleanup(end)
	r.answers <- func(http.ResponseWriter) { <-slow }
	r.create(`{"n":0}`)
	r.receive()
	r.on("/h", func(w http.ResponseWriter) { <-fail; w.WriteHeader(500) })
	r.must("POST", "/api/transact", "["+strings.Repeat(`,{"op":"insert","entity":"Order","data":{"n":1}}`, 60)[1:]+"]")
	r.receiveN(31) // as many as may be under way
	close(fail)
	r.waitState("h", "failing")
	r.quiet()
	// Those that ended before the tenth failure each let another one begin.
	n := r.failures()
	if n < 31 || n > 31+9 {
		t.Fatalf("%d attempts were made, want 31 to 40", n)
	}
	// The one that is still under way is the one that may be.
	r.clock.Advance(5 * time.Second)
	r.nothing()
	r.on("/h", nil)
	end()
	r.receiveN(60)
	r.waitState("h", "active")
	r.waitWaiting("h", 0)
}

// What a receiver takes issue with now and then says nothing of the receiver.
func TestOneRefusalAmongSuccessesIsNoBreakdown(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL", "retry": { "max_attempts": 1 } }`, "", nil)
	dead := 0
	for i := range 36 {
		if i%3 != 0 {
			r.answers <- status(400)
			dead++
		}
		r.create(`{"n":1}`)
		r.receive()
		r.waitWaiting("h", 0)
	}
	if h := r.hook("h"); h.State != "active" || h.Failed != dead {
		t.Errorf("%+v, want %d failed", h, dead)
	}
	if line := r.logs.line("probed"); line != "" {
		t.Error(line)
	}
}

// Many hooks whose receivers hang hold up none that works.
func TestHooksThatHangHoldUpNoOther(t *testing.T) {
	var hooks strings.Builder
	for i := range 20 {
		fmt.Fprintf(&hooks, `{ "name": "dead%d", "entity": "Order", "url": "URL/dead" }, `, i)
	}
	r := newRig(t, hooks.String()+`{ "name": "well", "entity": "Item", "url": "URL/well" }`, "", nil)
	r.on("/dead", r.hang)
	operation := `,{"op":"insert","entity":"Order","data":{"n":1}}`
	r.must("POST", "/api/transact", "["+strings.Repeat(operation, 20)[1:]+"]") // 400 deliveries
	r.receiveN(400)
	for range 50 {
		id := r.insert("Item", `{"name":"a"}`)
		if got := r.receive(); got.hook() != "well" || got.row() != id {
			t.Fatalf("%s", got.hook())
		}
	}
	r.clock.Advance(15 * time.Second)
	r.waitState("dead0", "failing")
}

// A process that starts remembers which receivers failed, and begins with a probe.
func TestBreakerSurvivesARestart(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL/h", "retry": { "max_attempts": 100, "backoff_secs": 1 } }`, "", nil)
	r.breakReceiver("h", func() { r.create(`{"n":1}`) })
	r.receiveN(10)
	r.wait("the state is saved", func() bool { return r.metric(`pylon_queue_failed_total{queue="webhooks"}`) == 10 })
	since := r.hook("h").Since
	r.clock.Advance(2 * time.Second)
	r.restart()
	if h := r.hook("h"); h.State != "failing" || h.Since != since {
		t.Errorf("%+v, it failed since %s", h, since)
	}
	r.receive() // the probe, at once
	r.waitFailures(1)
	r.nothing()
	r.clock.Advance(5*time.Second - time.Millisecond)
	r.nothing()
	r.clock.Advance(time.Millisecond)
	r.receive()
	r.waitFailures(2)
	r.on("/h", nil)
	r.restart()
	r.clock.Advance(3 * time.Second) // so that those which were probed are due again
	r.receiveN(10)
	r.waitState("h", "active")
	r.waitWaiting("h", 0)
	r.restart()
	if h := r.hook("h"); h.State != "active" {
		t.Errorf("a success is not remembered: %+v", h)
	}
}

// A receiver that failed for five days is not asked any more, until somebody says so.
func TestDisabledAfterFiveDays(t *testing.T) {
	for _, order := range []string{"", "row", "hook"} {
		t.Run("ordered "+order, func(t *testing.T) {
			r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL/h", "ordered": "`+order+`", "retry": { "max_attempts": 100, "backoff_secs": 1 } }`, "", nil)
			r.on("/h", status(503))
			var rows []string
			for range 12 {
				rows = append(rows, r.create(`{"n":1}`))
			}
			const failures = `pylon_queue_failed_total{queue="webhooks"}`
			r.wait("the first failure", func() bool { return r.metric(failures) > 0 && r.metric(`pylon_queue_held{queue="webhooks"}`) == 0 })
			for r.hook("h").State != "failing" { // one after the other when the hook is in order
				n := r.metric(failures)
				r.clock.Advance(20 * time.Minute)
				r.wait("another failure", func() bool { return r.metric(failures) > n })
			}
			began, err := time.Parse(time.RFC3339, r.hook("h").Since)
			if err != nil {
				t.Fatal(err)
			}
			for r.clock.Now().Sub(began) < 5*24*time.Hour {
				if state := r.hook("h").State; state != "failing" {
					t.Fatalf("it is %s after %s", state, r.clock.Now().Sub(began))
				}
				n := r.metric(failures)
				r.clock.Advance(29 * time.Hour)
				r.wait("another failure", func() bool { return r.metric(failures) > n || r.hook("h").State == "disabled" })
			}
			r.waitState("h", "disabled")
			h := r.hook("h")
			if !strings.HasPrefix(h.Reason, "every attempt failed since 2026-01-31T09:") || !strings.HasSuffix(h.Reason, ", the last one: the receiver answered 503 Service Unavailable") || h.Waiting != 12 || h.Failed != 0 {
				t.Errorf("%+v", h)
			}
			if r.logs.line(`"level":"ERROR"`, "a webhook is disabled", `"hook":"h"`, "every attempt failed since") == "" {
				t.Errorf("%s", r.logs)
			}
			for state, want := range map[string]int{"disabled": 1, "failing": 0, "active": 0, "paused": 0} {
				if !r.hasMetric(fmt.Sprintf(`pylon_webhooks_hook_state{hook="h",state="%s"} %d`, state, want)) {
					t.Errorf("the metric of %s is not %d", state, want)
				}
			}
			r.on("/h", nil)
			for len(r.got) > 0 {
				<-r.got
			}
			r.wait("the decision is on disk", func() bool { return r.metric(`pylon_queue_held{queue="webhooks"}`) == 0 })
			r.restart()
			if again := r.hook("h"); again.State != "disabled" || again.Reason != h.Reason || again.Since != h.Since {
				t.Errorf("after a restart %+v\nbefore it %+v", again, h)
			}
			if r.logs.line(`"level":"WARN"`, "deliveries of a webhook wait until it is resumed", `"state":"disabled"`) == "" {
				t.Errorf("%s", r.logs)
			}
			rows = append(rows, r.create(`{"n":2}`))
			r.clock.Advance(24 * time.Hour)
			r.nothing()
			if answer := r.must("POST", "/api/webhooks/hooks/h/resume", ""); !strings.Contains(answer, `"state":"active"`) {
				t.Error(answer)
			}
			for i, got := range r.receiveN(len(rows)) {
				if order == "hook" && got.row() != rows[i] {
					t.Errorf("delivery %d is out of order", i)
				}
			}
			r.waitWaiting("h", 0)
			r.restart()
			if h := r.hook("h"); h.State != "active" || h.Reason != "" {
				t.Errorf("%+v", h)
			}
		})
	}
}

// To resume a hook that only fails starts it afresh: what waits is tried at once.
func TestResumeOfAFailingHook(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL/h", "retry": { "max_attempts": 100, "backoff_secs": 1 } }`, "", nil)
	r.breakReceiver("h", func() { r.create(`{"n":1}`) })
	r.waitFailures(10)
	r.quiet()
	r.create(`{"n":2}`)
	r.nothing()
	r.on("/h", nil)
	if answer := r.must("POST", "/api/webhooks/hooks/h/resume", ""); !strings.Contains(answer, `"state":"active"`) {
		t.Error(answer)
	}
	if got := r.receive(); !strings.Contains(got.body, `"n":2`) {
		t.Error(got.body)
	}
	r.restart()
	if h := r.hook("h"); h.State != "active" {
		t.Errorf("%+v", h)
	}
}
