package auditlog_test

import (
	"strings"
	"testing"
)

func TestWhatIsNotRecorded(t *testing.T) {
	r := newRig(t, `"entities": "*", "signing_key_env": "KEY", "exclude_fields": ["hidden", "Item.info.card.number"],
		"mask_fields": ["card", "Item.info.secret"], "hash_fields": ["email", "info.mail"]`)
	id := r.insert("Item", `{"name":"a","hidden":"never-H1","card":"never-C1","email":"e@x","info":{"card":{"number":"never-N1","cvc":"7"},"list":[{"secret":"S1"},2],"secret":{"deep":"never-S2"},"mail":"e@x"}}`)
	r.patch("Item", id, `{"card":null}`)
	r.insert("Order", `{"n":1,"secret":"never"}`)
	r.must("DELETE", "/api/entities/Item/"+id, "")
	all := r.must("GET", "/api/entities/AuditLog", "")
	r.seal()
	for _, never := range []string{"never-H1", "never-C1", "never-N1", "never-S2", "e@x", "never"} {
		if strings.Contains(all, never) {
			t.Errorf("%s is in the log: %s", never, all)
		}
	}
	hash := strings.Split(r.must("POST", "/api/audit/hash", `{"value":"e@x"}`), `"`)[3]
	want := `{"id":"` + id + `","name":"a","card":"***","email":"` + hash + `","price":null,"at":null,"ok":null,"info":{"card":{"cvc":"7"},"list":[{"secret":"S1"},2],"secret":"***","mail":"` + hash + `"},"ownerId":null}`
	if got := r.entries()[0].After; got != want {
		t.Errorf("recorded %s\nwant     %s", got, want)
	}
	if got := r.entries()[1].After; !strings.Contains(got, `"card":null`) {
		t.Error("a null is a null", got)
	}
	if !strings.HasPrefix(hash, "hmac:") || len(hash) != 5+64 {
		t.Error(hash)
	}
	if got := r.drift(); strings.Contains(got, "DRIFT") {
		t.Error(got)
	}
}

func TestOnlySomeFieldsAreRecorded(t *testing.T) {
	r := newRig(t, `"entities": ["Item"], "include_fields": ["name", "info.open", "info.both.x"], "mask_fields": ["info.both.x", "info.closed"]`)
	id := r.insert("Item", `{"name":"a","card":"never-C1","info":{"open":1,"closed":2,"both":{"x":3,"y":4}}}`)
	if got, want := r.entries()[0].After, `{"id":"`+id+`","name":"a","info":{"open":1,"both":{"x":"***"}}}`; got != want {
		t.Errorf("recorded %s\nwant     %s", got, want)
	}
}

func TestProblemsOfTheConfig(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{`"entities": []`, `entities: the list is empty`},
		{`"entities": ["Ordr"]`, `did you mean "Order"`},
		{`"entities": ["Order", "Order"]`, `Order is there twice`},
		{`"entities": "all"`, `must be "*" or a list of names`},
		{`"entities": "*", "exclude": []`, `did you mean "exclude_fields"`},
		{`"entities": "*", "exclude_fields": ["nam"]`, `did you mean "name"`},
		{`"entities": "*", "exclude_fields": ["Item.nam"]`, `did you mean "name"`},
		{`"entities": "*", "exclude_fields": ["name.x"]`, `name is not a json field`},
		{`"entities": "*", "exclude_fields": ["info..x"]`, `"info..x" is not a field`},
		{`"entities": "*", "exclude_fields": ["id"]`, `the id of a row is always recorded`},
		{`"entities": "*", "include_fields": ["secret"]`, `secret is serverOnly and never recorded`},
		{`"entities": "*", "sign_entries": true`, `sign_entries needs signing_key_env`},
		{`"entities": "*", "hash_fields": ["name"]`, `hash_fields needs signing_key_env`},
		{`"entities": "*", "signing_key_env": "NOT_THERE"`, `the environment variable NOT_THERE is not set or empty`},
		{`"entities": "*", "signing_key_env": "SHORT"`, `at least 32 random ones are needed`},
		{`"entities": "*", "signing_key_env": ["KEY", "KEY"]`, `the same key as one before it`},
		{`"entities": "*", "signing_key_env": []`, `the list is empty`},
		{`"entities": "*", "anchor_secs": 0`, `must be 1 to 3600`},
		{`"entities": "*", "retention_days": -1`, `must be 1 to 36500`},
		{`"entities": "*", "on_seal_lag": "blok"`, `did you mean "block"`},
		{`"entities": "*", "alert_url": "ftp://x"`, `must begin with https:// or http://`},
		{`"entities": "*", "anchors": [{ "type": "fil" }]`, `did you mean "file"`},
		{`"entities": "*", "anchors": [{ "type": "file" }]`, `needs the key "path"`},
		{`"entities": "*", "anchors": [{ "type": "log", "path": "x" }]`, `has no path`},
		{`"entities": "*", "anchors": [{ "type": "http", "url": "https://u:p@x" }]`, `must not hold a user name`},
		{`"entities": "*", "anchors": [{ "type": "http", "url": "https://x", "headers": { "A": "${NOPE}" } }]`, `NOPE is not set`},
		{`"entities": "*", "anchors": [{ "type": "s3", "s3": { "bucket": "b", "access_key_env": "NOPE" } }]`, `"secret_key_env" is missing`},
		{`"entities": "*", "anchors": [{ "type": "s3", "s3": { "bucket": "b", "endpoint": "ftp://x", "access_key_env": "KEY", "secret_key_env": "KEY" } }]`, `the endpoint must be https:// or http://`},
		{`"entities": "*", "export": { "type": "dir" }`, `needs the key "path"`},
		{`"entities": "*", "export": { "type": "dir", "path": "x", "every_secs": 1 }`, `must be 10 to 604800`},
	} {
		r := newStoppedRig(t)
		r.env["SHORT"] = "short-secret"
		r.declare(c.config)
		app, err := r.open()
		if err == nil {
			r.app = app
			t.Errorf("%s is accepted", c.config)
			r.stop()
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "short-secret") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v\nwant %s", c.config, err, c.want)
		}
	}
}
