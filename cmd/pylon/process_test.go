package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pylon-go/pylon/plugins/webhooks"
	"github.com/pylon-go/pylon/store/enginetest"
)

// deadline ends a test that waits for something that does not come. The longest
// that comes is the end of a killed process's lease, on PostgreSQL: 45 seconds.
const deadline = 90 * time.Second

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "pylon")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "pylon")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := enginetest.Run(m)
	os.RemoveAll(dir)
	os.Exit(code)
}

const token = "the-administrators-token"

// process is a running pylon.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	mu   sync.Mutex
	out  bytes.Buffer
	done chan error
}

// start runs pylon until it prints its address.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), done: make(chan error, 1)}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "PYLON_ADMIN_TOKEN=" + token}, env...)
	stdout, err := p.cmd.StdoutPipe()
	must(t, err)
	p.cmd.Stderr = &lockedWriter{p: p}
	must(t, p.cmd.Start())
	t.Cleanup(p.kill)
	ready := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			(&lockedWriter{p: p}).Write(append(lines.Bytes(), '\n'))
			if m := regexp.MustCompile(`http://\S+`).FindString(lines.Text()); m != "" {
				ready <- m
			}
		}
		p.done <- p.cmd.Wait()
	}()
	select {
	case p.url = <-ready:
	case err := <-p.done:
		p.done <- err
		t.Fatalf("pylon %v ended: %v\n%s", args, err, p.output())
	case <-time.After(deadline):
		t.Fatalf("pylon %v is not ready\n%s", args, p.output())
	}
	return p
}

type lockedWriter struct{ p *process }

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	return w.p.out.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func (p *process) signal(s os.Signal) error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(deadline):
		p.t.Fatalf("the process does not end\n%s", p.output())
		return nil
	}
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(deadline):
	}
}

// call makes an administrator's request.
func (p *process) call(method, path, body string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	must(p.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	must(p.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(p.t, err)
	return res.StatusCode, string(b)
}

// run runs a command that ends by itself.
func run(t *testing.T, env []string, args ...string) (out string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	b, _ := cmd.CombinedOutput()
	return string(b), cmd.ProcessState.ExitCode()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, dir, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, "pylon.manifest.json"), []byte(text), 0o600))
}

const secret = "a-signing-secret"

func signer() *webhooks.Secret {
	s, err := webhooks.ParseSecret(secret)
	if err != nil {
		panic(err)
	}
	return s
}

func hooked(url string) string {
	return `{ "manifest_version": 1, "name": "crash", "version": "1",
	"entities": [{ "name": "Item", "fields": [{ "name": "n", "type": "int" }] }],
	"plugins": [
		{ "name": "net_guard", "config": { "allow_hosts": ["127.0.0.1"] } },
		{ "name": "webhooks", "config": { "hooks": [{ "entity": "Item", "url": "` + url + `", "secret_env": "HOOK_SECRET", "retry": { "backoff_secs": 1 } }] } },
	] }`
}

// delivery is what a receiver got.
type delivery struct {
	ID, Row  string
	Body     string
	Verified bool
}

// receiver answers with what answer says; nil holds the request until it is given up.
func receiver(t *testing.T, answer func() int) (url string, got chan delivery) {
	got = make(chan delivery, 64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var told struct {
			ID  string `json:"delivery_id"`
			Row string `json:"row_id"`
		}
		if err := json.Unmarshal(body, &told); err != nil {
			t.Error(err)
		}
		d := delivery{told.ID, told.Row, string(body), signer().VerifyBody(body, r.Header.Get("X-Pylon-Signature"))}
		if r.Header.Get("Webhook-Id") != told.ID {
			t.Errorf("webhook-id is %s, delivery_id %s", r.Header.Get("Webhook-Id"), told.ID)
		}
		got <- d
		if status := answer(); status != 0 {
			w.WriteHeader(status)
			return
		}
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

func receive(t *testing.T, got chan delivery) delivery {
	t.Helper()
	select {
	case d := <-got:
		return d
	case <-time.After(deadline):
		t.Fatal("no delivery came")
		return delivery{}
	}
}

func TestAWebhookSurvivesKill9(t *testing.T) {
	t.Parallel() // on PostgreSQL it waits for the end of a lease
	var mu sync.Mutex
	status := 0 // hold
	url, got := receiver(t, func() int { mu.Lock(); defer mu.Unlock(); return status })
	dir := t.TempDir()
	write(t, dir, hooked(url))
	env := append(enginetest.New(t).Env(), "HOOK_SECRET="+secret)
	p := start(t, env, "serve", dir, "--port", "0", "--host", "127.0.0.1")
	code, body := p.call("POST", "/api/entities/Item", `{"n":1}`)
	if code != 201 {
		t.Fatal(code, body)
	}
	first := receive(t, got) // the receiver holds it: not delivered
	p.signal(syscall.SIGKILL)
	mu.Lock()
	status = 200
	mu.Unlock()

	p = start(t, env, "serve", dir, "--port", "0", "--host", "127.0.0.1")
	second := receive(t, got)
	if second != first {
		t.Errorf("after the restart came\n%+v\nbefore the kill\n%+v", second, first)
	}
	if !second.Verified || !strings.Contains(body, second.Row) {
		t.Errorf("%+v for %s", second, body)
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM ended with %v\n%s", err, p.output())
	}
	if n := strings.Count(p.output(), "ready at http://127.0.0.1:"); n != 1 {
		t.Errorf("the ready line is there %d times:\n%s", n, p.output())
	}
	select {
	case d := <-got:
		t.Errorf("a delivery that was done came again: %+v", d)
	default:
	}
}

func TestAWriteKilledBeforeItsFirstAttemptIsDelivered(t *testing.T) {
	t.Parallel() // on PostgreSQL it waits for the end of a lease
	url, got := receiver(t, func() int { return 200 })
	dir := t.TempDir()
	write(t, dir, hooked(url))
	env := append(enginetest.New(t).Env(), "HOOK_SECRET="+secret)
	// The first server does not know the receiver's address: it refuses connections.
	closed := httptest.NewServer(nil)
	closed.Close()
	write(t, dir, strings.Replace(hooked(closed.URL), `"entity": "Item",`, `"name": "h", "entity": "Item",`, 1))
	p := start(t, env, "serve", dir, "--port", "0", "--host", "127.0.0.1")
	rows := map[string]bool{}
	for range 5 {
		code, body := p.call("POST", "/api/entities/Item", `{"n":1}`)
		if code != 201 {
			t.Fatal(code, body)
		}
		rows[strings.Split(body, `"`)[3]] = true
	}
	p.signal(syscall.SIGKILL)
	write(t, dir, strings.Replace(hooked(url), `"entity": "Item",`, `"name": "h", "entity": "Item",`, 1))
	start(t, env, "serve", dir, "--port", "0", "--host", "127.0.0.1")
	seen := map[string]string{}
	for len(seen) < 5 {
		d := receive(t, got)
		if !d.Verified || !rows[d.Row] || seen[d.Row] != "" && seen[d.Row] != d.ID {
			t.Fatalf("%+v", d)
		}
		seen[d.Row] = d.ID
	}
}

func TestCommands(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "notes")
	database := enginetest.New(t)
	env := database.Env()
	if out, code := run(t, nil, "init", dir); code != 0 || !strings.Contains(out, "pylon dev") {
		t.Fatal(code, out)
	}
	if out, code := run(t, nil, "init", dir); code != 1 || !strings.Contains(out, "file exists") {
		t.Error("init into a folder that exists:", code, out)
	}
	if out, code := run(t, nil, "check", dir); code != 0 || out != "ok\n" {
		t.Error(code, out)
	}
	if out, code := run(t, env, "migrate", "plan", dir); code != 0 || !strings.Contains(out, "CREATE TABLE") {
		t.Error(code, out)
	}
	if out, code := run(t, env, "migrate", "apply", dir); code != 0 || !strings.Contains(out, "steps done") {
		t.Error(code, out)
	}
	if out, code := run(t, env, "migrate", "plan", dir); code != 0 || out != "the database is up to date\n" {
		t.Error(code, out)
	}
	if out, code := run(t, nil, "plugins"); code != 0 || !strings.Contains(out, "net_guard") || !strings.Contains(out, "webhooks") {
		t.Error(code, out)
	}
	if out, code := run(t, nil, "plugins", "webhooks"); code != 0 || !strings.Contains(out, "hooks[].retry.max_attempts") {
		t.Error(code, out)
	}
	if out, code := run(t, nil, "plugins", "webhook"); code != 1 || !strings.Contains(out, `did you mean "webhooks"?`) {
		t.Error(code, out)
	}
	if out, code := run(t, nil, "schema"); code != 0 || !json.Valid([]byte(out)) {
		t.Error(code, out)
	}
	if out, code := run(t, nil, "serve", dir); code != 1 || !strings.Contains(out, "PYLON_ADMIN_TOKEN is not set") {
		t.Error(code, out)
	}
	if out, code := run(t, []string{"DATABASE_URL=postgres://nobody:hidden@127.0.0.1:1/x?connect_timeout=5"}, "dev", dir); code != 1 || !strings.Contains(out, "DATABASE_UNAVAILABLE") || strings.Contains(out, "hidden") {
		t.Error(code, out)
	}

	p := start(t, env, "dev", dir, "--port", "0")
	copied := filepath.Join(t.TempDir(), "copy.db")
	if database.Shared() {
		second := start(t, env, "serve", dir, "--port", "0", "--host", "127.0.0.1")
		if code, body := second.call("GET", "/health", ""); code != 200 {
			t.Error("a second server:", code, body)
		}
		if out, code := run(t, env, "backup", "--dir", dir, copied); code != 1 || !strings.Contains(out, "pg_dump") {
			t.Error(code, out)
		}
	} else {
		if out, code := run(t, append(env, "PYLON_ADMIN_TOKEN=x"), "serve", dir, "--port", "0"); code != 1 || !strings.Contains(out, "is being served by another process") {
			t.Error("a second server:", code, out)
		}
		if out, code := run(t, env, "backup", "--dir", dir, copied); code != 0 || !strings.Contains(out, "checked") {
			t.Error(code, out)
		}
		if out, code := run(t, env, "backup", "--dir", dir, copied); code != 1 || !strings.Contains(out, "does not overwrite") {
			t.Error(code, out)
		}
	}
	if err := p.signal(syscall.SIGINT); err != nil {
		t.Error("SIGINT ended with", err, p.output())
	}
}

func TestBadManifestsAreRefusedWithTheirPlace(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct{ text, want string }{
		"unknown plugin": {`{"manifest_version":1,"name":"x",
 "plugins":[{"name":"webhook"}]}`, `pylon.manifest.json:2:21: plugins[0].name: no plugin "webhook" (did you mean "webhooks"?)`},
		"a plugin that does not exist yet": {`{"manifest_version":1,"name":"x",
 "plugins":[{"name":"stripe"}]}`, `pylon.manifest.json:2:21: plugins[0].name: no plugin "stripe"`},
		"missing secret": {hooked("http://127.0.0.1:1"), `secret_env: the environment variable HOOK_SECRET is not set or empty`},
		"unknown entity in a hook": {`{"manifest_version":1,"name":"x","entities":[{"name":"Order","fields":[{"name":"a","type":"int"}]}],
 "plugins":[{"name":"webhooks","config":{"hooks":[{"entity":"Ordr","url":"http://a.b"}]}}]}`, `pylon.manifest.json:2:61: plugins[0].config.hooks[0].entity: no entity "Ordr" (did you mean "Order"?)`},
		"policy": {`{"manifest_version":1,"name":"x","entities":[{"name":"Order","fields":[{"name":"total","type":"int"}]}],
 "policies":[{"name":"p","entity":"Order","allow":"data.totl > 1"}]}`, `(did you mean "total"?)`},
		"required environment": {`{"manifest_version":1,"name":"x",
 "requiredEnv":["NOT_THERE"]}`, `pylon.manifest.json:2:17: requiredEnv[0]: the environment variable NOT_THERE is not set or empty`},
	} {
		write(t, dir, tt.text)
		if out, code := run(t, nil, "check", dir); code != 1 || !strings.Contains(out, tt.want) {
			t.Errorf("%s: %d %s\nwant %s", name, code, out, tt.want)
		}
		if out, code := run(t, nil, "dev", dir, "--port", "0"); code != 1 || !strings.Contains(out, tt.want) {
			t.Errorf("%s: dev starts: %d %s", name, code, out)
		}
	}
	if out, code := run(t, nil, "check", t.TempDir()); code != 1 || !strings.Contains(out, "`pylon init NAME` makes a new app") {
		t.Error(code, out)
	}
}

func TestDevFollowsTheManifest(t *testing.T) {
	dir := t.TempDir()
	app := func(entity string) string {
		return `{"manifest_version":1,"name":"x","entities":[{"name":"` + entity + `","fields":[{"name":"a","type":"int"}]}]}`
	}
	write(t, dir, app("One"))
	p := start(t, enginetest.New(t).Env(), "dev", dir, "--port", "0")
	wait := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(deadline); !ok(); {
			if time.Now().After(end) {
				t.Fatalf("%s\n%s", what, p.output())
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	write(t, dir, app("Two"))
	wait("the new entity is not served", func() bool { code, _ := p.call("GET", "/api/entities/Two", ""); return code == 200 })
	write(t, dir, `{"manifest_version":1,"nmae":"x"}`)
	wait("the problem is not shown", func() bool { return strings.Contains(p.output(), `did you mean "name"?`) })
	if code, body := p.call("GET", "/api/entities/Two", ""); code != 200 {
		t.Errorf("a bad manifest stopped the app: %d %s", code, body)
	}
}

func TestAddressFromFlagsAndEnvironment(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, `{"manifest_version":1,"name":"x"}`)
	p := start(t, append(enginetest.New(t).Env(), "PYLON_PORT=1", "PYLON_HOST=127.0.0.2"), "dev", dir, "--port", "0")
	if !strings.HasPrefix(p.url, "http://127.0.0.2:") {
		t.Errorf("the flag gives the port, the environment the host: %s", p.url)
	}
	if out, code := run(t, []string{"PYLON_PORT=seven"}, "dev", t.TempDir()); code != 1 {
		t.Error(code, out)
	}
}

func TestListenVerifies(t *testing.T) {
	l := start(t, []string{"S=" + secret}, "webhooks", "listen", "--port", "0", "--secret-env", "S")
	body := []byte(`{"a":1}`)
	for signature, want := range map[string]int{signer().SignBody(body): 200, "sha256=00": 401, "": 401} {
		req, err := http.NewRequest("POST", l.url, bytes.NewReader(body))
		must(t, err)
		req.Header.Set("X-Pylon-Signature", signature)
		res, err := http.DefaultClient.Do(req)
		must(t, err)
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("signature %q: %d, want %d", signature, res.StatusCode, want)
		}
	}
	printed := func() bool {
		out := l.output()
		return strings.Contains(out, "verified") && strings.Contains(out, "WRONG") && strings.Contains(out, "MISSING")
	}
	for end := time.Now().Add(deadline); !printed(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(l.output())
		}
	}
}
