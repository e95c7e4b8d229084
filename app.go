// Package pylon builds and runs an app from its manifest. It is the door for Go
// programs that embed Pylon; the command pylon is one of them.
package pylon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/pylon-go/pylon/api"
	"github.com/pylon-go/pylon/auth"
	"github.com/pylon-go/pylon/function"
	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// Options say how an app is built. Only Dir is needed.
type Options struct {
	// Dir is the app's folder, with its manifest.
	Dir string
	// Dev is `pylon dev`: an admin token is made when none is set.
	Dev bool
	// Version of the program, shown by /health.
	Version string
	// DatabaseURL is that of a PostgreSQL database; DATABASE_URL when it and DBPath
	// are empty.
	DatabaseURL string
	// DBPath is the SQLite file, used when there is no DatabaseURL; PYLON_DB_PATH or
	// .pylon/dev.db in Dir when empty. What the app keeps in files is beside it.
	DBPath string
	// AdminToken is the administrator's; PYLON_ADMIN_TOKEN when empty.
	AdminToken string
	// NoMigrate refuses to start when the database is not up to date, instead of
	// adding what is missing.
	NoMigrate bool
	// Limits of requests; zero values get the defaults.
	Limits api.Limits
	// Functions are those written in Go, and the limits of all.
	Functions Functions

	Getenv func(string) string // os.Getenv when nil
	Logger *slog.Logger        // slog.Default() when nil
	Clock  clockwork.Clock     // the real one when nil
}

func (o *Options) defaults() {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = clockwork.NewRealClock()
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.DatabaseURL == "" && o.DBPath == "" {
		o.DatabaseURL = o.Getenv("DATABASE_URL")
	}
	if o.DBPath == "" {
		o.DBPath = o.Getenv("PYLON_DB_PATH")
	}
	if o.DBPath == "" {
		o.DBPath = filepath.Join(o.Dir, ".pylon", "dev.db")
	}
	if o.AdminToken == "" {
		o.AdminToken = o.Getenv("PYLON_ADMIN_TOKEN")
	}
}

// App is a running app. It implements [http.Handler] and [plugin.Host].
type App struct {
	opts     Options
	declared *declared
	engine   store.Engine
	db       *store.DB
	queue    *queue.Queue
	auth     *auth.Service
	function *function.Host
	server   *api.Server
	outbound *plugin.Outbound
	telem    *telemetry
	madeUp   bool // the admin token was made here
	stopping atomic.Bool
}

// New builds the app, brings its database up to date and starts its work. Stop it
// in the end.
func New(ctx context.Context, o Options) (app *App, err error) {
	o.defaults()
	d, err := declare(o.Dir, o.Getenv)
	if err != nil {
		return nil, err
	}
	a := &App{opts: o, declared: d}
	if err := d.compile(a.build(), o.Functions.Go); err != nil {
		return nil, err
	}
	if a.opts.AdminToken == "" {
		if !o.Dev {
			return nil, errors.New("PYLON_ADMIN_TOKEN is not set: `pylon serve` needs the administrator's token, a long random string")
		}
		a.opts.AdminToken, a.madeUp = "dev_"+rand.Text(), true
	}
	for _, n := range manifest.Notices(d.manifest) {
		o.Logger.Warn(n.Message, "at", fmt.Sprintf("%s:%d:%d", n.File, n.Line, n.Col))
	}
	defer func() {
		if err != nil {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
			defer cancel()
			err = errors.Join(err, a.Stop(stop))
		}
	}()
	if a.telem, err = newTelemetry(ctx, d.manifest.Name, o.Version, o.Getenv); err != nil {
		return nil, err
	}
	engine, err := openEngine(ctx, o, d.manifest.Name, true)
	if err != nil {
		return nil, err
	}
	a.engine = engine
	if err := a.wire(ctx); err != nil {
		return nil, err
	}
	if err := migrateAtStart(ctx, a.engine, d.schema, o); err != nil {
		return nil, err
	}
	return a, a.start(ctx)
}

// wire puts the parts together. Nothing runs yet.
func (a *App) wire(ctx context.Context) (err error) {
	o, d := a.opts, a.declared
	a.db = store.New(a.engine, d.schema, store.Options{Clock: o.Clock, Logger: o.Logger, Tracer: a.telem.tracer})
	a.db.SetGuard(d.policies)
	if a.queue, err = queue.New(a.db, queue.Options{Logger: o.Logger, Tracer: a.telem.tracer, Meter: a.telem.meter}); err != nil {
		return err
	}
	if a.auth, err = auth.New(auth.Config{DB: a.db, Manifest: d.manifest, AdminToken: o.AdminToken, Clock: o.Clock, LoadEmail: d.policies.Uses("auth.email")}); err != nil {
		return err
	}
	a.db.AddHook(a.auth)
	if err := a.queue.Every("auth.purge", time.Hour, a.auth.PurgeExpired); err != nil {
		return err
	}
	guard, _ := plugin.Find[plugin.DialGuard](a)
	a.outbound = plugin.NewOutbound(guard)
	if guard == nil && !o.Dev {
		o.Logger.Warn("net_guard is off: requests to the outside may reach private addresses", "hint", `add {"name":"net_guard"} to plugins`)
	}
	var routes []plugin.Route
	for _, p := range d.plugins {
		if pr, ok := p.Plugin.(plugin.Provisioner); ok {
			if err := pr.Provision(ctx, a); err != nil {
				return fmt.Errorf("plugin %s: %w", p.name, err)
			}
		}
		a.db.AddHook(p.Plugin)
		if rp, ok := p.Plugin.(plugin.RouteProvider); ok {
			routes = append(routes, rp.Routes()...)
		}
	}
	if err := a.wireFunctions(); err != nil {
		return err
	}
	a.server, err = api.New(api.Config{
		DB: a.db, Auth: a.auth, Manifest: d.manifest, Functions: a.function, Routes: routes, Version: o.Version, Dev: o.Dev,
		Origins: a.origins(), Metrics: a.telem.metrics, MetricsToken: o.Getenv("PYLON_METRICS_TOKEN"),
		OpenAPIPublic: o.Getenv("PYLON_OPENAPI_PUBLIC") == "true",
		Ready:         a.Ready, Limits: o.Limits, Logger: o.Logger, Meter: a.telem.meter, Tracer: a.telem.tracer,
	})
	return err
}

// origins are the browser origins that may call the API.
func (a *App) origins() []string {
	var all []string
	for o := range strings.SplitSeq(a.opts.Getenv("PYLON_CORS_ORIGIN"), ",") {
		if o = strings.TrimSpace(o); o != "" {
			all = append(all, o)
		}
	}
	if au := a.declared.manifest.Auth; au != nil {
		all = append(all, au.TrustedOrigins...)
	}
	return all
}

func (a *App) start(ctx context.Context) error {
	for _, p := range a.declared.plugins {
		if s, ok := p.Plugin.(plugin.Starter); ok {
			if err := s.Start(ctx); err != nil {
				return fmt.Errorf("plugin %s: %w", p.name, err)
			}
		}
	}
	return a.queue.Start(ctx)
}

// ServeHTTP answers the app's HTTP API.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.server.ServeHTTP(w, r) }

// Ready reports why the app cannot serve requests, nil when it can.
func (a *App) Ready(ctx context.Context) error {
	if a.stopping.Load() {
		return errors.New("the app is stopping")
	}
	return a.engine.Ping(ctx)
}

// stopTimeout bounds what runs when an app stops.
const stopTimeout = 20 * time.Second

// Stop ends the app's work: attempts under way finish within ctx's time, what
// they did is recorded, leases are given back. Requests must have ended before.
func (a *App) Stop(ctx context.Context) error {
	a.stopping.Store(true)
	var errs []error
	if a.queue != nil {
		errs = append(errs, a.queue.Stop(ctx))
	}
	for _, p := range a.declared.plugins {
		if s, ok := p.Plugin.(plugin.Stopper); ok && a.server != nil {
			if err := s.Stop(ctx); err != nil {
				errs = append(errs, fmt.Errorf("plugin %s: %w", p.name, err))
			}
		}
	}
	if a.function != nil {
		a.function.Close()
	}
	if a.engine != nil {
		errs = append(errs, a.engine.Close())
	}
	if a.telem != nil {
		errs = append(errs, a.telem.close(ctx))
	}
	return errors.Join(errs...)
}

// Serve answers requests on a listener until ctx ends, then finishes those under
// way. It does not stop the app.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		WriteTimeout:      90 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}

// AdminToken is the administrator's token; madeUp says that it was made for this run.
func (a *App) AdminToken() (token string, madeUp bool) { return a.opts.AdminToken, a.madeUp }

// The parts of the app, as [plugin.Host] promises them.
func (a *App) AppName() string            { return a.declared.manifest.Name }
func (a *App) Dev() bool                  { return a.opts.Dev }
func (a *App) DataDir() string            { return filepath.Dir(a.opts.DBPath) }
func (a *App) Getenv(name string) string  { return a.opts.Getenv(name) }
func (a *App) DB() *store.DB              { return a.db }
func (a *App) Queue() *queue.Queue        { return a.queue }
func (a *App) Outbound() *plugin.Outbound { return a.outbound }
func (a *App) Clock() clockwork.Clock     { return a.opts.Clock }
func (a *App) Logger() *slog.Logger       { return a.opts.Logger }
func (a *App) Meter() metric.Meter        { return a.telem.meter }
func (a *App) Tracer() trace.Tracer       { return a.telem.tracer }

// Each calls fn for every plugin, in declared order.
func (a *App) Each(fn func(name string, p plugin.Plugin)) { a.declared.Each(fn) }

var _ plugin.Host = (*App)(nil)
