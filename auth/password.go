package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/pylon-go/pylon/store"
)

const (
	minPassword = 10 // characters
	maxPassword = 1024
)

func checkPassword(password string) error {
	n := utf8.RuneCountInString(password)
	if n >= minPassword && n <= maxPassword {
		return nil
	}
	return store.Errorf(store.Invalid, "WEAK_PASSWORD", "the password must have %d to %d characters", minPassword, maxPassword).WithField("password")
}

// argonParams are argon2id's costs.
type argonParams struct {
	memory, time uint32 // memory in KiB
	threads      uint8
}

// currentParams follow OWASP's password storage cheat sheet.
var currentParams = argonParams{memory: 19456, time: 2, threads: 1}

const (
	saltSize = 16
	keySize  = 32
)

// hasher hashes passwords, a few at a time: every hash takes 19 MiB, and a rush of
// sign-ins must not take the machine's memory.
type hasher struct {
	slots chan struct{}
	// decoy is verified when there is no account, so that the answer takes as
	// long as for one that exists.
	decoy string
}

const hashesAtOnce = 2

func newHasher() *hasher {
	h := &hasher{slots: make(chan struct{}, hashesAtOnce)}
	// Nobody knows a password for it. Its key is not derived: that would cost every start a hash.
	h.decoy = encodeHash(currentParams, random(saltSize), random(keySize))
	return h
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// derive waits for its turn, at most as long as the context lasts.
func (h *hasher) derive(ctx context.Context, password string, salt []byte, p argonParams, size uint32) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	return argon2.IDKey([]byte(password), salt, p.time, p.memory, p.threads, size), nil
}

// hash is the password's hash with its salt and costs, as a PHC string.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := random(saltSize)
	key, err := h.derive(ctx, password, salt, currentParams, keySize)
	if err != nil {
		return "", err
	}
	return encodeHash(currentParams, salt, key), nil
}

// verify compares a password with a PHC string, "" for an account that is not
// there. stale says that the hash was made with other costs than today's.
func (h *hasher) verify(ctx context.Context, password, phc string) (ok, stale bool, err error) {
	exists := phc != ""
	if !exists {
		phc = h.decoy
	}
	p, salt, want, err := decodeHash(phc)
	if err != nil {
		return false, false, err
	}
	got, err := h.derive(ctx, password, salt, p, uint32(len(want)))
	if err != nil {
		return false, false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && exists, p != currentParams, nil
}

func encodeHash(p argonParams, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.threads, b64.EncodeToString(salt), b64.EncodeToString(key))
}

func decodeHash(phc string) (p argonParams, salt, key []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, fmt.Errorf("stored password hash is no argon2id PHC string")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil || p.time == 0 || p.threads == 0 {
		return p, nil, nil, fmt.Errorf("stored password hash has bad costs %q", parts[3])
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err == nil {
		key, err = base64.RawStdEncoding.DecodeString(parts[5])
	}
	if err == nil && len(key) == 0 {
		err = fmt.Errorf("stored password hash is empty")
	}
	return p, salt, key, err
}
