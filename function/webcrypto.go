package function

import (
	"crypto/hmac"
	cryptorand "crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"math/rand/v2"

	"github.com/pylon-go/pylon/internal/quickjs"
)

// hashes of Web Cryptography, by their names there.
var hashes = map[string]func() hash.Hash{
	"SHA-1":   sha1.New,
	"SHA-256": sha256.New,
	"SHA-384": sha512.New384,
	"SHA-512": sha512.New,
}

func hashNamed(name string) (func() hash.Hash, error) {
	h := hashes[name]
	if h == nil {
		return nil, fmt.Errorf("there is no hash %q", name)
	}
	return h, nil
}

func digest(_ *call, args quickjs.Args) (any, error) {
	h, err := hashNamed(args.String(1))
	if err != nil {
		return nil, err
	}
	sum := h()
	sum.Write(args.Bytes(2))
	return sum.Sum(nil), nil
}

func hmacSign(_ *call, args quickjs.Args) (any, error) {
	h, err := hashNamed(args.String(1))
	if err != nil {
		return nil, err
	}
	mac := hmac.New(h, args.Bytes(2))
	mac.Write(args.Bytes(3))
	return mac.Sum(nil), nil
}

// hmacVerify compares in constant time.
func hmacVerify(_ *call, args quickjs.Args) (any, error) {
	h, err := hashNamed(args.String(1))
	if err != nil {
		return nil, err
	}
	mac := hmac.New(h, args.Bytes(2))
	mac.Write(args.Bytes(4))
	return hmac.Equal(mac.Sum(nil), args.Bytes(3)), nil
}

func randomBytes(_ *call, args quickjs.Args) (any, error) {
	n := args.Number(1)
	if !(n >= 0 && n <= 65536) {
		return nil, fmt.Errorf("%v random bytes at once are too many", n)
	}
	b := make([]byte, int(n))
	if _, err := cryptorand.Read(b); err != nil {
		return nil, fmt.Errorf("random bytes: %w", err)
	}
	return b, nil
}

// randomNumber is Math.random; it keeps no secrets, as everywhere.
func randomNumber(*call, quickjs.Args) (any, error) { return rand.Float64(), nil }

// randomUUID is a version 4 UUID (RFC 9562 §5.4).
func randomUUID(*call, quickjs.Args) (any, error) {
	var b [16]byte
	if _, err := cryptorand.Read(b[:]); err != nil {
		return nil, fmt.Errorf("a random UUID: %w", err)
	}
	b[6] = b[6]&0x0F | 0x40
	b[8] = b[8]&0x3F | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}
