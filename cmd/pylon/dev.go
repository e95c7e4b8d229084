package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/spf13/cobra"

	"github.com/pylon-go/pylon"
)

func devCommand() *cobra.Command {
	var at address
	c := &cobra.Command{
		Use:   "dev [DIR]",
		Short: "Run the app in DIR for development",
		Long: `Run the app in DIR (default: this folder) for development.

The database is brought up to date at start and whenever the manifest or app.ts
changes; functions are compiled anew when a source changes. What has problems leaves
the running app as it is. Without PYLON_ADMIN_TOKEN an administrator's token is made
and printed.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return dev(c, appDir(args), &at) },
	}
	at.flags(c, "127.0.0.1")
	return c
}

func dev(c *cobra.Command, dir string, at *address) error {
	log, err := newLogger(false)
	if err != nil {
		return err
	}
	opts := pylon.Options{Dir: dir, Dev: true, Version: version, Logger: log}
	app, err := pylon.New(c.Context(), opts)
	if err != nil {
		return err
	}
	l, err := at.listen(c)
	if err != nil {
		return errors.Join(err, stopApp(app))
	}
	token, madeUp := app.AdminToken()
	out := c.OutOrStdout()
	if madeUp {
		fmt.Fprintf(out, "admin token for this run: %s\n", token)
	}
	declareTypes(app, log)
	r := &reloader{opts: opts, app: app, out: out, err: c.ErrOrStderr()}
	r.opts.AdminToken = token // a reload keeps it
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return errors.Join(fmt.Errorf("watch the app: %w", err), stopApp(app))
	}
	defer watcher.Close()
	if err := watchTree(watcher, dir); err != nil {
		return errors.Join(fmt.Errorf("watch the app: %w", err), stopApp(app))
	}
	go r.watch(c.Context(), watcher)
	fmt.Fprintf(out, "%s ready at %s\n", app.AppName(), shownURL(l))
	err = pylon.Serve(c.Context(), l, r, log)
	return errors.Join(err, r.stop())
}

// reloader serves the app and keeps it up with its files. Requests wait while the
// whole app is replaced.
type reloader struct {
	opts     pylon.Options
	out, err io.Writer

	mu  sync.RWMutex
	app *pylon.App // nil when the last start failed
}

func (r *reloader) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.app == nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, `{"error":{"code":"NOT_READY","message":"the app could not be started; see the terminal"}}`, http.StatusServiceUnavailable)
		return
	}
	r.app.ServeHTTP(w, req)
}

// settle is how long a file must be quiet: editors write in several steps.
const settle = 100 * time.Millisecond

// change is what has to be done about a file that changed.
type change int

const (
	nothing change = iota
	functions
	everything
)

// changeOf is what a file means to the app.
func changeOf(file string) change {
	switch base := filepath.Base(file); {
	case base == pylon.ManifestName || base == "app.ts":
		return everything
	case strings.HasPrefix(base, "."):
		return nothing
	}
	switch filepath.Ext(file) {
	case ".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs", ".json":
		return functions
	}
	return nothing
}

// watchTree watches a folder and those below it, but for what is not the app's source.
// Editors replace files, so folders are watched, not files.
func watchTree(w *fsnotify.Watcher, root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != root && (name == "node_modules" || strings.HasPrefix(name, ".")) {
			return fs.SkipDir
		}
		return w.Add(path)
	})
}

func (r *reloader) watch(ctx context.Context, w *fsnotify.Watcher) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	pending := nothing
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			if e.Has(fsnotify.Chmod) {
				continue
			}
			what := changeOf(e.Name)
			if e.Has(fsnotify.Create) {
				if info, err := os.Stat(e.Name); err == nil && info.IsDir() {
					if err := watchTree(w, e.Name); err != nil {
						fmt.Fprintln(r.err, "pylon: watching the app:", err)
					}
					what = functions // files may be in it already
				}
			}
			if what != nothing {
				pending = max(pending, what)
				timer.Reset(settle)
			}
		case err, ok := <-w.Errors:
			if !ok {
				return
			}
			fmt.Fprintln(r.err, "pylon: watching the app:", err)
		case <-timer.C:
			if pending == everything || !r.running() {
				r.reload(ctx)
			} else {
				r.reloadFunctions()
			}
			pending = nothing
		}
	}
}

func (r *reloader) running() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.app != nil
}

// reloadFunctions puts the functions of now into the running app.
func (r *reloader) reloadFunctions() {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := r.app.ReloadFunctions(); err != nil {
		printError(err)
		fmt.Fprintln(r.err, "pylon: the functions go on as they were")
		return
	}
	fmt.Fprintln(r.out, "functions reloaded")
}

// reload starts the app anew from its files. A declaration with problems, or one
// that the database cannot follow, leaves the running app alone.
func (r *reloader) reload(ctx context.Context) {
	if _, err := pylon.Check(r.opts.Dir, r.opts.Getenv); err != nil {
		printError(err)
		fmt.Fprintln(r.err, "pylon: the app goes on as it was")
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.app != nil {
		if err := stopApp(r.app); err != nil {
			fmt.Fprintln(r.err, "pylon: stopping the app:", err)
		}
	}
	app, err := pylon.New(ctx, r.opts)
	if r.app = app; err != nil {
		r.app = nil
		printError(err)
		fmt.Fprintln(r.err, "pylon: the app is not running until this is mended")
		return
	}
	declareTypes(app, r.opts.Logger)
	fmt.Fprintln(r.out, "reloaded")
}

// declareTypes keeps what editors know of the app up to date. The app runs without.
func declareTypes(app *pylon.App, log *slog.Logger) {
	if _, err := app.Codegen(); err != nil {
		log.Warn("the type declarations could not be written", "error", err)
	}
}

func (r *reloader) stop() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.app == nil {
		return nil
	}
	return stopApp(r.app)
}
