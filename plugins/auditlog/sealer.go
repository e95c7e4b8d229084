package auditlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/pylon-go/pylon/store"
)

const (
	// sealEvery is how long entries wait to be sealed together; burst is how many
	// do not wait so long.
	sealEvery = time.Second
	burst     = 2048
	// epochEvery is how often a writer says how far its numbers go.
	epochEvery = 10 * time.Second
	sealLock   = "audit_log\x00seal"
)

// sealing is the transaction that adds to the tree. One runs at a time, in this
// process by a mutex, among processes by a lock in the database; and if that lock
// failed, the leaves' numbers are a primary key.
type sealing struct {
	p      *Plugin
	tx     *store.Tx
	edge   *edge
	leaves []store.Value // of what will be inserted, leafColumns each
	// signers of the tree head: this log's key, and the one before it in a rotation.
	signers []note.Signer
	sealed  []pending
}

const leafColumns = 5

// add appends a leaf.
func (s *sealing) add(hash tlog.Hash, auditID, rowKey, event store.Value) {
	s.leaves = append(s.leaves, store.Int(s.edge.size), store.Bytes(hash[:]), auditID, rowKey, event)
	s.edge.add(hash)
}

func (s *sealing) row(r pending) {
	s.add(r.hash, store.String(r.id), rowKey(r.entity, r.rowID), store.Null)
	s.sealed = append(s.sealed, r)
}

func (s *sealing) event(kind string, v any, more ...*key) error {
	b, err := makeEvent(kind, v, append(s.p.signingKeys(), more...)...)
	if err != nil {
		return err
	}
	s.add(tlog.RecordHash(b), store.Null, store.Null, store.Bytes(b))
	return nil
}

// epoch adds what a writer says of its numbers.
func (s *sealing) epoch(e epochEvent, floor string) error {
	if err := s.event(eventEpoch, e); err != nil {
		return err
	}
	return s.tx.Exec("UPDATE "+writerTable+" SET floor=?, sealed=?, seen_at=?, closed=? WHERE writer=?",
		store.String(floor), store.Int(e.High), store.Time(s.tx.Now()), store.Bool(e.Closed != ""), store.String(e.Writer))
}

// signingKeys is the key that signs, if there is one.
func (p *Plugin) signingKeys() []*key {
	if len(p.keys) == 0 {
		return nil
	}
	return []*key{p.keys[0]}
}

// errHalted says that the log in the database is not the one that this process
// sealed last, or not what its signed head says. Nothing is added to it then: what
// is signed on top of a log that was tampered with would hide that.
var errHalted = errors.New("sealing is halted")

// sealWith runs fn in a sealing transaction and commits the tree's new head. When fn
// adds nothing, nothing is written. The engine may run fn again.
func (p *Plugin) sealWith(ctx context.Context, fn func(s *sealing) error) error {
	p.sealing.Lock()
	defer p.sealing.Unlock()
	// What it decides by, it locks.
	ctx = store.ReadCommitted(store.WithActor(context.WithoutCancel(ctx), store.System(name)))
	var s *sealing
	var head checkpoint
	err := p.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(sealLock); err != nil {
			return err
		}
		s = &sealing{p: p, tx: tx}
		if err := s.load(); err != nil {
			return err
		}
		before := s.edge.size
		if err := fn(s); err != nil {
			return err
		}
		if s.edge.size == before {
			return nil
		}
		var err error
		head, err = s.save()
		return err
	})
	if err != nil {
		if errors.Is(err, errHalted) {
			p.alarm(ctx, findingOf(err))
		}
		return err
	}
	if head.Size > 0 {
		p.head.Store(&head)
		p.sealedRows(ctx, s.sealed)
		p.publisher.rouse()
	}
	return nil
}

// load reads the right edge of the tree and holds it against its signed head and
// against what this process remembers.
func (s *sealing) load() error {
	p := s.p
	s.signers = nil
	if p.signer != nil {
		s.signers = []note.Signer{p.signer}
	}
	head, err := p.readHead(s.tx)
	if err != nil {
		return err
	}
	if s.edge, err = loadEdge(s.tx, head.Size); err != nil {
		return &haltError{Finding{Code: codeTile, Detail: err.Error()}}
	}
	if s.edge.root() != head.Root {
		return &haltError{Finding{Code: codeRoot, Size: head.Size, Detail: "the tiles do not have the root that the last checkpoint has"}}
	}
	known := p.head.Load()
	if known == nil {
		return nil
	}
	if head.Size < known.Size {
		return &haltError{Finding{Code: codeRollback, Size: head.Size,
			Detail: fmt.Sprintf("the log has %d leaves, this process sealed %d", head.Size, known.Size)}}
	}
	root := head.Root
	if head.Size > known.Size && known.Size > 0 {
		if root, err = tlog.TreeHash(known.Size, newTileReader(tilesIn(s.tx))); err != nil {
			return &haltError{Finding{Code: codeTile, Size: known.Size, Detail: err.Error()}}
		}
	}
	if root != known.Root {
		return &haltError{Finding{Code: codeEquivocation, Size: known.Size, Detail: "the log has another root than the one that this process signed"}}
	}
	return nil
}

// readHead is the last checkpoint, verified.
func (p *Plugin) readHead(tx *store.Tx) (head checkpoint, err error) {
	msg := ""
	if err := tx.Query("SELECT size, note FROM "+checkpointTable+" ORDER BY size DESC LIMIT 1", nil, func(r store.Rows) error {
		msg = r.Value(1, store.TypeString).Str()
		return nil
	}); err != nil {
		return head, err
	}
	if msg == "" {
		head.Root = newEdge(0).root()
		return head, nil
	}
	head, _, err = openCheckpoint(msg, p.verifiers())
	if err == errUnsigned && len(p.keys) == 0 {
		err = nil
	}
	var unknown *note.UnverifiedNoteError
	if errors.As(err, &unknown) && len(p.keys) == 0 {
		return head, errors.New("the audit log is signed: signing_key_env must name its key")
	}
	if err != nil && !(err == errUnsigned && p.wasUnsigned) {
		return head, &haltError{Finding{Code: codeCheckpointSignature, Size: head.Size, Detail: "the last checkpoint: " + err.Error()}}
	}
	return head, nil
}

func (p *Plugin) verifiers() note.Verifiers {
	var list []note.Verifier
	for _, s := range p.signersOf {
		list = append(list, s.verifier)
	}
	return note.VerifierList(list...)
}

// haltError is an [errHalted] with what was found.
type haltError struct{ found Finding }

func (e *haltError) Error() string { return errHalted.Error() + ": " + e.found.String() }
func (e *haltError) Unwrap() error { return errHalted }

func findingOf(err error) Finding {
	var h *haltError
	errors.As(err, &h)
	return h.found
}

const (
	// One leaf a statement: a statement of many that may fail keeps a journal of its own.
	insertLeaf   = "INSERT INTO " + leafTable + " (idx,hash,audit_id,row_key,event) VALUES (?,?,?,?,?)"
	upsertTile   = "INSERT INTO " + tileTable + " (level,n,hashes) VALUES (?,?,?) ON CONFLICT (level,n) DO UPDATE SET hashes=excluded.hashes"
	insertedHead = "INSERT INTO " + checkpointTable + " (size,note,created_at) VALUES (?,?,?)"
)

// save writes the leaves, the tiles and the new head.
func (s *sealing) save() (head checkpoint, err error) {
	for rest := s.leaves; len(rest) > 0; rest = rest[leafColumns:] {
		if err := s.tx.Exec(insertLeaf, rest[:leafColumns]...); err != nil {
			return head, err
		}
	}
	if err := s.edge.tiles(func(id tileID, hashes []byte) error {
		return s.tx.Exec(upsertTile, store.Int(int64(id.level)), store.Int(id.n), store.Bytes(hashes))
	}); err != nil {
		return head, err
	}
	head = checkpoint{s.p.origin, s.edge.size, s.edge.root()}
	signed, err := head.sign(s.signers...)
	if err != nil {
		return head, fmt.Errorf("sign the tree head: %w", err)
	}
	return head, s.tx.Exec(insertedHead, store.Int(head.Size), store.String(signed), store.Time(s.tx.Now()))
}

// loadEdge reads the tiles at the right edge of a tree.
func loadEdge(tx *store.Tx, size int64) (*edge, error) {
	e := newEdge(size)
	read := tilesIn(tx)
	tiles, widths := partial(size)
	for i, id := range tiles {
		var hashes []tlog.Hash
		if widths[i] > 0 {
			b, err := read(id)
			if err != nil {
				return nil, err
			}
			if hashes, err = splitHashes(b); err != nil {
				return nil, err
			}
			if len(hashes) < widths[i] {
				return nil, fmt.Errorf("tile %d of level %d has %d hashes instead of %d", id.n, id.level, len(hashes), widths[i])
			}
			hashes = hashes[:widths[i]]
		}
		e.levels = append(e.levels, hashes)
	}
	return e, nil
}

// tilesIn reads tiles in a transaction.
func tilesIn(tx *store.Tx) func(tileID) ([]byte, error) {
	return func(id tileID) (b []byte, err error) {
		found := false
		err = tx.Query("SELECT hashes FROM "+tileTable+" WHERE level=? AND n=?", []store.Value{store.Int(int64(id.level)), store.Int(id.n)}, func(r store.Rows) error {
			b, found = []byte(r.Value(0, store.TypeBytes).Str()), true
			return nil
		})
		if err == nil && !found {
			err = fmt.Errorf("tile %d of level %d is missing", id.n, id.level)
		}
		return b, err
	}
}

// Seal puts everything that is on disk into the tree.
func (p *Plugin) Seal(ctx context.Context) error { return p.sealBatch(ctx, "", nil, false) }

// sealBatch seals what this process wrote. closed ends its writer; more adds what
// else there is; settle says how far the numbers go, whether or not it is time to.
func (p *Plugin) sealBatch(ctx context.Context, closed string, more func(*sealing) error, settle bool) error {
	p.batching.Lock()
	defer p.batching.Unlock()
	w := p.writer.Load()
	b := w.batch()
	epoch := settle || closed != "" || len(b.voids) > 0 || p.epochAt.IsZero() || len(b.rows) > 0 && p.clock.Since(p.epochAt) >= epochEvery
	lost := false
	err := p.sealWith(ctx, func(s *sealing) error {
		var err error
		if lost, err = s.isClosed(w.id); err != nil {
			return err
		}
		for _, r := range b.rows {
			s.row(r)
		}
		if epoch || lost {
			e := epochEvent{Writer: w.id, Kid: p.kid(), Signed: p.config.SignEntries, High: b.high, Voids: ranges(b.voids), Closed: closed}
			if lost {
				e.Closed = closedClean
			}
			if err := s.epoch(e, b.floor); err != nil {
				return err
			}
		}
		if more != nil {
			return more(s)
		}
		return nil
	})
	switch {
	case err != nil:
		w.giveBack(b)
		return err
	case lost && closed == "":
		// Another process took this one for dead, and closed its writer.
		return p.openWriter(ctx)
	case epoch:
		p.epochAt = p.clock.Now()
	}
	return nil
}

func (s *sealing) isClosed(writer string) (closed bool, err error) {
	err = s.tx.Query("SELECT closed FROM "+writerTable+" WHERE writer=?", []store.Value{store.String(writer)}, func(r store.Rows) error {
		closed = r.Value(0, store.TypeBool).Bool()
		return nil
	})
	return closed, err
}

func (p *Plugin) kid() string {
	if len(p.keys) == 0 {
		return ""
	}
	return p.keys[0].kid
}

// run seals until ctx ends: it sleeps until something is on disk, waits for more to
// come, and seals it together.
func (p *Plugin) run(ctx context.Context) {
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		if !p.writer.Load().full() {
			timer := p.clock.NewTimer(sealEvery)
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.Chan():
			case <-p.wake: // many came at once
				timer.Stop()
			}
		}
		err := p.Seal(ctx)
		if err != nil {
			if !failing {
				p.log.Error("the audit log could not be sealed; it is tried again", "error", err)
			}
			p.pause(ctx, sealEvery)
			p.writer.Load().rouse()
		}
		failing = err != nil
		p.checkLag(ctx)
	}
}

// pause waits by the clock, or until ctx ends.
func (p *Plugin) pause(ctx context.Context, d time.Duration) {
	timer := p.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.Chan():
	}
}
