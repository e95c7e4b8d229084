package auditlog_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pylon-go/pylon/internal/objectstore"
	"github.com/pylon-go/pylon/internal/s3test"
	"github.com/pylon-go/pylon/plugins/auditlog"
)

const exported = signed + `, "export": { "type": "dir", "path": "DIR/out" }`

func (r *rig) verifyDir(options ...func(*auditlog.VerifyOptions)) (*auditlog.Report, error) {
	d, err := auditlog.OpenDirectory(os.DirFS(filepath.Join(r.dir, "out")))
	if err != nil {
		return nil, err
	}
	o := auditlog.VerifyOptions{Now: r.clock.Now(), MaxLag: time.Minute}
	for _, set := range options {
		set(&o)
	}
	return auditlog.Verify(r.t.Context(), d, o)
}

func TestAnExportedFolderIsVerified(t *testing.T) {
	r := newRig(t, exported)
	id := r.insert("Item", `{"name":"Ada Lovelace"}`)
	for i := range 300 {
		r.insert("Order", fmt.Sprintf(`{"n":%d}`, i))
	}
	r.must("POST", "/api/audit/export", "")
	r.must("POST", "/api/audit/erase", `{"entity":"Item","row_id":"`+id+`","reason":"asked for"}`)
	r.insert("Order", `{"n":1}`)
	r.must("POST", "/api/audit/export", "")
	if got := r.must("POST", "/api/audit/export", ""); !strings.Contains(got, `"objects":0`) {
		t.Error("it is written again: ", got)
	}
	r.seal()
	report, err := r.verifyDir(withKey, r.withAnchor)
	if err != nil {
		t.Fatal(err)
	}
	// The anchor holds what was exported, and perhaps what came after it.
	if report.Entries < 302 || report.Erased != 1 || !report.MACs || report.Has("ROOT_MISMATCH") || report.Has("LEAF_MISMATCH") {
		t.Fatal(report, show(report))
	}
	all := ""
	if err := filepath.WalkDir(filepath.Join(r.dir, "out"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			b, err := os.ReadFile(path)
			all += string(b)
			return err
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(all, `"Ada`) || strings.Contains(all, "Ada ") { // three letters alone are in any long base64
		t.Error("values are not encrypted")
	}

	for _, c := range []struct {
		name, file string
		change     func([]byte) []byte
		want       string
	}{
		{"a leaf", "tile/entries/000", func(b []byte) []byte { b[40] ^= 1; return b }, ""},
		{"a tile", "tile/0/000", func(b []byte) []byte { b[100] ^= 1; return b }, ""},
		{"the checkpoint", "checkpoint", func(b []byte) []byte { return []byte(strings.Replace(string(b), "— ", "— x", 1)) }, "CKPT_SIG_BAD"},
		{"the keys", "keys/000", func([]byte) []byte { return nil }, "PAYLOAD_MISSING_NO_ERASE_EVENT"},
	} {
		file := filepath.Join(r.dir, "out", c.file)
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, c.change(append([]byte(nil), before...)), 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := r.verifyDir(withKey)
		if err == nil && (report.Verdict != auditlog.VerdictTampered || c.want != "" && !report.Has(c.want)) {
			t.Errorf("%s: %s\n%s", c.name, report.Verdict, show(report))
		}
		if err := os.WriteFile(file, before, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	report, err = r.verifyDir(withKey)
	if err != nil {
		t.Fatal(err)
	}
	r.intact(report, auditlog.VerdictNotAnchored)
}

func TestAnchorsAndExportsInALockedBucket(t *testing.T) {
	s := s3test.New(t)
	s.Bucket(t, "worm", true)
	r := newStoppedRig(t)
	r.clock = clockAt(time.Now()) // retention is by the store's clock
	r.env["ACCESS"], r.env["SECRET"] = s.AccessKey, s.SecretKey
	bucket := `"s3": { "bucket": "worm", "prefix": "PREFIX", "region": "us-east-1", "endpoint": "` + s.Endpoint + `", "access_key_env": "ACCESS", "secret_key_env": "SECRET", "retain_days": 1 }`
	r.declare(`"entities": "*", "sign_entries": true, "signing_key_env": "KEY", "verify_secs": 0,
		"anchors": [{ "type": "s3", ` + strings.Replace(bucket, "PREFIX", "heads", 1) + ` }], "export": { "type": "s3", ` + strings.Replace(bucket, "PREFIX", "log", 1) + ` }`)
	r.start()
	id := r.insert("Item", `{"name":"a"}`)
	r.seal()
	r.must("POST", "/api/audit/export", "")
	r.must("POST", "/api/audit/erase", `{"entity":"Item","row_id":"`+id+`","reason":"asked for"}`)
	r.must("POST", "/api/audit/export", "")
	r.seal()
	got := r.must("POST", "/api/audit/verify", `{}`)
	if !strings.Contains(got, `"verdict":"INTACT, ANCHORED"`) {
		t.Fatal(got, r.logs)
	}
	b, err := objectstore.Open(objectstore.Options{Endpoint: s.Endpoint, Region: s.Region, Bucket: "worm", AccessKey: s.AccessKey, SecretKey: s.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	heads, keys, locked := 0, 0, 0
	if err := b.Versions(t.Context(), "", func(v objectstore.Version) error {
		switch {
		case strings.HasPrefix(v.Key, "heads/checkpoint/shop---co/audit/"):
			heads++
			// 33: what is put over is not what counts.
			if err := b.Put(t.Context(), v.Key, []byte("rubbish"), objectstore.PutOptions{}); err != nil {
				return err
			}
		case strings.HasPrefix(v.Key, "log/keys/"):
			keys++
		}
		if strings.HasPrefix(v.Key, "heads/") || strings.HasPrefix(v.Key, "log/payload/") {
			if b.Delete(t.Context(), v) == nil {
				return fmt.Errorf("%s could be deleted", v.Key)
			}
			locked++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if heads < 2 || keys != 1 || locked < 3 {
		t.Fatal("heads, versions of keys, locked objects:", heads, keys, locked)
	}
	if got := r.must("POST", "/api/audit/verify", `{}`); !strings.Contains(got, `"verdict":"INTACT, ANCHORED"`) {
		t.Fatal(got)
	}
}

func TestHeadsAndAlertsAreSent(t *testing.T) {
	got := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body := make([]byte, 64<<10)
		n, _ := req.Body.Read(body)
		got <- req.URL.Path + " " + req.Header.Get("Authorization") + " " + string(body[:n])
	}))
	defer server.Close()
	r := newStoppedRig(t)
	r.env["TOKEN"] = "the-token"
	r.declare(`"entities": "*", "sign_entries": true, "signing_key_env": "KEY", "verify_secs": 60, "alert_url": "` + server.URL + `/alert",
		"anchors": [{ "type": "http", "url": "` + server.URL + `/head?q=hidden", "headers": { "Authorization": "Bearer ${TOKEN}" } }, { "type": "log" }]`)
	r.start()
	r.insert("Order", `{"n":1}`)
	r.seal()
	next := func(path string) string {
		t.Helper()
		for {
			select {
			case s := <-got:
				if strings.HasPrefix(s, path) {
					return s
				}
			case <-time.After(deadline):
				t.Fatalf("nothing came at %s\n%s", path, r.logs)
			}
		}
	}
	head := next("/head Bearer the-token ")
	var record auditlog.AnchorRecord
	if err := json.Unmarshal([]byte(strings.TrimPrefix(head, "/head Bearer the-token ")), &record); err != nil || !strings.Contains(record.Note, "shop---co/audit/") {
		t.Fatal(head, err)
	}
	if !strings.Contains(r.logs.String(), "audit log checkpoint") || strings.Contains(r.logs.String(), "hidden") {
		t.Fatal(r.logs)
	}
	r.sql(`UPDATE "AuditLog" SET "actorId" = 'mallory'`)
	if err := r.plugin().VerifyNew(t.Context()); err != nil {
		t.Fatal(err)
	}
	for alert := ""; !strings.Contains(alert, "ROW_MAC_BAD"); { // one for each finding
		if alert = next("/alert"); !strings.Contains(alert, `"kind":"tampered"`) {
			t.Fatal(alert)
		}
	}
	if _, metrics := r.as(admin, "GET", "/metrics", ""); !strings.Contains(metrics, "pylon_audit_log_intact 0") || !strings.Contains(metrics, `pylon_audit_log_findings_total{code="ROW_MAC_BAD"} 1`) {
		t.Fatal(metrics)
	}
	if status := r.must("GET", "/api/audit/status", ""); !strings.Contains(status, `"intact":false`) {
		t.Fatal(status)
	}
}

func TestVerificationInTheServerGoesOn(t *testing.T) {
	r := newRig(t, strings.Replace(signed, `"verify_secs": 0`, `"verify_secs": 60`, 1))
	for i := range 5 {
		id := r.insert("Order", fmt.Sprintf(`{"n":%d}`, i))
		r.seal()
		if err := r.plugin().VerifyNew(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.clock.Advance(time.Hour)
		r.must("POST", "/api/audit/erase", `{"entity":"Order","row_id":"`+id+`","reason":"x"}`)
	}
	r.seal()
	if err := r.plugin().VerifyNew(t.Context()); err != nil {
		t.Fatal(err)
	}
	status := r.must("GET", "/api/audit/status", "")
	if !strings.Contains(status, `"intact":true`) || !strings.Contains(status, `"verdict":"INTACT, ANCHORED"`) || !strings.Contains(status, `"findings":[]`) {
		t.Fatal(status)
	}
}
