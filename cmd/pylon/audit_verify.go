package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/plugins/auditlog"
	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/postgres"
	"github.com/pylon-go/pylon/store/sqlite"
)

// verdictError ends the program with a code of its own.
type verdictError struct {
	code int
	err  error
}

func (e *verdictError) Error() string { return e.err.Error() }
func (e *verdictError) Unwrap() error { return e.err }

// notVerified is the code for what could not be verified.
const notVerified = 2

// verification is what the command verifies, and how.
type verification struct {
	server   *client
	dir, db  string
	pubkeys  []string
	keyEnvs  []string
	anchors  []string
	resume   string
	maxLag   time.Duration
	asJSON   bool
	drift    bool
	progress io.Writer
}

func auditVerifyCommand(server *client) *cobra.Command {
	v := &verification{server: server}
	c := &cobra.Command{
		Use:   "verify [FOLDER]",
		Short: "Verify the audit log of a database or of an exported folder",
		Long: `Verify the audit log: of the exported FOLDER, or of the app's database (DATABASE_URL,
PYLON_DB_PATH or .pylon/dev.db in --dir; --db names another). It is read as it is, beside a
running server or without one. --drift asks the running server instead, and holds the
app's rows against the log too.

Give what does not come from the machine that is being checked: the public key
(--pubkey, as "pylon audit pubkey" prints it) and what an anchor holds (--anchor FILE).
With the signing key (--key-env) the signature of every entry is verified too.

Exit code: 0 intact and anchored, 3 intact but not anchored (whether something was cut
off at the end cannot be known), 1 tampered with, 2 not verified.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			v.progress = c.ErrOrStderr()
			report, err := v.run(c.Context(), args)
			if err != nil {
				return &verdictError{notVerified, err}
			}
			if v.asJSON {
				err = printJSON(c.OutOrStdout(), report)
			} else {
				printReport(c.OutOrStdout(), report)
			}
			if err != nil {
				return &verdictError{notVerified, err}
			}
			if code := report.Verdict.ExitCode(); code != 0 {
				return &verdictError{code, errors.New(string(report.Verdict))}
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&v.dir, "dir", ".", "folder of the app")
	f.StringVar(&v.db, "db", "", "file of a SQLite database or URL of a PostgreSQL one")
	f.StringArrayVar(&v.pubkeys, "pubkey", nil, "public key of the log (repeat for several)")
	f.StringArrayVar(&v.keyEnvs, "key-env", nil, "environment variable with a signing key (repeat for several)")
	f.StringArrayVar(&v.anchors, "anchor", nil, "file of an anchor (repeat for several)")
	f.StringVar(&v.resume, "resume", "", "file that keeps how far it is, to go on from after an interruption")
	f.DurationVar(&v.maxLag, "max-lag", time.Minute, "how long entries may be without a leaf")
	f.BoolVar(&v.drift, "drift", false, "ask the running server, and hold the app's rows against the log too")
	f.BoolVar(&v.asJSON, "json", false, "print JSON")
	return c
}

func (v *verification) run(ctx context.Context, args []string) (*auditlog.Report, error) {
	if v.drift {
		report := &auditlog.Report{}
		return report, v.server.call(ctx, http.MethodPost, "/api/audit/verify", map[string]bool{"drift": true}, report)
	}
	o := auditlog.VerifyOptions{PublicKeys: v.pubkeys, Now: time.Now(), MaxLag: v.maxLag}
	for _, env := range v.keyEnvs {
		secret, err := secretOf(env)
		if err != nil {
			return nil, err
		}
		o.Secrets = append(o.Secrets, secret)
	}
	src, expected, closing, err := v.source(ctx, args)
	if err != nil {
		return nil, err
	}
	defer closing()
	for _, file := range v.anchors {
		records, err := anchorFile(file)
		if err != nil {
			return nil, fmt.Errorf("--anchor: %w", err)
		}
		o.Anchors = append(o.Anchors, auditlog.AnchorSet{Name: file, Records: records, Expected: expected["file:"+file]})
	}
	o.Progress = func(done, total int64) { fmt.Fprintf(v.progress, "\r\x1b[K%d of %d leaves", done, total) }
	defer fmt.Fprint(v.progress, "\r\x1b[K")
	state, err := v.loadState()
	if err != nil {
		return nil, err
	}
	if v.resume != "" {
		o.Saved = v.saveState
	}
	report, err := state.Run(ctx, src, o)
	if err != nil && v.resume != "" && ctx.Err() != nil {
		return nil, errors.Join(fmt.Errorf("interrupted after %d leaves; the same command goes on from the last %s", state.Next, v.resume), ctx.Err())
	}
	if err == nil && v.resume != "" {
		if err := os.Remove(v.resume); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return report, err
}

// source opens what is verified.
func (v *verification) source(ctx context.Context, args []string) (src auditlog.Source, expected map[string]int64, closing func(), err error) {
	if len(args) == 1 {
		root, err := os.OpenRoot(args[0])
		if err != nil {
			return nil, nil, nil, err
		}
		d, err := auditlog.OpenDirectory(root.FS())
		if err != nil {
			if _, missing := root.Stat(pylon.ManifestName); missing == nil {
				err = fmt.Errorf("%w; for the log of the app in a folder say --dir %s", err, root.Name())
			}
			root.Close()
			return nil, nil, nil, err
		}
		return d, nil, func() { root.Close() }, nil
	}
	engine, err := v.engine(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	d := auditlog.OpenDatabase(engine)
	if expected, err = d.Expected(ctx); err != nil {
		return nil, nil, nil, errors.Join(errors.New("there is no audit log in this database"), err, engine.Close())
	}
	return d, expected, func() { engine.Close() }, nil
}

func (v *verification) engine(ctx context.Context) (store.Engine, error) {
	at := v.db
	if at == "" {
		at = os.Getenv("DATABASE_URL")
	}
	if strings.HasPrefix(at, "postgres://") || strings.HasPrefix(at, "postgresql://") {
		e, err := postgres.Open(ctx, at, postgres.Options{Application: "pylon audit"})
		if err != nil {
			return nil, err
		}
		return e, nil
	}
	if at == "" {
		at = os.Getenv("PYLON_DB_PATH")
	}
	if at == "" {
		at = filepath.Join(v.dir, ".pylon", "dev.db")
	}
	if _, err := os.Stat(at); err != nil { // opening it would make it
		return nil, err
	}
	e, err := sqlite.Open(at, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	return e, nil
}

func anchorFile(file string) ([]auditlog.AnchorRecord, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return auditlog.ReadAnchorFile(f)
}

// loadState goes on from where an interrupted run was.
func (v *verification) loadState() (*auditlog.Verification, error) {
	state := &auditlog.Verification{}
	if v.resume == "" {
		return state, nil
	}
	b, err := os.ReadFile(v.resume)
	if errors.Is(err, os.ErrNotExist) {
		return state, nil
	}
	if err == nil {
		err = json.Unmarshal(b, state)
	}
	if err != nil {
		return nil, fmt.Errorf("--resume: %w", err)
	}
	return state, nil
}

func (v *verification) saveState(state *auditlog.Verification) error {
	b, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if err := os.WriteFile(v.resume+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(v.resume+".new", v.resume)
}

// printReport shows a report as a person reads it.
func printReport(w io.Writer, r *auditlog.Report) {
	if r.Origin != "" {
		fmt.Fprintf(w, "log       %s\n", r.Origin)
	}
	fmt.Fprintf(w, "leaves    %d, of %d entries; %d not sealed yet, %d erased, %d pruned\n", r.Size, r.Entries, r.Unsealed, r.Erased, r.Pruned)
	fmt.Fprintf(w, "anchored  %d leaves", r.Anchored)
	if r.Unanchored > 0 {
		fmt.Fprintf(w, "; %d newer ones are in no anchor that was given", r.Unanchored)
	}
	fmt.Fprintln(w)
	if !r.Pinned && len(r.Keys) > 0 {
		fmt.Fprintln(w, "key       taken from the log itself: give --pubkey from elsewhere")
	}
	if !r.MACs && len(r.Keys) > 0 {
		fmt.Fprintln(w, "entries   held against the tree; their own signatures need the signing key (--key-env)")
	}
	for _, f := range r.Warnings {
		fmt.Fprintf(w, "warning   %s\n", f)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "finding   %s\n", f)
	}
	for code, n := range r.Counts {
		shown := 0
		for _, f := range r.Findings {
			if f.Code == code {
				shown++
			}
		}
		if n > shown {
			fmt.Fprintf(w, "finding   %s: %d more\n", code, n-shown)
		}
	}
	fmt.Fprintf(w, "verdict   %s\n", r.Verdict)
}
