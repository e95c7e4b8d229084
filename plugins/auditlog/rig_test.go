package auditlog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/plugins/auditlog"
	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/enginetest"
)

const deadline = 20 * time.Second

// epoch is when every test begins.
var epoch = time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)

func TestMain(m *testing.M) { enginetest.Main(m) }

const (
	admin     = "the-administrators-token"
	secret    = "the-signing-key-of-the-audit-log-0123456789"
	newSecret = "the-next-signing-key-of-the-audit-log-56789"
)

// rig is an app with the plugin.
type rig struct {
	t        *testing.T
	app      *pylon.App
	clock    *clockwork.FakeClock
	logs     *logs
	dir      string
	database *enginetest.Database
	env      map[string]string
	anchor   string // file
	engine   store.Engine
}

// signed is the config of most tests: DIR is the app's folder.
const signed = `"entities": ["Order", "Item"], "sign_entries": true, "signing_key_env": "KEY", "verify_secs": 0,
	"exclude_fields": ["Item.hidden"], "anchors": [{ "type": "file", "path": "DIR/anchor" }]`

func newRig(t *testing.T, config string) *rig {
	t.Helper()
	r := newStoppedRig(t)
	r.declare(config)
	r.start()
	return r
}

func newStoppedRig(t *testing.T) *rig {
	dir := t.TempDir()
	r := &rig{t: t, database: enginetest.New(t), clock: clockwork.NewFakeClockAt(epoch), logs: &logs{}, dir: dir,
		env: map[string]string{"KEY": secret, "NEW": newSecret}, anchor: filepath.Join(dir, "anchor")}
	t.Cleanup(r.stop)
	return r
}

const manifest = `{ "manifest_version": 1, "name": "Shop & Co", "version": "1",
	"entities": [
		{ "name": "Order", "fields": [{ "name": "n", "type": "int" }, { "name": "secret", "type": "string", "optional": true, "serverOnly": true }] },
		{ "name": "Item", "fields": [
			{ "name": "name", "type": "string", "optional": true },
			{ "name": "hidden", "type": "string", "optional": true },
			{ "name": "card", "type": "string", "optional": true },
			{ "name": "email", "type": "string", "optional": true },
			{ "name": "price", "type": "float", "optional": true },
			{ "name": "at", "type": "datetime", "optional": true },
			{ "name": "ok", "type": "bool", "optional": true },
			{ "name": "info", "type": "json", "optional": true },
			{ "name": "ownerId", "type": "id(User)", "optional": true },
		] },
		{ "name": "Other", "fields": [{ "name": "n", "type": "int" }] },
		{ "name": "User", "fields": [{ "name": "email", "type": "string", "unique": true }, { "name": "displayName", "type": "string", "optional": true }] },
	],
	"policies": [
		{ "name": "orders", "entity": "Order", "allow": "true" },
		{ "name": "items", "entity": "Item", "allow": "auth.userId == data.ownerId" },
		{ "name": "own entries", "entity": "AuditLog", "allowRead": "auth.userId == data.actorId" },
	],
	"plugins": [{ "name": "audit_log", "config": { CONFIG } }] }`

func (r *rig) declare(config string) {
	r.t.Helper()
	text := strings.Replace(manifest, "CONFIG", strings.ReplaceAll(config, "DIR", r.dir), 1)
	if err := os.WriteFile(filepath.Join(r.dir, pylon.ManifestName), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) open() (*pylon.App, error) {
	return pylon.New(r.t.Context(), pylon.Options{Dir: r.dir, Dev: true, AdminToken: admin, Clock: r.clock,
		Logger: slog.New(slog.NewJSONHandler(r.logs, nil)), Getenv: r.database.Getenv(func(name string) string { return r.env[name] })})
}

func (r *rig) start() {
	r.t.Helper()
	app, err := r.open()
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

// crash ends the app as a killed process would: what it knows in memory is lost.
func (r *rig) crash() {
	r.t.Helper()
	r.plugin().Forget()
	r.stop()
}

func (r *rig) plugin() *auditlog.Plugin {
	r.t.Helper()
	var found *auditlog.Plugin
	r.app.Each(func(_ string, p plugin.Plugin) {
		if a, ok := p.(*auditlog.Plugin); ok {
			found = a
		}
	})
	if found == nil {
		r.t.Fatal("the app has no audit_log")
	}
	return found
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

// as makes a request with a token; none with "".
func (r *rig) as(token, method, path, body string) (int, string) {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("User-Agent", "the-agent/1.0")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	r.app.ServeHTTP(rec, req)
	return rec.Code, rec.Body.String()
}

// must makes a request of the administrator that is answered with 2xx.
func (r *rig) must(method, path, body string) string {
	r.t.Helper()
	status, answer := r.as(admin, method, path, body)
	if status/100 != 2 {
		r.t.Fatal(method, path, body, status, answer)
	}
	return answer
}

func (r *rig) insert(entity, body string) (id string) {
	r.t.Helper()
	return strings.Split(r.must("POST", "/api/entities/"+entity, body), `"`)[3]
}

func (r *rig) patch(entity, id, body string) {
	r.t.Helper()
	r.must("PATCH", "/api/entities/"+entity+"/"+id, body)
}

// seal seals all there is and publishes the head.
func (r *rig) seal() {
	r.t.Helper()
	r.must("POST", "/api/audit/seal", "")
}

type entry struct {
	ID, ActorID, Entity, RowID, Operation, Before, After, Signature, CreatedAt, Changed, Outcome string
	ActorType, APIKeyID, TenantID, IP, UserAgent, RequestID, TxID, Writer, Commitments           string
	Wseq                                                                                         int
}

// entries are the rows of AuditLog, the oldest first.
func (r *rig) entries() (list []entry) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.must("POST", "/api/query/AuditLog", `{"$order":{"id":"asc"}}`)), &list); err != nil {
		r.t.Fatal(err)
	}
	return list
}

// sql runs statements on the database as its administrator would.
func (r *rig) sql(statements ...string) {
	r.t.Helper()
	if r.engine == nil {
		r.engine = r.database.Open(r.t, false)
	}
	err := r.engine.Write(r.t.Context(), func(c store.Conn) error {
		for _, s := range statements {
			if err := c.Exec(s, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(statements, err)
	}
}

// ask answers the first column of the first row.
func (r *rig) ask(query string, t store.Type) (v store.Value) {
	r.t.Helper()
	if r.engine == nil {
		r.engine = r.database.Open(r.t, false)
	}
	if err := r.engine.Read(r.t.Context(), func(c store.Conn) error {
		return c.Query(query, nil, func(row store.Rows) error {
			v = row.Value(0, t)
			return store.Stop
		})
	}); err != nil {
		r.t.Fatal(query, err)
	}
	return v
}

// verify verifies the database from outside, as the command does.
func (r *rig) verify(options ...func(*auditlog.VerifyOptions)) *auditlog.Report {
	r.t.Helper()
	if r.engine == nil {
		r.engine = r.database.Open(r.t, false)
	}
	o := auditlog.VerifyOptions{Now: r.clock.Now(), MaxLag: time.Minute}
	for _, set := range options {
		set(&o)
	}
	report, err := auditlog.Verify(r.t.Context(), auditlog.OpenDatabase(r.engine), o)
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

func withKey(o *auditlog.VerifyOptions) { o.Secrets = append(o.Secrets, []byte(secret)) }

func (r *rig) withAnchor(o *auditlog.VerifyOptions) {
	f, err := os.Open(r.anchor)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	records, err := auditlog.ReadAnchorFile(f)
	if err != nil {
		r.t.Fatal(err)
	}
	o.Anchors = append(o.Anchors, auditlog.AnchorSet{Name: "anchor", Records: records})
}

// intact wants a verdict and no findings.
func (r *rig) intact(report *auditlog.Report, want auditlog.Verdict) {
	r.t.Helper()
	if report.Verdict != want || len(report.Findings) > 0 {
		r.t.Fatalf("the verdict is %s, want %s\n%s", report.Verdict, want, show(report))
	}
}

func show(report *auditlog.Report) string {
	var b strings.Builder
	for _, f := range report.Findings {
		fmt.Fprintln(&b, "finding:", f)
	}
	for _, f := range report.Warnings {
		fmt.Fprintln(&b, "warning:", f)
	}
	return b.String()
}

// user is the token of a new user of that name.
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

func clockAt(t time.Time) *clockwork.FakeClock { return clockwork.NewFakeClockAt(t) }
