package auditlog

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/pylon-go/pylon/store"
)

// InTx writes the entry of a write, in its transaction: without the entry there is
// no write. It reads nothing and waits for nobody.
func (p *Plugin) InTx(_ context.Context, tx *store.Tx, w *store.Write) error {
	r := p.byEntity[w.Entity]
	if r == nil {
		return nil
	}
	if err := p.refuseLagging(); err != nil {
		return err
	}
	return p.recordWrite(tx, r, w, outcomeOK)
}

func (p *Plugin) recordWrite(tx *store.Tx, r *recorder, w *store.Write, outcome string) error {
	e := entry{entity: w.Entity.Name, rowID: w.ID, operation: string(w.Op), outcome: outcome, changed: r.changed(w), actor: w.Actor}
	for _, side := range []struct {
		row *store.Row
		to  *store.Value
	}{{w.Before, &e.before}, {w.After, &e.after}} {
		if side.row == nil {
			continue
		}
		scratch := buffers.Get().(*[]byte)
		b, err := r.appendRow((*scratch)[:0], side.row)
		if err != nil {
			return err
		}
		*side.to = store.String(string(b))
		*scratch = b
		buffers.Put(scratch)
	}
	return p.record(tx, e)
}

// entry is what an entry tells, without what makes it evidence.
type entry struct {
	entity, rowID, operation, outcome string
	before, after, changed            store.Value
	actor                             *store.Actor
}

// record writes an entry in a transaction.
func (p *Plugin) record(tx *store.Tx, e entry) error {
	w := p.writer.Load()
	seq, id := w.take(tx.Now(), p.floor)
	tx.OnUndone(func() { w.undone(seq) })

	v := make([]store.Value, fieldCount)
	v[fActorID] = optionalID(e.actor.ID)
	v[fEntity] = store.String(e.entity)
	v[fRowID] = store.String(e.rowID)
	v[fOperation] = store.String(e.operation)
	v[fBefore], v[fAfter], v[fChanged] = e.before, e.after, e.changed
	v[fCreatedAt] = store.Time(tx.Now())
	v[fOutcome] = store.String(e.outcome)
	v[fActorType] = store.String(string(e.actor.Type))
	v[fAPIKeyID] = store.OptString(e.actor.APIKeyID)
	v[fTenantID] = store.OptString(e.actor.TenantID)
	v[fIP] = store.OptString(e.actor.IP)
	v[fUserAgent] = store.OptString(storableText(e.actor.UserAgent))
	v[fRequestID] = store.OptString(e.actor.RequestID)
	v[fTxID] = store.String(tx.ID())
	v[fWriter] = store.String(w.id)
	v[fWseq] = store.Int(seq)
	hash, err := p.seal1(id, v)
	if err != nil {
		return err
	}
	patch := &store.Patch{Entity: p.entity, ID: id, Set: everyField, Values: v}
	if _, err := tx.As(store.System(name)).Insert(patch); err != nil {
		return fmt.Errorf("write the audit entry: %w", err)
	}
	done := pending{seq, id, hash, e.entity, e.rowID, tx.Now()}
	tx.OnCommit(func() { w.committed(done) })
	return nil
}

// seal1 adds to an entry what makes it evidence, and answers its leaf's hash.
func (p *Plugin) seal1(id string, v []store.Value) (tlog.Hash, error) {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	v[fSalt] = store.String(encodeSalt(salt))
	v[fCommitments] = store.String(commitments(salt, v))
	kid := ""
	if p.config.SignEntries {
		kid = p.keys[0].kid
	}
	scratch := buffers.Get().(*[]byte)
	body := appendBody((*scratch)[:0], id, v, kid)
	if p.config.SignEntries {
		v[fSignature] = store.String(p.keys[0].sign(body))
	}
	body = appendLeaf(body, v[fSignature])
	hash := tlog.RecordHash(body)
	*scratch = body
	buffers.Put(scratch)
	return hash, nil
}

var everyField = func() store.FieldSet {
	set := make(store.FieldSet, fieldCount)
	for i := range set {
		set[i] = true
	}
	return set
}()

func optionalID(s string) store.Value {
	if s == "" {
		return store.Null
	}
	return store.ID(s)
}

// storableText is a header's text as a database can hold it. Quoting keeps apart
// what differs.
func storableText(s string) string {
	for _, r := range s {
		if r == 0 || r == '\uFFFD' {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}

// refuseLagging refuses writes when nothing could be sealed for too long and the
// config wants that.
func (p *Plugin) refuseLagging() error {
	if p.config.OnSealLag != "block" {
		return nil
	}
	if _, oldest := p.writer.Load().waiting(); !oldest.IsZero() && p.clock.Now().Sub(oldest) > p.maxLag() {
		return store.Errorf(store.Unavailable, "AUDIT_UNSEALED", "the audit log cannot be sealed, so nothing that it records can be written").
			WithHint("see the server's log")
	}
	return nil
}

func (p *Plugin) maxLag() time.Duration { return time.Duration(p.config.MaxSealLagSecs) * time.Second }
