package auditlog_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pylon-go/pylon/plugins/auditlog"
	"github.com/pylon-go/pylon/store"
)

func TestErasure(t *testing.T) {
	r := newRig(t, signed)
	id := r.insert("Item", `{"name":"Ada Lovelace"}`)
	r.patch("Item", id, `{"name":"Ada King"}`)
	other := r.insert("Item", `{"name":"stays"}`)
	if got := r.must("POST", "/api/audit/erase", `{"entity":"Item","row_id":"`+id+`","reason":"x","dry_run":true}`); got != `{"erased":2}` {
		t.Fatal(got)
	}
	if got := r.must("POST", "/api/audit/erase", `{"entity":"Item","row_id":"`+id+`","reason":"art. 17"}`); got != `{"erased":2}` {
		t.Fatal(got)
	}
	text := r.must("GET", "/api/entities/AuditLog", "")
	if strings.Contains(text, "Ada") || !strings.Contains(text, "stays") {
		t.Fatal(text)
	}
	r.seal()
	r.sql()
	report := r.verify(withKey, r.withAnchor)
	r.intact(report, auditlog.VerdictAnchored)
	if report.Erased != 2 {
		t.Fatal(report.Erased)
	}
	acts := 0
	for _, e := range r.entries() {
		if e.Operation == "erase" && strings.Contains(e.After, "art. 17") && e.ActorID == "__admin__" {
			acts++
		}
		if e.RowID == id && (e.IP != "" || e.UserAgent != "") {
			t.Error("the origin is left", e)
		}
	}
	if acts != 1 {
		t.Fatal("who erased is not recorded", acts)
	}
	// Values put back in are no values of the log.
	r.sql(`UPDATE "AuditLog" SET "after" = '{"name":"Eve"}' WHERE "rowId" = '` + id + `'`)
	if report := r.verify(withKey); !report.Has("PAYLOAD_MISMATCH") {
		t.Fatal(show(report))
	}
	for _, bad := range []string{`{"reason":"x"}`, `{"ids":["1"],"entity":"Item","row_id":"1","reason":"x"}`, `{"entity":"Item","reason":"x"}`, `{"ids":["` + other + `"]}`, `{"ids":["nothing"],"reason":"x"}`} {
		if status, _ := r.as(admin, "POST", "/api/audit/erase", bad); status/100 != 4 {
			t.Error(bad, status)
		}
	}
}

func TestPruning(t *testing.T) {
	r := newRig(t, signed)
	var ids []string
	for i := range 10 {
		ids = append(ids, r.insert("Item", fmt.Sprintf(`{"name":"%d"}`, i)))
		r.seal()
		r.clock.Advance(24 * time.Hour)
	}
	r.must("POST", "/api/audit/holds", `{"kind":"row","value":"Item/`+ids[2]+`","reason":"case 7"}`)
	r.seal()
	got := r.must("POST", "/api/audit/prune", `{"days":5}`)
	var pruned auditlog.Pruned
	if err := json.Unmarshal([]byte(got), &pruned); err != nil || pruned.Pruned != 4 || pruned.Held != 1 {
		t.Fatal(got)
	}
	left := 0
	for _, e := range r.entries() {
		if e.Entity == "Item" {
			left++
		}
	}
	if left != 6 {
		t.Fatal(left, r.entries())
	}
	r.seal()
	r.sql()
	report := r.verify(withKey, r.withAnchor)
	r.intact(report, auditlog.VerdictAnchored)
	if report.Pruned != 4 {
		t.Fatal(report.Pruned)
	}
	if status, body := r.as(admin, "POST", "/api/audit/erase", `{"entity":"Item","row_id":"`+ids[2]+`","reason":"x"}`); status != 200 || !strings.Contains(body, `"erased":0`) || !strings.Contains(body, `"held":[`) {
		t.Fatal(status, body)
	}
	// One more than the event says is tampering.
	r.sql(`DELETE FROM "AuditLog" WHERE "rowId" = '` + ids[9] + `'`)
	if report := r.verify(withKey); !report.Has("ROW_MISSING") || !report.Has("WSEQ_GAP") {
		t.Fatal(show(report))
	}
}

func TestHoldsAreOnTheRecord(t *testing.T) {
	r := newRig(t, signed)
	var h auditlog.Hold
	if err := json.Unmarshal([]byte(r.must("POST", "/api/audit/holds", `{"kind":"tenant","value":"t1","reason":"case 7"}`)), &h); err != nil {
		t.Fatal(err)
	}
	if got := r.must("GET", "/api/audit/holds", ""); !strings.Contains(got, h.ID) || !strings.Contains(got, "case 7") {
		t.Fatal(got)
	}
	r.must("DELETE", "/api/audit/holds/"+h.ID, "")
	if status, _ := r.as(admin, "DELETE", "/api/audit/holds/"+h.ID, ""); status != 404 {
		t.Fatal(status)
	}
	for _, bad := range []string{`{"kind":"x","value":"1","reason":"r"}`, `{"kind":"row","value":"1","reason":"r"}`, `{"kind":"entry","value":"1","reason":" "}`} {
		if status, _ := r.as(admin, "POST", "/api/audit/holds", bad); status != 400 {
			t.Error(bad, status)
		}
	}
	var operations []string
	for _, e := range r.entries() {
		operations = append(operations, e.Operation)
	}
	if strings.Join(operations, " ") != "hold release" {
		t.Fatal(operations)
	}
}

func TestDeniedWritesAreRecorded(t *testing.T) {
	r := newRig(t, signed+`, "record_denied": true`)
	token, user := r.user("ada")
	id := r.insert("Item", `{"name":"not hers"}`)
	if status, _ := r.as(token, "PATCH", "/api/entities/Item/"+id, `{"name":"hers"}`); status != 403 {
		t.Fatal(status)
	}
	if status, _ := r.as("", "DELETE", "/api/entities/Item/"+id, ""); status != 403 {
		t.Fatal(status)
	}
	got := r.entries()
	if status, _ := r.as(admin, "DELETE", "/api/entities/AuditLog/"+got[0].ID, ""); status != 403 {
		t.Fatal("the log can be written", status)
	}
	got = r.entries()
	if len(got) != 4 {
		t.Fatalf("%+v", got)
	}
	if e := got[1]; e.Outcome != "denied" || e.Operation != "update" || e.ActorID != user || e.ActorType != "user" || e.RowID != id || e.Changed != `["name"]` || e.After != "" || e.Before != "" {
		t.Errorf("%+v", e)
	}
	if e := got[2]; e.Outcome != "denied" || e.Operation != "delete" || e.ActorType != "anonymous" || e.ActorID != "" {
		t.Errorf("%+v", e)
	}
	if e := got[3]; e.Outcome != "denied" || e.Entity != "AuditLog" || e.Operation != "delete" || e.ActorID != "__admin__" {
		t.Errorf("%+v", e)
	}
	if got := r.drift(); strings.Contains(got, "DRIFT") {
		t.Fatal(got)
	}
	r.seal()
	r.sql()
	r.intact(r.verify(withKey, r.withAnchor), auditlog.VerdictAnchored)
}

func TestDeniedWritesAreNotRecordedUnasked(t *testing.T) {
	r := newRig(t, signed)
	id := r.insert("Item", `{"name":"not hers"}`)
	r.as("", "DELETE", "/api/entities/Item/"+id, "")
	if got := r.entries(); len(got) != 1 {
		t.Fatal(got)
	}
}

func TestReadingTheLogIsRecorded(t *testing.T) {
	r := newRig(t, signed+`, "record_views": true`)
	token, user := r.user("ada")
	r.insert("Order", `{"n":1}`)
	status, body := r.as(token, "GET", "/api/entities/AuditLog", "")
	if status != 200 || strings.Contains(body, "Order") {
		t.Fatal("policy decides who reads the log", status, body)
	}
	r.as(token, "POST", "/api/entities/Order", `{"n":2}`)
	if _, body = r.as(token, "GET", "/api/entities/AuditLog", ""); !strings.Contains(body, `"entity":"Order"`) || strings.Contains(body, "__admin__") {
		t.Fatal("she sees what she did", body)
	}
	r.must("GET", "/api/audit/entries?entity=Order", "")
	views := map[string]int{}
	for _, e := range r.entries() {
		if e.Operation == "view" && e.Entity == "AuditLog" {
			views[e.ActorID]++
		}
	}
	// Her two, and the administrator's one before this one of ours.
	if views[user] != 2 || views["__admin__"] != 1 {
		t.Fatal(views)
	}
	r.seal()
	r.sql()
	r.intact(r.verify(withKey, r.withAnchor), auditlog.VerdictAnchored)
}

func TestTheLogIsWrittenByNobodyElse(t *testing.T) {
	r := newRig(t, signed)
	r.insert("Order", `{"n":1}`)
	id := r.entries()[0].ID
	for _, c := range [][3]string{
		{"PATCH", "/api/entities/AuditLog/" + id, `{"actorId":"x"}`},
		{"DELETE", "/api/entities/AuditLog/" + id, ""},
		{"POST", "/api/entities/AuditLog", `{"entity":"Order","rowId":"1","operation":"insert","createdAt":"2026-01-31T09:30:00Z","outcome":"ok","actorType":"user","txId":"1","writer":"w","wseq":1,"commitments":"-.-.-"}`},
		{"POST", "/api/transact", `[{"op":"delete","entity":"AuditLog","id":"` + id + `"}]`},
	} {
		if status, body := r.as(admin, c[0], c[1], c[2]); status != 403 && !strings.Contains(body, "READ_ONLY_ENTITY") {
			t.Error(c, status, body)
		}
	}
	for _, path := range []string{"GET /api/audit/entries", "POST /api/audit/verify", "POST /api/audit/erase", "POST /api/audit/prune", "POST /api/audit/holds", "GET /api/audit/status", "POST /api/audit/export", "POST /api/audit/hash"} {
		method, path, _ := strings.Cut(path, " ")
		if status, body := r.as("", method, path, ""); status != 401 && status != 403 {
			t.Error(path, status, body)
		}
	}
}

func TestAnEntryThatCannotBeWrittenStopsTheWrite(t *testing.T) {
	r := newRig(t, signed)
	r.sql(`ALTER TABLE "AuditLog" RENAME TO "Gone"`)
	if status, body := r.as(admin, "POST", "/api/entities/Order", `{"n":1}`); status/100 != 5 || strings.Contains(body, "Gone") || strings.Contains(body, "SQL") {
		t.Fatal(status, body)
	}
	r.sql(`ALTER TABLE "Gone" RENAME TO "AuditLog"`)
	if n := r.ask(`SELECT count(*) FROM "Order"`, store.TypeInt).Int(); n != 0 {
		t.Fatal(n)
	}
}

func TestBulkWritesAreRecorded(t *testing.T) {
	r := newRig(t, signed)
	r.must("POST", "/api/batch", `{"operations":[{"op":"insert","entity":"Order","data":{"n":1}},{"op":"insert","entity":"Order","data":{"n":2}}]}`)
	r.must("POST", "/api/transact", `[{"op":"insert","entity":"Order","data":{"n":3}},{"op":"insert","entity":"Item","data":{"name":"a"}}]`)
	// A write that a plugin makes, as the system.
	err := r.app.DB().Update(store.WithActor(t.Context(), store.System("stripe")), func(tx *store.Tx) error {
		p := store.NewPatch(tx.Schema().Entity("Order"))
		if err := p.Put("n", store.Int(4)); err != nil {
			return err
		}
		_, err := tx.Insert(p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got := r.entries()
	if len(got) != 5 {
		t.Fatalf("%+v", got)
	}
	if got[2].TxID != got[3].TxID || got[4].ActorType != "system" || got[4].ActorID != "stripe" {
		t.Fatalf("%+v", got)
	}
}
