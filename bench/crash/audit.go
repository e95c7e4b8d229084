package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/plugins/auditlog"
	"github.com/pylon-go/pylon/store/sqlite"
)

// auditKey signs the audit log.
const auditKey = "the-signing-key-of-the-crash-harness-0123456789"

// auditPlugin is the entry of audit_log in the manifest.
func (h *harness) auditPlugin() string {
	if !h.audit {
		return ""
	}
	return `{"name": "audit_log", "config": {"entities": "*", "sign_entries": true, "signing_key_env": "AUDIT_KEY", "anchor_secs": 1,
      "anchors": [{"type": "file", "path": ` + strconv.Quote(h.anchor()) + `}]}},
    `
}

func (h *harness) anchor() string { return filepath.Join(h.dir, "anchor") }

// auditEvery is after how many kills the log is verified as the kill left it.
const auditEvery = 20

// auditKilled verifies the log of a server that was killed a moment ago: nothing was
// tampered with, so nothing may be found.
func (h *harness) auditKilled(ctx context.Context) (err error) {
	if !h.audit || h.killed%auditEvery != 0 || os.Getenv("DATABASE_URL") != "" {
		return nil
	}
	engine, err := sqlite.Open(h.app.Database(), sqlite.Options{Readers: 1})
	if err != nil {
		return err
	}
	defer engine.Close()
	o := auditlog.VerifyOptions{Secrets: [][]byte{[]byte(auditKey)}, Now: time.Now(), MaxLag: time.Minute}
	f, err := os.Open(h.anchor())
	if err == nil {
		defer f.Close()
		records, err := auditlog.ReadAnchorFile(f)
		if err != nil {
			return err
		}
		o.Anchors = []auditlog.AnchorSet{{Name: "anchor", Records: records}}
	}
	report, err := auditlog.Verify(ctx, auditlog.OpenDatabase(engine), o)
	if err != nil {
		return fmt.Errorf("after %d kills the audit log cannot be verified: %w", h.killed, err)
	}
	for _, f := range report.Findings {
		h.problems.addKind(falseAlarm, "after %d kills: %s", h.killed, f)
	}
	return nil
}

// auditEnd verifies the log in the end, and the rows against it.
func (h *harness) auditEnd(ctx context.Context, app *pylon.App, found *inspection) error {
	if !h.audit {
		return nil
	}
	log, ok := plugin.Find[*auditlog.Plugin](app)
	if !ok {
		return fmt.Errorf("the app has no audit_log")
	}
	report, err := log.Verify(ctx, true)
	if err != nil {
		return fmt.Errorf("verify the audit log: %w", err)
	}
	for _, f := range report.Findings {
		found.add(falseAlarm, "%s", f)
	}
	if report.Verdict != auditlog.VerdictAnchored || report.Entries == 0 {
		found.add(falseAlarm, "the verdict is %s, with %d entries", report.Verdict, report.Entries)
	}
	fmt.Fprintf(h.out, "audit log: %s; %d entries in %d leaves, %d findings, %d warnings of servers that did not stop in order\n",
		report.Verdict, report.Entries, report.Size, len(report.Findings), len(report.Warnings))
	return nil
}
