package auditlog_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pylon-go/pylon/plugins/auditlog"
	"github.com/pylon-go/pylon/store"
)

// attack is one that somebody makes with SQL, or with the signing key too, while the
// server is down or runs. What verification must say is given for who has the
// secret key and the anchor, for who has the public key and the anchor, and for who
// has neither: then some attacks cannot be seen, and the verdict must say so.
type attack struct {
	name string
	do   func(l *log)
	// full are codes that must be found with key and anchor; public with public key
	// and anchor only (nil: the same), bare without both. None is undetected.
	full, public, bare []string
}

// log is an audit log of 50 entries under attack: 30 that an anchor holds, 40, then 50.
type log struct {
	*rig
	ids []string // of the entries, the oldest first
}

// row is the SQL condition for an entry.
func (l *log) row(i int) string { return ` WHERE "id" = '` + l.ids[i] + `'` }

// undetected is a verdict that admits not to know.
var undetected []string

func newLog(t *testing.T) *log {
	r := newRig(t, signed)
	l := &log{rig: r}
	id := r.insert("Order", `{"n":0}`)
	for i := 1; i < 50; i++ {
		r.clock.Advance(time.Second)
		r.patch("Order", id, fmt.Sprintf(`{"n":%d}`, i))
		if i == 29 || i == 39 {
			r.seal()
			r.clock.Advance(10 * time.Minute)
		}
	}
	r.seal()
	for _, e := range r.entries() {
		l.ids = append(l.ids, e.ID)
	}
	l.sql() // opens the database from outside
	r.intact(r.verify(withKey, r.withAnchor), auditlog.VerdictAnchored)
	return l
}

// rewrite is the attack of who has the key.
func (l *log) rewrite(edit func([]auditlog.Leaf) []auditlog.Leaf) {
	l.t.Helper()
	if err := (auditlog.Rewriter{Engine: l.engine, Secret: secret}).Rewrite(l.t.Context(), edit); err != nil {
		l.t.Fatal(err)
	}
}

// leafOf is the place of an entry among the leaves.
func (l *log) leafOf(leaves []auditlog.Leaf, i int) int {
	return slices.IndexFunc(leaves, func(leaf auditlog.Leaf) bool { return leaf.AuditID == l.ids[i] })
}

const (
	leaves      = "_pylon_audit_log_leaves"
	tiles       = "_pylon_audit_log_tiles"
	checkpoints = "_pylon_audit_log_checkpoints"
	writers     = "_pylon_audit_log_writers"
	state       = "_pylon_audit_log_state"
)

var attacks = []attack{
	{"1 update after", func(l *log) {
		l.sql(`UPDATE "AuditLog" SET "after" = '{"n":9}'` + l.row(20))
	}, codes("PAYLOAD_MISMATCH"), nil, codes("PAYLOAD_MISMATCH")},
	{"2 update actorId", func(l *log) {
		l.sql(`UPDATE "AuditLog" SET "actorId" = 'mallory'` + l.row(20))
	}, codes("ROW_MAC_BAD", "LEAF_MISMATCH", "ROOT_MISMATCH"), codes("LEAF_MISMATCH", "ROOT_MISMATCH"), codes("LEAF_MISMATCH", "ROOT_MISMATCH")},
	{"3 update createdAt", func(l *log) {
		l.sql(`UPDATE "AuditLog" SET "createdAt" = (SELECT "createdAt" FROM "AuditLog"` + l.row(3) + `)` + l.row(20))
	}, codes("ROW_MAC_BAD", "LEAF_MISMATCH", "ROOT_MISMATCH"), codes("LEAF_MISMATCH", "ROOT_MISMATCH"), codes("LEAF_MISMATCH", "ROOT_MISMATCH")},
	{"4 payload and its commitment", func(l *log) {
		l.sql(`UPDATE "AuditLog" SET "before" = (SELECT "before" FROM "AuditLog"` + l.row(21) + `), "after" = (SELECT "after" FROM "AuditLog"` + l.row(21) + `),
			"salt" = (SELECT "salt" FROM "AuditLog"` + l.row(21) + `), "commitments" = (SELECT "commitments" FROM "AuditLog"` + l.row(21) + `)` + l.row(20))
	}, codes("ROW_MAC_BAD", "LEAF_MISMATCH", "ROOT_MISMATCH"), codes("LEAF_MISMATCH", "ROOT_MISMATCH"), codes("LEAF_MISMATCH", "ROOT_MISMATCH")},
	{"5 remove the signature", func(l *log) {
		l.sql(`UPDATE "AuditLog" SET "signature" = NULL` + l.row(20))
	}, codes("UNSIGNED_ROW", "LEAF_MISMATCH"), nil, codes("UNSIGNED_ROW")},
	{"5b empty the signature", func(l *log) {
		l.sql(`UPDATE "AuditLog" SET "signature" = ''` + l.row(20))
	}, codes("ROW_MAC_BAD"), nil, codes("ROW_MAC_BAD")},
	{"6 delete in the middle", func(l *log) {
		l.sql(`DELETE FROM "AuditLog"` + l.row(20))
	}, codes("WSEQ_GAP", "ROW_MISSING"), nil, codes("WSEQ_GAP", "ROW_MISSING")},
	{"7 delete the row and its leaf", func(l *log) {
		l.sql(`DELETE FROM `+leaves+` WHERE audit_id = '`+l.ids[20]+`'`, `DELETE FROM "AuditLog"`+l.row(20))
	}, codes("WSEQ_GAP", "LEAF_GAP", "ROOT_MISMATCH"), nil, codes("WSEQ_GAP", "LEAF_GAP", "ROOT_MISMATCH")},
	{"8 delete the row, renumber the leaves", func(l *log) {
		idx := l.ask(`SELECT idx FROM `+leaves+` WHERE audit_id = '`+l.ids[20]+`'`, store.TypeInt).Int()
		l.sql(`DELETE FROM `+leaves+` WHERE audit_id = '`+l.ids[20]+`'`, `DELETE FROM "AuditLog"`+l.row(20),
			fmt.Sprintf(`UPDATE %s SET idx = -idx WHERE idx > %d`, leaves, idx), `UPDATE `+leaves+` SET idx = -idx - 1 WHERE idx < 0`)
	}, codes("WSEQ_GAP", "ROOT_MISMATCH", "TRUNCATED"), nil, codes("WSEQ_GAP", "ROOT_MISMATCH", "TRUNCATED")},
	{"9 cut the tail off, with leaves and checkpoints", func(l *log) {
		l.cut()
	}, codes("TRUNCATED", "ROLLBACK"), nil, undetected},
	{"10 delete the head, as if it were retention", func(l *log) {
		for i := range 10 {
			l.sql(`DELETE FROM "AuditLog"` + l.row(i))
		}
	}, codes("ROW_MISSING"), nil, codes("ROW_MISSING")},
	{"11 swap the ids of two rows", func(l *log) {
		l.sql(`UPDATE "AuditLog" SET "id" = 'x'`+l.row(20), `UPDATE "AuditLog" SET "id" = '`+l.ids[20]+`'`+l.row(21), `UPDATE "AuditLog" SET "id" = '`+l.ids[21]+`' WHERE "id" = 'x'`)
	}, codes("ROW_MAC_BAD", "LEAF_MISMATCH", "ROOT_MISMATCH"), codes("LEAF_MISMATCH", "ROOT_MISMATCH"), codes("LEAF_MISMATCH", "ROOT_MISMATCH")},
	{"12 replay a row under a new id", func(l *log) {
		l.copyRow(20, "01KGA00000000000000000000A")
	}, codes("ROW_MAC_BAD", "WSEQ_DUP"), codes("WSEQ_DUP"), codes("WSEQ_DUP")},
	{"13 forge a row without the key", func(l *log) {
		l.copyRow(20, "01KGA00000000000000000000A")
		l.sql(`UPDATE "AuditLog" SET "wseq" = 1000, "actorId" = 'mallory' WHERE "id" = '01KGA00000000000000000000A'`)
		l.clock.Advance(5 * time.Minute)
	}, codes("ROW_MAC_BAD", "UNSEALED_STALE"), codes("UNSEALED_STALE"), codes("UNSEALED_STALE")},
	{"14 empty all tables", func(l *log) {
		for _, t := range []string{leaves, tiles, checkpoints, writers, state, `"AuditLog"`} {
			l.sql(`DELETE FROM ` + t)
		}
	}, codes("TRUNCATED", "ROLLBACK"), nil, undetected},
	{"15 restore an old backup of the tables", func(l *log) {
		l.cutTo(l.ask(`SELECT min(size) FROM `+checkpoints+` WHERE size > 30`, store.TypeInt).Int())
	}, codes("TRUNCATED", "ROLLBACK"), nil, undetected},
	{"16 wipe the values without an event", func(l *log) {
		l.sql(`UPDATE "AuditLog" SET "before" = NULL, "after" = NULL, "ip" = NULL, "userAgent" = NULL, "salt" = NULL` + l.row(20))
	}, codes("PAYLOAD_MISSING_NO_ERASE_EVENT"), nil, codes("PAYLOAD_MISSING_NO_ERASE_EVENT")},
	{"16b wipe the values and keep the salt", func(l *log) {
		l.sql(`UPDATE "AuditLog" SET "before" = NULL, "after" = NULL` + l.row(20))
	}, codes("PAYLOAD_MISSING_NO_ERASE_EVENT"), nil, codes("PAYLOAD_MISSING_NO_ERASE_EVENT")},
	{"17 lawful erasure (no attack)", func(l *log) {
		l.must("POST", "/api/audit/erase", `{"ids":["`+l.ids[20]+`"],"reason":"asked for"}`)
		l.seal()
	}, undetected, nil, undetected},
	{"18 delete before it is sealed", func(l *log) {
		id := l.insert("Order", `{"n":1}`)
		l.patch("Order", id, `{"n":2}`)
		l.sql(`DELETE FROM "AuditLog" WHERE "rowId" = '` + id + `' AND "operation" = 'insert'`)
		l.seal()
	}, codes("ROW_MISSING", "WSEQ_GAP"), nil, codes("ROW_MISSING", "WSEQ_GAP")},
	{"19 delete the very last before they are sealed", func(l *log) {
		id := l.insert("Order", `{"n":1}`)
		l.patch("Order", id, `{"n":2}`)
		l.sql(`DELETE FROM "AuditLog" WHERE "rowId" = '` + id + `'`)
		l.seal()
	}, codes("ROW_MISSING", "WRITER_HEAD_AHEAD"), nil, codes("ROW_MISSING", "WRITER_HEAD_AHEAD")},
	{"20 corrupt the checkpoints", func(l *log) {
		l.sql(`UPDATE ` + checkpoints + ` SET note = replace(note, '— ', '— x')`)
	}, codes("CKPT_SIG_BAD"), nil, codes("CKPT_SIG_BAD")},
	{"20b replace the last checkpoint by an older one", func(l *log) {
		l.sql(`UPDATE ` + checkpoints + ` SET note = (SELECT note FROM ` + checkpoints + ` ORDER BY size LIMIT 1) WHERE size = (SELECT max(size) FROM ` + checkpoints + `)`)
	}, codes("CKPT_SIG_BAD"), nil, codes("CKPT_SIG_BAD")},
	{"20c delete the last checkpoints", func(l *log) {
		l.sql(`DELETE FROM ` + checkpoints + ` WHERE size > 40`)
	}, codes("ROLLBACK"), nil, codes("ROLLBACK")},
	{"21 KEY: edit and sign the row", func(l *log) {
		err := auditlog.Rewriter{Engine: l.engine, Secret: secret, KeepTree: true}.Rewrite(l.t.Context(), func(leaves []auditlog.Leaf) []auditlog.Leaf {
			leaves[l.leafOf(leaves, 20)].Row[auditlog.FieldAfter] = store.String(`{"n":9}`)
			return leaves
		})
		if err != nil {
			l.t.Fatal(err)
		}
	}, codes("LEAF_MISMATCH", "ROOT_MISMATCH"), nil, codes("LEAF_MISMATCH", "ROOT_MISMATCH")},
	{"22 KEY: edit, sign, build the tree anew", func(l *log) {
		l.rewrite(func(leaves []auditlog.Leaf) []auditlog.Leaf {
			leaves[l.leafOf(leaves, 20)].Row[auditlog.FieldAfter] = store.String(`{"n":9}`)
			return leaves
		})
	}, codes("EQUIVOCATION", "ROOT_MISMATCH"), nil, undetected},
	{"23 KEY: delete, renumber, sign all, build the tree anew", func(l *log) {
		l.rewrite(func(leaves []auditlog.Leaf) []auditlog.Leaf {
			at := l.leafOf(leaves, 49)
			for _, later := range leaves[l.leafOf(leaves, 20)+1:] {
				if later.Row != nil {
					later.Row[auditlog.FieldWseq] = store.Int(later.Row[auditlog.FieldWseq].Int() - 1)
				}
			}
			// The last epoch says 50: it goes, and so does a leaf.
			leaves = leaves[:at+1]
			return slices.Delete(leaves, l.leafOf(leaves, 20), l.leafOf(leaves, 20)+1)
		})
	}, codes("ROOT_MISMATCH", "TRUNCATED"), nil, undetected},
	{"24 KEY: add an entry with an old date", func(l *log) {
		l.rewrite(func(leaves []auditlog.Leaf) []auditlog.Leaf {
			row := slices.Clone(leaves[l.leafOf(leaves, 49)].Row)
			row[auditlog.FieldWseq] = store.Int(51)
			row[auditlog.FieldCreatedAt] = store.Time(epoch.Add(time.Second))
			return append(leaves, auditlog.Leaf{AuditID: "01KGA00000000000000000000A", Row: row})
		})
	}, codes("BACKDATED"), nil, undetected},
	{"25 KEY: cut the tail off, go on past the old size", func(l *log) {
		l.rewrite(func(leaves []auditlog.Leaf) []auditlog.Leaf {
			row := leaves[l.leafOf(leaves, 38)].Row
			leaves = leaves[:l.leafOf(leaves, 38)+1]
			for i := range 30 {
				more := slices.Clone(row)
				more[auditlog.FieldWseq] = store.Int(40 + int64(i))
				leaves = append(leaves, auditlog.Leaf{AuditID: fmt.Sprintf("01KGA000000000000000000%03d", i), Row: more})
			}
			return leaves
		})
	}, codes("ROOT_MISMATCH"), nil, undetected},
	{"26 KEY: rewrite only what no anchor holds (cannot be known)", func(l *log) {
		size := len(l.ids)
		l.sql() // what follows is newer than the last anchor
		id := l.insert("Order", `{"n":7}`)
		if err := l.plugin().Seal(l.t.Context()); err != nil {
			l.t.Fatal(err)
		}
		l.rewrite(func(leaves []auditlog.Leaf) []auditlog.Leaf {
			i := slices.IndexFunc(leaves, func(leaf auditlog.Leaf) bool { return leaf.Row != nil && leaf.Row[2].Str() == id })
			leaves[i].Row[auditlog.FieldAfter] = store.String(`{"n":9}`)
			return leaves
		})
		if report := l.verify(withKey, l.withAnchor); report.Unanchored < 1 || report.Verdict != auditlog.VerdictAnchored {
			l.t.Errorf("%d are not anchored, after %d entries; %s", report.Unanchored, size, report.Verdict)
		}
	}, undetected, nil, undetected},
	{"27 KEY: a key that is not the log's", func(l *log) {
		if err := (auditlog.Rewriter{Engine: l.engine, Secret: newSecret, KeepTree: true}).Rewrite(l.t.Context(), func(leaves []auditlog.Leaf) []auditlog.Leaf { return leaves }); err != nil {
			l.t.Fatal(err)
		}
	}, codes("UNKNOWN_KEY", "LEAF_MISMATCH"), nil, codes("UNKNOWN_KEY")},
	{"31 a new log in place of the old", func(l *log) {
		l.stop()
		for _, t := range []string{leaves, tiles, checkpoints, writers, state, `"AuditLog"`, "_pylon_audit_log_anchors"} {
			l.sql(`DELETE FROM ` + t)
		}
		l.start()
		l.insert("Order", `{"n":1}`)
		if err := l.plugin().Seal(l.t.Context()); err != nil {
			l.t.Fatal(err)
		}
	}, codes("LOG_REPLACED"), nil, undetected},
	{"33 an anchor's head is overwritten", func(l *log) {
		text, err := os.ReadFile(l.anchor)
		if err != nil {
			l.t.Fatal(err)
		}
		lines := strings.SplitAfter(string(text), "\n")
		lines[0] = strings.Replace(lines[0], `\n\n— `, `\n\n— x`, 1)
		if err := os.WriteFile(l.anchor, []byte(strings.Join(lines, "")), 0o600); err != nil {
			l.t.Fatal(err)
		}
	}, codes("ANCHOR_SIG_BAD"), nil, undetected},
}

func codes(list ...string) []string { return list }

// cut removes the last entries with their leaves and checkpoints.
func (l *log) cut() {
	l.cutTo(l.ask(`SELECT min(size) FROM `+checkpoints+` WHERE size > 40`, store.TypeInt).Int())
}

func (l *log) cutTo(size int64) {
	l.t.Helper()
	before := fmt.Sprintf(`SELECT audit_id FROM %s WHERE idx >= %d AND audit_id IS NOT NULL`, leaves, size)
	l.sql(`DELETE FROM "AuditLog" WHERE "id" IN (`+before+`)`, fmt.Sprintf(`DELETE FROM %s WHERE idx >= %d`, leaves, size), fmt.Sprintf(`DELETE FROM %s WHERE size > %d`, checkpoints, size))
}

func (l *log) copyRow(i int, id string) {
	columns := `"actorId","entity","rowId","operation","before","after","signature","createdAt","changed","outcome","actorType","apiKeyId","tenantId","ip","userAgent","requestId","txId","writer","wseq","commitments","salt"`
	l.sql(`INSERT INTO "AuditLog" ("id",` + columns + `) SELECT '` + id + `',` + columns + ` FROM "AuditLog"` + l.row(i))
}

func TestAttacks(t *testing.T) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			l := newLog(t)
			public := l.publicKey()
			withPublic := func(o *auditlog.VerifyOptions) { o.PublicKeys = []string{public} }
			a.do(l)
			l.found("with key and anchor", l.verify(withKey, l.withAnchor), a.full, auditlog.VerdictAnchored)
			want := a.public
			if want == nil {
				want = a.full
			}
			l.found("with public key and anchor", l.verify(withPublic, l.withAnchor), want, auditlog.VerdictAnchored)
			l.found("without both", l.verify(), a.bare, auditlog.VerdictNotAnchored)
		})
	}
}

func (l *log) publicKey() string {
	l.t.Helper()
	_, body := l.as("", "GET", "/api/audit/key", "")
	_, key, _ := strings.Cut(body, `"key":"`)
	key, _, _ = strings.Cut(key, `"`)
	return key
}

func (l *log) found(how string, report *auditlog.Report, codes []string, intact auditlog.Verdict) {
	l.t.Helper()
	want := intact
	if len(codes) > 0 {
		want = auditlog.VerdictTampered
	}
	if report.Verdict != want {
		l.t.Errorf("%s the verdict is %s, want %s\n%s", how, report.Verdict, want, show(report))
	}
	for _, code := range codes {
		if !report.Has(code) {
			l.t.Errorf("%s there is no %s\n%s", how, code, show(report))
		}
	}
	if len(codes) == 0 && len(report.Findings) > 0 {
		l.t.Errorf("%s there are findings\n%s", how, show(report))
	}
}
