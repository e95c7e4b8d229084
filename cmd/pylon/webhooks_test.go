package main_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pylon-go/pylon/plugins/webhooks"
)

const admin = "PYLON_ADMIN_TOKEN=" + token

// served is a server with two hooks and their receivers.
func served(t *testing.T, config string) (p *process, orders, items chan delivery, answer func(int)) {
	t.Helper()
	var mu sync.Mutex
	status := 200
	first, orders := receiver(t, func() int { mu.Lock(); defer mu.Unlock(); return status })
	second, items := receiver(t, func() int { return 200 })
	dir := t.TempDir()
	write(t, dir, `{ "manifest_version": 1, "name": "hooks", "version": "1",
	"entities": [{ "name": "Order", "fields": [{ "name": "n", "type": "int" }] }, { "name": "Item", "fields": [{ "name": "n", "type": "int" }] }],
	"plugins": [
		{ "name": "net_guard", "config": { "allow_hosts": ["127.0.0.1"] } },
		{ "name": "webhooks", "config": { "hooks": [
			{ "name": "orders", "entity": "Order", "url": "`+first+`/orders", "secret_env": "HOOK_SECRET", "retry": { "max_attempts": 1 }`+config+` },
			{ "name": "items", "entity": "Item", "url": "`+second+`/items", "secret_env": "HOOK_SECRET" },
		] } },
	] }`)
	p = start(t, []string{"HOOK_SECRET=" + secret}, "serve", dir, "--port", "0", "--host", "127.0.0.1")
	return p, orders, items, func(n int) { mu.Lock(); defer mu.Unlock(); status = n }
}

// asked runs a command as the administrator of a server.
func (p *process) asked(args ...string) (out string, code int) {
	p.t.Helper()
	return run(p.t, []string{admin}, append(append([]string{"webhooks"}, args...), "--server", p.url)...)
}

// says runs a command and compares what it prints with a pattern.
func (p *process) says(code int, pattern string, args ...string) {
	p.t.Helper()
	if out, got := p.asked(args...); got != code || !regexp.MustCompile(`\A(?s:`+pattern+`)\z`).MatchString(out) {
		p.t.Errorf("pylon webhooks %s: %d\n%s\nwant %d\n%s", strings.Join(args, " "), got, out, code, pattern)
	}
}

func (p *process) waitFailed(n int) {
	p.t.Helper()
	for end := time.Now().Add(deadline); ; time.Sleep(5 * time.Millisecond) {
		_, body := p.call("POST", "/api/query/WebhookDelivery", `{"state":"failed"}`)
		var rows []any
		must(p.t, json.Unmarshal([]byte(body), &rows))
		if len(rows) == n {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("%d failed deliveries, want %d: %s", len(rows), n, body)
		}
	}
}

// The tour: what an administrator does with hooks on the command line.
func TestWebhooksOnTheCommandLine(t *testing.T) {
	p, orders, items, answer := served(t, "")
	p.says(0, `HOOK +ENTITY +STATE +WAITING +FAILED +URL\norders +Order +active +0 +0 +http://127\.0\.0\.1:\d+/orders\nitems +Item +active +0 +0 +http://127\.0\.0\.1:\d+/items\n`, "list")

	p.says(0, `sent      \{"event":"test","entity":"Order",.*"delivery_id":"wh_\w+"\}\nanswered  200 after \d+ ms\n`, "test", "orders")
	if d := receive(t, orders); !d.Verified || !strings.Contains(d.Body, `"event":"test"`) {
		t.Errorf("%+v", d)
	}
	answer(503)
	p.says(1, `sent      \{.*\}\npylon: not delivered: the receiver answered 503 Service Unavailable\n`, "test", "orders")
	receive(t, orders)

	var ids []string
	for range 3 {
		p.call("POST", "/api/entities/Order", `{"n":1}`)
		ids = append(ids, receive(t, orders).ID)
	}
	p.waitFailed(3)
	p.says(0, `HOOK.*\norders +Order +active +0 +3 .*`, "list")
	p.says(0, `3 deliveries would be replayed\n`, "replay", "--all", "--dry-run")
	p.says(0, `3 deliveries would be replayed\n`, "replay", "--status", "503", "--hook", "orders", "--entity", "Order", "--event", "insert", "--since", "1h", "--until", time.Now().Add(time.Hour).Format(time.RFC3339), "--dry-run")
	p.says(0, `0 deliveries would be replayed\n`, "replay", "--until", "1h", "--dry-run")
	answer(200)
	p.says(0, `1 delivery replayed\n`, "replay", ids[1])
	if d := receive(t, orders); d.ID != ids[1] || !d.Verified {
		t.Errorf("%+v", d)
	}
	p.waitFailed(2)
	p.says(1, `0 deliveries replayed\npylon: 2 of the ids given did not fail for good, or are being replayed already\n`, "replay", ids[1], "wh_none")
	p.says(0, `1 delivery replayed\n`, "replay", ids[1], "--delivered")
	receive(t, orders)
	p.says(0, `1 delivery replayed\n`, "replay", ids[0], ids[0])
	receive(t, orders)
	p.waitFailed(1)
	p.says(0, `1 delivery replayed\n`, "replay", "--hook", "orders", "--to", "items")
	if d := receive(t, items); d.ID != ids[2] || !d.Verified {
		t.Errorf("%+v", d)
	}

	p.says(0, `orders is paused\n`, "pause", "orders")
	p.call("POST", "/api/entities/Order", `{"n":2}`)
	p.says(0, `HOOK.*\norders +Order +paused +1 +0 .*`, "list")
	out, code := p.asked("list", "--json")
	var list []webhooks.HookStatus
	if err := json.Unmarshal([]byte(out), &list); code != 0 || err != nil || len(list) != 2 || list[0].Name != "orders" || list[0].State != "paused" || list[0].Waiting != 1 || list[0].Since == nil || list[0].Oldest == nil || len(list[0].Events) != 3 {
		t.Errorf("%d %v %s", code, err, out)
	}
	p.says(0, `orders is active\n`, "resume", "orders")
	receive(t, orders)

	answer(410)
	p.call("POST", "/api/entities/Order", `{"n":3}`)
	receive(t, orders)
	p.waitFailed(1)
	p.says(0, `HOOK.*\norders +Order +disabled +0 +1 .*\norders: the receiver answered 410\n`, "list")
	answer(200)
	p.says(0, `orders is active\n`, "resume", "orders")
}

// Mistakes are told in words, with what to do about them, and end with 1.
func TestMistakesWithWebhooksOnTheCommandLine(t *testing.T) {
	p, orders, _, _ := served(t, "")
	p.says(1, `pylon: no hook "ordrs" \(UNKNOWN_HOOK\): did you mean "orders"\?\n`, "test", "ordrs")
	p.says(1, `pylon: no hook "ordrs" \(UNKNOWN_HOOK\): did you mean "orders"\?\n`, "pause", "ordrs")
	p.says(1, `pylon: no hook "ordrs" \(UNKNOWN_HOOK\): did you mean "orders"\?\n`, "resume", "ordrs")
	p.says(1, `pylon: no hook "ordrs" \(UNKNOWN_HOOK\): did you mean "orders"\?\n`, "replay", "--hook", "ordrs")
	p.says(1, `pylon: no hook "a/b c" \(UNKNOWN_HOOK\): .*\n`, "test", "a/b c")
	p.says(1, `pylon: say which: ids of deliveries, flags that select them, or --all\n`, "replay")
	p.says(1, `pylon: say which: .*\n`, "replay", "--to", "items", "--dry-run", "--delivered")
	p.says(1, `pylon: --since: "yesterday" is neither a time such as 2026-01-31T09:30:00Z nor a duration such as 36h\n`, "replay", "--since", "yesterday")
	p.says(1, `pylon: --until: "" is .*|pylon: say which: .*\n`, "replay", "--until", "")
	p.says(1, `pylon: invalid argument "many" for "--status" flag: .*\n`, "replay", "--status", "many")
	p.says(1, `pylon: accepts 1 arg\(s\), received 0\n`, "test")
	p.says(1, `pylon: accepts 1 arg\(s\), received 2\n`, "pause", "orders", "items")
	p.says(1, `pylon: unknown flag: --jsn\n`, "list", "--jsn")

	if out, code := run(t, nil, "webhooks", "list", "--server", p.url); code != 1 || !strings.HasPrefix(out, "pylon: PYLON_ADMIN_TOKEN is not set: the server's administrator token is needed") {
		t.Errorf("without a token: %d %s", code, out)
	}
	if out, code := run(t, []string{"PYLON_ADMIN_TOKEN=wrong"}, "webhooks", "list", "--server", p.url); code != 1 || !regexp.MustCompile(`\Apylon: .+ \([A-Z_]+\).*\n\z`).MatchString(out) || strings.Contains(out, "wrong") {
		t.Errorf("with a wrong token: %d %s", code, out)
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, env := range [][]string{{admin}, {admin, "PYLON_PORT=" + closed.URL[strings.LastIndex(closed.URL, ":")+1:]}} {
		args := []string{"webhooks", "list"}
		if len(env) == 1 {
			args = append(args, "--server", closed.URL+"/")
		}
		if out, code := run(t, env, args...); code != 1 || !strings.HasPrefix(out, "pylon: no server answers at "+closed.URL+": ") || !strings.Contains(out, "connection refused") {
			t.Errorf("without a server: %d %s", code, out)
		}
	}
	for _, address := range []string{"localhost", "ftp://127.0.0.1", "http://[", "127.0.0.1:80"} {
		if out, code := run(t, []string{admin}, "webhooks", "list", "--server", address); code != 1 || !strings.HasPrefix(out, "pylon: ") || strings.Contains(out, "%!") || strings.Contains(out, "<nil>") {
			t.Errorf("--server %s: %d %s", address, code, out)
		}
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/hooks") {
			fmt.Fprint(w, "<html>")
			return
		}
		http.Error(w, "<html>", http.StatusBadGateway)
	}))
	defer other.Close()
	if out, code := run(t, []string{admin}, "webhooks", "list", "--server", other.URL); code != 1 || !strings.HasPrefix(out, "pylon: the server's answer is not understood: ") {
		t.Errorf("another server: %d %s", code, out)
	}
	if out, code := run(t, []string{admin}, "webhooks", "test", "a", "--server", other.URL); code != 1 || out != "pylon: the server answered 502 Bad Gateway\n" {
		t.Errorf("another server: %d %s", code, out)
	}
	// A server without the plugin.
	dir := t.TempDir()
	write(t, dir, `{"manifest_version":1,"name":"x"}`)
	bare := start(t, nil, "serve", dir, "--port", "0", "--host", "127.0.0.1")
	bare.says(1, `pylon: .+ \(NOT_FOUND\).*\n`, "list")
	select {
	case d := <-orders:
		t.Errorf("a delivery came: %+v", d)
	default:
	}
}

func TestMistakesWithListen(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		args []string
		want string
	}{
		{nil, []string{"--secret-env", "S"}, "pylon: the environment variable S is not set or empty\n"},
		{[]string{"S=whsec_%"}, []string{"--secret-env", "S"}, "pylon: the environment variable S: what follows whsec_ is not base64\n"},
		{[]string{"S=whpk_aGVsbG8="}, []string{"--secret-env", "S"}, "pylon: the environment variable S: an ed25519 public key (whpk_) has 32 bytes, this one has 5\n"},
		{nil, []string{"--status", "42"}, "pylon: 42 is not a status to answer with: 200 to 599\n"},
		{nil, []string{"--port", "70000"}, "pylon: 70000 is not a port: 0 to 65535\n"},
		{nil, []string{"here"}, `pylon: unknown command "here" for "pylon webhooks listen"` + "\n"},
	} {
		if out, code := run(t, tt.env, append([]string{"webhooks", "listen"}, tt.args...)...); code != 1 || out != tt.want {
			t.Errorf("listen %v: %d %s, want %s", tt.args, code, out, tt.want)
		}
	}
}

// The tour again: a server on one side, the listener on the other, for every kind of key.
func TestListenReceivesWhatServeSends(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	must(t, err)
	whsk := "whsk_" + base64.StdEncoding.EncodeToString(private)
	whpk := "whpk_" + base64.StdEncoding.EncodeToString(public)
	const whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	for _, tt := range []struct {
		name, sends, checks string
		verdict             string
		answered            int
	}{
		{"a literal secret", "a-secret", "a-secret", "verified", 200},
		{"whsec_", whsec, whsec, "verified", 200},
		{"ed25519 and its public key", whsk, whpk, "verified", 200},
		{"another secret", "a-secret", "another", "WRONG", 401},
		{"another public key", whsk, "whpk_" + base64.StdEncoding.EncodeToString(make([]byte, 32)), "WRONG", 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := start(t, []string{"S=" + tt.checks}, "webhooks", "listen", "--port", "0", "--secret-env", "S")
			dir := t.TempDir()
			write(t, dir, hooked(l.url+"/in"))
			p := start(t, []string{"HOOK_SECRET=" + tt.sends}, "serve", dir, "--port", "0", "--host", "127.0.0.1")
			if code, body := p.call("POST", "/api/entities/Item", `{"n":7}`); code != 201 {
				t.Fatal(code, body)
			}
			want := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d POST /in\n  delivery   wh_\w+ \(attempt 1\)\n  signature  ` + tt.verdict + fmt.Sprintf(`\n  answered   %d\n`, tt.answered) + `  body       \{"event":"insert","entity":"Item",.*"n":7`)
			for end := time.Now().Add(deadline); !want.MatchString(l.output()); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%s\n%s", l.output(), p.output())
				}
			}
		})
	}
}

// With a status to answer, retries can be seen.
func TestListenWithAStatus(t *testing.T) {
	l := start(t, nil, "webhooks", "listen", "--port", "0", "--status", "503")
	dir := t.TempDir()
	write(t, dir, hooked(l.url))
	p := start(t, []string{"HOOK_SECRET=" + secret}, "serve", dir, "--port", "0", "--host", "127.0.0.1")
	p.call("POST", "/api/entities/Item", `{"n":1}`)
	for end := time.Now().Add(deadline); !strings.Contains(l.output(), "(attempt 2)") || strings.Count(l.output(), "answered   503") < 2 || !strings.Contains(l.output(), "not checked (no secret given)"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(l.output())
		}
	}
}
