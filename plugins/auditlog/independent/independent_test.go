// Package independent verifies an exported log as a stranger would: by the formats of
// C2SP and RFC 6962, with transparency-dev/merkle and golang.org/x/mod, and without a
// line of the plugin's. Only the log is made by the plugin, in a process of its own
// kind: an app.
package independent

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/pylon-go/pylon"
)

const admin = "the-administrators-token"

// exported makes a log of some entries and exports it twice.
func exported(t *testing.T, entries int) (dir, vkey string, ask func(method, path, body string) string) {
	t.Helper()
	app, out := t.TempDir(), t.TempDir()
	manifest := `{ "manifest_version": 1, "name": "shop", "version": "1",
		"entities": [{ "name": "Order", "fields": [{ "name": "n", "type": "int" }] }],
		"plugins": [{ "name": "audit_log", "config": { "entities": "*", "sign_entries": true, "signing_key_env": "KEY", "export": { "type": "dir", "path": "` + out + `" } } }] }`
	if err := os.WriteFile(filepath.Join(app, "pylon.manifest.json"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := pylon.New(t.Context(), pylon.Options{Dir: app, Dev: true, AdminToken: admin, DBPath: filepath.Join(app, "app.db"), Logger: slog.New(slog.DiscardHandler),
		Getenv: func(name string) string {
			return map[string]string{"KEY": "0123456789abcdef0123456789abcdef"}[name]
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	ask = func(method, path, body string) string {
		t.Helper()
		req := httptest.NewRequest(method, path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+admin)
		rec := httptest.NewRecorder()
		a.ServeHTTP(rec, req)
		if rec.Code/100 != 2 {
			t.Fatal(method, path, rec.Code, rec.Body)
		}
		return rec.Body.String()
	}
	for i := 0; i < entries; i += 100 {
		var ops []string
		for j := i; j < min(i+100, entries); j++ {
			ops = append(ops, fmt.Sprintf(`{"op":"insert","entity":"Order","data":{"n":%d}}`, j))
		}
		ask("POST", "/api/transact", "["+strings.Join(ops, ",")+"]")
		if i == entries/200*100 {
			ask("POST", "/api/audit/export", "")
		}
	}
	ask("POST", "/api/audit/seal", "")
	ask("POST", "/api/audit/export", "")
	var k struct{ Key string }
	if err := json.Unmarshal([]byte(ask("GET", "/api/audit/key", "")), &k); err != nil {
		t.Fatal(err)
	}
	return out, k.Key, ask
}

// head opens the checkpoint by x/mod alone.
func head(t *testing.T, text, vkey string) (size int64, root []byte) {
	t.Helper()
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		t.Fatalf("%q", n.Text)
	}
	if size, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		t.Fatal(err)
	}
	if root, err = base64.StdEncoding.DecodeString(lines[2]); err != nil {
		t.Fatal(err)
	}
	return size, root
}

// path is that of C2SP tlog-tiles.
func path(dir, kind string, n int64, width int) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	if width < 256 {
		s += fmt.Sprintf(".p/%d", width)
	}
	return filepath.Join(dir, "tile", kind, filepath.FromSlash(s))
}

// leaves reads all bundles.
func leaves(t *testing.T, dir string, size int64) (all [][]byte) {
	t.Helper()
	for n := int64(0); n*256 < size; n++ {
		b, err := os.ReadFile(path(dir, "entries", n, int(min(256, size-n*256))))
		if err != nil {
			t.Fatal(err)
		}
		for len(b) > 0 {
			l := int(binary.BigEndian.Uint16(b))
			all, b = append(all, b[2:2+l]), b[2+l:]
		}
	}
	if int64(len(all)) != size {
		t.Fatal(len(all), "leaves of", size)
	}
	return all
}

func TestAnExportIsATransparencyLog(t *testing.T) {
	for _, entries := range []int{1, 250, 1300} {
		dir, vkey, ask := exported(t, entries)
		text, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
		if err != nil {
			t.Fatal(err)
		}
		size, root := head(t, string(text), vkey)
		all := leaves(t, dir, size)

		// The leaves have the root that was signed.
		r := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
		for _, leaf := range all {
			if err := r.Append(rfc6962.DefaultHasher.HashLeaf(leaf), nil); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := r.GetRootHash(nil); err != nil || !bytes.Equal(got, root) {
			t.Fatal("the leaves have another root", err)
		}

		// The tiles are those of the leaves, by a client of tiles that trusts the root only.
		var rootHash tlog.Hash
		copy(rootHash[:], root)
		reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: rootHash}, tiles{t, dir, size})
		for i := int64(0); i < size; i += 1 + size/37 {
			hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, i)})
			if err != nil || hashes[0] != tlog.RecordHash(all[i]) {
				t.Fatal(i, err)
			}
		}

		// What `pylon audit prove` prints proves an entry.
		var list struct{ Entries []struct{ ID string } }
		if err := json.Unmarshal([]byte(ask("GET", "/api/audit/entries?limit=1000", "")), &list); err != nil {
			t.Fatal(err)
		}
		var p struct {
			Leaf        int64
			Data, Proof string
		}
		if err := json.Unmarshal([]byte(ask("GET", "/api/audit/entries/"+list.Entries[len(list.Entries)/2].ID+"/proof", "")), &p); err != nil {
			t.Fatal(err)
		}
		head1, msg, _ := strings.Cut(p.Proof, "\n\n")
		proven, provenRoot := head(t, msg, vkey)
		lines := strings.Split(head1, "\n")
		if lines[0] != "c2sp.org/tlog-proof@v1" || lines[1] != fmt.Sprintf("index %d", p.Leaf) {
			t.Fatal(p.Proof)
		}
		var hashes [][]byte
		for _, line := range lines[2:] {
			h, err := base64.StdEncoding.DecodeString(line)
			if err != nil {
				t.Fatal(err)
			}
			hashes = append(hashes, h)
		}
		leaf, err := base64.StdEncoding.DecodeString(p.Data)
		if err != nil || !bytes.Equal(leaf, all[p.Leaf]) {
			t.Fatal("the leaf is another one than in its bundle", err)
		}
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(p.Leaf), uint64(proven), rfc6962.DefaultHasher.HashLeaf(leaf), hashes, provenRoot); err != nil {
			t.Fatal(err)
		}
	}
}

// tiles are those of a folder, for package tlog.
type tiles struct {
	t    *testing.T
	dir  string
	size int64
}

func (tiles) Height() int { return 8 }

func (s tiles) ReadTiles(wanted []tlog.Tile) (data [][]byte, err error) {
	for _, w := range wanted {
		width := int(min(256, s.size>>(8*w.L)-w.N*256))
		b, err := os.ReadFile(path(s.dir, strconv.Itoa(w.L), w.N, width))
		if err != nil {
			return nil, err
		}
		data = append(data, b[:w.W*tlog.HashSize])
	}
	return data, nil
}

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}
