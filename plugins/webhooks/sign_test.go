package webhooks_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/pylon-go/pylon/plugins/webhooks"
)

func secret(t testing.TB, s string) *webhooks.Secret {
	t.Helper()
	k, err := webhooks.ParseSecret(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The published vector of Standard Webhooks, and keys of Svix's own tests.
const (
	vectorID     = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorBody   = `{"test": 2432232314}`
	vectorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorWhsk   = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
)

var vectorTime = time.Unix(1614265330, 0)

func TestSignatureVectors(t *testing.T) {
	for _, v := range []struct{ name, secret, body, want string }{
		{"keyed with the literal bytes, prefix included", vectorSecret, vectorBody, "sha256=80ec8a89ce3cd22133a1066caecb4d04fea7467657c8514d717ec42c38a5c94c"},
		{"published by GitHub for the same form", "It's a Secret to Everybody", "Hello, World!", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
	} {
		if got := secret(t, v.secret).SignBody([]byte(v.body)); got != v.want {
			t.Errorf("%s: %s, want %s", v.name, got, v.want)
		}
	}
	for _, v := range []struct{ name, secret, want string }{
		{"published by Standard Webhooks", vectorSecret, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
		{"published for ed25519", vectorWhsk, "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="},
	} {
		if got := secret(t, v.secret).SignStandard(vectorID, vectorTime, []byte(vectorBody)); got != v.want {
			t.Errorf("%s: %s, want %s", v.name, got, v.want)
		}
	}
}

// A secret that is not whsec_ is taken literally, as NewWebhookRaw of the library does.
func TestALiteralSecretIsTheLibrarysRawOne(t *testing.T) {
	for _, literal := range []string{"It's a Secret to Everybody", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "x"} {
		library, err := standard.NewWebhookRaw([]byte(literal))
		if err != nil {
			t.Fatal(err)
		}
		want, err := library.Sign(vectorID, vectorTime, []byte(vectorBody))
		if err != nil {
			t.Fatal(err)
		}
		if got := secret(t, literal).SignStandard(vectorID, vectorTime, []byte(vectorBody)); got != want {
			t.Errorf("%q: %s, the library signs %s", literal, got, want)
		}
	}
	library, err := standard.NewWebhookRaw([]byte(vectorSecret))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := library.Sign(vectorID, vectorTime, []byte(vectorBody)); err != nil || got != "v1,TcxlhK9b6UD6iVI1ZU2tTqp8PEVfYRseNNfa6b+LcUg=" {
		t.Errorf("the vector of the raw form: %s, %v", got, err)
	}
}

func TestVerify(t *testing.T) {
	k, body := secret(t, "k"), []byte(vectorBody)
	for signature, want := range map[string]bool{k.SignBody(body): true, secret(t, "l").SignBody(body): false, "": false, "sha256=": false} {
		if k.VerifyBody(body, signature) != want {
			t.Errorf("verifying %q is not %t", signature, want)
		}
	}
	private := secret(t, vectorWhsk)
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(vectorWhsk, "whsk_"))
	if err != nil {
		t.Fatal(err)
	}
	public := secret(t, "whpk_"+base64.StdEncoding.EncodeToString(raw[32:]))
	if public.CanSign() || public.SignsBody() || private.SignsBody() || !private.CanSign() {
		t.Error("which key can do what")
	}
	v1a, v1 := private.SignStandard(vectorID, vectorTime, body), k.SignStandard(vectorID, vectorTime, body)
	for _, c := range []struct {
		name       string
		key        *webhooks.Secret
		signatures string
		want       bool
	}{
		{"v1", k, v1, true},
		{"another secret's v1", secret(t, "l"), v1, false},
		{"the second of two", k, secret(t, "l").SignStandard(vectorID, vectorTime, body) + " " + v1, true},
		{"v1a with the public key", public, v1a, true},
		{"v1a with the private key", private, v1a, true},
		{"v1a beside v1", public, v1 + " " + v1a, true},
		{"v1 with a public key", public, v1, false},
		{"v1a with a symmetric secret", k, v1a, false},
		{"cut short", public, v1a[:len(v1a)-4], false},
		{"no base64", public, "v1a,%%%", false},
		{"an unknown version", k, "v2," + v1[3:], false},
		{"nothing", k, "", false},
	} {
		if got := c.key.VerifyStandard(vectorID, vectorTime, body, c.signatures); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
		if c.key.VerifyStandard(vectorID, vectorTime.Add(time.Second), body, c.signatures) || c.key.VerifyStandard(vectorID+"x", vectorTime, body, c.signatures) || c.key.VerifyStandard(vectorID, vectorTime, append(body, ' '), c.signatures) {
			t.Errorf("%s: verifies for another time, id or body", c.name)
		}
	}
}

func TestSecretsThatAreNone(t *testing.T) {
	for s, want := range map[string]string{
		"":              "empty",
		"whsec_":        "not base64",
		"whsec_%%":      "not base64",
		"whsk_aGVsbG8=": "has 64 bytes, this one has 5",
		"whsk_00000000000000000000000000000000000000000000000000000000000000000000000000000000000000==": "its two halves do not belong together",
		"whpk_aGVsbG8=": "has 32 bytes, this one has 5",
	} {
		if _, err := webhooks.ParseSecret(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", s, err, want)
		}
	}
}

func FuzzSecret(f *testing.F) {
	f.Add(vectorSecret, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	f.Add(vectorWhsk, "v1a,x v1,y")
	f.Add("plain", "sha256=00")
	f.Fuzz(func(t *testing.T, s, signature string) {
		k, err := webhooks.ParseSecret(s)
		if err != nil {
			return
		}
		body := []byte(vectorBody)
		k.VerifyBody(body, signature)
		k.VerifyStandard(vectorID, vectorTime, body, signature)
		if !k.CanSign() {
			return
		}
		if !k.VerifyStandard(vectorID, vectorTime, body, k.SignStandard(vectorID, vectorTime, body)) {
			t.Error("its own signature does not verify")
		}
		if k.SignsBody() && !k.VerifyBody(body, k.SignBody(body)) {
			t.Error("its own signature of a body does not verify")
		}
	})
}
