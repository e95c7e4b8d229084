package webhooks_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A row that is too large is told of by its id alone, on every attempt and for ever,
// and never left out.
func TestLargeRowsAreSentAsTheirID(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Item", "url": "URL/h", "secret_env": "S", "retry": { "max_attempts": 2, "backoff_secs": 10 } }`, "", map[string]string{"S": newSecret})
	large := strings.Repeat("x", 256<<10)
	r.on("/h", status(500))
	id := r.insert("Item", `{"name":"a","text":"`+large+`"}`)
	check := func(got request, event string, attempt int) {
		t.Helper()
		want := fmt.Sprintf(`{"event":"%s","entity":"Item","row_id":"%s","data":{"id":"%s"},"timestamp":"2026-01-31T09:30:00.000Z","delivery_id":"%s"}`, event, id, id, got.id())
		if got.body != want || got.header.Get("X-Pylon-Payload") != "id-only" || got.header.Get("X-Pylon-Attempt") != fmt.Sprint(attempt) {
			t.Errorf("%.300s\n%v", got.body, got.header)
		}
		verifies(t, newSecret, got)
	}
	check(r.receive(), "insert", 1)
	r.advance(1, 12*time.Second)
	check(r.receive(), "insert", 2)
	if headers, _ := r.failed()["requestHeaders"].(map[string]any); headers["X-Pylon-Payload"] != "id-only" {
		t.Errorf("%v", headers)
	}
	for i := range 2 { // the second time from what the first left on record
		r.replay(`{}`)
		check(r.receive(), "insert", 1)
		r.advance(2+i, 12*time.Second)
		check(r.receive(), "insert", 2)
		r.wait("it failed again", func() bool { return r.failed()["state"] == "failed" })
	}
}

// The limit is one of the whole body, to the byte.
func TestTheLimitOfABody(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Item", "url": "URL/h" }`, "", nil)
	r.insert("Item", `{"text":""}`)
	rest := len(r.receive().body)
	for size, whole := range map[int]bool{256 << 10: true, 256<<10 + 1: false} {
		r.insert("Item", `{"text":"`+strings.Repeat("x", size-rest)+`"}`)
		got := r.receive()
		if header := got.header.Get("X-Pylon-Payload"); (header == "") != whole || (len(got.body) == size) != whole {
			t.Errorf("a body of %d bytes: %d were sent, %q", size, len(got.body), header)
		}
	}
}

// A body is JSON for whoever reads it and the exact text of the row, whatever is in it.
func TestTextsOfAllKinds(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Item", "url": "URL/h", "secret_env": "S" }`, "", map[string]string{"S": newSecret})
	for _, text := range []string{
		"Ünïcödé", "日本語", "😀", "\u2028 and \u2029", `"quotes" and \ and /`, "<b>&amp;</b>", "line\nline\r\n\ttab", "\x01\x1f\x7f", "\uFFFD", "\uFEFFbom", "}],\"delivery_id\":\"wh_forged\"", "",
	} {
		in, err := json.Marshal(map[string]string{"name": text, "text": text, "secret": "hush-" + text})
		if err != nil {
			t.Fatal(err)
		}
		id := r.insert("Item", string(in))
		got := r.receive()
		verifies(t, newSecret, got)
		var body struct {
			Event, Entity string
			RowID         string `json:"row_id"`
			Data          map[string]any
			Timestamp     time.Time
			DeliveryID    string `json:"delivery_id"`
		}
		if err := json.Unmarshal([]byte(got.body), &body); err != nil {
			t.Errorf("%q: %v in %s", text, err, got.body)
			continue
		}
		if asJSON(body.Data) != asJSON(map[string]any{"id": id, "name": text, "status": nil, "text": text}) || body.RowID != id || body.DeliveryID != got.id() || !body.Timestamp.Equal(epoch) || strings.Contains(got.body, "hush") {
			t.Errorf("%q: %s", text, got.body)
		}
		if strings.ContainsAny(got.body, "\u2028\u2029\x00\n\r") {
			t.Errorf("%q breaks lines of JavaScript: %q", text, got.body)
		}
	}
}
