package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pylon-go/pylon/store/enginetest"
)

const auditKey = "AUDIT_KEY=0123456789abcdef0123456789abcdef"

func TestAudit(t *testing.T) {
	dir := t.TempDir()
	database := enginetest.New(t)
	anchor, out := filepath.Join(dir, "anchor"), filepath.Join(dir, "out")
	write(t, dir, `{ "manifest_version": 1, "name": "shop", "version": "1",
	"entities": [{ "name": "Order", "fields": [{ "name": "n", "type": "int" }] }],
	"plugins": [{ "name": "audit_log", "config": { "entities": "*", "sign_entries": true, "signing_key_env": "AUDIT_KEY",
		"anchors": [{ "type": "file", "path": "`+anchor+`" }], "export": { "type": "dir", "path": "`+out+`" } } }] }`)
	p := start(t, append(database.Env(), auditKey), "serve", dir, "--port", "0", "--host", "127.0.0.1")
	for range 3 {
		if status, body := p.call("POST", "/api/entities/Order", `{"n":1}`); status != 201 {
			t.Fatal(status, body)
		}
	}
	admins := append(database.Env(), admin, auditKey)
	server := func(args ...string) string {
		t.Helper()
		got, code := run(t, admins, append(append([]string{"audit"}, args...), "--server", p.url)...)
		if code != 0 {
			t.Fatalf("pylon audit %s: %d\n%s", strings.Join(args, " "), code, got)
		}
		return got
	}
	verify := func(want int, verdict string, args ...string) {
		t.Helper()
		got, code := run(t, append(database.Env(), auditKey), append([]string{"audit", "verify", "--dir", dir}, args...)...)
		if code != want || !strings.Contains(got, verdict) {
			t.Errorf("pylon audit verify %s: %d\n%s\nwant %d", strings.Join(args, " "), code, got, want)
		}
	}
	var listed struct {
		Entries []struct{ ID, Entity, RowID string }
	}
	must(t, json.Unmarshal([]byte(server("list", "--json")), &listed))
	if len(listed.Entries) != 3 || listed.Entries[0].Entity != "Order" {
		t.Fatal(listed)
	}
	id := listed.Entries[1].ID
	for _, c := range []struct {
		want string
		args []string
	}{
		{"admin:__admin__", []string{"list"}},
		{"id,actorId,entity", []string{"list", "--format", "csv"}},
		{`"class_uid":3004`, []string{"list", "--format", "ocsf"}},
		{`"event":{"action":"insert"`, []string{"list", "--format", "ecs"}},
		{id, []string{"list", "--entity", "Order", "--row", listed.Entries[1].RowID}},
		{`"operation": "insert"`, []string{"show", id}},
		{"c2sp.org/tlog-proof@v1\nindex ", []string{"prove", id}},
		{"shop/audit/", []string{"pubkey"}},
		{"1 entry would be erased", []string{"erase", id, "--dry-run"}},
		{"1 entry erased", []string{"erase", id, "--reason", "asked for"}},
		{"0 entries would be pruned", []string{"prune", "--days", "30", "--dry-run"}},
		{"hold_", []string{"hold", "add", "row", "Order/1", "--reason", "case 7"}},
		{"case 7", []string{"hold", "list"}},
		{"leaves exported (from 0", []string{"export"}},
		{"INTACT", []string{"verify", "--drift"}},
	} {
		if got, code := run(t, admins, append(append([]string{"audit"}, c.args...), "--server", p.url)...); !strings.Contains(got, c.want) || code != 0 {
			t.Errorf("pylon audit %s: %d\n%s\nwant %s", strings.Join(c.args, " "), code, got, c.want)
		}
	}
	key := strings.TrimSpace(server("pubkey"))
	verify(3, "INTACT, NOT ANCHORED")
	verify(0, "INTACT, ANCHORED", "--anchor", anchor, "--pubkey", key)
	verify(0, `"macs_verified": true`, "--anchor", anchor, "--key-env", "AUDIT_KEY", "--json")
	verify(3, "INTACT, NOT ANCHORED", out, "--pubkey", key)
	verify(2, "is not set", "--key-env", "NOT_THERE")
	verify(2, "no exported audit log", dir)
	verify(1, "KEY_UNTRUSTED", "--pubkey", "shop/audit/0011223344556677+f6615cb9+AZySWVdIHmZ2XQSVKnyURSIdl+nvN8NaISpL6tr98Jyz")
	p.signal(syscall.SIGTERM)
	verify(0, "INTACT, ANCHORED", "--anchor", anchor, "--resume", filepath.Join(dir, "state"))
	if err := os.WriteFile(anchor, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	verify(3, "ANCHOR_SILENCE", "--anchor", anchor)
}
