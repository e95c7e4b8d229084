// Package plugin is the contract between the host and its plugins.
//
// A plugin is a struct made by the constructor it registered. It implements the
// small interfaces of this package that it needs, and the hooks of package store
// ([store.BeforeWriter], [store.InTxer], [store.AfterCommitter]). Its life:
//
//	Register → new → Config decoded strictly → Validate → Entities, Tables → Provision → Start → … → Stop → Close
//
// Hooks run in the order in which the manifest declares the plugins.
package plugin

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/jonboulle/clockwork"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// Plugin is implemented by every plugin; the rest of the contract is optional.
type Plugin interface {
	// Info describes the plugin.
	Info() Info
}

// Info describes a plugin for `pylon plugins`.
type Info struct {
	// Summary is one sentence: what the plugin does.
	Summary string
	// ConfigSource is the Go source of the file that declares the config struct;
	// the comments on its fields are the reference of the configuration. Embed it
	// with //go:embed config.go.
	ConfigSource string
}

// The optional parts of the contract.
type (
	// Configurable plugins have a config. Config returns a pointer to a struct
	// with json tags, holding the defaults; the manifest's `config` is decoded
	// into it strictly before Validate.
	Configurable interface {
		Config() any
	}
	// Defaulter plugins may run, with their default config, in apps whose manifest
	// does not name them: it is asked after the manifest's plugins were made, and
	// such plugins come after those. An entry in the manifest then configures them.
	Defaulter interface {
		RunsByDefault(getenv func(string) string) bool
	}
	// Validator checks the config against the rest of the app. It reports every
	// problem it finds, with [manifest.Node.Problem] on the value that is wrong.
	Validator interface {
		Validate(c *Check)
	}
	// EntityProvider adds entities that the plugin keeps: readable through the
	// API by administrators and by policy, writable by nobody else.
	EntityProvider interface {
		Entities() []*store.Entity
	}
	// TableProvider adds private tables, named _pylon_<plugin>_*.
	TableProvider interface {
		Tables() []*store.Table
	}
	// Provisioner gets hold of what it needs from the host. The schema is final;
	// nothing runs yet and the database may still be unmigrated.
	Provisioner interface {
		Provision(ctx context.Context, host Host) error
	}
	// Starter begins work of its own: the database is migrated. `pylon check` and
	// the like never start plugins.
	Starter interface {
		Start(ctx context.Context) error
	}
	// Stopper ends that work within the context's time, before the queue and the
	// database go away.
	Stopper interface {
		Stop(ctx context.Context) error
	}
	// RouteProvider adds HTTP routes.
	RouteProvider interface {
		Routes() []Route
	}
)

// Check is what a plugin's Validate sees and reports to.
type Check struct {
	Manifest *manifest.Manifest
	// Config is the plugin's `config` as written, to point problems at.
	Config manifest.Node
	// Schema holds the app's entities, not those of plugins.
	Schema *store.Schema
	// Getenv reads the environment.
	Getenv func(string) string
	// Problems collects what is wrong.
	Problems *manifest.Problems
	// Peers are the app's plugins: decoded, perhaps not validated yet.
	Peers
}

// Access says who may call a route.
type Access uint8

const (
	AccessAdmin  Access = iota // the administrator
	AccessUser                 // anybody signed in
	AccessPublic               // anybody
)

// Permit refuses an actor who may not.
func (a Access) Permit(who *store.Actor) error {
	switch {
	case a == AccessPublic, who.Admin:
		return nil
	case who.Type == store.ActorAnonymous:
		return store.Errorf(store.Unauthentic, "AUTH_REQUIRED", "sign in first").WithHint("send a token: Authorization: Bearer TOKEN")
	case a == AccessAdmin:
		return store.Errorf(store.Denied, "FORBIDDEN", "only the administrator may do this")
	}
	return nil
}

// Route is an HTTP route of a plugin. Limits, request ids, logging and the
// error shape are the host's; the handler returns a [store.Error] for a failure
// the caller may see.
type Route struct {
	// Pattern is method and path as net/http's ServeMux takes them.
	Pattern string
	Access  Access
	Handler func(w http.ResponseWriter, r *http.Request) error
	// Summary is one line for the API description.
	Summary string
}

// Host is what a plugin gets from the app it runs in.
type Host interface {
	AppName() string
	// Dev reports whether this is `pylon dev`.
	Dev() bool
	// DataDir is the folder for files of the app's own (.pylon).
	DataDir() string
	Getenv(name string) string

	DB() *store.DB
	Queue() *queue.Queue
	// Outbound is the one way to the outside: HTTP and dialling, guarded when
	// net_guard is on.
	Outbound() *Outbound

	// Callback runs functions that app.ts gave to the plugin.
	Callbacks

	Clock() clockwork.Clock
	Logger() *slog.Logger
	Meter() metric.Meter
	Tracer() trace.Tracer

	Peers
}

// Peers are the plugins of an app.
type Peers interface {
	// Each calls fn for every plugin of the app, in declared order.
	Each(fn func(name string, p Plugin))
}

// Find is the first plugin of the app that implements T: how one plugin uses
// what another offers (a capability) without importing it.
func Find[T any](peers Peers) (found T, ok bool) {
	peers.Each(func(_ string, p Plugin) {
		if t, is := p.(T); is && !ok {
			found, ok = t, true
		}
	})
	return found, ok
}
