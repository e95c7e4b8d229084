// Package auth says who calls: it keeps accounts, sessions, API keys, roles and
// organisations, and turns the token of a request into a [store.Actor].
//
// Only hashes of tokens and passwords are stored. Everything a request's actor
// consists of is read with the token in one indexed read and nothing is cached,
// so a changed role, a lost membership or an ended session counts from the next
// request on. What the app knows of a person, his row in the user entity, is
// written through the app's own write pipeline; the private tables here hold the rest.
package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/store"
)

// AdminID is the user id of the admin token.
const AdminID = "__admin__"

// defaultLifetime of a session.
const defaultLifetime = 30 * 24 * time.Hour

// Config is what a [Service] needs.
type Config struct {
	DB       *store.DB // its schema holds [Tables]
	Manifest *manifest.Manifest
	// AdminToken is the administrator's bearer token; empty means there is none.
	AdminToken string
	Clock      clockwork.Clock // the database's when nil
	// LoadEmail fills Actor.Email, for apps with a policy that reads it.
	LoadEmail bool
}

// Service keeps identities. Add it to the database as a hook: it ends what
// belongs to a user when his row is deleted.
type Service struct {
	db         *store.DB
	clock      clockwork.Clock
	adminToken [sha256.Size]byte
	hasAdmin   bool
	lifetime   time.Duration

	user       *store.Entity // nil when the app declares none
	emailField int           // in user; -1 when it has none
	nameField  int           // displayName in user; -1 when it has none

	hasher *hasher
	perIP  *limiter
	perID  *limiter // per e-mail

	sessionSQL, keySQL string
}

// New makes the service. It fails when the manifest's auth settings do not fit
// its user entity.
func New(c Config) (*Service, error) {
	if c.Clock == nil {
		c.Clock = c.DB.Clock()
	}
	s := &Service{
		db: c.DB, clock: c.Clock, lifetime: defaultLifetime, emailField: -1, nameField: -1,
		hasher: newHasher(),
		perIP:  newLimiter(c.Clock, 100, 15*time.Minute),
		perID:  newLimiter(c.Clock, 10, 15*time.Minute),
	}
	if c.AdminToken != "" {
		s.adminToken, s.hasAdmin = sha256.Sum256([]byte(c.AdminToken)), true
	}
	if a := c.Manifest.Auth; a != nil && a.Session != nil && a.Session.ExpiresIn > 0 {
		s.lifetime = time.Duration(a.Session.ExpiresIn) * time.Second
	}
	adminField := ""
	if a := c.Manifest.Auth; a != nil && a.User != nil {
		adminField = a.User.AdminField
	}
	if err := s.bindUser(userEntity(c.Manifest), adminField); err != nil {
		return nil, err
	}
	s.prepare(adminField, c.LoadEmail)
	return s, nil
}

// bindUser finds the user entity and the fields of it that matter here.
func (s *Service) bindUser(name, adminField string) error {
	if name == "" {
		if adminField != "" {
			return errors.New("auth.user.admin_field is set, but the app has no user entity")
		}
		return nil
	}
	if s.user = s.db.Schema().Entity(name); s.user == nil {
		return fmt.Errorf("auth.user.entity names %q, which is no entity", name)
	}
	text := func(name string) int {
		i, ok := s.user.Lookup(name)
		if !ok || s.user.Fields[i].Type != store.TypeString && s.user.Fields[i].Type != store.TypeRichtext {
			return -1
		}
		return i
	}
	s.emailField, s.nameField = text("email"), text("displayName")
	if adminField != "" {
		if i, ok := s.user.Lookup(adminField); !ok || i == store.FieldIDIndex || s.user.Fields[i].Type != store.TypeBool {
			return fmt.Errorf("auth.user.admin_field names %q, which is no bool field of %s", adminField, name)
		}
	}
	return nil
}

// system is the service itself as the actor of its writes to the user entity, with the
// traces of the request it works for.
func system(by *store.Actor) store.Actor {
	a := store.System("auth")
	a.IP, a.UserAgent, a.RequestID = by.IP, by.UserAgent, by.RequestID
	return a
}

// isAdmin reports whether the actor may manage everybody's identity.
func isAdmin(a *store.Actor) bool { return a.Admin || a.Type == store.ActorSystem }

// person is the id of the signed-in user, refused for everybody else: anonymous
// callers, guests and the admin token, behind which there is no user.
func person(a *store.Actor) (string, error) {
	switch {
	case a.ID != "" && a.ID != AdminID && (a.Type == store.ActorUser || a.Type == store.ActorAPIKey):
		return a.ID, nil
	case a.Type == store.ActorAnonymous || a.Type == "":
		return "", store.Errorf(store.Unauthentic, "AUTH_REQUIRED", "sign in first")
	default:
		return "", forbidden("only a registered user can do this")
	}
}

// ownOrAdmin refuses to look into somebody else's identity.
func ownOrAdmin(ctx context.Context, userID string) error {
	a := store.ActorFrom(ctx)
	switch {
	case isAdmin(a) || a.ID != "" && a.ID == userID:
		return nil
	case a.ID == "":
		return store.Errorf(store.Unauthentic, "AUTH_REQUIRED", "sign in first")
	default:
		return forbidden("this belongs to somebody else")
	}
}

func forbidden(format string, args ...any) *store.Error {
	return store.Errorf(store.Denied, "FORBIDDEN", format, args...)
}

func notFound(what, id string) *store.Error {
	return store.Errorf(store.NotFound, "NOT_FOUND", "no %s with id %q", what, id)
}

// userExists checks an id given by an administrator. Without a user entity there
// is nothing to check it against.
func (s *Service) userExists(tx *store.Tx, id string) error {
	if s.user == nil {
		return nil
	}
	_, err := tx.As(system(tx.Actor())).Get(s.user, id)
	return err
}

var _ store.InTxer = (*Service)(nil)
