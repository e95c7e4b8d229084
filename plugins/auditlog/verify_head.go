package auditlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"
)

type sizedNote struct {
	size int64
	msg  string
}

func (v *Verification) checkpoints(ctx context.Context, src Source, from, to int64) (list []sizedNote, err error) {
	err = src.Checkpoints(ctx, from, to, func(size int64, msg string) error {
		list = append(list, sizedNote{size, msg})
		return nil
	})
	if err != nil {
		err = fmt.Errorf("read the log's checkpoints: %w", err)
	}
	return list, err
}

func (v *Verification) checkpoint(n sizedNote) {
	r := &v.Report
	c, _, err := openCheckpoint(n.msg, v.verifiers())
	switch {
	case err == errUnsigned && v.unsigned():
	case err != nil:
		r.find(Finding{Code: codeCheckpointSignature, Size: n.size, Detail: err.Error()})
		return
	}
	if c.Size != n.size || v.Origin != "" && c.Origin != v.Origin {
		r.find(Finding{Code: codeCheckpointSignature, Size: n.size, Detail: "it is the checkpoint of another size or log"})
		return
	}
	if err := v.inTime(n); err != nil {
		r.find(Finding{Code: codeKeyRange, Size: n.size, Detail: err.Error()})
	}
	if v.Broken {
		return // what is wrong is wrong in all that follow
	}
	if v.Frontier.Size != n.size || v.Frontier.root() != c.Root {
		good := v.Good
		r.find(Finding{Code: codeRoot, Size: n.size, After: &good, Detail: "the leaves do not have the root that was signed"})
		v.Broken = true
		return
	}
	v.Good = n.size
	if v.o.going {
		v.Roots[n.size] = c.Root
	}
}

func (v *Verification) inTime(n sizedNote) error {
	if len(v.Chain) == 0 || v.unsigned() {
		return nil
	}
	now := v.Chain[len(v.Chain)-1]
	if err := signedBy(n.msg, now.VKey); err != nil {
		return errors.New("not signed with the key that was in use")
	}
	if len(v.Chain) > 1 && v.Good <= now.From {
		if before := v.Chain[len(v.Chain)-2]; before.VKey != "" && signedBy(n.msg, before.VKey) != nil {
			return errors.New("the key was replaced without the signature of the one before")
		}
	}
	return nil
}

func signedBy(msg, vkey string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	_, _, err = openCheckpoint(msg, note.VerifierList(verifier))
	return err
}

func (v *Verification) verifiers() note.Verifiers {
	var list []note.Verifier
	for _, vkey := range v.vkeys() {
		if verifier, err := note.NewVerifier(vkey); err == nil {
			list = append(list, verifier)
		}
	}
	return note.VerifierList(list...)
}

func (v *Verification) vkeys() (all []string) {
	for _, c := range v.Chain {
		all = append(all, c.VKey)
	}
	all = append(all, v.pinned()...)
	slices.Sort(all)
	return slices.Compact(all)
}

func (v *Verification) pinned() []string {
	all := slices.Clone(v.o.PublicKeys)
	for _, k := range v.keys {
		if s, err := k.signer(v.Origin); err == nil && v.Origin != "" {
			all = append(all, s.vkey)
		}
	}
	return all
}

func (v *Verification) unsigned() bool {
	return len(v.Chain) > 0 && v.Chain[len(v.Chain)-1].Kid == "" && len(v.o.PublicKeys) == 0
}

func (v *Verification) end(size int64) {
	switch {
	case v.Next > size:
		v.Report.find(Finding{Code: codeRollback, Size: size, Detail: fmt.Sprintf("the last checkpoint has %d leaves, the log %d", size, v.Next)})
	case v.Next < size && !v.Report.Has(codeTruncated):
		v.Report.find(Finding{Code: codeTruncated, Size: size, Detail: fmt.Sprintf("the log has %d leaves", v.Next)})
	}
}

func (v *Verification) trust() {
	r := &v.Report
	pinned := v.pinned()
	r.Pinned = len(pinned) > 0
	if len(v.Chain) > 0 && v.Chain[len(v.Chain)-1].Kid == "" {
		r.warn(Finding{Code: codeNoKey, Detail: "the log has no signing key: who can write to the database can rewrite it, unless an anchor holds it"})
		if len(v.o.PublicKeys) == 0 {
			r.Pinned = false
			return
		}
	}
	if !r.Pinned || v.Next == 0 {
		return
	}
	for _, c := range v.Chain {
		if slices.Contains(pinned, c.VKey) {
			return
		}
	}
	r.find(Finding{Code: codeKeyUntrusted, Detail: "the log is not signed with the key it is held against"})
}
