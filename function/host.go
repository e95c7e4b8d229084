// Package function runs an app's functions: TypeScript handlers in engines inside the
// process (internal/quickjs), and Go handlers of programs that embed Pylon.
//
// A call takes this path: [Host.Call] finds the function and asks whether the caller
// may; an engine starts as a copy of the app's image (pool.go); the handler runs until
// it waits for something; the call's loop (loop.go) carries out what it asked for
// (operations, in db.go and the files beside it) and gives the answers back, until the
// handler is done. The first operation of a query or mutation that needs the database
// begins the transaction, and the rest of the loop runs inside it (transaction.go).
package function

import (
	"context"
	"encoding/json"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// Type is what a function may do.
type Type string

const (
	// Query reads, from one snapshot.
	Query Type = "query"
	// Mutation reads and writes in one transaction.
	Mutation Type = "mutation"
	// Action has no transaction; it calls queries and mutations, and the outside.
	Action Type = "action"
)

// Auth says who may call a function.
type Auth string

const (
	AuthPublic   Auth = "public"   // anybody
	AuthUser     Auth = "user"     // anybody signed in; the default
	AuthAdmin    Auth = "admin"    // the administrator
	AuthInternal Auth = "internal" // other functions and the scheduler
)

// Info describes a function.
type Info struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
	Auth Auth   `json:"auth"`
	// Args is the JSON Schema of its arguments, null when it takes any.
	Args json.RawMessage `json:"args"`
}

// Limits bound a call. Zero values get the defaults.
type Limits struct {
	// Time bounds a call from its start to its answer: 30 s.
	Time time.Duration
	// Transaction bounds the time between the first database call of a mutation and
	// its end, while which other writers may have to wait: 5 s.
	Transaction time.Duration
	// Background bounds an action started by the scheduler: 10 min.
	Background time.Duration
	// Memory is what a call may allocate, in bytes: 64 MiB.
	Memory int
	// Result is the largest result in bytes: 10 MiB.
	Result int
	// Concurrent is how many calls hold an engine at a time: 128, or 16 a core if that is
	// more. Those above it wait.
	Concurrent int
	// Operations is how much one call may ask of the host without waiting: 10,000.
	Operations int
	// Depth is how deep calls of functions by functions may be nested: 8.
	Depth int
}

func (l *Limits) defaults() {
	set := func(n *int, to int) {
		if *n == 0 {
			*n = to
		}
	}
	setTime := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	setTime(&l.Time, 30*time.Second)
	setTime(&l.Transaction, 5*time.Second)
	setTime(&l.Background, 10*time.Minute)
	set(&l.Memory, 64<<20)
	set(&l.Result, 10<<20)
	set(&l.Concurrent, max(128, 16*runtime.GOMAXPROCS(0)))
	set(&l.Operations, 10_000)
	set(&l.Depth, 8)
}

// Config is what a Host needs. DB is a must; without a queue there is no scheduler,
// without a cache the cache is always empty.
type Config struct {
	DB       *store.DB
	Queue    *queue.Queue
	Outbound *plugin.Outbound
	Cache    plugin.Cache
	Dev      bool
	Limits   Limits

	Getenv func(string) string
	Clock  clockwork.Clock
	Logger *slog.Logger
	Tracer trace.Tracer
	Meter  metric.Meter
}

// Host runs the functions of an app.
type Host struct {
	db       *store.DB
	queue    *queue.Queue
	outbound *plugin.Outbound
	cache    plugin.Cache
	dev      bool
	limits   Limits
	getenv   func(string) string
	clock    clockwork.Clock
	log      *slog.Logger
	tracer   trace.Tracer
	metrics  *metrics
	traces   traces

	fetcher *fetcher
	turns   chan struct{} // of handlers that run
	program atomic.Pointer[Program]
	native  map[string]*Native
}

// turnsPerCore bounds the handlers that run, or wait for their turn to write, at a
// time; those that wait for something outside do not count.
const turnsPerCore = 8

// New makes a host without functions; see [Host.Load] and [Host.Add].
func New(c Config) (*Host, error) {
	c.Limits.defaults()
	if c.Clock == nil {
		c.Clock = c.DB.Clock()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Tracer == nil {
		c.Tracer = noop.NewTracerProvider().Tracer("")
	}
	if c.Getenv == nil {
		c.Getenv = func(string) string { return "" }
	}
	if c.Outbound == nil {
		c.Outbound = plugin.NewOutbound(nil)
	}
	h := &Host{
		db: c.DB, queue: c.Queue, outbound: c.Outbound, cache: c.Cache, dev: c.Dev, limits: c.Limits,
		getenv: c.Getenv, clock: c.Clock, log: c.Logger, tracer: c.Tracer, native: map[string]*Native{},
	}
	h.fetcher = newFetcher(c.Outbound)
	h.turns = make(chan struct{}, turnsPerCore*runtime.GOMAXPROCS(0))
	h.program.Store(noFunctions())
	var err error
	if h.metrics, err = newMetrics(c.Meter, h); err != nil {
		return nil, err
	}
	if c.Queue != nil {
		if err := h.handleScheduled(); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// Load replaces the app's TypeScript functions. Calls under way go on with those
// they began with.
func (h *Host) Load(p *Program) {
	p.pool.limit(h.limits.Concurrent)
	h.program.Store(p)
}

// Close ends what the host keeps open.
func (h *Host) Close() { h.fetcher.close() }

// Request is a call of a function.
type Request struct {
	Name string
	// Args is a JSON value; nothing is {}.
	Args []byte
	// HTTP is the request that an action bound to a route answers, with its Body.
	HTTP *HTTPRequest
	Body []byte
	// Stream takes what the handler streams; nil drops it.
	Stream Stream
	// Type, when set, is what the function must be.
	Type Type

	internal   bool          // the caller is the host: auth does not matter
	background time.Duration // the time limit of a scheduled call
	once       string        // id of a scheduled call, to run its mutation once
	depth      int
	callback   bool // not a function but one that app.ts gave to a plugin
}

// HTTPRequest is the head of a request to an action's own route.
type HTTPRequest struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Query   map[string]string `json:"query"`
	Headers map[string]string `json:"headers"` // names in lower case
}

// Stream takes a handler's events as it makes them. Its methods are called from one
// goroutine at a time.
type Stream interface {
	Event(event, data string) error
}

// Call runs a function for the actor in ctx and answers its result as JSON. Errors
// are [store.Error]s where the caller may see them.
func (h *Host) Call(ctx context.Context, r Request) ([]byte, error) {
	program := h.program.Load()
	info, native := program.functions[r.Name], h.native[r.Name]
	if native != nil {
		info = &native.info
	}
	actor := store.ActorFrom(ctx)
	if info == nil || info.Auth == AuthInternal && !r.internal && !actor.Admin {
		return nil, h.unknown(r.Name)
	}
	if r.Type != "" && info.Type != r.Type {
		return nil, store.Errorf(store.Invalid, "WRONG_FUNCTION_TYPE", "%s is %s, not %s", r.Name, article(info.Type), article(r.Type))
	}
	if !r.internal {
		if err := access[info.Auth].Permit(actor); err != nil {
			return nil, err
		}
	}
	if r.depth > h.limits.Depth {
		return nil, store.Errorf(store.Invalid, "FN_TOO_DEEP", "functions call functions more than %d deep", h.limits.Depth)
	}
	if len(r.Args) == 0 {
		r.Args = []byte("{}")
	} else if !json.Valid(r.Args) {
		return nil, store.Errorf(store.Invalid, "INVALID_JSON", "the arguments are not JSON")
	}

	return h.observed(ctx, info, func(ctx context.Context, t *Trace) ([]byte, error) {
		if native != nil {
			return h.callNative(ctx, native, r)
		}
		return h.callScript(ctx, program, info, r, t)
	})
}

// observed runs a call with its span, its trace and its metrics.
func (h *Host) observed(ctx context.Context, info *Info, run func(context.Context, *Trace) ([]byte, error)) (result []byte, err error) {
	ctx, span := h.tracer.Start(ctx, "function "+info.Name, trace.WithAttributes(
		attribute.String("pylon.function", info.Name), attribute.String("pylon.function.type", string(info.Type))))
	defer span.End()
	t := h.traces.begin(h.clock.Now(), info, store.ActorFrom(ctx))
	defer func() {
		if err != nil {
			span.SetStatus(codes.Error, "failed")
		}
		h.traces.end(t, h.clock.Now(), err)
		h.metrics.called(ctx, info, h.clock.Since(t.StartedAt), err)
	}()
	return run(ctx, t)
}

func article(t Type) string {
	if t == Action {
		return "an action"
	}
	return "a " + string(t)
}

// Callback runs a function that app.ts gave to a plugin, as an action of the actor in
// ctx. args is a JSON array.
func (h *Host) Callback(ctx context.Context, key string, args []byte) ([]byte, error) {
	info := &Info{Name: key, Type: Action, Auth: AuthInternal}
	return h.observed(ctx, info, func(ctx context.Context, t *Trace) ([]byte, error) {
		return h.callScript(ctx, h.program.Load(), info, Request{Name: key, Args: args, callback: true}, t)
	})
}

// access is who may call a function from outside.
var access = map[Auth]plugin.Access{AuthPublic: plugin.AccessPublic, AuthUser: plugin.AccessUser, AuthAdmin: plugin.AccessAdmin, AuthInternal: plugin.AccessAdmin}

func (h *Host) unknown(name string) error {
	err := store.Errorf(store.NotFound, "FN_NOT_FOUND", "no function %q", name)
	var public []string
	for _, f := range h.List() {
		if f.Auth == AuthPublic || f.Auth == AuthUser {
			public = append(public, f.Name)
		}
	}
	if near := manifest.Nearest(name, public); near != "" {
		err = err.WithHint("did you mean %q?", near)
	}
	return err
}

// functionActor is who acts in a function that the actor called: policies do not
// apply, and what is written carries the caller's name and the function's.
func functionActor(caller *store.Actor, name string) store.Actor {
	a := *caller
	if a.Type == store.ActorSystem {
		a.ID = "" // the scheduler is nobody's name
	}
	a.Type, a.Function = store.ActorFunction, name
	return a
}
