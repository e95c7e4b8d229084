package auditlog

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/klauspost/compress/zstd"

	"github.com/pylon-go/pylon/store"
)

// An export is a directory as C2SP tlog-tiles describes it, so that any tool for
// such logs can verify it, and beside it what the leaves only commit to:
//
//	checkpoint                        the last signed head
//	tile/<L>/<N>, tile/<L>/<N>.p/<W>  hashes
//	tile/entries/<N>[.p/<W>]          leaves
//	payload/<N>[.p/<W>]               entries, 4096 leaves each: NDJSON, zstd
//	keys/<N>                          the keys to the values in a payload
//
// Everything but checkpoint and keys never changes and may be locked. The values are
// encrypted, each entry's with a key made from its salt: when an entry is erased its
// key is taken out of keys, and the locked copy cannot be read any more.

const segmentWidth = 4096

// exportedRow is a line of a payload.
type exportedRow struct {
	Leaf         int64   `json:"leaf"`
	ID           string  `json:"id"`
	Writer       string  `json:"writer"`
	Wseq         int64   `json:"wseq"`
	TxID         string  `json:"txId"`
	Entity       string  `json:"entity"`
	RowID        string  `json:"rowId"`
	Operation    string  `json:"operation"`
	Outcome      string  `json:"outcome"`
	Changed      *string `json:"changed"`
	ActorType    string  `json:"actorType"`
	ActorID      *string `json:"actorId"`
	APIKeyID     *string `json:"apiKeyId"`
	RequestID    *string `json:"requestId"`
	TenantID     *string `json:"tenantId"`
	CreatedAt    int64   `json:"createdAtMicros"`
	Commitments  string  `json:"commitments"`
	Signature    *string `json:"signature"`
	SealedValues []byte  `json:"sealed,omitempty"`
}

// exportedValues are what is encrypted.
type exportedValues struct {
	Before    *string `json:"before"`
	After     *string `json:"after"`
	IP        *string `json:"ip"`
	UserAgent *string `json:"userAgent"`
}

// exportedKey is a line of keys.
type exportedKey struct {
	Leaf int64  `json:"leaf"`
	Salt string `json:"salt"`
}

func textOf(v store.Value) *string {
	if v.IsNull() {
		return nil
	}
	s := v.Str()
	return &s
}

func valueOf(s *string) store.Value {
	if s == nil {
		return store.Null
	}
	return store.String(*s)
}

func newExportedRow(leaf int64, id string, v []store.Value) (*exportedRow, error) {
	r := &exportedRow{Leaf: leaf, ID: id, Writer: v[fWriter].Str(), Wseq: v[fWseq].Int(), TxID: v[fTxID].Str(), Entity: v[fEntity].Str(), RowID: v[fRowID].Str(),
		Operation: v[fOperation].Str(), Outcome: v[fOutcome].Str(), Changed: textOf(v[fChanged]), ActorType: v[fActorType].Str(), ActorID: textOf(v[fActorID]),
		APIKeyID: textOf(v[fAPIKeyID]), RequestID: textOf(v[fRequestID]), TenantID: textOf(v[fTenantID]), CreatedAt: v[fCreatedAt].Int(),
		Commitments: v[fCommitments].Str(), Signature: textOf(v[fSignature])}
	if v[fSalt].IsNull() {
		return r, nil
	}
	plain, err := json.Marshal(exportedValues{textOf(v[fBefore]), textOf(v[fAfter]), textOf(v[fIP]), textOf(v[fUserAgent])})
	if err != nil {
		return nil, err
	}
	salt, err := decodeSalt(v[fSalt].Str())
	if err != nil {
		return nil, fmt.Errorf("the salt of the entry %s is damaged", id)
	}
	aead, err := valueCipher(salt)
	if err != nil {
		return nil, err
	}
	// A key encrypts one message ever, always the same: a fixed nonce is right.
	r.SealedValues = aead.Seal(nil, make([]byte, aead.NonceSize()), plain, []byte(id))
	return r, nil
}

// row turns a line back into an entry. Without its salt the values are missing.
func (r *exportedRow) row(salt string) ([]store.Value, error) {
	v := make([]store.Value, fieldCount)
	v[fWriter], v[fWseq], v[fTxID] = store.String(r.Writer), store.Int(r.Wseq), store.String(r.TxID)
	v[fEntity], v[fRowID], v[fOperation], v[fOutcome] = store.String(r.Entity), store.String(r.RowID), store.String(r.Operation), store.String(r.Outcome)
	v[fChanged], v[fActorType], v[fActorID], v[fAPIKeyID] = valueOf(r.Changed), store.String(r.ActorType), valueOf(r.ActorID), valueOf(r.APIKeyID)
	v[fRequestID], v[fTenantID], v[fCreatedAt] = valueOf(r.RequestID), valueOf(r.TenantID), store.Micros(r.CreatedAt)
	v[fCommitments], v[fSignature] = store.String(r.Commitments), valueOf(r.Signature)
	if salt == "" || r.SealedValues == nil {
		return v, nil
	}
	b, err := decodeSalt(salt)
	if err != nil {
		return nil, fmt.Errorf("the key of leaf %d: %w", r.Leaf, err)
	}
	aead, err := valueCipher(b)
	if err != nil {
		return nil, err
	}
	v[fSalt] = store.String(salt)
	plain, err := aead.Open(nil, make([]byte, aead.NonceSize()), r.SealedValues, []byte(r.ID))
	if err != nil {
		return v, nil // the commitments tell
	}
	var values exportedValues
	if err := json.Unmarshal(plain, &values); err != nil {
		return v, nil
	}
	v[fBefore], v[fAfter], v[fIP], v[fUserAgent] = valueOf(values.Before), valueOf(values.After), valueOf(values.IP), valueOf(values.UserAgent)
	return v, nil
}

func valueCipher(salt []byte) (cipher.AEAD, error) {
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte("pylon.audit.export.v1"))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// tilePath is the path of a tile or bundle of that width: N in groups of three digits.
func tilePath(dir string, n int64, width, full int) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	s = dir + "/" + s
	if width < full {
		s += ".p/" + strconv.Itoa(width)
	}
	return s
}

// Exported is what an export did.
type Exported struct {
	From int64 `json:"from"`
	Size int64 `json:"size"`
	// Objects that were written.
	Objects int `json:"objects"`
}

func (p *Plugin) exportNew(ctx context.Context) error {
	_, err := p.Export(ctx, p.exportTo, nil)
	return err
}

// Export brings a sink up to the last head. It goes on where the last export to the
// sink ended; names tell what is in an object, so that one that was written before
// a crash is not written twice.
func (p *Plugin) Export(ctx context.Context, to sink, progress func(done, total int64)) (*Exported, error) {
	if err := p.Seal(ctx); err != nil {
		return nil, err
	}
	x := &exporter{p: p, to: to, src: OpenDatabase(p.db.Engine()), progress: progress, stateKey: "exported " + to.name()}
	out, err := x.run(store.WithActor(ctx, store.System(name)))
	if err != nil {
		return nil, fmt.Errorf("export the audit log: %w", err)
	}
	return out, nil
}

type exporter struct {
	p        *Plugin
	to       sink
	src      *Database
	progress func(done, total int64)
	stateKey string
	out      Exported
}

func (x *exporter) run(ctx context.Context) (*Exported, error) {
	var msg string
	err := x.p.db.View(ctx, func(tx *store.Tx) error {
		state, err := readState(tx)
		if err != nil {
			return err
		}
		if at := state[x.stateKey]; at != "" {
			if x.out.From, err = strconv.ParseInt(at, 10, 64); err != nil {
				return fmt.Errorf("the state of the last export: %w", err)
			}
		}
		return tx.Query("SELECT size, note FROM "+checkpointTable+" ORDER BY size DESC LIMIT 1", nil, func(r store.Rows) error {
			x.out.Size, msg = r.Value(0, store.TypeInt).Int(), r.Value(1, store.TypeString).Str()
			return nil
		})
	})
	if err != nil || x.out.Size == x.out.From {
		return &x.out, err
	}
	for n := x.out.From / segmentWidth; n*segmentWidth < x.out.Size; n++ {
		if err := x.segment(ctx, n, true); err != nil {
			return nil, err
		}
		if x.progress != nil {
			x.progress(min((n+1)*segmentWidth, x.out.Size), x.out.Size)
		}
	}
	if err := x.erasures(ctx); err != nil {
		return nil, err
	}
	if err := x.tiles(ctx); err != nil {
		return nil, err
	}
	if err := x.to.replace(ctx, "checkpoint", []byte(msg)); err != nil {
		return nil, err
	}
	x.out.Objects++
	return &x.out, x.p.db.Update(ctx, func(tx *store.Tx) error {
		s := &sealing{p: x.p, tx: tx}
		return s.setState(x.stateKey, strconv.FormatInt(x.out.Size, 10))
	})
}

// segment writes the bundles of leaves, the entries and the keys of 4096 leaves.
func (x *exporter) segment(ctx context.Context, n int64, all bool) error {
	first := n * segmentWidth
	width := int(min(segmentWidth, x.out.Size-first))
	var payload, keys, bundle bytes.Buffer
	pw, err := zstd.NewWriter(&payload, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer pw.Close()
	lines := json.NewEncoder(pw)
	lines.SetEscapeHTML(false)
	keyLines := json.NewEncoder(&keys)
	next, pruned := first, false
	_, err = x.src.Leaves(ctx, first, width, func(l Leaf) error {
		if l.Index != next {
			return fmt.Errorf("leaf %d is missing", next)
		}
		next++
		leaf := l.Event
		switch {
		case l.Event != nil:
		case l.Row == nil:
			pruned = true // a bundle with it was exported before, or cannot be any more
		default:
			kid, _, err := splitSignature(l.Row[fSignature])
			if err != nil {
				return fmt.Errorf("the signature of the entry %s is %w", l.AuditID, err)
			}
			leaf = appendLeaf(appendBody(nil, l.AuditID, l.Row, kid), l.Row[fSignature])
			line, err := newExportedRow(l.Index, l.AuditID, l.Row)
			if err != nil {
				return err
			}
			if err := lines.Encode(line); err != nil {
				return err
			}
			if !l.Row[fSalt].IsNull() {
				if err := keyLines.Encode(exportedKey{l.Index, l.Row[fSalt].Str()}); err != nil {
					return err
				}
			}
		}
		if len(leaf) > 1<<16-1 {
			return fmt.Errorf("leaf %d is too long for a bundle", l.Index)
		}
		bundle.Write(binary.BigEndian.AppendUint16(nil, uint16(len(leaf))))
		bundle.Write(leaf)
		if w := int(next-first-1)%tileWidth + 1; w == tileWidth || next == x.out.Size {
			if all && !pruned && next > x.out.From {
				if err := x.keep(ctx, tilePath("tile/entries", l.Index/tileWidth, w, tileWidth), bundle.Bytes()); err != nil {
					return err
				}
			}
			bundle.Reset()
			pruned = false
		}
		return nil
	})
	if err == nil && next < first+int64(width) {
		err = fmt.Errorf("leaf %d is missing", next)
	}
	if err != nil {
		return err
	}
	if err := pw.Close(); err != nil {
		return err
	}
	if all {
		if err := x.keep(ctx, tilePath("payload", n, width, segmentWidth), payload.Bytes()); err != nil {
			return err
		}
	}
	x.out.Objects++
	return x.to.replace(ctx, tilePath("keys", n, segmentWidth, segmentWidth), keys.Bytes())
}

func (x *exporter) keep(ctx context.Context, name string, data []byte) error {
	x.out.Objects++
	return x.to.keep(ctx, name, slices.Clone(data))
}

// erasures takes the keys of what was erased since the last export out of older
// segments.
func (x *exporter) erasures(ctx context.Context) error {
	touched := map[int64]bool{}
	var ids []string
	err := x.src.Events(ctx, x.out.From, func(_ int64, event []byte) error {
		kind, data, _, err := splitEvent(event)
		if err != nil || kind != eventErased {
			return err
		}
		var e erasedEvent
		if err := json.Unmarshal(data, &e); err != nil {
			return err
		}
		ids = append(ids, e.IDs...)
		return nil
	})
	if err != nil {
		return err
	}
	err = x.p.db.View(ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			if err := tx.Query("SELECT l.idx FROM "+store.Quote(entityName)+" a JOIN "+leafTable+" l ON "+leafOfEntry+" WHERE a.id=?", []store.Value{store.ID(id)}, func(r store.Rows) error {
				if leaf := r.Value(0, store.TypeInt).Int(); leaf/segmentWidth < x.out.From/segmentWidth {
					touched[leaf/segmentWidth] = true
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for n := range touched {
		if err := x.segment(ctx, n, false); err != nil {
			return err
		}
	}
	return nil
}

// tiles writes the tiles that are new since the last export.
func (x *exporter) tiles(ctx context.Context) error {
	type tile struct {
		tileID
		width int
		data  []byte
	}
	var list []tile
	err := x.p.db.View(ctx, func(tx *store.Tx) error {
		read := tilesIn(tx)
		for level, from, size := 0, x.out.From, x.out.Size; size > 0; level, from, size = level+1, from>>tileHeight, size>>tileHeight {
			for n := from >> tileHeight; n<<tileHeight < size; n++ {
				width := int(min(tileWidth, size-n<<tileHeight))
				data, err := read(tileID{level, n})
				if err != nil {
					return err
				}
				if len(data) < width*sha256.Size {
					return fmt.Errorf("tile %d of level %d is too short", n, level)
				}
				list = append(list, tile{tileID{level, n}, width, data[:width*sha256.Size]})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range list {
		if err := x.keep(ctx, tilePath("tile/"+strconv.Itoa(t.level), t.n, t.width, tileWidth), t.data); err != nil {
			return err
		}
	}
	return nil
}
