package auditlog

import (
	"crypto/sha256"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// The tree is that of RFC 6962. Its hashes are kept in tiles of 256, as
// C2SP tlog-tiles has them: tile n of level l holds the roots of the complete
// subtrees of 256^l leaves, from the 256*n-th on.

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// frontier is the part of a tree that is needed to add leaves: the roots of the
// complete subtrees that it is made of, the largest first.
type frontier struct {
	Size  int64
	Peaks []tlog.Hash
}

func (f *frontier) add(leaf tlog.Hash) {
	h := leaf
	for i := f.Size; i&1 == 1; i >>= 1 {
		last := len(f.Peaks) - 1
		h = tlog.NodeHash(f.Peaks[last], h)
		f.Peaks = f.Peaks[:last]
	}
	f.Peaks = append(f.Peaks, h)
	f.Size++
}

func (f *frontier) root() tlog.Hash {
	if f.Size == 0 {
		return sha256.Sum256(nil)
	}
	h := f.Peaks[len(f.Peaks)-1]
	for i := len(f.Peaks) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.Peaks[i], h)
	}
	return h
}

// edge is the right edge of a tree in tiles: for each level the hashes of the tile
// that is not full, and the tiles that changed.
type edge struct {
	size    int64
	levels  [][]tlog.Hash
	changed map[tileID]bool
	full    map[tileID][]tlog.Hash // those that filled up, with their hashes
}

type tileID struct {
	level int
	n     int64
}

func newEdge(size int64) *edge {
	return &edge{size: size, changed: map[tileID]bool{}, full: map[tileID][]tlog.Hash{}}
}

// partial says which tiles are not full in a tree of that size, and how many
// hashes each has; the tile's level is its place in the answer.
func partial(size int64) (tiles []tileID, widths []int) {
	for level := 0; size > 0; level++ {
		tiles = append(tiles, tileID{level, size >> tileHeight})
		widths = append(widths, int(size%tileWidth))
		size >>= tileHeight
	}
	return tiles, widths
}

func (e *edge) add(leaf tlog.Hash) {
	h := leaf
	n := e.size // of h on its level
	e.size++
	for level := 0; ; level++ {
		if level == len(e.levels) {
			e.levels = append(e.levels, nil)
		}
		id := tileID{level, n >> tileHeight}
		e.levels[level] = append(e.levels[level], h)
		if len(e.levels[level]) < tileWidth {
			e.changed[id] = true
			return
		}
		delete(e.changed, id)
		e.full[id] = e.levels[level]
		h = subtree(e.levels[level])
		e.levels[level] = nil
		n >>= tileHeight
	}
}

// tiles calls fn for every tile that changed.
func (e *edge) tiles(fn func(id tileID, hashes []byte) error) error {
	for id, hashes := range e.full {
		if err := fn(id, joinHashes(hashes)); err != nil {
			return err
		}
	}
	for id := range e.changed {
		if err := fn(id, joinHashes(e.levels[id.level])); err != nil {
			return err
		}
	}
	return nil
}

// root is the tree's, from the edge alone: on each level what is left over from
// below is one more, incomplete, subtree at the end.
func (e *edge) root() tlog.Hash {
	if e.size == 0 {
		return sha256.Sum256(nil)
	}
	var rest []tlog.Hash
	for _, hashes := range e.levels {
		items := append(hashes[:len(hashes):len(hashes)], rest...)
		if len(items) > 0 {
			rest = []tlog.Hash{mth(items)}
		}
	}
	return rest[0]
}

// mth is the Merkle tree hash over the roots of subtrees.
func mth(items []tlog.Hash) tlog.Hash {
	if len(items) == 1 {
		return items[0]
	}
	k := 1
	for k*2 < len(items) {
		k *= 2
	}
	return tlog.NodeHash(mth(items[:k]), mth(items[k:]))
}

// subtree is the root over a number of hashes that is a power of two.
func subtree(hashes []tlog.Hash) tlog.Hash { return mth(hashes) }

func joinHashes(hashes []tlog.Hash) []byte {
	b := make([]byte, 0, len(hashes)*tlog.HashSize)
	for i := range hashes {
		b = append(b, hashes[i][:]...)
	}
	return b
}

func splitHashes(b []byte) ([]tlog.Hash, error) {
	if len(b)%tlog.HashSize != 0 || len(b) > tileWidth*tlog.HashSize {
		return nil, fmt.Errorf("a tile has %d bytes", len(b))
	}
	hashes := make([]tlog.Hash, len(b)/tlog.HashSize)
	for i := range hashes {
		copy(hashes[i][:], b[i*tlog.HashSize:])
	}
	return hashes, nil
}

// tileReader answers package tlog's questions for hashes from tiles.
type tileReader struct {
	read  func(tileID) ([]byte, error)
	cache map[tileID][]tlog.Hash
}

func newTileReader(read func(tileID) ([]byte, error)) *tileReader {
	return &tileReader{read, map[tileID][]tlog.Hash{}}
}

// ReadHashes gives hashes by the numbers that package tlog has for them.
func (r *tileReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		within := level % tileHeight
		first := n << within // on the tile's own level
		id := tileID{level / tileHeight, first >> tileHeight}
		hashes, ok := r.cache[id]
		if !ok {
			b, err := r.read(id)
			if err != nil {
				return nil, err
			}
			if hashes, err = splitHashes(b); err != nil {
				return nil, err
			}
			r.cache[id] = hashes
		}
		from := int(first % tileWidth)
		to := from + 1<<within
		if to > len(hashes) {
			return nil, fmt.Errorf("tile %d of level %d has %d hashes, %d are needed", id.n, id.level, len(hashes), to)
		}
		out[i] = subtree(hashes[from:to])
	}
	return out, nil
}

var _ tlog.HashReader = (*tileReader)(nil)
