package webhooks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/store/enginetest"
)

const deadline = 20 * time.Second

// epoch is when every test begins.
var epoch = time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)

func TestMain(m *testing.M) { enginetest.Main(m) }

// request is a delivery as the receiver saw it.
type request struct {
	header http.Header
	path   string
	body   string
}

func (r request) id() string   { return r.header.Get("Webhook-Id") }
func (r request) hook() string { return r.header.Get("X-Pylon-Hook") }

// row is the id of the row that a delivery tells of.
func (r request) row() string {
	var told struct {
		RowID string `json:"row_id"`
	}
	json.Unmarshal([]byte(r.body), &told)
	return told.RowID
}

// rig is an app with hooks and a receiver that answers as the test wants.
type rig struct {
	t     *testing.T
	app   *pylon.App
	clock *clockwork.FakeClock
	got   chan request
	// answers are given to whatever comes, each once, before any other answer.
	answers chan func(w http.ResponseWriter)
	url     string
	logs    *logs
	// over is closed when the test is: a receiver that hangs ends then.
	over chan struct{}

	dir      string
	database *enginetest.Database
	env      map[string]string
	tokens   map[string]string // of users, by name

	mu       sync.Mutex
	handlers map[string]http.HandlerFunc // by path
}

const admin = "the-administrators-token"

// newRig starts an app. In hooks, URL is the receiver's address and PORT its port;
// more are plugins declared before webhooks.
func newRig(t *testing.T, hooks, more string, env map[string]string) *rig {
	t.Helper()
	r := newStoppedRig(t, env)
	r.declare(hooks, more, "")
	r.start()
	return r
}

func newStoppedRig(t *testing.T, env map[string]string) *rig {
	r := &rig{t: t, database: enginetest.New(t), clock: clockwork.NewFakeClockAt(epoch), got: make(chan request, 4096), answers: make(chan func(http.ResponseWriter), 64),
		logs: &logs{}, over: make(chan struct{}), dir: t.TempDir(), env: env, tokens: map[string]string{}, handlers: map[string]http.HandlerFunc{}}
	server := httptest.NewServer(http.HandlerFunc(r.receiver))
	t.Cleanup(server.Close)
	t.Cleanup(r.stop)
	t.Cleanup(func() { close(r.over) })
	r.url = server.URL
	return r
}

func (r *rig) receiver(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.got <- request{req.Header, req.URL.Path, string(body)}
	w.Header()["Date"] = nil // so that records are the same at any time
	select {
	case answer := <-r.answers:
		answer(w)
		return
	default:
	}
	r.mu.Lock()
	handler := r.handlers[req.URL.Path]
	r.mu.Unlock()
	if handler != nil {
		handler(w, req)
	}
}

// on sets how the receiver answers on a path from now on; nil is 200.
func (r *rig) on(path string, answer func(http.ResponseWriter)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handlers[path] = nil
	if answer != nil {
		r.handlers[path] = func(w http.ResponseWriter, _ *http.Request) { answer(w) }
	}
}

// hang is a receiver that does not answer before the test is over.
func (r *rig) hang(http.ResponseWriter) { <-r.over }

// declare writes the manifest: hooks, the plugins before webhooks and further keys
// of the config of webhooks.
func (r *rig) declare(hooks, more, config string) {
	r.t.Helper()
	text := `{ "manifest_version": 1, "name": "hooks", "version": "1",
	"entities": [
		{ "name": "Order", "fields": [{ "name": "n", "type": "int" }, { "name": "secret", "type": "string", "optional": true, "serverOnly": true }] },
		{ "name": "Item", "fields": [
			{ "name": "name", "type": "string", "optional": true },
			{ "name": "status", "type": "string", "optional": true },
			{ "name": "text", "type": "richtext", "optional": true },
			{ "name": "secret", "type": "string", "optional": true, "serverOnly": true },
		] },
		{ "name": "User", "fields": [{ "name": "email", "type": "string", "unique": true }, { "name": "displayName", "type": "string", "optional": true }] },
	],
	"policies": [{ "name": "all", "entity": "Order", "allow": "true" }, { "name": "any", "entity": "Item", "allow": "true" }],
	"plugins": [` + more + `{ "name": "webhooks", "config": { ` + config + ` "hooks": [` +
		strings.NewReplacer("URL", r.url, "PORT", r.url[strings.LastIndexByte(r.url, ':')+1:]).Replace(hooks) + `] } }] }`
	if err := os.WriteFile(filepath.Join(r.dir, pylon.ManifestName), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) start() {
	r.t.Helper()
	app, err := pylon.New(r.t.Context(), pylon.Options{Dir: r.dir, Dev: true, AdminToken: admin, Clock: r.clock,
		Logger: slog.New(slog.NewJSONHandler(r.logs, nil)), Getenv: r.database.Getenv(func(name string) string { return r.env[name] })})
	if err != nil {
		r.t.Fatal(err)
	}
	r.app = app
}

func (r *rig) stop() {
	if r.app == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := r.app.Stop(ctx); err != nil {
		r.t.Error(err)
	}
	r.app = nil
}

// restart ends the app in order and starts it again.
func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.start()
}

// logs collects what the app logs.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// line is the first line of the log that contains all of the texts, "" when there is none.
func (l *logs) line(texts ...string) string {
lines:
	for line := range strings.Lines(l.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		return line
	}
	return ""
}

func (r *rig) do(method, path, body string) (int, string) { return r.as(admin, method, path, body) }

// as makes a request with a token; none with "".
func (r *rig) as(token, method, path, body string) (int, string) {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	r.app.ServeHTTP(rec, req)
	return rec.Code, rec.Body.String()
}

// must makes a request that is answered with 200 or 201.
func (r *rig) must(method, path, body string) string {
	r.t.Helper()
	status, answer := r.do(method, path, body)
	if status != 200 && status != 201 {
		r.t.Fatal(method, path, body, status, answer)
	}
	return answer
}

func (r *rig) create(body string) (id string) { r.t.Helper(); return r.insert("Order", body) }

func (r *rig) insert(entity, body string) (id string) {
	r.t.Helper()
	return strings.Split(r.must("POST", "/api/entities/"+entity, body), `"`)[3]
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

// receiveN takes n deliveries.
func (r *rig) receiveN(n int) (all []request) {
	r.t.Helper()
	for range n {
		all = append(all, r.receive())
	}
	return all
}

func (r *rig) nothing() {
	r.t.Helper()
	select {
	case got := <-r.got:
		r.t.Fatalf("a delivery came: %s", got.body)
	case <-time.After(50 * time.Millisecond):
	}
}

// wait polls until a condition holds.
func (r *rig) wait(what string, holds func() bool) {
	r.t.Helper()
	for end := time.Now().Add(deadline); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("it never came to this: %s\n%s", what, r.logs)
		}
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

// rows are those of WebhookDelivery, the oldest first.
func (r *rig) rows() []map[string]any {
	r.t.Helper()
	var list []map[string]any
	if err := json.Unmarshal([]byte(r.must("POST", "/api/query/WebhookDelivery", `{"$order":{"id":"asc"}}`)), &list); err != nil {
		r.t.Fatal(err)
	}
	return list
}

// waitRows waits until there are n rows of WebhookDelivery.
func (r *rig) waitRows(n int) (rows []map[string]any) {
	r.t.Helper()
	r.wait(fmt.Sprintf("%d rows of WebhookDelivery", n), func() bool { rows = r.rows(); return len(rows) == n })
	return rows
}

// failed waits for a row of WebhookDelivery.
func (r *rig) failed() map[string]any { r.t.Helper(); return r.waitRows(1)[0] }

// hookStatus is what the list of hooks says of one.
type hookStatus struct {
	Name, Entity, URL, State, Reason, Since, Oldest string
	Events                                          []string
	Waiting, Failed                                 int
}

func (r *rig) hook(name string) hookStatus {
	r.t.Helper()
	var list struct{ Hooks []hookStatus }
	if err := json.Unmarshal([]byte(r.must("GET", "/api/webhooks/hooks", "")), &list); err != nil {
		r.t.Fatal(err)
	}
	for _, h := range list.Hooks {
		if h.Name == name {
			return h
		}
	}
	r.t.Fatalf("no hook %q in %+v", name, list)
	return hookStatus{}
}

func (r *rig) waitState(hook, state string) {
	r.t.Helper()
	r.wait(hook+" is "+state, func() bool { return r.hook(hook).State == state })
}

func (r *rig) waitWaiting(hook string, n int) {
	r.t.Helper()
	r.wait(fmt.Sprintf("%d deliveries of %s wait", n, hook), func() bool { return r.hook(hook).Waiting == n })
}

// hasMetric reports whether /metrics has a line.
func (r *rig) hasMetric(line string) bool {
	_, body := r.do("GET", "/metrics", "")
	return strings.Contains(body, "\n"+line+"\n")
}

// metric is the value of a metric with its labels, 0 when it is not there.
func (r *rig) metric(name string) int {
	_, body := r.do("GET", "/metrics", "")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil {
				r.t.Fatal(line)
			}
			return n
		}
	}
	return 0
}

func (r *rig) waitMetric(line string) {
	r.t.Helper()
	r.wait(line, func() bool { return r.hasMetric(line) })
}

// failures are the failed attempts that will be repeated and are recorded.
func (r *rig) failures() (n int) {
	r.t.Helper()
	_, body := r.do("GET", "/metrics", "")
	for line := range strings.SplitSeq(body, "\n") {
		if count, ok := strings.CutPrefix(line, `pylon_queue_failed_total{queue="webhooks"} `); ok {
			var err error
			if n, err = strconv.Atoi(count); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	return n
}

// quiet drops what arrives until nothing does any more.
func (r *rig) quiet() {
	for {
		select {
		case <-r.got:
		case <-time.After(50 * time.Millisecond):
			return
		}
	}
}

// waitFailures waits until so many failed attempts that will be repeated are recorded.
func (r *rig) waitFailures(n int) {
	r.t.Helper()
	r.waitMetric(fmt.Sprintf(`pylon_queue_failed_total{queue="webhooks"} %d`, n))
}

// advance waits until the last failure is recorded, then moves the clock.
func (r *rig) advance(attempts int, d time.Duration) {
	r.t.Helper()
	r.waitFailures(attempts)
	r.clock.Advance(d)
}

// user is the token of a user of that name.
func (r *rig) user(name string) (token, id string) {
	r.t.Helper()
	_, body := r.as("", "POST", "/api/auth/password/register", `{"email":"`+name+`@example.com","password":"correct horse"}`)
	var got struct {
		Token  string `json:"token"`
		UserID string `json:"user_id"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Token == "" {
		r.t.Fatal(body)
	}
	return got.Token, got.UserID
}

// same compares a row of WebhookDelivery, all of its fields, with the wanted one.
func same(t *testing.T, got, want map[string]any) {
	t.Helper()
	for k, v := range want {
		if g, ok := got[k]; !ok || asJSON(g) != asJSON(v) {
			t.Errorf("%s is %s\nwant %s", k, asJSON(g), asJSON(v))
		}
	}
	for k, v := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%s is there: %s", k, asJSON(v))
		}
	}
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
