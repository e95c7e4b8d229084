package auditlog_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pylon-go/pylon/plugins/auditlog"
	"github.com/pylon-go/pylon/store"
)

// drift verifies in the server, with the app's rows.
func (r *rig) drift() string {
	r.t.Helper()
	return r.must("POST", "/api/audit/verify", `{"drift":true}`)
}

func TestWritesPastPylonShowAsDrift(t *testing.T) {
	for _, c := range []struct{ name, sql, want string }{
		{"29 update", `UPDATE "Item" SET "name" = 'mallory' WHERE "id" = 'ID'`, "Item/ID is not as its last entry says"},
		{"update of json", `UPDATE "Item" SET "info" = '{"a":2}' WHERE "id" = 'ID'`, "Item/ID is not as its last entry says"},
		{"delete", `DELETE FROM "Item" WHERE "id" = 'ID'`, "Item/ID is gone without an entry"},
		{"insert", `INSERT INTO "Item" ("id","name") VALUES ('01KGAFFFFFFFFFFFFFFFFFFFFF','mallory')`, "was made without an entry"},
		{"not of a field that is not recorded", `UPDATE "Item" SET "hidden" = 'x' WHERE "id" = 'ID'`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, signed)
			id := r.insert("Item", `{"name":"a","info":{"a":1}}`)
			r.patch("Item", id, `{"name":"b"}`)
			gone := r.insert("Item", `{"name":"gone"}`)
			r.must("DELETE", "/api/entities/Item/"+gone, "")
			if got := r.drift(); !strings.Contains(got, `"verdict":"INTACT, ANCHORED"`) && !strings.Contains(got, `"verdict":"INTACT, NOT ANCHORED"`) {
				t.Fatal(got)
			}
			r.sql(strings.ReplaceAll(c.sql, "ID", id))
			got := r.drift()
			want := strings.ReplaceAll(c.want, "ID", id)
			if c.want == "" {
				if strings.Contains(got, "DRIFT") {
					t.Fatal(got)
				}
				return
			}
			if !strings.Contains(got, want) || !strings.Contains(got, `"verdict":"TAMPERED"`) {
				t.Fatal(got)
			}
			if !strings.Contains(r.logs.String(), want) {
				t.Fatal("the server's log does not tell")
			}
		})
	}
}

func TestWritesWithoutThePluginShowAsDriftAndChangeOfConfig(t *testing.T) { // 28
	r := newRig(t, signed)
	id := r.insert("Item", `{"name":"a"}`)
	r.stop()
	r.declare(strings.NewReplacer(`"Order", "Item"`, `"Order"`, `"Item.hidden"`, "").Replace(signed))
	r.start()
	r.patch("Item", id, `{"name":"unseen"}`)
	r.stop()
	r.declare(signed)
	r.start()
	if got := r.drift(); !strings.Contains(got, "Item/"+id+" is not as its last entry says") {
		t.Fatal(got)
	}
	changes := 0
	for _, e := range r.entries() {
		if e.Operation == "config_changed" && e.Entity == "AuditLog" && e.ActorType == "system" && e.Before != e.After {
			changes++
		}
	}
	if changes != 2 {
		t.Fatalf("%d changes of the config are recorded: %+v", changes, r.entries())
	}
	r.seal()
	r.intact(r.verify(withKey, r.withAnchor), auditlog.VerdictAnchored)
}

func TestAClockSetBackShows(t *testing.T) { // 30
	r := newRig(t, signed)
	r.insert("Order", `{"n":1}`)
	r.seal()
	r.stop()
	back := r.clock
	r.clock = clockAt(epoch.Add(-time.Hour))
	r.start()
	r.insert("Order", `{"n":2}`)
	r.seal()
	report := r.verify(withKey, r.withAnchor)
	if !report.Has("BACKDATED") {
		t.Fatal(show(report))
	}
	ids := r.entries()
	if ids[0].ID > ids[1].ID || ids[0].CreatedAt < ids[1].CreatedAt {
		t.Fatal("ids must not go back with the clock", ids)
	}
	r.clock = back
}

func TestASilentAnchorIsNoAnchor(t *testing.T) { // 32
	r := newRig(t, signed)
	for i := range 3 {
		r.insert("Order", fmt.Sprintf(`{"n":%d}`, i))
		r.seal()
	}
	expected := func(o *auditlog.VerifyOptions) {
		r.withAnchor(o)
		all, err := auditlog.OpenDatabase(r.engine).Expected(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		for _, n := range all {
			o.Anchors[0].Expected = n
		}
	}
	r.sql()
	r.intact(r.verify(withKey, expected), auditlog.VerdictAnchored)
	text, err := os.ReadFile(r.anchor)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	if err := os.WriteFile(r.anchor, []byte(strings.Join(slices.Delete(lines, 1, 2), "")), 0o600); err != nil {
		t.Fatal(err)
	}
	report := r.verify(withKey, expected)
	r.intact(report, auditlog.VerdictNotAnchored)
	if len(report.Warnings) == 0 || report.Warnings[0].Code != "ANCHOR_SILENCE" {
		t.Fatal(show(report))
	}
}

func TestTwoAuditorsWhoWereShownDifferentLogs(t *testing.T) { // 34
	l := newLog(t)
	var one auditlog.VerifyOptions
	l.withAnchor(&one)
	l.stop()
	l.rewrite(func(leaves []auditlog.Leaf) []auditlog.Leaf {
		leaves[l.leafOf(leaves, 20)].Row[auditlog.FieldAfter] = store.String(`{"n":9}`)
		return leaves
	})
	if err := os.Remove(l.anchor); err != nil {
		t.Fatal(err)
	}
	l.start()
	l.seal()
	// Alone, the second auditor sees a log that fits its anchor.
	l.intact(l.verify(withKey, l.withAnchor), auditlog.VerdictAnchored)
	report := l.verify(withKey, l.withAnchor, func(o *auditlog.VerifyOptions) {
		one.Anchors[0].Name = "the other auditor's"
		o.Anchors = append(o.Anchors, one.Anchors...)
	})
	if !report.Has("EQUIVOCATION") && !report.Has("ROOT_MISMATCH") {
		t.Fatal(show(report))
	}
}

func TestTwoSealersMakeOneLog(t *testing.T) { // 35
	r := newRig(t, signed)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				if status, body := r.as(admin, "POST", "/api/entities/Order", fmt.Sprintf(`{"n":%d}`, i*10+j)); status != 201 {
					t.Error(status, body)
				}
				if err := r.plugin().Seal(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r.seal()
	r.intact(r.verify(withKey, r.withAnchor), auditlog.VerdictAnchored)
	// A leaf of somebody whose lock was lost is refused by its number, and nothing of
	// what comes with it stays.
	size := r.ask(`SELECT max(size) FROM `+checkpoints, store.TypeInt).Int()
	r.sql(fmt.Sprintf(`INSERT INTO %s (idx, hash) VALUES (%d, (SELECT hash FROM %s WHERE idx = 0))`, leaves, size, leaves))
	r.insert("Order", `{"n":1000}`)
	if err := r.plugin().Seal(t.Context()); err == nil {
		t.Fatal("it was sealed over another leaf")
	}
	if now := r.ask(`SELECT max(size) FROM `+checkpoints, store.TypeInt).Int(); now != size {
		t.Fatal(now, size)
	}
	r.sql(fmt.Sprintf(`DELETE FROM %s WHERE idx = %d`, leaves, size))
	r.seal()
	r.intact(r.verify(withKey, r.withAnchor), auditlog.VerdictAnchored)
}

func TestAKilledServerIsNoAlarm(t *testing.T) { // 36, the quick part
	r := newRig(t, signed)
	for i := range 5 {
		r.insert("Order", fmt.Sprintf(`{"n":%d}`, i))
		r.as(admin, "POST", "/api/transact", `[{"op":"insert","entity":"Order","data":{"n":2}},{"op":"update","entity":"Order","id":"nothing","data":{"n":3}}]`)
		id := r.insert("Order", fmt.Sprintf(`{"n":%d}`, i))
		r.patch("Order", id, `{"n":100}`)
		r.crash()
		r.sql()
		r.intact(r.verify(withKey), auditlog.VerdictNotAnchored)
		r.start()
		r.seal()
		r.intact(r.verify(withKey, r.withAnchor), auditlog.VerdictAnchored)
	}
}

func TestKeysAreReplacedOnTheRecord(t *testing.T) {
	r := newRig(t, signed)
	r.insert("Order", `{"n":1}`)
	r.seal()
	r.stop()

	r.declare(strings.Replace(signed, `"KEY"`, `"NEW"`, 1))
	if app, err := r.open(); err == nil || !strings.Contains(err.Error(), "name the old key in signing_key_env after the new one") || strings.Contains(err.Error(), secret) {
		r.app = app
		t.Fatal("a new key without the old one: ", err)
	}
	r.declare(strings.Replace(signed, `"KEY"`, `["NEW", "KEY"]`, 1))
	r.start()
	r.insert("Order", `{"n":2}`)
	r.seal()
	both := func(o *auditlog.VerifyOptions) { o.Secrets = [][]byte{[]byte(newSecret), []byte(secret)} }
	report := r.verify(both, r.withAnchor)
	r.intact(report, auditlog.VerdictAnchored)
	if len(report.Keys) != 2 {
		t.Fatal(report.Keys)
	}
	for _, vkey := range report.Keys { // who has either public key can follow
		r.intact(r.verify(func(o *auditlog.VerifyOptions) { o.PublicKeys = []string{vkey} }, r.withAnchor), auditlog.VerdictAnchored)
	}
	r.stop()
	r.declare(strings.Replace(signed, `"KEY"`, `"NEW"`, 1)) // the old one is not needed any more
	r.start()
	r.insert("Order", `{"n":3}`)
	r.seal()
	r.intact(r.verify(both, r.withAnchor), auditlog.VerdictAnchored)

	// 27: a key that was retired, and stolen then, signs no more.
	entries := r.entries()
	last := entries[len(entries)-1]
	if err := (auditlog.Rewriter{Engine: r.engine, Secret: secret, KeepTree: true}).Rewrite(t.Context(), func(leaves []auditlog.Leaf) []auditlog.Leaf { return leaves }); err != nil {
		t.Fatal(err)
	}
	report = r.verify(both, r.withAnchor)
	if !report.Has("KEY_OUT_OF_RANGE") {
		t.Fatal(last.ID, show(report))
	}
	r.stop()
	r.declare(`"entities": ["Order"]`)
	if app, err := r.open(); err == nil {
		r.app = app
		t.Fatal("a signed log was opened without its key")
	}
}

func TestALogWithoutAKey(t *testing.T) {
	r := newRig(t, `"entities": "*", "verify_secs": 0, "anchors": [{ "type": "file", "path": "DIR/anchor" }]`)
	r.insert("Order", `{"n":1}`)
	id := r.insert("Other", `{"n":1}`)
	r.patch("Other", id, `{"n":2}`)
	r.seal()
	r.sql()
	report := r.verify()
	r.intact(report, auditlog.VerdictNotAnchored)
	if len(report.Warnings) != 1 || report.Warnings[0].Code != "NOT_SIGNED" {
		t.Fatal(show(report))
	}
	r.intact(r.verify(r.withAnchor), auditlog.VerdictAnchored)
	r.sql(`UPDATE "AuditLog" SET "actorId" = 'mallory' WHERE "entity" = 'Order'`)
	if report := r.verify(); !report.Has("LEAF_MISMATCH") {
		t.Fatal(show(report))
	}
}
