package webhooks

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Headers of a delivery, in the canonical form of net/http.
const (
	// HeaderSignature holds the contract's signature: sha256=<hex HMAC-SHA256 of
	// the exact body>, keyed with the literal bytes of the secret.
	HeaderSignature = "X-Pylon-Signature"
	// The headers of Standard Webhooks 1.0.0 (standardwebhooks.com).
	HeaderID          = "Webhook-Id"
	HeaderTimestamp   = "Webhook-Timestamp"
	HeaderStandardSig = "Webhook-Signature"
)

// Secret is a signing secret in the forms that an environment variable may hold:
//
//	whsec_BASE64   a key of Standard Webhooks
//	whsk_BASE64    an ed25519 private key of Standard Webhooks (64 bytes)
//	whpk_BASE64    an ed25519 public key (32 bytes), to verify with only
//	anything else  the key's literal bytes
type Secret struct {
	literal []byte
	key     []byte             // of v1
	private ed25519.PrivateKey // of v1a
	public  ed25519.PublicKey

	// A hash that was keyed once is cheaper to reset than to key anew.
	literals, keys sync.Pool
}

// mac is the HMAC-SHA256 of parts, with a hash from the pool of that key.
func mac(pool *sync.Pool, key []byte, parts ...[]byte) (sum [sha256.Size]byte) {
	h, ok := pool.Get().(hash.Hash)
	if !ok {
		h = hmac.New(sha256.New, key)
	}
	for _, part := range parts {
		h.Write(part)
	}
	h.Sum(sum[:0])
	h.Reset()
	pool.Put(h)
	return sum
}

// ParseSecret reads a secret. That a value without a prefix might be base64 is not
// guessed at: it would make keys nobody else derives.
func ParseSecret(s string) (*Secret, error) {
	prefix, encoded, prefixed := strings.Cut(s, "_")
	if s == "" {
		return nil, errors.New("the secret is empty")
	}
	k := &Secret{literal: []byte(s), key: []byte(s)}
	if !prefixed || prefix != "whsec" && prefix != "whsk" && prefix != "whpk" {
		return k, nil
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case err != nil || len(raw) == 0:
		return nil, errors.New("what follows " + prefix + "_ is not base64")
	case prefix == "whsec":
		k.key = raw
	case prefix == "whsk":
		if len(raw) != ed25519.PrivateKeySize {
			return nil, errors.New("an ed25519 private key (whsk_) has " + strconv.Itoa(ed25519.PrivateKeySize) + " bytes, this one has " + strconv.Itoa(len(raw)))
		}
		k.key, k.private = nil, ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
		if !k.private.Equal(ed25519.PrivateKey(raw)) { // its signatures would verify with no key
			return nil, errors.New("the ed25519 private key (whsk_) is damaged: its two halves do not belong together")
		}
		k.public = k.private.Public().(ed25519.PublicKey)
	default:
		if len(raw) != ed25519.PublicKeySize {
			return nil, errors.New("an ed25519 public key (whpk_) has " + strconv.Itoa(ed25519.PublicKeySize) + " bytes, this one has " + strconv.Itoa(len(raw)))
		}
		k.key, k.public = nil, raw
	}
	return k, nil
}

// SignsBody reports whether the secret has a key for X-Pylon-Signature that
// receivers may hold: an ed25519 key has none.
func (k *Secret) SignsBody() bool { return k.key != nil }

// CanSign is false for a public key.
func (k *Secret) CanSign() bool { return k.key != nil || k.private != nil }

// SignBody is the value of X-Pylon-Signature for a body.
func (k *Secret) SignBody(body []byte) string {
	sum := mac(&k.literals, k.literal, body)
	out := make([]byte, 0, len("sha256=")+2*sha256.Size)
	out = append(out, "sha256="...)
	return string(hex.AppendEncode(out, sum[:]))
}

// VerifyBody checks an X-Pylon-Signature in constant time.
func (k *Secret) VerifyBody(body []byte, signature string) bool {
	return k.SignsBody() && hmac.Equal([]byte(k.SignBody(body)), []byte(signature))
}

// SignStandard is one signature of Standard Webhooks over id, time and body: v1,
// or v1a for an ed25519 key.
func (k *Secret) SignStandard(id string, at time.Time, body []byte) string {
	head := signedHead(id, at)
	if k.private != nil {
		return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(k.private, append(head, body...)))
	}
	sum := mac(&k.keys, k.key, head, body)
	return "v1," + base64.StdEncoding.EncodeToString(sum[:])
}

// signedHead is what a signature of Standard Webhooks covers beside the body.
func signedHead(id string, at time.Time) []byte {
	head := make([]byte, 0, 64)
	head = append(append(head, id...), '.')
	return append(strconv.AppendInt(head, at.Unix(), 10), '.')
}

// VerifyStandard checks a webhook-signature, which may hold several signatures
// separated by spaces, in constant time each.
func (k *Secret) VerifyStandard(id string, at time.Time, body []byte, signatures string) bool {
	for signature := range strings.SplitSeq(signatures, " ") {
		version, encoded, _ := strings.Cut(signature, ",")
		switch {
		case version == "v1" && k.key != nil:
			if hmac.Equal([]byte(k.SignStandard(id, at, body)), []byte(signature)) {
				return true
			}
		case version == "v1a" && k.public != nil:
			raw, err := base64.StdEncoding.DecodeString(encoded)
			if err == nil && ed25519.Verify(k.public, append(signedHead(id, at), body...), raw) {
				return true
			}
		}
	}
	return false
}
