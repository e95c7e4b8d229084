// Package api is the HTTP surface: routing, decoding, limits and the error shape.
// Rules about data live below it, in the write pipeline and in policies.
//
// A request passes, from outside in: observation (request id, trace, metrics,
// log), protection (overload, CORS, cross-site writes, security headers),
// authentication, and its handler.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/pylon-go/pylon/auth"
	"github.com/pylon-go/pylon/function"
	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// Config is what the server needs.
type Config struct {
	DB       *store.DB
	Auth     *auth.Service
	Manifest *manifest.Manifest
	// Functions are the app's; nil for an app that can have none.
	Functions *function.Host
	// Routes are the plugins'.
	Routes  []plugin.Route
	Version string
	Dev     bool

	// Origins are the browser origins that may call the API with credentials.
	Origins []string
	// Metrics serves GET /metrics to administrators and bearers of MetricsToken.
	Metrics      http.Handler
	MetricsToken string
	// OpenAPIPublic opens GET /api/openapi.json to everybody; dev does too.
	OpenAPIPublic bool
	// Ready reports why the app cannot serve, nil when it can.
	Ready func(ctx context.Context) error

	Limits Limits
	Logger *slog.Logger
	Meter  metric.Meter
	Tracer trace.Tracer
}

// Limits bound what one request may take. Zero values get the defaults.
type Limits struct {
	// MaxBody is the largest request body in bytes: 10 MiB.
	MaxBody int64
	// MaxInFlight is how many requests are worked on at a time, 1024; the next one
	// is refused with 503 and Retry-After.
	MaxInFlight int64
	// Timeout bounds the work on one request: 30 s.
	Timeout time.Duration
}

func (l *Limits) defaults() {
	if l.MaxBody == 0 {
		l.MaxBody = 10 << 20
	}
	if l.MaxInFlight == 0 {
		l.MaxInFlight = 1024
	}
	if l.Timeout == 0 {
		l.Timeout = 30 * time.Second
	}
}

// Server answers HTTP requests for one app.
type Server struct {
	cfg      Config
	schema   *store.Schema
	mux      *http.ServeMux
	handler  http.Handler
	csrf     *http.CrossOriginProtection
	origins  map[string]bool
	inFlight atomic.Int64
	observe  *observer
	started  time.Time
	docs     documents
}

// New builds the server of an app.
func New(c Config) (*Server, error) {
	c.Limits.defaults()
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	s := &Server{
		cfg: c, schema: c.DB.Schema(), mux: http.NewServeMux(),
		csrf: http.NewCrossOriginProtection(), origins: map[string]bool{}, started: c.DB.Clock().Now(),
	}
	for _, o := range c.Origins {
		if err := s.csrf.AddTrustedOrigin(o); err != nil {
			return nil, err
		}
		s.origins[o] = true
	}
	var err error
	if s.observe, err = newObserver(c.Logger, c.Meter, c.Tracer); err != nil {
		return nil, err
	}
	s.routes()
	if s.docs, err = newDocuments(c, s.schema); err != nil {
		return nil, err
	}
	gz, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.ContentTypes([]string{"application/json", "text/plain", "text/html"}))
	if err != nil {
		return nil, err
	}
	s.handler = s.observed(s.protected(gz(s.authenticated(s.mux))))
	return s, nil
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// handler answers a request or fails with an error that is put into the error shape.
type handler func(w http.ResponseWriter, r *http.Request) error

func (s *Server) routes() {
	public := func(pattern string, h handler) { s.handle(pattern, plugin.AccessPublic, h) }
	user := func(pattern string, h handler) { s.handle(pattern, plugin.AccessUser, h) }
	admin := func(pattern string, h handler) { s.handle(pattern, plugin.AccessAdmin, h) }

	public("GET /health", s.health)
	public("GET /ready", s.ready)
	public("GET /metrics", s.metrics)
	public("GET /api/manifest", s.manifest)
	public("GET /api/openapi.json", s.openAPI)

	public("GET /api/entities/{entity}", s.list)
	public("POST /api/entities/{entity}", s.create)
	public("GET /api/entities/{entity}/cursor", s.cursor)
	public("GET /api/entities/{entity}/{id}", s.get)
	public("PATCH /api/entities/{entity}/{id}", s.update)
	public("DELETE /api/entities/{entity}/{id}", s.delete)
	public("POST /api/query/{entity}", s.query)
	public("POST /api/query", s.queryMany)
	public("GET /api/lookup/{entity}/{field}/{value}", s.lookup)
	admin("POST /api/batch", s.batch)
	admin("POST /api/transact", s.transact)

	s.authRoutes(public, user, admin)
	s.functionRoutes(public, admin)
	for _, r := range s.cfg.Routes {
		s.handle(r.Pattern, r.Access, r.Handler)
	}
	public("/", func(_ http.ResponseWriter, r *http.Request) error {
		return s.noRoute(r)
	})
}

// handle registers a route for those who may call it.
func (s *Server) handle(pattern string, access plugin.Access, h handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, s.cfg.Limits.MaxBody)
		err := access.Permit(store.ActorFrom(r.Context()))
		if err == nil {
			err = h(w, r)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// noRoute explains a path that leads nowhere: 405 where another method does.
func (s *Server) noRoute(r *http.Request) error {
	var allowed []string
	for _, m := range []string{"GET", "POST", "PATCH", "PUT", "DELETE"} {
		probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(probe); pattern != "/" && pattern != "" && m != r.Method {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) > 0 {
		return &methodNotAllowed{store.Errorf(store.NotFound, "METHOD_NOT_ALLOWED", "%s does not work on this path", r.Method).WithHint("allowed: %s", joinComma(allowed)), joinComma(allowed)}
	}
	return store.Errorf(store.NotFound, "NOT_FOUND", "no route %s %s", r.Method, r.URL.Path).WithHint("GET /api/openapi.json lists the routes")
}
