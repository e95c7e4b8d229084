package webhooks_test

import (
	"encoding/base64"
	"strings"
	"testing"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/pylon-go/pylon/plugins/webhooks"
)

const (
	newSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	oldSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// publicKey is the whpk_ form of the vectors' ed25519 key.
func publicKey(t testing.TB) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(vectorWhsk, "whsk_"))
	if err != nil {
		t.Fatal(err)
	}
	return "whpk_" + base64.StdEncoding.EncodeToString(raw[32:])
}

// Each key of a list signs, the first of them first. X-Pylon-Signature has one
// value only: that of the first key which receivers may hold.
func TestRotation(t *testing.T) {
	env := map[string]string{"NEW": newSecret, "OLD": oldSecret, "LITERAL": "a literal secret", "ED": vectorWhsk}
	for _, tt := range []struct {
		name, secretEnv string
		standard        []string // who verifies the signatures, one after the other
		versions        []string
		body            string // who verifies X-Pylon-Signature
	}{
		{"one", `"NEW"`, []string{newSecret}, []string{"v1"}, newSecret},
		{"a list of one", `["NEW"]`, []string{newSecret}, []string{"v1"}, newSecret},
		{"the new and the old", `["NEW", "OLD"]`, []string{newSecret, oldSecret}, []string{"v1", "v1"}, newSecret},
		{"turned back", `["OLD", "NEW"]`, []string{oldSecret, newSecret}, []string{"v1", "v1"}, oldSecret},
		{"a literal one and whsec_", `["LITERAL", "OLD"]`, []string{"a literal secret", oldSecret}, []string{"v1", "v1"}, "a literal secret"},
		{"to ed25519", `["ED", "OLD"]`, []string{publicKey(t), oldSecret}, []string{"v1a", "v1"}, oldSecret},
		{"from ed25519", `["NEW", "ED"]`, []string{newSecret, publicKey(t)}, []string{"v1", "v1a"}, newSecret},
		{"ed25519 alone", `"ED"`, []string{publicKey(t)}, []string{"v1a"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, `{ "entity": "Order", "url": "URL", "secret_env": `+tt.secretEnv+` }`, "", env)
			r.create(`{"n":1}`)
			got := r.receive()
			signatures := strings.Split(got.header.Get("Webhook-Signature"), " ")
			if len(signatures) != len(tt.standard) {
				t.Fatalf("%d signatures: %v", len(signatures), signatures)
			}
			for i, s := range tt.standard {
				if version, _, _ := strings.Cut(signatures[i], ","); version != tt.versions[i] {
					t.Errorf("signature %d is a %s", i, version)
				}
				for j := range signatures {
					if verifies := secret(t, s).VerifyStandard(got.id(), epoch, []byte(got.body), signatures[j]); verifies != (i == j) {
						t.Errorf("key %d verifies signature %d: %t", i, j, verifies)
					}
				}
				// A receiver looks through all of them.
				if !secret(t, s).VerifyStandard(got.id(), epoch, []byte(got.body), got.header.Get("Webhook-Signature")) {
					t.Errorf("who has key %d does not verify the delivery", i)
				}
				if tt.versions[i] == "v1" { // the library of Standard Webhooks knows no v1a and passes over it
					verifies(t, s, got)
				}
			}
			if values := got.header.Values("X-Pylon-Signature"); len(values) != 1 || tt.body != "" && !secret(t, tt.body).VerifyBody([]byte(got.body), values[0]) {
				t.Errorf("X-Pylon-Signature is %q", values)
			}
		})
	}
}

// verifies asks the library of Standard Webhooks, but for the time: the delivery
// has that of the test's clock.
func verifies(t *testing.T, s string, got request) {
	t.Helper()
	library, err := standard.NewWebhookRaw([]byte(s))
	if strings.HasPrefix(s, "whsec_") {
		library, err = standard.NewWebhook(s)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := library.VerifyIgnoringTimestamp([]byte(got.body), got.header); err != nil {
		t.Errorf("the Standard Webhooks library refuses it: %v", err)
	}
	if err := library.VerifyIgnoringTimestamp([]byte(got.body+" "), got.header); err == nil {
		t.Error("the Standard Webhooks library accepts another body")
	}
}

// Keys change with a restart: what waits is signed with the new ones, under its old id.
func TestWhatWaitsIsSignedWithTheKeysOfItsAttempt(t *testing.T) {
	env := map[string]string{"S": oldSecret}
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL", "secret_env": "S", "retry": { "backoff_secs": 100 } }`, "", env)
	r.answers <- status(500)
	r.create(`{"n":1}`)
	first := r.receive()
	r.waitFailures(1)
	env["S"] = newSecret
	r.restart()
	r.clock.Advance(120e9)
	second := r.receive()
	if second.id() != first.id() || second.body != first.body || second.header.Get("X-Pylon-Attempt") != "2" {
		t.Errorf("%+v\n%+v", first, second)
	}
	verifies(t, oldSecret, first)
	verifies(t, newSecret, second)
	if first.header.Get("Webhook-Timestamp") != "1769851800" || second.header.Get("Webhook-Timestamp") != "1769851920" {
		t.Errorf("the times are %s and %s", first.header.Get("Webhook-Timestamp"), second.header.Get("Webhook-Timestamp"))
	}
	if webhooks.HeaderID != "Webhook-Id" || webhooks.HeaderStandardSig != "Webhook-Signature" || webhooks.HeaderTimestamp != "Webhook-Timestamp" || webhooks.HeaderSignature != "X-Pylon-Signature" {
		t.Error("the names of headers")
	}
}

func TestSecretsThatCannotSign(t *testing.T) {
	checked(t, map[string]problem{
		`"secret_env": "PUBLIC"`:        {"INVALID_SECRET", "secret_env", "the environment variable PUBLIC: a public key (whpk_) cannot sign; use the private one (whsk_)"},
		`"secret_env": "BROKEN"`:        {"INVALID_SECRET", "secret_env", "the environment variable BROKEN: what follows whsec_ is not base64"},
		`"secret_env": ["GOOD", "NO"]`:  {"MISSING_ENV", "secret_env", "the environment variable NO is not set or empty"},
		`"secret_env": ["GOOD", "NIL"]`: {"MISSING_ENV", "secret_env", "the environment variable NIL is not set or empty"},
		`"secret_env": []`:              {"INVALID_VALUE", "secret_env", "the list is empty"},
		`"secret_env": 7`:               {"WRONG_TYPE", "secret_env", ""},
		`"secret_env": ["GOOD", 7]`:     {"WRONG_TYPE", "secret_env[1]", ""},
	}, map[string]string{"PUBLIC": publicKey(t), "BROKEN": "whsec_%", "GOOD": newSecret, "NIL": ""})
}
