package auditlog

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/pylon-go/pylon/store"
)

// Directory is an exported log.
type Directory struct {
	files fs.FS
	head  checkpoint
	msg   string

	segment int64 // that rows and keys are of
	rows    map[int64]*exportedRow
	salts   map[int64]string
}

// maxExported bounds a file that is read of an export, unpacked.
const maxExported = 1 << 30

// OpenDirectory reads an exported log.
func OpenDirectory(files fs.FS) (*Directory, error) {
	msg, err := fs.ReadFile(files, "checkpoint")
	if err != nil {
		return nil, fmt.Errorf("no exported audit log is here: %w", err)
	}
	c, _, err := openCheckpoint(string(msg), note.VerifierList())
	if c.Origin == "" { // the signature is for the verification to judge
		return nil, fmt.Errorf("the checkpoint: %w", err)
	}
	return &Directory{files: files, head: c, msg: string(msg), segment: -1}, nil
}

// Origin is the log's name.
func (d *Directory) Origin() string { return d.head.Origin }

func (d *Directory) read(dir string, n int64, full int, size int64) ([]byte, int, error) {
	width := int(min(int64(full), size-n*int64(full)))
	b, err := fs.ReadFile(d.files, tilePath(dir, n, width, full))
	return b, width, err
}

// Leaves reads leaves with their entries.
func (d *Directory) Leaves(ctx context.Context, from int64, limit int, fn func(Leaf) error) (int64, error) {
	end := min(from+int64(limit), d.head.Size)
	for i := from; i < end; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n := i / tileWidth
		hashes, width, err := d.read("tile/0", n, tileWidth, d.head.Size)
		if err != nil {
			return 0, err
		}
		leaves, err := d.bundle(n, width)
		pruned := errors.Is(err, fs.ErrNotExist)
		if err != nil && !pruned {
			return 0, err
		}
		for ; i < end && i/tileWidth == n; i++ {
			at := int(i % tileWidth)
			if (at+1)*tlog.HashSize > len(hashes) {
				return 0, fmt.Errorf("tile %d is too short", n)
			}
			l := Leaf{Index: i}
			copy(l.Hash[:], hashes[at*tlog.HashSize:])
			if !pruned {
				if err := d.fill(&l, leaves[at]); err != nil {
					return 0, err
				}
			}
			if err := fn(l); err != nil {
				return 0, err
			}
		}
	}
	return d.head.Size, nil
}

// fill takes the event from the leaf, or the entry from its payload.
func (d *Directory) fill(l *Leaf, data []byte) error {
	if isEvent(data) {
		l.Event = data
		return nil
	}
	if err := d.load(l.Index / segmentWidth); err != nil {
		return err
	}
	line := d.rows[l.Index]
	if line == nil {
		return nil
	}
	l.AuditID = line.ID
	row, err := line.row(d.salts[l.Index])
	if err != nil {
		return err
	}
	l.Row = row
	if tlog.RecordHash(data) != l.Hash {
		l.Bad = "the leaf in its bundle has another hash than its tile"
	}
	return nil
}

func isEvent(leaf []byte) bool {
	return bytes.HasPrefix(leaf, appendText(nil, eventVersion))
}

// bundle reads the leaves of a bundle.
func (d *Directory) bundle(n int64, width int) ([][]byte, error) {
	b, err := fs.ReadFile(d.files, tilePath("tile/entries", n, width, tileWidth))
	if err != nil {
		return nil, err
	}
	return splitBundle(b, width)
}

func splitBundle(b []byte, width int) ([][]byte, error) {
	leaves := make([][]byte, 0, width)
	for len(b) > 0 {
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return nil, errors.New("a bundle is cut off")
		}
		end := 2 + int(binary.BigEndian.Uint16(b))
		leaves, b = append(leaves, b[2:end]), b[end:]
	}
	if len(leaves) != width {
		return nil, fmt.Errorf("a bundle has %d leaves instead of %d", len(leaves), width)
	}
	return leaves, nil
}

// load reads the entries and keys of a segment.
func (d *Directory) load(n int64) error {
	if d.segment == n {
		return nil
	}
	packed, _, err := d.read("payload", n, segmentWidth, d.head.Size)
	if err != nil {
		return err
	}
	if d.rows, err = readPayload(packed); err != nil {
		return fmt.Errorf("payload %d: %w", n, err)
	}
	d.salts = map[int64]string{}
	keys, err := fs.ReadFile(d.files, tilePath("keys", n, segmentWidth, segmentWidth))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for dec := json.NewDecoder(bytes.NewReader(keys)); ; {
		var k exportedKey
		if err := dec.Decode(&k); err == io.EOF {
			break
		} else if err != nil {
			return fmt.Errorf("keys %d: %w", n, err)
		}
		d.salts[k.Leaf] = k.Salt
	}
	d.segment = n
	return nil
}

func readPayload(packed []byte) (map[int64]*exportedRow, error) {
	zr, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxExported))
	if err != nil {
		return nil, err
	}
	defer zr.Close()
	rows := map[int64]*exportedRow{}
	for dec := json.NewDecoder(io.LimitReader(zr, maxExported)); ; {
		r := &exportedRow{}
		if err := dec.Decode(r); err == io.EOF {
			return rows, nil
		} else if err != nil {
			return nil, err
		}
		rows[r.Leaf] = r
	}
}

// Checkpoints has the one there is.
func (d *Directory) Checkpoints(_ context.Context, from, to int64, fn func(int64, string) error) error {
	if d.head.Size > from && d.head.Size <= to {
		return fn(d.head.Size, d.msg)
	}
	return nil
}

// Events reads the leaves that are events.
func (d *Directory) Events(ctx context.Context, from int64, fn func(int64, []byte) error) error {
	for n := from / tileWidth; n*tileWidth < d.head.Size; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		leaves, err := d.bundle(n, int(min(tileWidth, d.head.Size-n*tileWidth)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for i, leaf := range leaves {
			if index := n*tileWidth + int64(i); index >= from && isEvent(leaf) {
				if err := fn(index, leaf); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Unsealed has none: only what is sealed is exported.
func (d *Directory) Unsealed(context.Context, func(string, []store.Value) error) error { return nil }

var _ Source = (*Directory)(nil)
