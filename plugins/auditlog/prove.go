package auditlog

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/pylon-go/pylon/store"
)

// Proof proves that an entry is in the log.
type Proof struct {
	ID   string `json:"id"`
	Leaf int64  `json:"leaf"`
	// Data is the leaf's bytes, in base64: its hash is what the proof is for.
	Data string `json:"data"`
	// Proof is the file that C2SP tlog-proof describes.
	Proof string `json:"proof"`
}

// Prove makes the inclusion proof of an entry, in the tree of the last checkpoint.
func (p *Plugin) Prove(ctx context.Context, id string) (*Proof, error) {
	out := &Proof{ID: id}
	err := p.db.View(ctx, func(tx *store.Tx) error {
		row, err := tx.Get(p.entity, id)
		if err != nil {
			return err
		}
		found := false
		if err := tx.Query("SELECT idx FROM "+leafTable+" WHERE audit_id IS NOT NULL AND audit_id=?", []store.Value{store.String(id)}, func(r store.Rows) error {
			out.Leaf, found = r.Value(0, store.TypeInt).Int(), true
			return nil
		}); err != nil {
			return err
		}
		if !found {
			return store.Errorf(store.Unavailable, "NOT_SEALED", "the entry is not in the tree yet").WithHint("try again in a second")
		}
		kid, _, err := splitSignature(row.Values[fSignature])
		if err != nil {
			return store.Errorf(store.Conflict, codeRowMAC, "the signature of the entry is %v", err)
		}
		leaf := appendLeaf(appendBody(nil, id, row.Values, kid), row.Values[fSignature])
		out.Data = base64.StdEncoding.EncodeToString(leaf)
		var msg string
		var size int64
		if err := tx.Query("SELECT size, note FROM "+checkpointTable+" ORDER BY size DESC LIMIT 1", nil, func(r store.Rows) error {
			size, msg = r.Value(0, store.TypeInt).Int(), r.Value(1, store.TypeString).Str()
			return nil
		}); err != nil {
			return err
		}
		hashes := newTileReader(tilesIn(tx))
		path, err := tlog.ProveRecord(size, out.Leaf, hashes)
		if err != nil {
			return err
		}
		root, err := tlog.TreeHash(size, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(path, size, root, out.Leaf, tlog.RecordHash(leaf)); err != nil {
			return store.Errorf(store.Conflict, codeLeaf, "the entry does not fit its leaf: verify the log")
		}
		var b strings.Builder
		b.WriteString("c2sp.org/tlog-proof@v1\nindex " + strconv.FormatInt(out.Leaf, 10) + "\n")
		for _, h := range path {
			b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
		}
		b.WriteString("\n" + msg)
		out.Proof = b.String()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
