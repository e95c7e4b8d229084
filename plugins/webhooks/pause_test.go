package webhooks_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/plugins/webhooks"
)

// testResult is what a test delivery answers.
type testResult struct {
	DeliveryID string `json:"delivery_id"`
	Delivered  bool
	Status     int
	Error      string
	Response   string
	MS         int64
	Body       string
}

func (r *rig) test(hook string) (result testResult) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.must("POST", "/api/webhooks/hooks/"+hook+"/test", "")), &result); err != nil {
		r.t.Fatal(err)
	}
	return result
}

// A paused hook does not keep writes from happening; what it should send waits,
// through restarts too, and comes when it goes on.
func TestPauseAndResume(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL/h", "ordered": "hook" }, { "name": "other", "entity": "Order", "url": "URL/other" }`, "", nil)
	if answer := r.must("POST", "/api/webhooks/hooks/h/pause", ""); !strings.Contains(answer, `"name":"h"`) || !strings.Contains(answer, `"state":"paused"`) {
		t.Error(answer)
	}
	if r.logs.line("a webhook's state was changed", `"hook":"h"`, `"state":"paused"`, `"by":"__admin__"`) == "" {
		t.Errorf("%s", r.logs)
	}
	var rows []string
	write := func() {
		t.Helper()
		rows = append(rows, r.create(`{"n":1}`))
		if got := r.receive(); got.hook() != "other" {
			t.Error("a paused hook sends")
		}
		r.nothing()
	}
	write()
	write()
	if h := r.hook("h"); h.State != "paused" || h.Waiting != 2 || h.Since[:19] != "2026-01-31T09:30:00" || h.Oldest[:19] != "2026-01-31T09:30:00" {
		t.Errorf("%+v", h)
	}
	if !r.hasMetric(`pylon_webhooks_hook_state{hook="h",state="paused"} 1`) || !r.hasMetric(`pylon_webhooks_hook_state{hook="h",state="active"} 0`) {
		t.Error("the metric does not say so")
	}
	r.clock.Advance(48 * time.Hour)
	r.nothing()
	r.restart()
	if h := r.hook("h"); h.State != "paused" || h.Waiting != 2 {
		t.Errorf("after a restart: %+v", h)
	}
	write()
	if got := r.test("h"); !got.Delivered {
		t.Errorf("a test of a paused hook: %+v", got)
	}
	if got := r.receive(); !strings.Contains(got.body, `"event":"test"`) {
		t.Errorf("%s", got.body)
	}
	r.nothing()
	if answer := r.must("POST", "/api/webhooks/hooks/h/resume", ""); !strings.Contains(answer, `"state":"active"`) {
		t.Error(answer)
	}
	for i, got := range r.receiveN(3) {
		if got.row() != rows[i] || got.header.Get("X-Pylon-Attempt") != "1" {
			t.Errorf("delivery %d: %+v", i, got)
		}
	}
	r.restart()
	r.create(`{"n":1}`)
	r.receiveN(2)
	if h := r.hook("h"); h.State != "active" || h.Since != "" {
		t.Errorf("%+v", h)
	}
}

// To pause twice or to resume what works is no mistake.
func TestPauseTwice(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL" }`, "", nil)
	for _, verb := range []string{"resume", "pause", "pause", "resume", "resume"} {
		r.must("POST", "/api/webhooks/hooks/h/"+verb, "")
	}
	r.create(`{"n":1}`)
	r.receive()
}

// An attempt under way when its hook is paused comes to its end.
func TestPauseDuringAnAttempt(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL", "retry": { "backoff_secs": 1 } }`, "", nil)
	answer := make(chan int)
	r.answers <- func(w http.ResponseWriter) { w.WriteHeader(<-answer) }
	r.answers <- func(w http.ResponseWriter) { w.WriteHeader(<-answer) }
	r.create(`{"n":1}`)
	r.create(`{"n":2}`)
	r.receiveN(2)
	r.must("POST", "/api/webhooks/hooks/h/pause", "")
	answer <- 200
	answer <- 500
	r.waitFailures(1)
	r.waitWaiting("h", 1)
	r.clock.Advance(time.Hour)
	r.nothing()
	if h := r.hook("h"); h.State != "paused" {
		t.Errorf("%+v", h)
	}
	r.must("POST", "/api/webhooks/hooks/h/resume", "")
	if got := r.receive(); got.header.Get("X-Pylon-Attempt") != "2" {
		t.Errorf("%+v", got)
	}
}

// A test delivery tells the administrator what came of it, and counts for nothing.
func TestTestDeliveries(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Item", "url": "URL", "secret_env": "S", "when": "false", "event": "update" }`, "", map[string]string{"S": newSecret})
	good := r.test("h")
	got := r.receive()
	verifies(t, newSecret, got)
	if got.body != good.Body || got.id() != good.DeliveryID || got.header.Get("X-Pylon-Attempt") != "1" || good.Status != 200 || good.Error != "" {
		t.Errorf("%+v\n%+v", got, good)
	}
	var body struct {
		Event, Entity string
		RowID         string `json:"row_id"`
		Data          map[string]any
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || body.Event != "test" || body.Entity != "Item" || body.RowID != body.Data["id"] {
		t.Errorf("%s", got.body)
	}
	if _, ok := body.Data["secret"]; ok || body.Data["name"] != "example" || body.Data["text"] != "example" {
		t.Errorf("%s", got.body)
	}
	r.answers <- status(410, "webhook-delivery", "disable")
	if bad := r.test("h"); bad.Delivered || bad.Status != 410 || bad.Error != "the receiver answered 410 Gone" || bad.Response != "answer 410" {
		t.Errorf("%+v", bad)
	}
	r.answers <- r.hang
	ended := make(chan testResult, 1)
	r.receive()
	go func() { ended <- r.test("h") }()
	r.receive()
	r.clock.Advance(15 * time.Second)
	var bad testResult
	select {
	case bad = <-ended:
	case <-time.After(deadline): // sooner than the request's own
		t.Fatal("the test delivery does not end")
	}
	if bad.Delivered || bad.Status != 0 || bad.Error != "the receiver did not answer within 15s" || bad.MS != 15000 {
		t.Errorf("%+v", bad)
	}
	if h := r.hook("h"); h.State != "active" || h.Failed != 0 || h.Waiting != 0 {
		t.Errorf("%+v", h)
	}
}

// A receiver may use all of an attempt's time before it begins to answer: the
// transport has no shorter bound of its own.
func TestAnswersMayBeginLate(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL" }`, "", nil)
	r.app.Each(func(_ string, p plugin.Plugin) {
		if hooks, ok := p.(*webhooks.Plugin); ok && hooks.HeaderTimeout() != 0 {
			t.Errorf("an answer has to begin within %s", hooks.HeaderTimeout())
		}
	})
	r.answers <- func(w http.ResponseWriter) { r.clock.Advance(14 * time.Second) }
	r.create(`{"n":1}`)
	r.receive()
	r.waitMetric(`pylon_webhooks_attempts_total{hook="h",result="delivered"} 1`)
}

func TestHookRoutesAreForTheAdministrator(t *testing.T) {
	r := newRig(t, `{ "name": "orders", "entity": "Order", "url": "URL" }`, "", nil)
	user, _ := r.user("alice")
	for _, route := range []struct{ method, path string }{
		{"GET", "/api/webhooks/hooks"}, {"POST", "/api/webhooks/hooks/orders/pause"}, {"POST", "/api/webhooks/hooks/orders/resume"},
		{"POST", "/api/webhooks/hooks/orders/test"}, {"POST", "/api/webhooks/replay"}, {"POST", "/api/webhooks/deliveries/wh_1/replay"},
	} {
		for token, want := range map[string]int{"": 401, user: 403, "wrong": 401} {
			if code, answer := r.as(token, route.method, route.path, ""); code != want {
				t.Errorf("%s %s with %q: %d %s", route.method, route.path, token, code, answer)
			}
		}
	}
	for _, verb := range []string{"pause", "resume", "test"} {
		code, answer := r.do("POST", "/api/webhooks/hooks/ordrs/"+verb, "")
		if code != 404 || answer != `{"error":{"code":"UNKNOWN_HOOK","message":"no hook \"ordrs\"","hint":"did you mean \"orders\"?"}}` {
			t.Errorf("%s: %d %s", verb, code, answer)
		}
	}
	if code, answer := r.do("POST", "/api/webhooks/hooks/xxxxxxxxx/pause", ""); code != 404 || !strings.Contains(answer, `"hint":"GET /api/webhooks/hooks lists them"`) {
		t.Errorf("%d %s", code, answer)
	}
	if h := r.hook("orders"); h.State != "active" {
		t.Errorf("%+v", h)
	}
	r.nothing()
}
