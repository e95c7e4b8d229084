package webhooks_test

import (
	"strings"
	"testing"
	"time"
)

// What is secret is sent, and is nowhere else: not on record, not in any answer,
// not in the log, whatever goes wrong.
func TestSecretsAreSentAndNeverShown(t *testing.T) {
	env := map[string]string{"OLD": "the-old-secret", "NEW": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "ED": vectorWhsk, "TOKEN": "the-bearer-token", "KEY": "the-api-key", "PART": "part-of-a-value"}
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL", "secret_env": ["NEW", "OLD", "ED"], "retry": { "max_attempts": 3 },
		"headers": { "Authorization": "Bearer ${TOKEN}", "X-Key": "${KEY}", "x-mixed": "a ${PART} b", "Cookie": "session=literal", "X-Team": "blue" } }`, "", env)
	r.answers <- status(500)
	r.answers <- r.hang
	r.answers <- status(410)
	r.create(`{"n":1}`)
	var sent []request
	sent = append(sent, r.receive())
	r.advance(1, 12*time.Second)
	sent = append(sent, r.receive())
	r.clock.Advance(15 * time.Second)
	r.advance(2, 24*time.Second)
	sent = append(sent, r.receive())
	row := r.failed()
	r.waitState("h", "disabled")

	secrets := []string{"session=literal"}
	for _, v := range env {
		secrets = append(secrets, v, strings.TrimPrefix(v, "whsec_"), strings.TrimPrefix(v, "whsk_"))
	}
	for _, got := range sent {
		for header, want := range map[string]string{"Authorization": "Bearer the-bearer-token", "X-Key": "the-api-key", "X-Mixed": "a part-of-a-value b", "Cookie": "session=literal", "X-Team": "blue"} {
			if got.header.Get(header) != want {
				t.Errorf("%s was sent as %q", header, got.header.Get(header))
			}
		}
		signatures := strings.Fields(got.header.Get("Webhook-Signature"))
		if len(signatures) != 3 || got.header.Get("X-Pylon-Signature") == "" {
			t.Errorf("signatures: %v", got.header)
		}
		secrets = append(append(secrets, signatures...), got.header.Get("X-Pylon-Signature"))
	}
	shown, _ := row["requestHeaders"].(map[string]any)
	for _, header := range []string{"Authorization", "X-Key", "X-Mixed", "Cookie", "Webhook-Signature", "X-Pylon-Signature"} {
		if shown[header] != "[redacted]" {
			t.Errorf("%s is on record as %v", header, shown[header])
		}
	}
	if shown["X-Team"] != "blue" {
		t.Errorf("what is not secret is on record as %v", shown["X-Team"])
	}

	test := r.must("POST", "/api/webhooks/hooks/h/test", "")
	r.wait("the log tells of the failure", func() bool {
		return r.logs.line("an item failed for good") != "" && r.logs.line("a webhook is disabled") != ""
	})
	places := map[string]string{
		"the record": asJSON(row), "the list": r.must("GET", "/api/entities/WebhookDelivery", ""), "the hooks": r.must("GET", "/api/webhooks/hooks", ""),
		"a test's answer": test, "the metrics": r.must("GET", "/metrics", ""), "the log": r.logs.String(), "the app's description": r.must("GET", "/api/openapi.json", ""),
	}
	for place, text := range places {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %q", place, secret)
			}
		}
	}
}

// An address may hold a secret in its path or query. It is the administrator's to
// see, and no error repeats it into the log.
func TestAddressesAreNotLogged(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "http://127.0.0.1:1/in?token=in-the-address", "retry": { "max_attempts": 1 } }`, "", nil)
	r.create(`{"n":1}`)
	row := r.failed()
	if row["url"] != "http://127.0.0.1:1/in?token=in-the-address" || strings.Contains(row["error"].(string), "in-the-address") {
		t.Errorf("%v: %v", row["url"], row["error"])
	}
	if r.logs.line("an item failed for good") == "" || strings.Contains(r.logs.String(), "in-the-address") {
		t.Errorf("%s", r.logs)
	}
}
