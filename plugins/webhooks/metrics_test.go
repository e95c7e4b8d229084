package webhooks_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"net/http/httptest"
)

// Attempts are counted by what came of them.
func TestMetricsOfAttempts(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	r := newRig(t, `{ "name": "good", "entity": "Order", "url": "http://127.0.0.1:PORT/good" }, { "name": "bad", "entity": "Order", "url": "http://127.0.0.1:PORT/bad" },
		{ "name": "away", "entity": "Order", "url": "`+closed.URL+`" }, { "name": "inside", "entity": "Order", "url": "http://localhost:PORT/" }, { "name": "slow", "entity": "Order", "url": "http://127.0.0.1:PORT/slow" }`,
		`{ "name": "net_guard", "config": { "allow_hosts": ["127.0.0.1"] } },`, nil)
	// An allowed address is allowed under any name; this one is resolved to it.
	r.on("/bad", status(500))
	r.on("/slow", r.hang)
	r.create(`{"n":1}`)
	for _, hook := range []string{"good", "bad", "away"} {
		want := map[string]string{"good": "delivered", "bad": "refused", "away": "no_answer"}[hook]
		for _, result := range []string{"delivered", "refused", "no_answer", "blocked"} {
			line := fmt.Sprintf(`pylon_webhooks_attempts_total{hook="%s",result="%s"}`, hook, result)
			if result == want {
				r.waitMetric(line + " 1")
			} else if n := r.metric(line); n != 0 {
				t.Errorf("%s %d", line, n)
			}
		}
		r.waitMetric(fmt.Sprintf(`pylon_webhooks_attempt_duration_seconds_count{hook="%s"} 1`, hook))
	}
	r.clock.Advance(15 * time.Second)
	r.waitMetric(`pylon_webhooks_attempts_total{hook="slow",result="no_answer"} 1`)
	r.waitMetric(`pylon_webhooks_attempt_duration_seconds_bucket{hook="slow",le="10"} 0`)
	r.waitMetric(`pylon_webhooks_attempt_duration_seconds_bucket{hook="slow",le="15"} 1`)
}

// A hook has exactly one state.
func TestMetricsOfStates(t *testing.T) {
	r := newRig(t, `{ "name": "a", "entity": "Order", "url": "URL/a", "retry": { "max_attempts": 100, "backoff_secs": 1 } }, { "name": "b", "entity": "Item", "url": "URL/b" }`, "", nil)
	is := func(hook, want string) {
		t.Helper()
		r.wait(hook+" is "+want, func() bool {
			_, body := r.do("GET", "/metrics", "")
			n := 0
			for _, state := range []string{"active", "failing", "paused", "disabled"} {
				if strings.Contains(body, fmt.Sprintf("\npylon_webhooks_hook_state{hook=%q,state=%q} 1\n", hook, state)) {
					if n++; state != want {
						return false
					}
				}
			}
			return n == 1
		})
	}
	is("a", "active")
	r.breakReceiver("a", func() { r.create(`{"n":1}`) })
	is("a", "failing")
	r.must("POST", "/api/webhooks/hooks/a/pause", "")
	is("a", "paused")
	r.must("POST", "/api/webhooks/hooks/a/resume", "")
	is("a", "active")
	r.on("/a", status(410))
	r.clock.Advance(10 * time.Second)
	is("a", "disabled")
	is("b", "active")
}
