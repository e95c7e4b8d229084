package webhooks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/pylon-go/pylon"
)

const deadline = 20 * time.Second

// request is a delivery as the receiver saw it.
type request struct {
	header http.Header
	body   string
}

// rig is an app with hooks and a receiver that answers as the test wants.
type rig struct {
	t       *testing.T
	app     *pylon.App
	clock   *clockwork.FakeClock
	got     chan request
	answers chan func(w http.ResponseWriter)
	url     string
}

const admin = "the-administrators-token"

func newRig(t *testing.T, hooks, more string, env map[string]string) *rig {
	r := &rig{t: t, clock: clockwork.NewFakeClockAt(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)), got: make(chan request, 64), answers: make(chan func(http.ResponseWriter), 64)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.got <- request{req.Header, string(body)}
		select {
		case answer := <-r.answers:
			answer(w)
		default:
		}
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	dir := t.TempDir()
	text := `{ "manifest_version": 1, "name": "hooks", "version": "1",
	"entities": [
		{ "name": "Order", "fields": [{ "name": "n", "type": "int" }, { "name": "secret", "type": "string", "optional": true, "serverOnly": true }] },
	],
	"policies": [{ "name": "all", "entity": "Order", "allow": "true" }],
	"plugins": [` + more + `{ "name": "webhooks", "config": { "hooks": [` + strings.NewReplacer("URL", r.url, "PORT", r.url[strings.LastIndexByte(r.url, ':')+1:]).Replace(hooks) + `] } }] }`
	if err := os.WriteFile(filepath.Join(dir, pylon.ManifestName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	r.app, err = pylon.New(t.Context(), pylon.Options{Dir: dir, Dev: true, AdminToken: admin, Clock: r.clock, Logger: slog.New(slog.DiscardHandler), Getenv: func(name string) string { return env[name] }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		r.app.Stop(ctx)
	})
	return r
}

func (r *rig) do(method, path, body string) (int, string) {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+admin)
	rec := httptest.NewRecorder()
	r.app.ServeHTTP(rec, req)
	return rec.Code, rec.Body.String()
}

func (r *rig) create(body string) (id string) {
	r.t.Helper()
	status, answer := r.do("POST", "/api/entities/Order", body)
	if status != 201 {
		r.t.Fatal(status, answer)
	}
	return strings.Split(answer, `"`)[3]
}

func (r *rig) receive() request {
	r.t.Helper()
	select {
	case got := <-r.got:
		return got
	case <-time.After(deadline):
		r.t.Fatal("no delivery came")
		return request{}
	}
}

func (r *rig) nothing() {
	r.t.Helper()
	select {
	case got := <-r.got:
		r.t.Fatalf("a delivery came: %s", got.body)
	case <-time.After(50 * time.Millisecond):
	}
}

func status(code int, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprintf(w, "answer %d", code)
	}
}

// failed waits for a row of WebhookDelivery.
func (r *rig) failed() map[string]any {
	r.t.Helper()
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(time.Millisecond) {
		_, body := r.do("GET", "/api/entities/WebhookDelivery", "")
		var list struct{ Data []map[string]any }
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			r.t.Fatal(err)
		}
		if len(list.Data) == 1 {
			return list.Data[0]
		}
	}
	r.t.Fatal("no WebhookDelivery came")
	return nil
}

// advance waits until the last failure is recorded, then moves the clock.
func (r *rig) advance(attempts int, d time.Duration) {
	r.t.Helper()
	for end := time.Now().Add(deadline); ; time.Sleep(time.Millisecond) {
		_, body := r.do("GET", "/metrics", "")
		if strings.Contains(body, fmt.Sprintf("pylon_queue_failed_total{queue=\"webhooks\"} %d\n", attempts)) {
			break
		}
		if time.Now().After(end) {
			r.t.Fatalf("%d failures are not recorded", attempts)
		}
	}
	r.clock.Advance(d)
}

func TestTheBodyIsTheContracts(t *testing.T) {
	r := newRig(t, `{ "entity": "Order", "url": "URL/in", "secret_env": "S", "headers": { "X-Team": "a ${TEAM}" } }`, "", map[string]string{"S": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "TEAM": "blue"})
	id := r.create(`{"n":1,"secret":"hush"}`)
	insert := r.receive()
	wh := insert.header.Get("Webhook-Id")
	if want := `{"event":"insert","entity":"Order","row_id":"` + id + `","data":{"id":"` + id + `","n":1},"timestamp":"2026-01-31T09:30:00.000Z","delivery_id":"` + wh + `"}`; insert.body != want || !strings.HasPrefix(wh, "wh_") {
		t.Errorf("got\n%s\nwant\n%s", insert.body, want)
	}
	if insert.header.Get("X-Team") != "a blue" || insert.header.Get("X-Pylon-Attempt") != "1" || insert.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers: %v", insert.header)
	}
	if !secret(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").VerifyBody([]byte(insert.body), insert.header.Get("X-Pylon-Signature")) {
		t.Error("X-Pylon-Signature does not verify")
	}
	// The library of Standard Webhooks holds the timestamp against its own clock.
	verifier, err := standard.NewWebhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.VerifyIgnoringTimestamp([]byte(insert.body), insert.header); err != nil {
		t.Error("the Standard Webhooks library refuses it:", err)
	}

	r.do("PATCH", "/api/entities/Order/"+id, `{"n":2}`)
	if got := r.receive().body; !strings.HasPrefix(got, `{"event":"update","entity":"Order","row_id":"`+id+`","data":{"id":"`+id+`","n":2},"timestamp":"`) {
		t.Error(got)
	}
	r.do("DELETE", "/api/entities/Order/"+id, "")
	if got := r.receive().body; !strings.HasPrefix(got, `{"event":"delete","entity":"Order","row_id":"`+id+`","data":{"id":"`+id+`","n":2},"timestamp":"`) {
		t.Error(got)
	}
}

func TestOnlyTheEventsAskedFor(t *testing.T) {
	r := newRig(t, `{ "name": "one", "entity": "Order", "url": "URL/one", "event": "delete" }, { "name": "two", "entity": "Order", "url": "URL/two", "events": ["update"] }`, "", nil)
	id := r.create(`{"n":1}`)
	r.nothing()
	r.do("PATCH", "/api/entities/Order/"+id, `{"n":2}`)
	if got := r.receive(); got.header.Get("X-Pylon-Hook") != "two" || got.header.Get("X-Pylon-Signature") != "" {
		t.Errorf("%v", got.header)
	}
	r.do("DELETE", "/api/entities/Order/"+id, "")
	if got := r.receive(); got.header.Get("X-Pylon-Hook") != "one" {
		t.Errorf("%v", got.header)
	}
}

func TestARolledBackWriteSendsNothing(t *testing.T) {
	r := newRig(t, `{ "entity": "Order", "url": "URL" }`, "", nil)
	if code, body := r.do("POST", "/api/transact", `[{"op":"insert","entity":"Order","data":{"n":1}},{"op":"delete","entity":"Order","id":"none"}]`); code != 400 {
		t.Fatal(code, body)
	}
	r.nothing()
}

func TestRetriesWithTheSameBytesAndThenWebhookDelivery(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL/in", "secret_env": "S", "retry": { "max_attempts": 3, "backoff_secs": 10 } }`, "", map[string]string{"S": "s"})
	r.answers <- status(500)
	r.answers <- status(429, "Retry-After", "100")
	r.answers <- status(503)
	id := r.create(`{"n":1}`)
	first := r.receive()
	r.advance(1, 7*time.Second) // jitter is 20 %
	r.nothing()
	r.clock.Advance(5 * time.Second)
	second := r.receive()
	r.advance(2, 99*time.Second) // the receiver asked for 100
	r.nothing()
	r.clock.Advance(time.Second)
	third := r.receive()
	for i, got := range []request{first, second, third} {
		if got.body != first.body || got.header.Get("Webhook-Id") != first.header.Get("Webhook-Id") || got.header.Get("X-Pylon-Signature") != first.header.Get("X-Pylon-Signature") || got.header.Get("X-Pylon-Attempt") != fmt.Sprint(i+1) {
			t.Errorf("attempt %d differs: %+v", i+1, got)
		}
	}
	row := r.failed()
	want := map[string]any{"deliveryId": first.header.Get("Webhook-Id"), "hook": "h", "entity": "Order", "rowId": id, "event": "insert", "url": r.url + "/in", "body": first.body,
		"attempts": 3.0, "responseStatus": 503.0, "responseBody": "answer 503", "error": "the receiver answered 503 Service Unavailable", "enqueuedAt": "2026-01-31T09:30:00.000Z", "failedAt": "2026-01-31T09:31:52.000Z"}
	for k, v := range want {
		if row[k] != v {
			t.Errorf("%s is %v, want %v", k, row[k], v)
		}
	}
	for method, body := range map[string]string{"PATCH": `{"hook":"x"}`, "DELETE": ""} {
		if code, answer := r.do(method, "/api/entities/WebhookDelivery/"+row["id"].(string), body); code != 403 || !strings.Contains(answer, "READ_ONLY_ENTITY") {
			t.Errorf("%s of a WebhookDelivery: %d %s", method, code, answer)
		}
	}
	req := httptest.NewRequest("GET", "/api/entities/WebhookDelivery", nil)
	rec := httptest.NewRecorder()
	r.app.ServeHTTP(rec, req)
	if rec.Code != 403 {
		t.Errorf("anybody reads WebhookDelivery: %d", rec.Code)
	}
}

func TestAnswersThatEndADelivery(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter)
		error  string
		status any
	}{
		"410":         {status(410), "the receiver answered 410 Gone", 410.0},
		"a redirect":  {status(302, "Location", "/elsewhere"), "the receiver answered 302 Found", 302.0},
		"not UTF-8":   {func(w http.ResponseWriter) { w.WriteHeader(400); w.Write([]byte("a\xffb\x00")) }, "the receiver answered 400 Bad Request", 400.0},
		"endless":     {func(w http.ResponseWriter) { w.WriteHeader(500); io.CopyN(w, zeros{}, 1<<20) }, "the receiver answered 500 Internal Server Error", 500.0},
		"a hang-up":   {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, "EOF", nil},
		"big headers": {func(w http.ResponseWriter) { w.Header().Set("X", strings.Repeat("x", 100<<10)); w.WriteHeader(200) }, "server response headers exceeded", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, `{ "entity": "Order", "url": "URL", "retry": { "max_attempts": 1 } }`, "", nil)
			r.answers <- tt.answer
			r.create(`{"n":1}`)
			r.receive()
			row := r.failed()
			if !strings.Contains(row["error"].(string), tt.error) || row["responseStatus"] != tt.status {
				t.Errorf("%v", row)
			}
			if body, _ := row["responseBody"].(string); len(body) > 16<<10 || strings.Contains(body, "\x00") {
				t.Errorf("%d bytes of the answer are kept", len(body))
			}
			r.nothing()
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestNetGuardKeepsDeliveriesOutOfPrivateNetworks(t *testing.T) {
	r := newRig(t, `{ "entity": "Order", "url": "http://localhost:PORT/in", "retry": { "max_attempts": 1 } }`, `{ "name": "net_guard" },`, nil)
	r.create(`{"n":1}`)
	if row := r.failed(); !strings.Contains(row["error"].(string), "net_guard refused the connection to localhost: ") {
		t.Errorf("%v", row["error"])
	}
	r.nothing()
}

func TestWrongHooksAreRefused(t *testing.T) {
	for hook, want := range map[string]string{
		`{ "entity": "Order", "url": "ftp://a" }`:                                            `hooks[0].url: must begin with https:// or http://`,
		`{ "entity": "Order", "url": "http://u:p@a" }`:                                       `hooks[0].url: must not hold a user name or password`,
		`{ "entity": "Order", "url": "http://" }`:                                            `hooks[0].url: has no host`,
		`{ "entity": "Order" }`:                                                              `hooks[0]: the key "url" is missing`,
		`{ "entity": "Order", "url": "http://a", "events": ["insrt"] }`:                      `hooks[0].events: unknown event "insrt" (did you mean "insert"?)`,
		`{ "entity": "Order", "url": "http://a", "event": "update", "events": [] }`:          `hooks[0].event: give either event or events`,
		`{ "entity": "Order", "url": "http://a", "secret_env": "NONE" }`:                     `hooks[0].secret_env: the environment variable NONE is not set or empty`,
		`{ "entity": "Order", "url": "http://a", "headers": { "A": "${NONE}" } }`:            `hooks[0].headers: A: the environment variable NONE is not set or empty`,
		`{ "entity": "Order", "url": "http://a", "headers": { "host": "b" } }`:               `hooks[0].headers: host is set by Pylon`,
		`{ "entity": "Order", "url": "http://a", "headers": { "X-Pylon-Hook": "b" } }`:       `hooks[0].headers: X-Pylon-Hook is set by Pylon`,
		`{ "entity": "Order", "url": "http://a", "headers": { "A": "b\r\nC: d" } }`:          `hooks[0].headers: the value of A holds characters a header may not have`,
		`{ "entity": "Order", "url": "http://a", "retry": { "max_attempts": 0 } }`:           `hooks[0].retry: max_attempts must be 1 to 100`,
		`{ "entity": "Order", "url": "http://a", "retry": { "max_atempts": 3 } }`:            `hooks[0].retry.max_atempts: unknown key "max_atempts" (did you mean "max_attempts"?)`,
		`{ "entity": "Order", "url": "http://a" }, { "entity": "Order", "url": "http://a" }`: `hooks[1]: two hooks are called`,
	} {
		dir := t.TempDir()
		text := `{"manifest_version":1,"name":"x","entities":[{"name":"Order","fields":[{"name":"n","type":"int"}]}],"plugins":[{"name":"webhooks","config":{"hooks":[` + hook + `]}}]}`
		if err := os.WriteFile(filepath.Join(dir, pylon.ManifestName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := pylon.Check(dir, func(string) string { return "" }); err == nil || !strings.Contains(err.Error(), "plugins[0].config."+want) {
			t.Errorf("%s\ngot  %v\nwant %s", hook, err, want)
		}
	}
}
