package webhooks_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/manifest"
)

// step is a write and whether the hook sends it.
type step struct {
	op, body string // PATCH and DELETE are of the row that POST made last
	who      string // "" is the administrator
	sent     bool
}

// Which writes a hook sends. What it does not send is not enqueued either.
func TestFilters(t *testing.T) {
	insert, remove := step{op: "POST", body: `{"name":"a","status":"open","text":"x","secret":"s"}`, sent: true}, step{op: "DELETE", sent: true}
	not := func(s step) step { s.sent = false; return s }
	patch := func(body string, sent bool) step { return step{op: "PATCH", body: body, sent: sent} }
	same := patch(`{"name":"a","status":"open"}`, false)
	for _, tt := range []struct {
		name, hook string
		steps      []step
	}{
		{"nothing asked for", ``, []step{insert, patch(`{"name":"a"}`, true), patch(`{"secret":"t"}`, true), patch(`{"name":"b"}`, true), remove}},
		{"only_changed", `"only_changed": true`, []step{insert, same, patch(`{}`, false), patch(`{"secret":"t"}`, false), patch(`{"name":"b","secret":"u"}`, true), patch(`{"name":null}`, true), patch(`{"name":null}`, false), remove}},
		{"fields", `"fields": ["status", "text"]`, []step{insert, same, patch(`{"name":"b"}`, false), patch(`{"status":"paid"}`, true), patch(`{"name":"c","text":"y"}`, true), patch(`{"status":"paid"}`, false), remove}},
		{"a field that receivers do not see", `"fields": ["secret"]`, []step{insert, patch(`{"name":"b"}`, false), patch(`{"secret":"t"}`, true)}},
		{"when of data", `"when": "data.status == 'paid'"`, []step{not(insert), patch(`{"status":"paid"}`, true), patch(`{"name":"b"}`, true), patch(`{"status":"sent"}`, false), not(remove)}},
		{"when of data on delete is the last row", `"when": "data.status == 'open'", "event": "delete"`, []step{not(insert), remove}},
		{"when of both", `"when": "existing.status != data.status"`, []step{insert, patch(`{"name":"b"}`, false), patch(`{"status":"paid"}`, true), not(remove)}},
		{"existing is null in an insert", `"when": "existing.status == null"`, []step{insert, patch(`{"status":"paid"}`, false), patch(`{"status":null}`, false), patch(`{"name":"b"}`, true)}},
		{"only what becomes", `"when": "data.status == 'paid' && existing.status != 'paid'"`, []step{not(insert), patch(`{"status":"paid"}`, true), patch(`{"name":"b"}`, false), {op: "POST", body: `{"status":"paid"}`, sent: true}}},
		{"when of a serverOnly field", `"when": "data.secret == 's'"`, []step{insert, patch(`{"secret":"t"}`, false)}},
		{"when of auth", `"when": "auth.userId == 'ALICE'"`, []step{not(insert), {op: "PATCH", body: `{"name":"b"}`, who: "alice", sent: true}, {op: "PATCH", body: `{"name":"c"}`, who: "bob"}, {op: "DELETE", who: "alice", sent: true}}},
		{"not what administrators do", `"when": "!auth.isAdmin"`, []step{not(insert), {op: "PATCH", body: `{"name":"b"}`, who: "bob", sent: true}}},
		{"all together", `"only_changed": true, "fields": ["status"], "when": "data.status == 'paid' && auth.isAdmin", "events": ["update", "delete"]`,
			[]step{not(insert), patch(`{"status":"sent"}`, false), patch(`{"status":"paid"}`, true), patch(`{"name":"b"}`, false), {op: "PATCH", body: `{"name":"c"}`, who: "bob"}, patch(`{"status":"paid"}`, false), remove}},
		{"a single event", `"event": "update"`, []step{not(insert), patch(`{"name":"a"}`, true), not(remove)}},
		{"two events", `"events": ["insert", "delete"]`, []step{insert, patch(`{"name":"b"}`, false), remove}},
		{"an event said twice", `"events": ["insert", "insert"]`, []step{insert}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newStoppedRig(t, nil)
			r.declare(`{ "entity": "Item", "url": "URL" }`, "", "")
			r.start()
			tokens := map[string]string{"": admin}
			var alice string
			if strings.Contains(tt.hook, "auth.") {
				tokens["alice"], alice = r.user("alice")
				tokens["bob"], _ = r.user("bob")
			}
			r.stop()
			hook := strings.Replace(tt.hook, "ALICE", alice, 1)
			if hook != "" {
				hook = ", " + hook
			}
			r.declare(`{ "name": "h", "entity": "Item", "url": "URL"`+hook+` }`, "", "")
			r.start()
			id, sent := "", 0
			for i, s := range tt.steps {
				path := "/api/entities/Item"
				if s.op != "POST" {
					path += "/" + id
				}
				code, answer := r.as(tokens[s.who], s.op, path, s.body)
				if code != 200 && code != 201 {
					t.Fatalf("step %d: %d %s", i, code, answer)
				}
				if s.op == "POST" {
					id = strings.Split(answer, `"`)[3]
				}
				if s.sent {
					sent++
				}
				if n := r.metric(`pylon_queue_enqueued_total{queue="webhooks"}`); n != sent {
					t.Fatalf("step %d, %s %s: %d deliveries, want %d", i, s.op, s.body, n, sent)
				}
			}
			for _, got := range r.receiveN(sent) {
				if strings.Contains(got.body, "secret") {
					t.Errorf("%s", got.body)
				}
			}
		})
	}
}

// problem is what Check says of a mistake.
type problem struct {
	code, at string // at is a path inside of the hook
	text     string // that the message and the nearest name begin with
}

// checked asks Check about hooks, each of one wrong key beside an entity and an address.
func checked(t *testing.T, wrong map[string]problem, env map[string]string) {
	t.Helper()
	for hook, want := range wrong {
		t.Run(hook, func(t *testing.T) {
			t.Helper()
			base := `"entity": "Item", "url": "http://192.0.2.1/in", `
			if strings.HasPrefix(hook, `"entity"`) {
				base = `"url": "http://192.0.2.1/in", `
			} else if strings.HasPrefix(hook, `"url"`) {
				base = `"entity": "Item", `
			}
			text := `{"manifest_version":1,"name":"x","entities":[{"name":"Item","fields":[{"name":"status","type":"string"},{"name":"total","type":"int"},{"name":"secret","type":"string","serverOnly":true}]}],
			"plugins":[{"name":"webhooks","config":{"hooks":[{ ` + base + hook + ` }]}}]}`
			problems := checkManifest(t, text, env)
			if len(problems) != 1 {
				t.Fatalf("%d problems: %v", len(problems), problems)
			}
			place := "plugins[0].config.hooks[0]"
			if want.at != "" {
				place += "." + want.at
			}
			if got := problems[0]; got.Code != want.code || got.Path != place || !strings.Contains(got.String(), want.text) || got.Line < 2 {
				t.Errorf("got  %s at %s: %s\nwant %s at %s: %s", got.Code, got.Path, got.String(), want.code, place, want.text)
			}
		})
	}
}

func checkManifest(t *testing.T, text string, env map[string]string) []manifest.Problem {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, pylon.ManifestName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := pylon.Check(dir, func(name string) string { return env[name] })
	var all *manifest.Problems
	if err == nil {
		return nil
	}
	if !errors.As(err, &all) {
		t.Fatal(err)
	}
	return all.List()
}

func TestMistakesInFilters(t *testing.T) {
	checked(t, map[string]problem{
		`"entity": "Itm"`:                            {"UNKNOWN_ENTITY", "entity", `no entity "Itm" (did you mean "Item"?)`},
		`"fields": ["statsu"]`:                       {"UNKNOWN_FIELD", "fields[0]", `Item has no field "statsu" that could change (did you mean "status"?)`},
		`"fields": ["status", "totl"]`:               {"UNKNOWN_FIELD", "fields[1]", `(did you mean "total"?)`},
		`"fields": ["id"]`:                           {"UNKNOWN_FIELD", "fields[0]", `Item has no field "id" that could change`},
		`"fields": []`:                               {"INVALID_VALUE", "fields", `the list is empty: leave fields out to send every update`},
		`"fields": ["status"], "event": "insert"`:    {"INVALID_VALUE", "", `fields and only_changed are about updates, which this hook does not send`},
		`"only_changed": true, "events": ["delete"]`: {"INVALID_VALUE", "", `fields and only_changed are about updates`},
		`"only_changd": true`:                        {"UNKNOWN_KEY", "only_changd", `(did you mean "only_changed"?)`},
		`"only_changed": "yes"`:                      {"WRONG_TYPE", "only_changed", ``},
		`"when": "data.statsu == 'paid'"`:            {"INVALID_EXPRESSION", "when", `Item has no field statsu, at character 6 (did you mean "status"?)`},
		`"when": "dat.status == 'paid'"`:             {"INVALID_EXPRESSION", "when", `(did you mean "data"?)`},
		`"when": "auth.userid == data.status"`:       {"INVALID_EXPRESSION", "when", `auth has no userid, at character 6 (did you mean "userId"?)`},
		`"when": "auth.email == 'a@b.example'"`:      {"INVALID_EXPRESSION", "when", `auth.email is known in policies only; use auth.userId`},
		`"when": "data.total"`:                       {"INVALID_EXPRESSION", "when", `a rule must be true or false`},
		`"when": "data.total == 'a'"`:                {"INVALID_EXPRESSION", "when", ``},
		`"when": "data.total >"`:                     {"INVALID_EXPRESSION", "when", ``},
		`"event": "updat"`:                           {"UNKNOWN_EVENT", "event", `unknown event "updat" (did you mean "update"?)`},
		`"events": ["insert", "detele"]`:             {"UNKNOWN_EVENT", "events", `unknown event "detele" (did you mean "delete"?)`},
		`"events": []`:                               {"INVALID_VALUE", "events", `no event is left: leave events out for all of them`},
		`"event": "update", "events": ["insert"]`:    {"INVALID_VALUE", "event", `give either event or events`},
		`"events": "insert"`:                         {"WRONG_TYPE", "events", ``},
		`"ordered": "rows"`:                          {"INVALID_VALUE", "ordered", `must be "row" or "hook" (did you mean "row"?)`},
		`"name": "a b"`:                              {"INVALID_VALUE", "name", `a name has 1 to 64 letters, digits, dots, dashes and underscores`},
		`"headers": { "Webhook-Id": "1" }`:           {"RESERVED_HEADER", "headers", `Webhook-Id is set by Pylon`},
		`"headers": { "content-length": "1" }`:       {"RESERVED_HEADER", "headers", `content-length is set by Pylon`},
		`"headers": { "a b": "1" }`:                  {"INVALID_HEADER", "headers", `"a b" is not a header name`},
		`"headers": { "X-A": "1", "x-a": "2" }`:      {"INVALID_HEADER", "headers", `is there twice`},
		`"headers": { "X-A": "${LINES}" }`:           {"INVALID_HEADER", "headers", `the value of X-A holds characters a header may not have`},
		`"retry": { "backoff_secs": 86401 }`:         {"INVALID_VALUE", "retry", `backoff_secs must be 1 to 86400`},
		`"retry": { "max_attempts": 101 }`:           {"INVALID_VALUE", "retry", `max_attempts must be 1 to 100`},
		`"url": "https://a.example/#there"`:          {"INVALID_URL", "url", `must not have a #fragment`},
		`"url": "http://a.example:port/"`:            {"INVALID_URL", "url", `not an address`},
		`"url": ""`:                                  {"INVALID_URL", "url", `must begin with https:// or http://`},
	}, map[string]string{"LINES": "a\r\nb"})
}

// retention_days is the config's only number.
func TestRetentionDaysAreBounded(t *testing.T) {
	for _, days := range []string{"-1", "36501"} {
		problems := checkManifest(t, `{"manifest_version":1,"name":"x","entities":[],"plugins":[{"name":"webhooks","config":{"retention_days":`+days+`,"hooks":[]}}]}`, nil)
		if len(problems) != 1 || problems[0].Code != "INVALID_VALUE" || problems[0].Path != "plugins[0].config.retention_days" {
			t.Errorf("%s: %v", days, problems)
		}
	}
}
