package webhooks_test

import (
	"strings"
	"testing"
	"time"
)

// Where several servers share a database, what is decided on one reaches the
// others, and what waited goes when it is resumed on either.
func TestADecisionReachesOtherServers(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL/h" }`, "", nil)
	if !r.database.Shared() {
		t.Skip("this engine has one server")
	}
	other := &rig{t: t, database: r.database, clock: r.clock, dir: r.dir, logs: &logs{}} // the same app, once more
	other.start()
	t.Cleanup(other.stop)

	r.must("POST", "/api/webhooks/hooks/h/pause", "")
	if h := other.hook("h"); h.State != "active" {
		t.Fatalf("the other server heard of the pause before it asked: %+v", h)
	}
	other.wait("the other server's pause", func() bool {
		r.clock.Advance(10 * time.Second)
		return other.hook("h").State == "paused"
	})
	id := other.create(`{"n":1}`)
	r.nothing()
	other.must("POST", "/api/webhooks/hooks/h/resume", "")
	if got := r.receive(); !strings.Contains(got.body, id) {
		t.Error(got.body)
	}
	r.wait("the first server's resumption", func() bool {
		r.clock.Advance(10 * time.Second)
		return r.hook("h").State == "active"
	})
	r.create(`{"n":2}`)
	r.receive()
}
