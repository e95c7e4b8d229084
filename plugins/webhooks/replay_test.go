package webhooks_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// replay asks for a bulk replay and answers what the server said.
func (r *rig) replay(selection string) string {
	r.t.Helper()
	return r.must("POST", "/api/webhooks/replay", selection)
}

func (r *rig) refused(path, body string, code int, want string) {
	r.t.Helper()
	if got, answer := r.do("POST", path, body); got != code || !strings.Contains(answer, want) {
		r.t.Errorf("POST %s %s: %d %s, want %d %s", path, body, got, answer, code, want)
	}
}

// One delivery that failed for good, replayed by its id: the same id and body, a new
// timestamp, and its row tells what became of it.
func TestReplayOfOne(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL/h", "secret_env": "S", "retry": { "max_attempts": 2, "backoff_secs": 10 } }`, "", map[string]string{"S": newSecret})
	r.on("/h", status(500))
	r.create(`{"n":1}`)
	first := r.receive()
	r.advance(1, 12*time.Second)
	r.receive()
	before := r.failed()
	path := "/api/webhooks/deliveries/" + first.id() + "/replay"

	// It fails again, with all its attempts.
	r.clock.Advance(time.Hour)
	if answer := r.must("POST", path, ""); answer != `{"replayed":1,"skipped":0}` {
		t.Error(answer)
	}
	if got := r.receive(); got.body != first.body || got.id() != first.id() || got.header.Get("X-Pylon-Attempt") != "1" || got.header.Get("Webhook-Timestamp") != "1769855412" {
		t.Errorf("%+v", got)
	}
	r.waitFailures(2)
	row := r.failed()
	if row["state"] != "replaying" || row["replayedAt"] != "2026-01-31T10:30:12.000Z" || row["deliveredAt"] != nil {
		t.Errorf("%v", row)
	}
	r.refused(path, "", 409, `"code":"ALREADY_REPLAYING"`)
	r.on("/h", status(502))
	r.clock.Advance(12 * time.Second)
	r.receive()
	r.wait("it failed again", func() bool { row = r.failed(); return row["state"] == "failed" })
	want := map[string]any{}
	for k, v := range before {
		want[k] = v
	}
	for k, v := range map[string]any{"failedAt": "2026-01-31T10:30:24.000Z", "replayedAt": "2026-01-31T10:30:12.000Z", "enqueuedAt": "2026-01-31T10:30:12.000Z", "error": "the receiver answered 502 Bad Gateway",
		"responseStatus": 502, "responseBody": "answer 502", "requestHeaders": row["requestHeaders"],
		"attemptLog": []any{map[string]any{"at": "2026-01-31T10:30:12.000Z", "ms": 0, "status": 500, "error": "the receiver answered 500 Internal Server Error"},
			map[string]any{"at": "2026-01-31T10:30:24.000Z", "ms": 0, "status": 502, "error": "the receiver answered 502 Bad Gateway"}}} {
		want[k] = v
	}
	same(t, row, want)

	// And then it arrives.
	r.on("/h", nil)
	r.clock.Advance(time.Hour)
	r.must("POST", path, "{}")
	got := r.receive()
	if got.body != first.body || got.id() != first.id() || got.header.Get("X-Pylon-Signature") != first.header.Get("X-Pylon-Signature") || got.header.Get("Webhook-Signature") == first.header.Get("Webhook-Signature") {
		t.Errorf("%+v", got)
	}
	verifies(t, newSecret, got)
	r.wait("it is delivered", func() bool { row = r.failed(); return row["state"] == "delivered" })
	want["state"], want["replayedAt"], want["deliveredAt"] = "delivered", "2026-01-31T11:30:24.000Z", "2026-01-31T11:30:24.000Z"
	same(t, row, want)
	if h := r.hook("h"); h.Failed != 0 || h.Waiting != 0 {
		t.Errorf("%+v", h)
	}
	// What arrived can be sent again, by its id; its row does not tell of the last time then.
	r.on("/h", status(500))
	r.must("POST", path, "")
	if got := r.receive(); got.id() != first.id() {
		t.Errorf("%+v", got)
	}
	r.waitFailures(3)
	if row := r.failed(); row["state"] != "replaying" || row["deliveredAt"] != nil {
		t.Errorf("%v", row)
	}
	r.clock.Advance(12 * time.Second)
	r.receive()
	r.wait("it failed again", func() bool { return r.failed()["state"] == "failed" })
	r.refused("/api/webhooks/deliveries/wh_none/replay", "", 404, `"code":"NOT_FOUND"`)
	r.refused(path, `{"too":"h"}`, 400, `did you mean \"to\"`)
	r.refused(path, `{"to":"nobody"}`, 409, `"code":"HOOK_NOT_DECLARED"`)
}

// failures makes deliveries of several hooks, entities and events fail for good,
// an hour apart, and gives their ids in order.
func failures(t *testing.T) (r *rig, ids []string) {
	r = newRig(t, `{ "name": "orders", "entity": "Order", "url": "URL/orders", "retry": { "max_attempts": 1 } }, { "name": "items", "entity": "Item", "url": "URL/items", "retry": { "max_attempts": 1 } },
		{ "name": "spare", "entity": "Item", "url": "URL/spare", "when": "false" }`, "", nil)
	fail := func(path string, code int, method, target, body string) string {
		t.Helper()
		r.on(path, status(code))
		answer := r.must(method, target, body)
		ids = append(ids, r.receive().id())
		r.waitRows(len(ids))
		r.on(path, nil)
		r.clock.Advance(time.Hour)
		return answer
	}
	id := strings.Split(fail("/orders", 500, "POST", "/api/entities/Order", `{"n":1}`), `"`)[3] // 0, at 9:30
	fail("/orders", 404, "PATCH", "/api/entities/Order/"+id, `{"n":2}`)                         // 1, at 10:30
	fail("/items", 500, "POST", "/api/entities/Item", `{}`)                                     // 2, at 11:30
	fail("/orders", 500, "DELETE", "/api/entities/Order/"+id, ``)                               // 3, at 12:30
	return r, ids
}

func TestReplayOfMany(t *testing.T) {
	for _, tt := range []struct {
		name, selection string
		which           []int
	}{
		{"all", `{}`, []int{0, 1, 2, 3}},
		{"no body at all", ``, []int{0, 1, 2, 3}},
		{"of a hook", `{"hook":"orders"}`, []int{0, 1, 3}},
		{"of an entity", `{"entity":"Item"}`, []int{2}},
		{"of an event", `{"event":"update"}`, []int{1}},
		{"with a status", `{"status":500}`, []int{0, 2, 3}},
		{"since", `{"since":"2026-01-31T10:30:00Z"}`, []int{1, 2, 3}},
		{"until", `{"until":"2026-01-31T10:30:00Z"}`, []int{0}},
		{"between", `{"since":"2026-01-31T12:00:00+01:00","until":"2026-01-31T12:00:00Z"}`, []int{2}},
		{"by ids", `{"ids":["ID3","ID1","wh_none"]}`, []int{1, 3}},
		{"by no ids", `{"ids":[]}`, nil},
		{"by ids of another hook", `{"ids":["ID1"],"hook":"items"}`, nil},
		{"all together", `{"hook":"orders","entity":"Order","event":"delete","status":500,"since":"2026-01-31T12:30:00Z","until":"2026-01-31T12:30:01Z"}`, []int{3}},
		{"an entity that has none", `{"entity":"User"}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, ids := failures(t)
			selection := tt.selection
			for i, id := range ids {
				selection = strings.ReplaceAll(selection, fmt.Sprintf("ID%d", i), id)
			}
			dry := `{"dry_run":true}`
			if len(selection) > 2 {
				dry = `{"dry_run":true,` + selection[1:]
			}
			if answer := r.replay(dry); answer != fmt.Sprintf(`{"matched":%d}`, len(tt.which)) {
				t.Errorf("dry: %s", answer)
			}
			r.nothing()
			if answer := r.replay(selection); answer != fmt.Sprintf(`{"replayed":%d,"skipped":0}`, len(tt.which)) {
				t.Errorf("%s", answer)
			}
			came := map[string]bool{}
			for _, got := range r.receiveN(len(tt.which)) {
				came[got.id()] = true
			}
			r.wait("they are delivered", func() bool {
				n := 0
				for _, row := range r.rows() {
					if row["state"] == "delivered" {
						n++
					}
				}
				return n == len(tt.which)
			})
			for i, row := range r.rows() {
				chosen := false
				for _, w := range tt.which {
					chosen = chosen || i == w
				}
				if row["deliveryId"] != ids[i] || came[ids[i]] != chosen || (row["state"] == "delivered") != chosen {
					t.Errorf("row %d: %v, came %t", i, row["state"], came[ids[i]])
				}
			}
			// Those that arrived are left alone, unless they are asked for.
			if answer := r.replay(dry); answer != `{"matched":0}` {
				t.Errorf("again: %s", answer)
			}
			if answer := r.replay(strings.Replace(dry, "{", `{"delivered":true,`, 1)); answer != fmt.Sprintf(`{"matched":%d}`, len(tt.which)) {
				t.Errorf("again, with those delivered: %s", answer)
			}
		})
	}
}

// A replay to another hook goes to its address, in its order and under its name.
func TestReplayToAnotherHook(t *testing.T) {
	r, ids := failures(t)
	if answer := r.replay(`{"hook":"items","to":"spare"}`); answer != `{"replayed":1,"skipped":0}` {
		t.Error(answer)
	}
	if got := r.receive(); got.path != "/spare" || got.hook() != "spare" || got.id() != ids[2] {
		t.Errorf("%+v", got)
	}
	r.wait("it is delivered", func() bool { return r.rows()[2]["state"] == "delivered" })
	if row := r.rows()[2]; row["hook"] != "spare" {
		t.Errorf("%v", row)
	}
	r.must("POST", "/api/webhooks/deliveries/"+ids[0]+"/replay", `{"to":"spare"}`)
	if got := r.receive(); got.path != "/spare" || got.id() != ids[0] {
		t.Errorf("%+v", got)
	}
	r.refused("/api/webhooks/replay", `{"hook":"orders","to":"spar"}`, 404, `"code":"UNKNOWN_HOOK","message":"no hook \"spar\"","hint":"did you mean \"spare\"?"`)
}

func TestReplaysThatAreRefused(t *testing.T) {
	r, ids := failures(t)
	const all = "/api/webhooks/replay"
	r.refused(all, `{"hook":"order"}`, 404, `"code":"UNKNOWN_HOOK","message":"no hook \"order\"","hint":"did you mean \"orders\"?"`)
	r.refused(all, `{"hok":"orders"}`, 400, `did you mean \"hook\"`)
	r.refused(all, `{"hook":"orders","since":"yesterday"}`, 400, `"code":"INVALID_VALUE","message":"since has a value of the wrong form","hint":"times are written like 2026-01-31T09:30:00Z","field":"since"`)
	r.refused(all, `{"until":7}`, 400, `"code":"INVALID_VALUE","message":"until has a value of the wrong form"`)
	r.refused(all, `{"ids":"x"}`, 400, `"code":"INVALID_`)
	r.refused(all, `[]`, 400, `"code":"INVALID_`)
	r.refused(all, `{"ids":["`+strings.Repeat(`wh_none","`, 40000)+`"]}`, 400, `"code":"INVALID_VALUE"`)
	r.nothing()

	// A hook that is not declared any more.
	r.stop()
	r.declare(`{ "name": "items", "entity": "Item", "url": "URL/items" }`, "", "")
	r.start()
	r.refused("/api/webhooks/deliveries/"+ids[0]+"/replay", "", 409, `"code":"HOOK_NOT_DECLARED","message":"the hook \"orders\" of delivery `+ids[0]+` is not declared any more","hint":"name another one to send it to: \"to\""`)
	r.refused(all, `{"hook":"orders"}`, 404, `"code":"UNKNOWN_HOOK"`)
	if answer := r.replay(`{"event":"update"}`); answer != `{"replayed":0,"skipped":1}` {
		t.Error(answer)
	}
	r.nothing()
	if answer := r.replay(`{"hook":"orders","to":"items"}`); answer != `{"replayed":3,"skipped":0}` {
		t.Error(answer)
	}
	for _, got := range r.receiveN(3) {
		if got.path != "/items" {
			t.Errorf("%+v", got)
		}
	}
}

// What waits for a hook that was taken out of the manifest fails for good, with
// nothing sent and nothing lost.
func TestDeliveriesOfAHookThatIsGone(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL/h", "retry": { "backoff_secs": 100 } }`, "", nil)
	r.answers <- status(500)
	r.create(`{"n":1}`)
	first := r.receive()
	r.waitFailures(1)
	r.stop()
	r.declare(`{ "name": "other", "entity": "Order", "url": "URL/other" }`, "", "")
	r.start()
	r.clock.Advance(120 * time.Second)
	row := r.failed()
	if row["hook"] != "h" || row["error"] != "the hook is not declared any more" || row["url"] != "" || row["body"] != first.body || row["attempts"] != 1.0 || row["requestHeaders"] != nil || row["responseStatus"] != nil {
		t.Errorf("%v", row)
	}
	r.nothing()
	r.replay(`{"to":"other"}`)
	if got := r.receive(); got.path != "/other" || got.body != first.body {
		t.Errorf("%+v", got)
	}
}

// Two who replay at once do not send twice.
func TestReplayTwiceAtOnce(t *testing.T) {
	r, ids := failures(t)
	r.on("/orders", r.hang)
	codes := make(chan int)
	for range 8 {
		go func() {
			code, answer := r.do("POST", "/api/webhooks/deliveries/"+ids[0]+"/replay", "")
			if code != 200 && !strings.Contains(answer, "ALREADY_REPLAYING") {
				t.Error(answer)
			}
			codes <- code
		}()
	}
	count := map[int]int{}
	for range 8 {
		count[<-codes]++
	}
	if count[http.StatusOK] != 1 || count[http.StatusConflict] != 7 {
		t.Errorf("%v", count)
	}
	r.receive()
	r.nothing()
	if answer := r.replay(`{"ids":["` + ids[0] + `"],"delivered":true}`); answer != `{"replayed":0,"skipped":0}` {
		t.Errorf("in bulk: %s", answer)
	}
	r.clock.Advance(15 * time.Second)
	r.wait("it failed", func() bool { return r.rows()[0]["state"] == "failed" })
}

// A thousand are put back in batches, each once and, where the hook says so, in order.
func TestReplayOfAThousand(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL/h", "ordered": "hook", "retry": { "max_attempts": 1 } }`, "", nil)
	r.failMany(1000)
	r.on("/h", nil)
	first := r.replay(`{"hook":"h","limit":600}`)
	after, more := strings.CutPrefix(first, `{"replayed":600,"skipped":0,"after":"`)
	if !more {
		t.Fatal(first)
	}
	if answer := r.replay(`{"hook":"h","after":"` + after[:26] + `"}`); answer != `{"replayed":400,"skipped":0}` {
		t.Fatal(answer)
	}
	last := ""
	for _, got := range r.receiveN(1000) {
		if got.id() <= last {
			t.Fatalf("%s comes after %s", got.id(), last)
		}
		last = got.id()
	}
	r.waitWaiting("h", 0)
	if h := r.hook("h"); h.Failed != 0 {
		t.Errorf("%+v", h)
	}
	if answer := r.replay(`{"delivered":true,"dry_run":true}`); answer != `{"matched":1000}` {
		t.Error(answer)
	}
}

// failMany leaves n failed deliveries of the hook h, whose receiver is at /h and which
// has one attempt. One success in nine keeps the hook working.
func (r *rig) failMany(n int) {
	r.t.Helper()
	var asked atomic.Int32
	r.mu.Lock()
	r.handlers["/h"] = func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%9 != 0 {
			w.WriteHeader(400)
		}
	}
	r.mu.Unlock()
	all := n + n/8
	r.must("POST", "/api/transact", "["+strings.Repeat(`,{"op":"insert","entity":"Order","data":{"n":1}}`, all)[1:]+"]")
	r.receiveN(all)
	r.waitWaiting("h", 0)
	if h := r.hook("h"); h.Failed != n || h.State != "active" {
		r.t.Fatalf("%+v", h)
	}
}
