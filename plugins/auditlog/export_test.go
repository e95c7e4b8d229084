package auditlog

import (
	"context"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/pylon-go/pylon/store"
)

// Forget drops what this process knows of its entries, as its death would, and
// seals no more.
func (p *Plugin) Forget() {
	p.stop()
	p.running.Wait()
	p.stop = nil
}

// Positions of fields, for tests that forge entries.
const (
	FieldAfter     = fAfter
	FieldCreatedAt = fCreatedAt
	FieldActorID   = fActorID
	FieldWseq      = fWseq
	FieldSignature = fSignature
)

// Rewriter is somebody with the signing key and all rights on the database.
type Rewriter struct {
	Engine store.Engine
	Secret string
	// KeepTree leaves leaves, tiles and checkpoints as they are.
	KeepTree bool
}

// Rewrite lets edit change the log, signs everything anew and writes it in place of
// what was there. The sizes of the checkpoints stay, as far as they exist.
func (w Rewriter) Rewrite(ctx context.Context, edit func([]Leaf) []Leaf) error {
	k, err := newKey([]byte(w.Secret))
	if err != nil {
		return err
	}
	db := OpenDatabase(w.Engine)
	origin, err := db.Origin(ctx)
	if err != nil {
		return err
	}
	var leaves []Leaf
	if _, err := db.Leaves(ctx, 0, 1<<30, func(l Leaf) error {
		leaves = append(leaves, l)
		return nil
	}); err != nil {
		return err
	}
	var sizes []int64
	if err := db.Checkpoints(ctx, 0, 1<<40, func(size int64, _ string) error {
		sizes = append(sizes, size)
		return nil
	}); err != nil {
		return err
	}
	leaves = edit(leaves)
	signer, err := k.signer(origin)
	if err != nil {
		return err
	}
	e := newEntity()
	columns := store.Quote("id")
	for _, f := range e.FieldNames() {
		columns += "," + store.Quote(f)
	}
	return w.Engine.Write(ctx, func(c store.Conn) error {
		tables := []string{leafTable, tileTable, checkpointTable}
		if w.KeepTree {
			tables = nil
		}
		for _, t := range append(tables, store.Quote(entityName)) {
			if err := c.Exec("DELETE FROM "+t, nil); err != nil {
				return err
			}
		}
		edge := newEdge(0)
		for _, l := range leaves {
			hash := tlog.RecordHash(l.Event)
			if l.Row != nil {
				salt, err := decodeSalt(l.Row[fSalt].Str())
				if err != nil {
					return err
				}
				l.Row[fCommitments] = store.String(commitments(salt, l.Row))
				body := appendBody(nil, l.AuditID, l.Row, k.kid)
				l.Row[fSignature] = store.String(k.sign(body))
				hash = tlog.RecordHash(appendLeaf(body, l.Row[fSignature]))
				if err := c.Exec("INSERT INTO "+store.Quote(entityName)+" ("+columns+") VALUES (?"+strings.Repeat(",?", fieldCount)+")", append([]store.Value{store.ID(l.AuditID)}, l.Row...)); err != nil {
					return err
				}
			}
			if w.KeepTree {
				continue
			}
			values := []store.Value{store.Int(edge.size), store.Bytes(hash[:]), store.Null, store.Null, store.Bytes(l.Event)}
			if l.Row != nil {
				values = []store.Value{store.Int(edge.size), store.Bytes(hash[:]), store.String(l.AuditID), rowKey(l.Row[fEntity].Str(), l.Row[fRowID].Str()), store.Null}
			}
			if err := c.Exec(insertLeaf, values); err != nil {
				return err
			}
			edge.add(hash)
			for _, size := range append(sizes, int64(len(leaves))) {
				if size != edge.size {
					continue
				}
				msg, err := checkpoint{origin, edge.size, edge.root()}.sign([]note.Signer{signer}...)
				if err != nil {
					return err
				}
				if err := c.Exec(insertedHead, []store.Value{store.Int(size), store.String(msg), l.at()}); err != nil {
					return err
				}
				break
			}
		}
		return edge.tiles(func(id tileID, hashes []byte) error {
			return c.Exec(upsertTile, []store.Value{store.Int(int64(id.level)), store.Int(id.n), store.Bytes(hashes)})
		})
	})
}

func (l Leaf) at() store.Value {
	if l.Row != nil {
		return l.Row[fCreatedAt]
	}
	return store.Micros(0)
}

// VerifyNew verifies what is new, as it is done on schedule.
func (p *Plugin) VerifyNew(ctx context.Context) error { return p.verifyNew(ctx) }

// Thin deletes old checkpoints, as it is done on schedule.
func (p *Plugin) Thin(ctx context.Context) error { return p.thin(ctx) }

// RecoverDead looks for processes that died, as it is done on schedule.
func (p *Plugin) RecoverDead(ctx context.Context) error { return p.recoverDead(ctx) }
