package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"github.com/pylon-go/pylon/store"
)

// orgRolePrefix comes before the role a user has in the selected organisation.
// Anybody may found an organisation and be its owner or admin, so these must
// never pass for roles that the app's administrators gave.
const orgRolePrefix = "org:"

// prepare builds the reads of [Service.Authenticate]. Roles, membership and the
// user row are looked up rather than copied onto the session, so they are current.
// Scalar subqueries, because SQLite prepares a LEFT JOIN whose WHERE has a
// placeholder anew with every binding: 20 µs instead of 8.
func (s *Service) prepare(adminField string, loadEmail bool) {
	of := func(column, table, key string) string {
		return "(SELECT " + column + " FROM " + table + " x WHERE x." + key + " = t.user_id)"
	}
	email, admin := "NULL", "NULL"
	switch {
	case loadEmail && s.emailField >= 0:
		email = of(store.Quote(s.user.Fields[s.emailField].Name), store.Quote(s.user.Name), "id")
	case loadEmail:
		email = of("login", accountTable, "user_id")
	}
	if adminField != "" {
		admin = of(store.Quote(adminField), store.Quote(s.user.Name), "id")
	}
	common := "SELECT t.user_id, t.expires_at, " + of("roles", accountTable, "user_id") + ", " + email + ", " + admin
	s.sessionSQL = common + ", t.guest, t.tenant_id, (SELECT m.role FROM " + memberTable + " m WHERE m.org_id = t.tenant_id AND m.user_id = t.user_id)" +
		" FROM " + sessionTable + " t WHERE t.token = ?"
	s.keySQL = common + ", t.secret FROM " + keyTable + " t WHERE t.id = ?"
}

// Authenticate is who a bearer token belongs to: the administrator, an API key,
// or a session. An unknown or expired session is nobody, silently, so that a stale
// client still reaches what is public; a bad API key is an error. IP, user agent
// and request id are for the caller to add.
func (s *Service) Authenticate(ctx context.Context, token string) (store.Actor, error) {
	anonymous := store.Actor{Type: store.ActorAnonymous}
	if token == "" || len(token) > maxToken && !s.hasAdmin {
		return anonymous, nil
	}
	if s.hasAdmin {
		// Hashes have one length, so the time tells nothing of the token.
		given := sha256.Sum256([]byte(token))
		if subtle.ConstantTimeCompare(given[:], s.adminToken[:]) == 1 {
			return store.Actor{Type: store.ActorAdmin, ID: AdminID, Admin: true, Roles: []string{"admin"}}, nil
		}
	}
	if key, ok := strings.CutPrefix(token, keyPrefix); ok {
		return s.authenticateKey(ctx, token, key)
	}
	if len(token) > maxToken {
		return anonymous, nil
	}
	actor := anonymous
	err := s.db.ViewOne(ctx, func(tx *store.Tx) error {
		return tx.Query(s.sessionSQL, []store.Value{hashToken(token)}, func(r store.Rows) error {
			if s.expired(r.Value(1, store.TypeDatetime)) {
				return nil
			}
			actor = readActor(r, store.ActorUser)
			if r.Value(5, store.TypeBool).Bool() {
				actor.Type = store.ActorGuest
			}
			if role := r.Value(7, store.TypeString); !role.IsNull() {
				actor.TenantID = r.Value(6, store.TypeString).Str()
				actor.Roles = append(actor.Roles, orgRolePrefix+role.Str())
			}
			return nil
		})
	})
	if err != nil {
		return anonymous, err
	}
	return actor, nil
}

func (s *Service) authenticateKey(ctx context.Context, token, key string) (store.Actor, error) {
	id, _, ok := strings.Cut(key, ".")
	invalid := store.Errorf(store.Unauthentic, "INVALID_API_KEY", "the API key is unknown, deleted or expired")
	if !ok || len(token) > maxToken {
		return store.Actor{Type: store.ActorAnonymous}, invalid
	}
	actor, found := store.Actor{Type: store.ActorAnonymous}, false
	err := s.db.ViewOne(ctx, func(tx *store.Tx) error {
		return tx.Query(s.keySQL, []store.Value{store.String(id)}, func(r store.Rows) error {
			want, given := r.Value(5, store.TypeBytes).Str(), hashToken(token).Str()
			if subtle.ConstantTimeCompare([]byte(want), []byte(given)) == 1 && !s.expired(r.Value(1, store.TypeDatetime)) {
				actor, found = readActor(r, store.ActorAPIKey), true
				actor.APIKeyID = id
			}
			return nil
		})
	})
	if err == nil && !found {
		err = invalid
	}
	return actor, err
}

// readActor reads the columns that sessions and API keys have in common.
func readActor(r store.Rows, t store.ActorType) store.Actor {
	a := store.Actor{
		Type: t, ID: r.Value(0, store.TypeString).Str(),
		Email: r.Value(3, store.TypeString).Str(), Admin: r.Value(4, store.TypeBool).Bool(),
	}
	if roles := r.Value(2, store.TypeString).Str(); roles != "" {
		a.Roles = strings.Split(roles, "\n")
	}
	return a
}

// expired reports whether a moment is over; null never is.
func (s *Service) expired(at store.Value) bool {
	return !at.IsNull() && !s.clock.Now().Before(at.Time())
}
