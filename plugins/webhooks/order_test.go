package webhooks_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// told is a delivery in short: which event of which row, of the names given.
func told(got request, names map[string]string) string {
	var body struct{ Event string }
	json.Unmarshal([]byte(got.body), &body)
	return names[got.row()] + " " + body.Event
}

// A row's later deliveries wait for the one that fails; other rows do not.
func TestOrderedByRow(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL", "ordered": "row", "retry": { "max_attempts": 3, "backoff_secs": 10 } }`, "", nil)
	r.answers <- status(500)
	names := map[string]string{}
	a := r.create(`{"n":1}`)
	names[a] = "a"
	r.receive()
	r.waitFailures(1)
	r.must("PATCH", "/api/entities/Order/"+a, `{"n":2}`)
	r.must("DELETE", "/api/entities/Order/"+a, "")
	b := r.create(`{"n":1}`)
	names[b] = "b"
	if got := told(r.receive(), names); got != "b insert" {
		t.Fatal(got)
	}
	r.must("PATCH", "/api/entities/Order/"+b, `{"n":2}`)
	if got := told(r.receive(), names); got != "b update" {
		t.Fatal(got)
	}
	r.nothing()
	// The second attempt arrives, and with it what waited.
	r.clock.Advance(12 * time.Second)
	for _, want := range []string{"a insert", "a update", "a delete"} {
		if got := told(r.receive(), names); got != want {
			t.Errorf("%s came instead of %s", got, want)
		}
	}
}

// All of a hook's deliveries go one after the other, at most one at a time, also
// those of one transaction and of a batch.
func TestOrderedByHook(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL", "ordered": "hook", "retry": { "max_attempts": 4, "backoff_secs": 10 } }`, "", nil)
	var under, most atomic.Int32
	r.mu.Lock()
	r.handlers["/"] = func(http.ResponseWriter, *http.Request) {
		for n := under.Add(1); ; {
			if m := most.Load(); m >= n || most.CompareAndSwap(m, n) {
				break
			}
		}
		time.Sleep(100 * time.Microsecond)
		under.Add(-1)
	}
	r.mu.Unlock()
	r.answers <- status(500)
	r.answers <- status(500)
	var rows []string
	rows = append(rows, r.create(`{"n":0}`))
	r.receive()
	r.waitFailures(1)
	var operations []string
	for i := range 40 {
		operations = append(operations, fmt.Sprintf(`{"op":"insert","entity":"Order","data":{"n":%d}}`, i))
	}
	var answer struct{ Results []struct{ ID string } }
	for _, bulk := range []string{
		r.must("POST", "/api/transact", "["+strings.Join(operations, ",")+"]"),
		r.must("POST", "/api/batch", `{"operations":[`+strings.Join(operations, ",")+"]}"),
	} {
		if err := json.Unmarshal([]byte(bulk), &answer); err != nil || len(answer.Results) != 40 {
			t.Fatal(bulk)
		}
		for _, result := range answer.Results {
			rows = append(rows, result.ID)
		}
	}
	r.nothing()
	r.clock.Advance(12 * time.Second)
	if got := r.receive(); got.row() != rows[0] || got.header.Get("X-Pylon-Attempt") != "2" {
		t.Errorf("%+v", got)
	}
	r.advance(2, 15*time.Second)
	r.nothing() // the second pause is 20 s, less 20 % at most
	r.clock.Advance(9 * time.Second)
	for i, got := range r.receiveN(len(rows)) {
		if got.row() != rows[i] {
			t.Fatalf("delivery %d is of another row", i)
		}
	}
	if most.Load() != 1 {
		t.Errorf("%d at a time", most.Load())
	}
}

// One that failed for good lets the next go.
func TestOrderGoesOnAfterADeath(t *testing.T) {
	for _, order := range []string{"row", "hook"} {
		t.Run(order, func(t *testing.T) {
			r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL", "ordered": "`+order+`", "retry": { "max_attempts": 2, "backoff_secs": 10 } }`, "", nil)
			r.answers <- status(500)
			r.answers <- status(501)
			id := r.create(`{"n":1}`)
			r.receive()
			r.waitFailures(1)
			r.must("PATCH", "/api/entities/Order/"+id, `{"n":2}`)
			r.must("PATCH", "/api/entities/Order/"+id, `{"n":3}`)
			r.nothing()
			r.clock.Advance(12 * time.Second)
			var got []string
			for _, d := range r.receiveN(3) {
				got = append(got, d.body[strings.Index(d.body, `"n":`):strings.Index(d.body, `},"timestamp"`)])
			}
			if want := []string{`"n":1`, `"n":2`, `"n":3`}; !slices.Equal(got, want) {
				t.Errorf("%v", got)
			}
			if row := r.failed(); row["attempts"] != 2.0 || row["event"] != "insert" {
				t.Errorf("%v", row)
			}
		})
	}
}

// Without an order a later delivery overtakes one that fails or hangs.
func TestUnorderedOvertakes(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL" }`, "", nil)
	names := map[string]string{}
	r.answers <- status(500)
	r.answers <- r.hang
	a := r.create(`{"n":1}`)
	names[a] = "a"
	r.receive()
	r.must("PATCH", "/api/entities/Order/"+a, `{"n":2}`)
	r.receive()
	r.must("DELETE", "/api/entities/Order/"+a, "")
	if got := told(r.receive(), names); got != "a delete" {
		t.Error(got)
	}
	r.waitFailures(1)
	r.clock.Advance(12 * time.Second)
	if got := r.receive(); told(got, names) != "a insert" || got.header.Get("X-Pylon-Attempt") != "2" {
		t.Errorf("%+v", got)
	}
	r.clock.Advance(3 * time.Second) // ends the one that hangs
}

// Two hooks of one entity keep their own orders: what one of them waits for does not
// hold up the other.
func TestTwoOrdersOfOneEntity(t *testing.T) {
	r := newRig(t, `{ "name": "strict", "entity": "Order", "url": "URL/strict", "ordered": "hook", "retry": { "backoff_secs": 10 } },
		{ "name": "byrow", "entity": "Order", "url": "URL/byrow", "ordered": "row", "retry": { "backoff_secs": 10 } },
		{ "name": "loose", "entity": "Order", "url": "URL/loose", "retry": { "backoff_secs": 10 } }`, "", nil)
	for _, path := range []string{"/strict", "/byrow", "/loose"} {
		r.on(path, status(500))
	}
	names := map[string]string{}
	a := r.create(`{"n":1}`)
	names[a] = "a"
	r.receiveN(3)
	r.waitFailures(3)
	for _, path := range []string{"/strict", "/byrow", "/loose"} {
		r.on(path, nil)
	}
	r.must("PATCH", "/api/entities/Order/"+a, `{"n":2}`)
	b := r.create(`{"n":1}`)
	names[b] = "b"
	came := map[string][]string{}
	take := func(n int) {
		for _, got := range r.receiveN(n) {
			came[got.hook()] = append(came[got.hook()], told(got, names))
		}
	}
	take(3) // loose: both, byrow: b's, strict: none
	slices.Sort(came["loose"])
	if got := fmt.Sprint(came); got != "map[byrow:[b insert] loose:[a update b insert]]" {
		t.Error(got)
	}
	r.nothing()
	clear(came)
	r.clock.Advance(12 * time.Second)
	take(6)
	if got := fmt.Sprint(came); got != "map[byrow:[a insert a update] loose:[a insert] strict:[a insert a update b insert]]" {
		t.Error(got)
	}
}

// Order holds through a restart in between.
func TestOrderSurvivesARestart(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL", "ordered": "hook", "retry": { "backoff_secs": 10 } }`, "", nil)
	r.answers <- status(500)
	rows := []string{r.create(`{"n":1}`)}
	r.receive()
	r.waitFailures(1)
	rows = append(rows, r.create(`{"n":2}`))
	r.restart()
	rows = append(rows, r.create(`{"n":3}`))
	r.nothing()
	r.clock.Advance(12 * time.Second)
	for i, got := range r.receiveN(3) {
		if got.row() != rows[i] {
			t.Errorf("delivery %d is of another row", i)
		}
	}
}
