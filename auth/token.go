package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"github.com/pylon-go/pylon/store"
)

// maxToken bounds what is hashed of a request; every token of ours is shorter.
const maxToken = 256

// prefixLength is how much of a token lists show. The rest keeps over 200 bits.
const prefixLength = 8

// newToken is 256 random bits as text without dots, which mark API keys.
func newToken() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// hashToken is what is stored of a token. It has enough entropy of its own to
// need neither salt nor a slow hash.
func hashToken(token string) store.Value {
	h := sha256.Sum256([]byte(token))
	return store.Bytes(h[:])
}
