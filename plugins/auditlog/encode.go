package auditlog

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/pylon-go/pylon/store"
)

// The encoding that signatures, commitments and leaves are made over is a list of
// texts, each with its length in four bytes before it, so that no two lists have
// the same bytes. A null has a length that no text has.

const (
	bodyVersion   = "pylon.audit.v1"
	eventVersion  = "pylon.audit.event.v1"
	commitVersion = "pylon.audit.commit.v1"
	null          = ^uint32(0)
)

func appendText(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}

func appendOptional(dst []byte, v store.Value) []byte {
	if v.IsNull() {
		return binary.BigEndian.AppendUint32(dst, null)
	}
	return appendText(dst, v.Str())
}

// canonicalTime is RFC 3339 in UTC with six decimals: made from the number that is
// stored, so that no database can render it differently.
const canonicalTime = "2006-01-02T15:04:05.000000Z"

// appendBody is what an entry's signature covers: every column, the values that
// may be erased by their commitments.
func appendBody(dst []byte, id string, v []store.Value, kid string) []byte {
	dst = appendText(dst, bodyVersion)
	dst = appendText(dst, id)
	dst = appendText(dst, v[fWriter].Str())
	dst = appendText(dst, strconv.FormatInt(v[fWseq].Int(), 10))
	dst = appendText(dst, v[fTxID].Str())
	dst = appendText(dst, v[fEntity].Str())
	dst = appendText(dst, v[fRowID].Str())
	dst = appendText(dst, v[fOperation].Str())
	dst = appendText(dst, v[fOutcome].Str())
	dst = appendOptional(dst, v[fChanged])
	dst = appendText(dst, v[fActorType].Str())
	dst = appendOptional(dst, v[fActorID])
	dst = appendOptional(dst, v[fAPIKeyID])
	dst = appendOptional(dst, v[fRequestID])
	dst = appendOptional(dst, v[fTenantID])
	var at [len(canonicalTime)]byte
	dst = appendText(dst, string(v[fCreatedAt].Time().AppendFormat(at[:0], canonicalTime)))
	dst = appendText(dst, v[fCommitments].Str())
	return appendText(dst, kid)
}

// appendLeaf turns a body into the leaf: the signature goes into the tree too.
func appendLeaf(body []byte, signature store.Value) []byte {
	return appendOptional(body, signature)
}

// saltSize is that of the random bytes that keep the values from being guessed from
// their commitments.
const saltSize = 16

// commitments are those to before, to after and to ip and user agent, with a dot
// between them and - for what is null: SHA-256 over what it is, the salt and the
// values. Once the salt is erased, nobody can tell what they were made from.
func commitments(salt []byte, v []store.Value) string {
	var out [3*43 + 2]byte
	dst := out[:0]
	scratch := buffers.Get().(*[]byte)
	defer buffers.Put(scratch)
	buf := *scratch
	for i, c := range [...]struct {
		what   string
		values [2]store.Value
	}{
		{"before", [2]store.Value{v[fBefore]}},
		{"after", [2]store.Value{v[fAfter]}},
		{"origin", [2]store.Value{v[fIP], v[fUserAgent]}},
	} {
		if i > 0 {
			dst = append(dst, '.')
		}
		if c.values[0].IsNull() && c.values[1].IsNull() {
			dst = append(dst, '-')
			continue
		}
		buf = appendText(buf[:0], commitVersion)
		buf = appendText(buf, c.what)
		buf = appendText(buf, string(salt))
		buf = appendOptional(buf, c.values[0])
		if i == 2 {
			buf = appendOptional(buf, c.values[1])
		}
		sum := sha256.Sum256(buf)
		dst = base64.RawURLEncoding.AppendEncode(dst, sum[:])
	}
	*scratch = buf
	return string(dst)
}

// buffers are for what is hashed and thrown away.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

func encodeSalt(salt []byte) string { return base64.RawURLEncoding.EncodeToString(salt) }

func decodeSalt(s string) ([]byte, error) {
	salt, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err == nil && len(salt) != saltSize {
		err = errors.New("wrong length")
	}
	return salt, err
}

// leafHash is the hash of an entry's leaf. kid is the one its signature names.
func leafHash(id string, v []store.Value) (tlog.Hash, error) {
	kid, _, err := splitSignature(v[fSignature])
	if err != nil {
		return tlog.Hash{}, err
	}
	return tlog.RecordHash(appendLeaf(appendBody(nil, id, v, kid), v[fSignature])), nil
}

const signatureVersion = "v1"

// formatSignature is v1, the id of the key and the MAC, with colons between.
func formatSignature(kid string, mac []byte) string {
	b := make([]byte, 0, len(signatureVersion)+1+len(kid)+1+hex.EncodedLen(len(mac)))
	b = append(b, signatureVersion+":"...)
	b = append(b, kid...)
	b = append(b, ':')
	return string(hex.AppendEncode(b, mac))
}

var errSignatureForm = errors.New("not of the form v1:KEY:MAC")

// splitSignature takes a signature apart; an entry without one has no key.
func splitSignature(v store.Value) (kid string, mac []byte, err error) {
	if v.IsNull() {
		return "", nil, nil
	}
	version, rest, _ := strings.Cut(v.Str(), ":")
	kid, sum, ok := strings.Cut(rest, ":")
	if version != signatureVersion || !ok || !validKid(kid) {
		return "", nil, errSignatureForm
	}
	if mac, err = hex.DecodeString(sum); err != nil || len(mac) != sha256.Size || strings.ToLower(sum) != sum {
		return "", nil, errSignatureForm
	}
	return kid, mac, nil
}

// appendEvent is the leaf of an event before its signature.
func appendEvent(dst []byte, kind string, data []byte) []byte {
	dst = appendText(dst, eventVersion)
	dst = appendText(dst, kind)
	return appendText(dst, string(data))
}

// splitEvent reads the leaf of an event.
func splitEvent(b []byte) (kind string, data []byte, signature string, err error) {
	var parts [4]string
	rest := b
	for i := range parts {
		if len(rest) < 4 {
			return "", nil, "", errors.New("the event is cut off")
		}
		n := binary.BigEndian.Uint32(rest)
		rest = rest[4:]
		if uint64(n) > uint64(len(rest)) {
			return "", nil, "", errors.New("the event is cut off")
		}
		parts[i], rest = string(rest[:n]), rest[n:]
	}
	if len(rest) > 0 {
		return "", nil, "", errors.New("bytes follow the event")
	}
	if parts[0] != eventVersion {
		return "", nil, "", fmt.Errorf("unknown version of event %q", parts[0])
	}
	return parts[1], []byte(parts[2]), parts[3], nil
}

// ulidTime is when an id was made.
func ulidTime(id string) (time.Time, bool) {
	if !store.ValidID(id) {
		return time.Time{}, false
	}
	ms := int64(0)
	for _, c := range []byte(id[:10]) {
		ms = ms<<5 | int64(strings.IndexByte("0123456789ABCDEFGHJKMNPQRSTVWXYZ", c))
	}
	return time.UnixMilli(ms).UTC(), true
}

// ulidAt is the least id of a moment.
func ulidAt(at time.Time) string {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	b := []byte("00000000000000000000000000")
	for i, ms := 9, max(0, at.UnixMilli()); i >= 0; i, ms = i-1, ms>>5 {
		b[i] = digits[ms&31]
	}
	return string(b)
}
