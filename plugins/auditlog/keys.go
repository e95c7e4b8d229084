package auditlog

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"sync"

	"golang.org/x/mod/sumdb/note"
)

// minKey is the least length of a signing key in bytes.
const minKey = 32

// key is a signing key: what signs entries, hashes fields and signs tree heads is
// derived from it, so that none of them gives another away.
type key struct {
	// kid names the key on what it signed. It tells nothing of the key.
	kid     string
	row     []byte
	fields  []byte
	private ed25519.PrivateKey
	macs    sync.Pool // of hash.Hash with the key row
}

func newKey(secret []byte) (*key, error) {
	if len(secret) < minKey {
		return nil, fmt.Errorf("the key has %d bytes, at least %d random ones are needed: make it with `openssl rand -hex 32`", len(secret), minKey)
	}
	k := &key{}
	var seed []byte
	for _, d := range []struct {
		to   *[]byte
		info string
	}{{&k.row, "pylon/audit/row/v1"}, {&k.fields, "pylon/audit/field/v1"}, {&seed, "pylon/audit/checkpoint/v1"}} {
		b, err := hkdf.Key(sha256.New, secret, nil, d.info, sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("derive a key: %w", err)
		}
		*d.to = b
	}
	sum := sha256.Sum256(k.row)
	k.kid = hex.EncodeToString(sum[:4])
	k.private = ed25519.NewKeyFromSeed(seed)
	k.macs.New = func() any { return hmac.New(sha256.New, k.row) }
	return k, nil
}

func validKid(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 4 && hex.EncodeToString(b) == s
}

// sign is the signature of a body or an event.
func (k *key) sign(body []byte) string {
	var sum [sha256.Size]byte
	return formatSignature(k.kid, k.mac(sum[:0], body))
}

// verify compares in constant time.
func (k *key) verify(body, mac []byte) bool {
	var sum [sha256.Size]byte
	return hmac.Equal(k.mac(sum[:0], body), mac)
}

func (k *key) mac(dst, body []byte) []byte {
	h := k.macs.Get().(hash.Hash)
	h.Reset()
	h.Write(body)
	dst = h.Sum(dst)
	k.macs.Put(h)
	return dst
}

// hashValue is what is recorded of a field in hash_fields. json is its value.
func (k *key) hashValue(json []byte) string {
	h := hmac.New(sha256.New, k.fields)
	h.Write(appendText(appendText(nil, "pylon.audit.field.v1"), string(json)))
	return "hmac:" + hex.EncodeToString(h.Sum(nil))
}

// noteSigner signs tree heads of a log; its name is the log's origin.
type noteSigner struct {
	key      *key
	verifier note.Verifier
	vkey     string
}

func (k *key) signer(origin string) (*noteSigner, error) {
	vkey, err := note.NewEd25519VerifierKey(origin, k.private.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("make the log's public key: %w", err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("make the log's public key: %w", err)
	}
	return &noteSigner{k, v, vkey}, nil
}

func (s *noteSigner) Name() string    { return s.verifier.Name() }
func (s *noteSigner) KeyHash() uint32 { return s.verifier.KeyHash() }

func (s *noteSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key.private, msg), nil }

var _ note.Signer = (*noteSigner)(nil)
