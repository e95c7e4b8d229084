package auditlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/pylon-go/pylon/store"
)

// golden is an entry whose bytes must never change: signatures of years ago are
// verified with today's program.
func golden() (string, []store.Value) {
	v := make([]store.Value, fieldCount)
	v[fActorID], v[fEntity], v[fRowID], v[fOperation] = store.ID("u1"), store.String("Order"), store.String("o1"), store.String("update")
	v[fBefore], v[fAfter], v[fChanged] = store.String(`{"id":"o1","n":1}`), store.String(`{"id":"o1","n":2}`), store.String(`["n"]`)
	v[fCreatedAt] = store.Time(time.Date(2026, 1, 31, 9, 30, 0, 123456000, time.UTC))
	v[fOutcome], v[fActorType], v[fTenantID] = store.String("ok"), store.String("user"), store.String("t1")
	v[fIP], v[fUserAgent], v[fRequestID] = store.String("192.0.2.1"), store.String("agent"), store.String("r1")
	v[fTxID], v[fWriter], v[fWseq] = store.String("x1"), store.String("w1"), store.Int(7)
	salt := []byte("0123456789abcdef")
	v[fSalt] = store.String(encodeSalt(salt))
	v[fCommitments] = store.String(commitments(salt, v))
	return "01KGA00000000000000000000A", v
}

func TestGoldenVectors(t *testing.T) {
	k, err := newKey([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := k.signer("shop/audit/0011223344556677")
	if err != nil {
		t.Fatal(err)
	}
	id, v := golden()
	body := appendBody(nil, id, v, k.kid)
	sum := sha256.Sum256(body)
	signature := k.sign(body)
	v[fSignature] = store.String(signature)
	leaf, err := leafHash(id, v)
	if err != nil {
		t.Fatal(err)
	}
	event, err := makeEvent(eventEpoch, epochEvent{Writer: "w1", Kid: k.kid, Signed: true, High: 7, Voids: [][2]int64{{3, 3}}}, k)
	if err != nil {
		t.Fatal(err)
	}
	note, err := checkpoint{signer.Name(), 1, leaf}.sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, got, want string }{
		{"commitments", v[fCommitments].Str(), goldenCommitments},
		{"body", hex.EncodeToString(sum[:]), goldenBody},
		{"signature", signature, goldenSignature},
		{"leaf", leaf.String(), goldenLeaf},
		{"event", hex.EncodeToString(event), goldenEvent},
		{"public key", signer.vkey, goldenKey},
		{"checkpoint", note, goldenNote},
		{"field", k.hashValue([]byte(`"e@x"`)), goldenField},
	} {
		if c.got != c.want {
			t.Errorf("%s is\n%s\nwant\n%s", c.what, c.got, c.want)
		}
	}
}

func TestEveryColumnIsCovered(t *testing.T) {
	id, v := golden()
	k, err := newKey([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	body := appendBody(nil, id, v, k.kid)
	committed := map[int]bool{fBefore: true, fAfter: true, fIP: true, fUserAgent: true, fSalt: true}
	for i := range v {
		if i == fSignature {
			continue
		}
		for _, other := range []store.Value{store.Null, store.String(""), store.String("x"), store.Int(99), store.Micros(99)} {
			if other == v[i] || !other.IsNull() && other.IsText() != v[i].IsText() {
				continue
			}
			w := append([]store.Value(nil), v...)
			w[i] = other
			if committed[i] {
				if salt, err := decodeSalt(w[fSalt].Str()); err == nil && commitments(salt, w) == v[fCommitments].Str() {
					t.Errorf("column %d can be changed to %#v", i, other)
				}
				continue
			}
			if bytes.Equal(appendBody(nil, id, w, k.kid), body) && !(other.IsNull() && v[i].Str() == "") {
				t.Errorf("column %d can be changed to %#v", i, other)
			}
		}
	}
	if bytes.Equal(appendBody(nil, "x", v, k.kid), body) || bytes.Equal(appendBody(nil, id, v, "x"), body) {
		t.Error("the id or the key can be changed")
	}
}

func TestKeysAreLongEnough(t *testing.T) {
	if _, err := newKey([]byte(strings.Repeat("x", 31))); err == nil {
		t.Error("a short key is taken")
	}
}

// The tree is held against another implementation, at every size and edge.
func TestTheTreeIsThatOfRFC6962(t *testing.T) {
	const size = 70_000
	var f frontier
	e := newEdge(0)
	stored := map[tileID][]byte{}
	other := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	read := newTileReader(func(id tileID) ([]byte, error) {
		if b, ok := stored[id]; ok {
			return b, nil
		}
		return nil, fmt.Errorf("no tile %v", id)
	})
	var hashes []tlog.Hash
	for i := range size {
		h := tlog.RecordHash([]byte(fmt.Sprint(i)))
		hashes = append(hashes, h)
		f.add(h)
		e.add(h)
		if err := other.Append(h[:], nil); err != nil {
			t.Fatal(err)
		}
		if n := i + 1; n > 600 && n%256 > 1 && n%977 != 0 && n != size {
			continue
		}
		want, err := other.GetRootHash(nil)
		if err != nil {
			t.Fatal(err)
		}
		if root := f.root(); !bytes.Equal(root[:], want) {
			t.Fatal("the frontier's root at", i+1)
		}
		if root := e.root(); !bytes.Equal(root[:], want) {
			t.Fatal("the edge's root at", i+1)
		}
	}
	if err := e.tiles(func(id tileID, b []byte) error { stored[id] = b; return nil }); err != nil {
		t.Fatal(err)
	}
	root := f.root()
	for range 50 {
		n := rand.Int64N(size)
		path, err := tlog.ProveRecord(size, n, read)
		if err != nil {
			t.Fatal(err)
		}
		var raw [][]byte
		for i := range path {
			raw = append(raw, path[i][:])
		}
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(n), size, hashes[n][:], raw, root[:]); err != nil {
			t.Fatal(err)
		}
		old := n + 1
		oldRoot, err := tlog.TreeHash(old, read)
		if err != nil {
			t.Fatal(err)
		}
		consistency, err := tlog.ProveTree(size, old, read)
		if err != nil {
			t.Fatal(err)
		}
		raw = nil
		for i := range consistency {
			raw = append(raw, consistency[i][:])
		}
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(old), size, raw, oldRoot[:], root[:]); err != nil {
			t.Fatal(err)
		}
	}
}

// An edge that was read back goes on as the one that was kept.
func TestAnEdgeGoesOn(t *testing.T) {
	for _, size := range []int64{0, 1, 255, 256, 257, 65535, 65536, 65537} {
		whole := newEdge(0)
		for i := range size {
			whole.add(tlog.RecordHash([]byte(fmt.Sprint(i))))
		}
		stored := map[tileID][]byte{}
		whole.tiles(func(id tileID, b []byte) error { stored[id] = b; return nil })
		again := newEdge(size)
		tiles, widths := partial(size)
		for i, id := range tiles {
			var hashes []tlog.Hash
			if widths[i] > 0 {
				var err error
				if hashes, err = splitHashes(stored[id]); err != nil || len(hashes) != widths[i] {
					t.Fatal(size, id, err, len(hashes))
				}
			}
			again.levels = append(again.levels, hashes)
		}
		for i := range 300 {
			whole.add(tlog.RecordHash([]byte{byte(i)}))
			again.add(tlog.RecordHash([]byte{byte(i)}))
			if whole.root() != again.root() {
				t.Fatal(size, i)
			}
		}
	}
}

func TestRangeSets(t *testing.T) {
	for range 200 {
		var s rangeSet
		want := map[int64]bool{}
		for range 60 {
			n := rand.Int64N(40) + 1
			if rand.IntN(5) == 0 {
				to := n + rand.Int64N(5)
				s.addRange(n, to)
				for ; n <= to; n++ {
					want[n] = true
				}
			} else if s.add(n) == want[n] {
				t.Fatal("add", n, s)
			} else {
				want[n] = true
			}
		}
		missing := map[int64]bool{}
		s.holes(45, func(from, to int64) {
			for ; from <= to; from++ {
				missing[from] = true
			}
		})
		for n := int64(1); n <= 45; n++ {
			if want[n] == missing[n] {
				t.Fatal(n, s)
			}
		}
	}
}
