package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// appWithHook is an app whose hook goes to localhost by its name.
func appWithHook(plugin, port string) string {
	return `{ "manifest_version": 1, "name": "guarded", "version": "1",
	"entities": [{ "name": "Item", "fields": [{ "name": "n", "type": "int" }] }],
	"plugins": [` + plugin + `
		{ "name": "webhooks", "config": { "hooks": [{ "entity": "Item", "url": "http://localhost:` + port + `/", "retry": { "max_attempts": 1 } }] } },
	] }`
}

const guardOff = "net_guard is off"

// await waits until ok is satisfied with what call answers.
func (p *process) await(what, path string, ok func(body string) bool) string {
	p.t.Helper()
	for end := time.Now().Add(deadline); ; time.Sleep(5 * time.Millisecond) {
		code, body := p.call("GET", path, "")
		if code == http.StatusOK && ok(body) {
			return body
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s: %d %s\n%s", what, code, body, p.output())
		}
	}
}

func TestNetGuardRefusesVisibly(t *testing.T) {
	var reached atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer inside.Close()
	address, err := url.Parse(inside.URL)
	must(t, err)
	dir := t.TempDir()
	write(t, dir, appWithHook(`{ "name": "net_guard" },`, address.Port()))
	p := start(t, nil, "serve", dir, "--port", "0", "--host", "127.0.0.1")
	if strings.Contains(p.output(), guardOff) {
		t.Errorf("a warning although it is on:\n%s", p.output())
	}
	if code, body := p.call("POST", "/api/entities/Item", `{"n":1}`); code != 201 {
		t.Fatal(code, body)
	}

	// The delivery's record names the rule, and so do the log and the metric.
	record := p.await("no record of the delivery", "/api/entities/WebhookDelivery", func(body string) bool { return strings.Contains(body, `"deliveryId"`) })
	if !strings.Contains(record, "net_guard refused the connection to localhost: ") || !strings.Contains(record, " is loopback (RFC ") {
		t.Errorf("the record does not name the rule: %s", record)
	}
	var refusal map[string]any
	for line := range strings.Lines(p.output()) {
		if strings.Contains(line, "net_guard refused a connection") {
			must(t, json.Unmarshal([]byte(line), &refusal))
			break
		}
	}
	if rule, _ := refusal["rule"].(string); refusal["host"] != "localhost" || !strings.Contains(rule, "is loopback") {
		t.Errorf("the log has %v", refusal)
	}
	if code, metrics := p.call("GET", "/metrics", ""); code != 200 || !strings.Contains(metrics, "pylon_net_guard_blocked_total{") || !strings.Contains(metrics, `rule="loopback"`) {
		t.Errorf("%d, no refusal in\n%s", code, metrics)
	}
	if reached.Load() > 0 {
		t.Error("the request arrived")
	}
}

// The server's own listener is no exception: a hook cannot call the API.
func TestNetGuardRefusesTheServerItself(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, appWithHook(`{ "name": "net_guard" },`, "1"))
	p := start(t, nil, "serve", dir, "--port", "0", "--host", "127.0.0.1")
	own, err := url.Parse(p.url)
	must(t, err)
	p.kill()
	write(t, dir, appWithHook(`{ "name": "net_guard" },`, own.Port()))
	p = start(t, nil, "serve", dir, "--port", own.Port(), "--host", "127.0.0.1")
	if code, body := p.call("POST", "/api/entities/Item", `{"n":1}`); code != 201 {
		t.Fatal(code, body)
	}
	record := p.await("no record of the delivery", "/api/entities/WebhookDelivery", func(body string) bool { return strings.Contains(body, `"deliveryId"`) })
	if !strings.Contains(record, "net_guard refused the connection to localhost: ") || strings.Contains(record, `"responseBody":"`) {
		t.Errorf("%s", record)
	}
}

// Without net_guard local development works, and production is warned.
func TestNetGuardOff(t *testing.T) {
	for command, warned := range map[string]bool{"serve": true, "dev": false} {
		reached := make(chan struct{}, 1)
		inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} }))
		address, err := url.Parse(inside.URL)
		must(t, err)
		dir := t.TempDir()
		write(t, dir, appWithHook("", address.Port()))
		p := start(t, nil, command, dir, "--port", "0", "--host", "127.0.0.1")
		if code, body := p.call("POST", "/api/entities/Item", `{"n":1}`); code != 201 {
			t.Fatal(code, body)
		}
		select {
		case <-reached:
		case <-time.After(deadline):
			t.Errorf("%s: the delivery did not arrive\n%s", command, p.output())
		}
		if strings.Contains(p.output(), guardOff) != warned {
			t.Errorf("%s: warned %t\n%s", command, !warned, p.output())
		}
		p.kill()
		inside.Close()
	}
}
