package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
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

The database is brought up to date at start and whenever the manifest changes; a
manifest with problems leaves the running app as it is. Without PYLON_ADMIN_TOKEN an
administrator's token is made and printed.`,
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
	r := &reloader{opts: opts, app: app, out: out, err: c.ErrOrStderr()}
	r.opts.AdminToken = token // a reload keeps it
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return errors.Join(fmt.Errorf("watch the manifest: %w", err), stopApp(app))
	}
	defer watcher.Close()
	// Editors replace files, so the folder is watched, not the file.
	if err := watcher.Add(dir); err != nil {
		return errors.Join(fmt.Errorf("watch the manifest: %w", err), stopApp(app))
	}
	go r.watch(c.Context(), watcher)
	fmt.Fprintf(out, "%s ready at %s\n", app.AppName(), shownURL(l))
	err = pylon.Serve(c.Context(), l, r, log)
	return errors.Join(err, r.stop())
}

// reloader serves the app and replaces it when its manifest changed. Requests
// wait while it does.
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

func (r *reloader) watch(ctx context.Context, w *fsnotify.Watcher) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			if filepath.Base(e.Name) == pylon.ManifestName && !e.Has(fsnotify.Chmod) {
				timer.Reset(settle)
			}
		case err, ok := <-w.Errors:
			if !ok {
				return
			}
			fmt.Fprintln(r.err, "pylon: watching the manifest:", err)
		case <-timer.C:
			r.reload(ctx)
		}
	}
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
	fmt.Fprintln(r.out, "reloaded")
}

func (r *reloader) stop() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.app == nil {
		return nil
	}
	return stopApp(r.app)
}
