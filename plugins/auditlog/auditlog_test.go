package auditlog_test

import (
	"strings"
	"testing"

	"github.com/pylon-go/pylon/plugins/auditlog"
)

func TestEveryWriteLeavesAnEntry(t *testing.T) {
	r := newRig(t, signed)
	id := r.insert("Item", `{"name":"a","hidden":"never","price":1.5,"info":{"b":1,"a":[2]}}`)
	r.patch("Item", id, `{"name":"b"}`)
	r.patch("Item", id, `{"hidden":"again never"}`)
	r.must("DELETE", "/api/entities/Item/"+id, "")
	r.insert("Other", `{"n":1}`)

	got := r.entries()
	if len(got) != 4 {
		t.Fatalf("%d entries: %+v", len(got), got)
	}
	row := func(name string) string {
		return `{"id":"` + id + `","name":"` + name + `","card":null,"email":null,"price":1.5,"at":null,"ok":null,"info":{"b":1,"a":[2]},"ownerId":null}`
	}
	for i, want := range []struct{ operation, before, after, changed string }{
		{"insert", "", row("a"), ""},
		{"update", row("a"), row("b"), `["name"]`},
		{"update", row("b"), row("b"), `["hidden"]`},
		{"delete", row("b"), "", ""},
	} {
		e := got[i]
		if e.Operation != want.operation || e.Before != want.before || e.After != want.after || e.Changed != want.changed {
			t.Errorf("entry %d is %+v\nwant %+v", i, e, want)
		}
		if e.Entity != "Item" || e.RowID != id || e.ActorID != "__admin__" || e.ActorType != "admin" || e.Outcome != "ok" || e.UserAgent != "the-agent/1.0" ||
			e.IP == "" || e.RequestID == "" || e.CreatedAt != "2026-01-31T09:30:00.000Z" || !strings.HasPrefix(e.Signature, "v1:") || e.Wseq != i+1 {
			t.Errorf("entry %d is %+v", i, e)
		}
	}
	r.seal()
	r.intact(r.verify(), auditlog.VerdictNotAnchored)
	r.intact(r.verify(withKey), auditlog.VerdictNotAnchored)
	report := r.verify(withKey, r.withAnchor)
	r.intact(report, auditlog.VerdictAnchored)
	if report.Entries != 4 || !report.MACs || !report.Pinned {
		t.Fatalf("%+v", report)
	}
}

func TestNothingIsRecordedOfWhatIsRolledBack(t *testing.T) {
	r := newRig(t, signed)
	r.insert("Order", `{"n":1}`)
	if status, body := r.as(admin, "POST", "/api/transact", `[{"op":"insert","entity":"Order","data":{"n":2}},{"op":"update","entity":"Order","id":"nothing","data":{"n":3}}]`); status/100 == 2 {
		t.Fatal(status, body)
	}
	r.insert("Order", `{"n":4}`)
	if got := r.entries(); len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	r.seal()
	r.intact(r.verify(withKey, r.withAnchor), auditlog.VerdictAnchored)
	r.stop()
	r.intact(r.verify(withKey, r.withAnchor), auditlog.VerdictAnchored)
}
