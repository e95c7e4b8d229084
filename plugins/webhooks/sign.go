package webhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Headers of a delivery.
const (
	// HeaderSignature holds the contract's signature: sha256=<hex HMAC-SHA256 of
	// the exact body>, keyed with the literal bytes of the secret.
	HeaderSignature = "X-Pylon-Signature"
	// The headers of Standard Webhooks 1.0.0 (standardwebhooks.com).
	HeaderID          = "Webhook-Id"
	HeaderTimestamp   = "Webhook-Timestamp"
	HeaderStandardSig = "Webhook-Signature"
)

// SignBody is the value of X-Pylon-Signature for a body.
func SignBody(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// VerifyBody checks an X-Pylon-Signature in constant time. An empty secret
// verifies nothing.
func VerifyBody(secret, body []byte, signature string) bool {
	return len(secret) > 0 && hmac.Equal([]byte(SignBody(secret, body)), []byte(signature))
}

// SignStandard is one signature of Standard Webhooks over id, time and body.
func SignStandard(secret []byte, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, standardKey(secret))
	mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// standardKey is the decoded part of a whsec_ secret and the literal bytes of any
// other: guessing that a secret is base64 would make keys nobody else derives.
func standardKey(secret []byte) []byte {
	if encoded, ok := strings.CutPrefix(string(secret), "whsec_"); ok {
		if key, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			return key
		}
	}
	return secret
}
