package store

import "context"

// ActorType says what kind of caller is behind a request or a write.
type ActorType string

const (
	ActorAnonymous ActorType = "anonymous"
	ActorUser      ActorType = "user"
	ActorGuest     ActorType = "guest"
	ActorAPIKey    ActorType = "api_key"
	ActorAdmin     ActorType = "admin"
	ActorFunction  ActorType = "function"
	ActorSystem    ActorType = "system"
)

// Actor is who does something. It travels in the context, decides what policies
// allow, and is stamped on audit entries and logs. The zero Actor is anonymous
// and may do only what policies grant to anyone.
type Actor struct {
	Type     ActorType
	ID       string // user id; "__admin__" for the admin token; plugin name for system
	Email    string // filled only where a policy reads auth.email
	Roles    []string
	TenantID string
	Admin    bool
	APIKeyID string
	// Function is the name of the function that acts, for a caller who stays named
	// in the other fields.
	Function string

	IP        string
	UserAgent string
	RequestID string
}

// System is the actor of the host or a plugin doing its own work.
func System(name string) Actor { return Actor{Type: ActorSystem, ID: name} }

// Bypass reports whether policies do not apply: the administrator, functions and
// the system itself.
func (a *Actor) Bypass() bool {
	return a.Admin || a.Type == ActorSystem || a.Type == ActorFunction
}

// UserID is the id policies see as auth.userId, "" when nobody is signed in.
func (a *Actor) UserID() string {
	if a.Type == ActorSystem {
		return ""
	}
	return a.ID
}

type actorKey struct{}

// WithActor puts the actor into the context.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, &a)
}

var anonymous = Actor{Type: ActorAnonymous}

// ActorFrom is the context's actor, anonymous when it has none. It must not be changed.
func ActorFrom(ctx context.Context) *Actor {
	if a, ok := ctx.Value(actorKey{}).(*Actor); ok {
		return a
	}
	return &anonymous
}
