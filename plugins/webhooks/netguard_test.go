package webhooks_test

import (
	"strings"
	"testing"
	"time"
)

// An address that net_guard would refuse is refused before the app starts, with the
// rule, unless the administrator says that the receiver is really there.
func TestLiteralAddressesAreRefusedByCheck(t *testing.T) {
	check := func(url, plugins string) (problems []string) {
		t.Helper()
		text := `{"manifest_version":1,"name":"x","entities":[{"name":"Item","fields":[{"name":"a","type":"int"}]}],
			"plugins":[` + strings.Replace(plugins, "HOOKS", `{"name":"webhooks","config":{"hooks":[{"entity":"Item","url":"`+url+`"}]}}`, 1) + `]}`
		for _, p := range checkManifest(t, text, nil) {
			problems = append(problems, p.Code+" "+p.Path+" "+p.Message)
		}
		return problems
	}
	const guard = `{"name":"net_guard"},HOOKS`
	for url, rule := range map[string]string{
		"http://127.0.0.1/":             "127.0.0.0/8 is ",
		"http://127.0.0.1:8080/a?b=c":   "127.0.0.0/8 is ",
		"https://10.1.2.3/":             "10.0.0.0/8 is ",
		"http://192.168.1.1/":           "192.168.0.0/16 is ",
		"http://169.254.169.254/latest": "169.254.169.254 is a cloud metadata address",
		"http://100.64.0.1/":            "100.64.0.0/10 is ",
		"http://0.0.0.0/":               "0.0.0.0/8 is ",
		"http://[::1]/":                 "::1",
		"http://[::ffff:127.0.0.1]/":    "127.0.0.0/8 is ",
		"http://[fd00::1]:9/":           "fc00::/7 is ",
		"http://[fe80::1%25eth0]/":      "fe80::/10 is ",
		"http://[64:ff9b::7f00:1]/":     "64:ff9b::",
	} {
		for _, plugins := range []string{guard, `HOOKS,{"name":"net_guard"}`} {
			problems := check(url, plugins)
			if len(problems) != 1 || !strings.HasPrefix(problems[0], "BLOCKED_ADDRESS plugins[") || !strings.Contains(problems[0], ".config.hooks[0].url net_guard refuses ") || !strings.Contains(problems[0], rule) || !strings.Contains(problems[0], "add it to allow_hosts") {
				t.Errorf("%s: %q, want the rule %q", url, problems, rule)
			}
		}
		if problems := check(url, "HOOKS"); problems != nil {
			t.Errorf("%s without net_guard: %q", url, problems)
		}
	}
	for url, allowed := range map[string]string{
		"http://127.0.0.1:9/": "127.0.0.1", "http://10.1.2.3/": "10.1.2.3", "http://169.254.169.254/": "169.254.169.254", "http://[::1]/": "::1", "http://[::ffff:127.0.0.1]/": "127.0.0.1",
	} {
		if problems := check(url, `{"name":"net_guard","config":{"allow_hosts":["`+allowed+`"]}},HOOKS`); problems != nil {
			t.Errorf("%s with allow_hosts %s: %q", url, allowed, problems)
		}
		if problems := check(url, `{"name":"net_guard","config":{"allow_hosts":["192.0.2.7"]}},HOOKS`); len(problems) != 1 {
			t.Errorf("%s with another allow_hosts: %q", url, problems)
		}
	}
	// Public addresses and names are fine; names are judged when they are resolved.
	for _, url := range []string{"http://8.8.8.8/", "http://[2606:4700::1111]/", "http://localhost/", "http://metadata.google.internal/", "http://fd.io/"} {
		if problems := check(url, guard); problems != nil {
			t.Errorf("%s: %q", url, problems)
		}
	}
}

// A name that leads inside is refused at every delivery, and everything says why.
func TestNamesAreRefusedAtDelivery(t *testing.T) {
	r := newRig(t, `{ "name": "inside", "entity": "Order", "url": "http://localhost:PORT/in", "retry": { "max_attempts": 2, "backoff_secs": 1 } }`, `{ "name": "net_guard" },`, nil)
	r.create(`{"n":1}`)
	r.advance(1, 2*time.Second)
	row := r.failed()
	said, _ := row["error"].(string)
	if !strings.Contains(said, "net_guard refused the connection to localhost: ") || !strings.Contains(said, "127.0.0.0/8 is loopback") && !strings.Contains(said, "::1 is loopback") {
		t.Errorf("%s", said)
	}
	if row["responseStatus"] != nil || row["responseBody"] != nil || row["attempts"] != 2.0 {
		t.Errorf("%v", row)
	}
	r.wait("the log says so", func() bool {
		return r.logs.line("an item failed for good", `"lane":"inside"`, "net_guard refused the connection to localhost: ") != ""
	})
	r.waitMetric(`pylon_webhooks_attempts_total{hook="inside",result="blocked"} 2`)
	if n := r.metric(`pylon_webhooks_attempts_total{hook="inside",result="no_answer"}`); n != 0 {
		t.Errorf("%d attempts without an answer", n)
	}
	if _, body := r.do("GET", "/metrics", ""); !strings.Contains(body, `pylon_net_guard_blocked_total{`) {
		t.Error("net_guard does not count it")
	}
	if got := r.test("inside"); got.Delivered || !strings.Contains(got.Error, "net_guard refused the connection to localhost: ") {
		t.Errorf("%+v", got)
	}
	r.nothing()
}
