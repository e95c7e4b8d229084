package auditlog_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pylon-go/pylon/plugins/auditlog"
	"github.com/pylon-go/pylon/store"
)

// beside is another server on the same database.
func (r *rig) beside() *rig {
	r.t.Helper()
	other := &rig{t: r.t, database: r.database, clock: r.clock, logs: &logs{}, dir: r.dir, env: r.env, anchor: r.anchor}
	r.t.Cleanup(other.stop)
	other.start()
	return other
}

func TestServersShareOneLog(t *testing.T) {
	r := newStoppedRig(t)
	if !r.database.Shared() {
		t.Skip("one server has this database for itself")
	}
	r.declare(signed)
	r.start()
	other := r.beside()
	var wg sync.WaitGroup
	for i, s := range []*rig{r, other} {
		wg.Go(func() {
			for j := range 30 {
				if status, body := s.as(admin, "POST", "/api/entities/Order", fmt.Sprintf(`{"n":%d}`, i*100+j)); status != 201 {
					t.Error(status, body)
				}
				if err := s.plugin().Seal(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r.seal()
	other.seal()
	report := r.verify(withKey, r.withAnchor)
	r.intact(report, auditlog.VerdictAnchored)
	if report.Entries != 60 {
		t.Fatal(report.Entries)
	}

	// One dies with entries that are not sealed; the other finds them.
	other.insert("Order", `{"n":1000}`)
	other.crash()
	r.clock.Advance(3 * time.Minute)
	if err := r.plugin().RecoverDead(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.seal()
	report = r.verify(withKey, r.withAnchor)
	r.intact(report, auditlog.VerdictAnchored)
	if report.Entries != 61 || report.Unsealed != 0 {
		t.Fatalf("%+v", report)
	}
}

// A server that was taken for dead, and was not, goes on under another name.
func TestAServerThatWasTakenForDead(t *testing.T) {
	r := newRig(t, signed)
	r.insert("Order", `{"n":1}`)
	r.sql(`UPDATE ` + writers + ` SET closed = ` + map[bool]string{true: "true", false: "1"}[r.database.Shared()])
	r.insert("Order", `{"n":2}`)
	r.seal()
	r.insert("Order", `{"n":3}`)
	r.seal()
	report := r.verify(withKey, r.withAnchor)
	r.intact(report, auditlog.VerdictAnchored)
	if report.Entries != 3 || !strings.Contains(r.logs.String(), "took it for dead") {
		t.Fatalf("%+v\n%s", report, r.logs)
	}
}

func TestWritesAreBlockedWhileTheLogCannotBeSealed(t *testing.T) {
	r := newRig(t, signed+`, "on_seal_lag": "block"`)
	r.insert("Order", `{"n":1}`)
	r.seal()
	r.sql(`DELETE FROM ` + checkpoints)
	r.insert("Order", `{"n":2}`)
	if err := r.plugin().Seal(t.Context()); err == nil {
		t.Fatal("it was sealed without its last head")
	}
	r.insert("Order", `{"n":3}`) // it is not late yet
	r.clock.Advance(2 * time.Minute)
	if status, body := r.as(admin, "POST", "/api/entities/Order", `{"n":4}`); status != 503 || !strings.Contains(body, "AUDIT_UNSEALED") {
		t.Fatal(status, body)
	}
	if status, body := r.as(admin, "POST", "/api/entities/Other", `{"n":4}`); status != 201 {
		t.Fatal(status, body)
	}
	if !strings.Contains(r.logs.String(), "the audit log was tampered with") {
		t.Fatal(r.logs)
	}
}

func TestOldCheckpointsAreThinned(t *testing.T) {
	r := newRig(t, signed)
	for i := range 6 {
		r.insert("Order", fmt.Sprintf(`{"n":%d}`, i))
		r.seal()
		r.clock.Advance(10 * time.Minute)
	}
	before := r.ask(`SELECT count(*) FROM `+checkpoints, store.TypeInt).Int()
	r.stop()
	r.clock.Advance(48 * time.Hour)
	r.declare(strings.Replace(signed, `"KEY"`, `["NEW", "KEY"]`, 1))
	r.start()
	r.insert("Order", `{"n":7}`)
	r.seal()
	r.clock.Advance(48 * time.Hour)
	r.insert("Order", `{"n":8}`)
	r.seal()
	if err := r.plugin().Thin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := r.ask(`SELECT count(*) FROM `+checkpoints, store.TypeInt).Int(); after >= before {
		t.Fatal(before, after)
	}
	both := func(o *auditlog.VerifyOptions) { o.Secrets = [][]byte{[]byte(newSecret), []byte(secret)} }
	r.intact(r.verify(both, r.withAnchor), auditlog.VerdictAnchored)
}
