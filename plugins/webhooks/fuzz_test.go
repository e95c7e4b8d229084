package webhooks_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pylon-go/pylon/plugins/webhooks"
)

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "1": time.Second, "100": 100 * time.Second, "86400": 24 * time.Hour, "86401": 24 * time.Hour,
		"9223372036854775807": 24 * time.Hour, "9223372036854775808": 24 * time.Hour, "99999999999999999999999": 24 * time.Hour,
		"-1": 0, "-9223372036854775807": 0, "-9223372036854775809": 0, "1.5": 0, "soon": 0, " 5": 0, "0x10": 0, "1_0": 0,
		"Sat, 31 Jan 2026 09:31:40 GMT":    100 * time.Second,
		"Saturday, 31-Jan-26 09:31:40 GMT": 100 * time.Second,
		"Sat Jan 31 09:31:40 2026":         100 * time.Second,
		"Sat, 31 Jan 2026 09:29:00 GMT":    0,
		"Sun, 31 Jan 2027 09:30:00 GMT":    24 * time.Hour,
		"Sat, 31 Jan 9999 09:30:00 GMT":    24 * time.Hour,
		"Mon, 01 Jan 0001 00:00:00 GMT":    0,
		"Sat, 31 Jan 2026 09:31:40 CET":    0,
	} {
		if got := webhooks.RetryAfter(value, epoch); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "100", "-9223372036854775807", "99999999999999999999999", "Sat, 31 Jan 2026 09:31:40 GMT", "Sat Jan 31 09:31:40 2026", "1e9"} {
		f.Add(seed, epoch.Unix())
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		got := webhooks.RetryAfter(value, time.Unix(now, 0))
		if got < 0 || got > 24*time.Hour {
			t.Errorf("%q waits %s", value, got)
		}
		if strings.HasPrefix(value, "-") && got != 0 {
			t.Errorf("%q waits %s", value, got)
		}
		if n, err := strconv.Atoi(value); err == nil && n >= 0 && n <= 86400 && got != time.Duration(n)*time.Second {
			t.Errorf("%q waits %s", value, got)
		}
	})
}

// FuzzNote: what a delivery remembers is read back as it was written, and anything
// else is an error or harmless.
func FuzzNote(f *testing.F) {
	for _, seed := range []string{`{}`, `{"id_only":true}`, `{"replay":true,"log":[{"at":"2026-01-31T09:30:00.000Z","ms":1,"status":500,"error":"no"}]}`, `null`, `[]`, `{"log":null}`, `{"log":[{}]}`, "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		encoded, idOnly, err := webhooks.DecodeNote(b)
		if err != nil {
			return
		}
		again, same, err := webhooks.DecodeNote(encoded)
		if err != nil || same != idOnly || !bytes.Equal(again, encoded) {
			t.Errorf("%q became %q and then %q: %v", b, encoded, again, err)
		}
	})
}

// FuzzListener: whatever a sender writes, the listener answers 200 to what verifies
// and 401 to the rest, and prints nothing that could steer a terminal.
func FuzzListener(f *testing.F) {
	now := time.Now()
	good := func(s string, body string) (signature, id, stamp, standard string) {
		k := secret(f, s)
		return k.SignBody([]byte(body)), "wh_1", strconv.FormatInt(now.Unix(), 10), k.SignStandard("wh_1", now, []byte(body))
	}
	a, b, c, d := good(newSecret, vectorBody)
	f.Add(a, b, c, d, "1", "/in", []byte(vectorBody))
	f.Add("", b, c, d, "1", "/in", []byte(vectorBody))
	f.Add(a, "", "", "", "", "/", []byte(vectorBody))
	f.Add("sha256=00", "a.b", "-1", "v1, v1a,x v2,", "\x1b[2J", "/\x1b[31m", []byte("\x1b]0;title\x07\u009b"))
	f.Fuzz(func(t *testing.T, legacy, id, stamp, standard, attempt, path string, body []byte) {
		for _, s := range []*webhooks.Secret{nil, secret(t, newSecret), secret(t, publicKey(t))} {
			var out strings.Builder
			l := &webhooks.Listener{Secret: s, Out: &out}
			req := httptest.NewRequest("POST", "/", bytes.NewReader(body))
			req.URL.Path = path
			for k, v := range map[string]string{"X-Pylon-Signature": legacy, "Webhook-Id": id, "Webhook-Timestamp": stamp, "Webhook-Signature": standard, "X-Pylon-Attempt": attempt} {
				if v != "" {
					req.Header.Set(k, v)
				}
			}
			rec := httptest.NewRecorder()
			l.ServeHTTP(rec, req)
			secs, err := strconv.ParseInt(stamp, 10, 64)
			at := time.Unix(secs, 0)
			verified := s == nil
			if s != nil {
				byBody := legacy == "" || !s.SignsBody() || s.VerifyBody(body, legacy)
				byStandard := standard == "" || err == nil && s.VerifyStandard(id, at, body, standard) && time.Since(at).Abs() <= 5*time.Minute
				verified = byBody && byStandard && (standard != "" || legacy != "" && s.SignsBody())
			}
			if want := map[bool]int{true: 200, false: 401}[verified]; rec.Code != want {
				t.Errorf("answered %d, want %d: %q", rec.Code, want, out.String())
			}
			if n := strings.Count(out.String(), "\n"); n != 5 {
				t.Errorf("%d lines: %q", n, out.String())
			}
			for _, c := range out.String() {
				if c != '\n' && (c < 0x20 || c >= 0x7f && c < 0xa0) {
					t.Errorf("%q is printed", c)
				}
			}
			if !utf8.ValidString(out.String()) {
				t.Errorf("%q is no text", out.String())
			}
		}
	})
}

// The listener answers as it was told, but never well to what does not verify.
func TestListener(t *testing.T) {
	now := time.Now()
	body := []byte(vectorBody)
	private, symmetric := secret(t, vectorWhsk), secret(t, newSecret)
	stamp := func(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
	type headers map[string]string
	for _, tt := range []struct {
		name    string
		secret  string // "" checks nothing
		status  int
		headers headers
		code    int
		says    string
	}{
		{"nothing to check", "", 0, nil, 200, "not checked (no secret given)"},
		{"nothing to check and another status", "", 503, nil, 503, "not checked"},
		{"X-Pylon-Signature", newSecret, 0, headers{"X-Pylon-Signature": symmetric.SignBody(body)}, 200, "verified"},
		{"Standard Webhooks", newSecret, 0, headers{"Webhook-Id": "wh_1", "Webhook-Timestamp": stamp(now), "Webhook-Signature": symmetric.SignStandard("wh_1", now, body)}, 200, "verified"},
		{"both", newSecret, 500, headers{"X-Pylon-Signature": symmetric.SignBody(body), "Webhook-Id": "wh_1", "Webhook-Timestamp": stamp(now), "Webhook-Signature": "v1,other " + symmetric.SignStandard("wh_1", now, body)}, 500, "verified"},
		{"one right and one wrong", newSecret, 0, headers{"X-Pylon-Signature": symmetric.SignBody(body), "Webhook-Id": "wh_2", "Webhook-Timestamp": stamp(now), "Webhook-Signature": symmetric.SignStandard("wh_1", now, body)}, 401, "WRONG"},
		{"one wrong and one right", newSecret, 0, headers{"X-Pylon-Signature": private.SignBody(body), "Webhook-Id": "wh_1", "Webhook-Timestamp": stamp(now), "Webhook-Signature": symmetric.SignStandard("wh_1", now, body)}, 401, "WRONG"},
		{"none", newSecret, 204, nil, 401, "MISSING"},
		{"too old", newSecret, 0, headers{"Webhook-Id": "wh_1", "Webhook-Timestamp": stamp(now.Add(-6 * time.Minute)), "Webhook-Signature": symmetric.SignStandard("wh_1", now.Add(-6*time.Minute), body)}, 401, "TOO OLD"},
		{"of the future", newSecret, 0, headers{"Webhook-Id": "wh_1", "Webhook-Timestamp": stamp(now.Add(6 * time.Minute)), "Webhook-Signature": symmetric.SignStandard("wh_1", now.Add(6*time.Minute), body)}, 401, "TOO OLD"},
		{"no time", newSecret, 0, headers{"Webhook-Id": "wh_1", "Webhook-Signature": symmetric.SignStandard("wh_1", now, body)}, 401, "WRONG"},
		{"the public key", publicKey(t), 0, headers{"X-Pylon-Signature": private.SignBody(body), "Webhook-Id": "wh_1", "Webhook-Timestamp": stamp(now), "Webhook-Signature": "v1,x " + private.SignStandard("wh_1", now, body)}, 200, "verified"},
		{"the public key and no v1a", publicKey(t), 0, headers{"X-Pylon-Signature": private.SignBody(body)}, 401, "MISSING"},
		{"the public key and v1", publicKey(t), 0, headers{"Webhook-Id": "wh_1", "Webhook-Timestamp": stamp(now), "Webhook-Signature": symmetric.SignStandard("wh_1", now, body)}, 401, "WRONG"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			l := &webhooks.Listener{Status: tt.status, Out: &out}
			if tt.secret != "" {
				l.Secret = secret(t, tt.secret)
			}
			req := httptest.NewRequest("POST", "/in", bytes.NewReader(body))
			for k, v := range tt.headers {
				req.Header.Set(k, v)
			}
			rec := httptest.NewRecorder()
			l.ServeHTTP(rec, req)
			if rec.Code != tt.code || !strings.Contains(out.String(), "signature  "+tt.says) || !strings.Contains(out.String(), "POST /in\n") || !strings.Contains(out.String(), vectorBody) {
				t.Errorf("%d\n%s\nwant %d, %s", rec.Code, out.String(), tt.code, tt.says)
			}
		})
	}
	rec := httptest.NewRecorder()
	(&webhooks.Listener{Out: io.Discard}).ServeHTTP(rec, httptest.NewRequest("POST", "/", io.LimitReader(zeros{}, 17<<20)))
	if rec.Code != http.StatusBadRequest {
		t.Errorf("17 MiB: %d", rec.Code)
	}
}
