package auth

import (
	"context"
	"strings"
	"time"

	"github.com/pylon-go/pylon/store"
)

// keyPrefix marks API keys: pk.<id>.<secret>
const keyPrefix = "pk."

// APIKey is an API key as lists show it.
type APIKey struct {
	ID        string     `json:"id"`
	Prefix    string     `json:"prefix"`
	Name      string     `json:"name"`
	UserID    string     `json:"user_id"`
	Scopes    []string   `json:"scopes"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
}

// NewAPIKey is a key as its maker gets it. Key is shown this once.
type NewAPIKey struct {
	APIKey
	Key string `json:"key"`
}

// KeyRequest describes an API key to make.
type KeyRequest struct {
	Name string `json:"name"`
	// Scopes are kept and shown for the app's own use.
	Scopes    []string   `json:"scopes,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	// UserID is whom the key acts as: the caller when empty. Only administrators
	// may name another, and the admin token, behind which there is no user, must.
	UserID string `json:"user_id,omitempty"`
}

// CreateAPIKey makes a key that acts as a user until it expires or is deleted.
func (s *Service) CreateAPIKey(ctx context.Context, r KeyRequest) (*NewAPIKey, error) {
	actor := store.ActorFrom(ctx)
	if actor.Type == store.ActorAPIKey {
		return nil, forbidden("an API key cannot make API keys")
	}
	owner, err := keyOwner(actor, r.UserID)
	if err != nil {
		return nil, err
	}
	if err := s.checkKey(r); err != nil {
		return nil, err
	}
	var out *NewAPIKey
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		if r.UserID != "" {
			if err := s.userExists(tx, owner); err != nil {
				return err
			}
		}
		id := store.NewID(tx.Now())
		key := keyPrefix + id + "." + newToken()
		out = &NewAPIKey{Key: key, APIKey: APIKey{ID: id, Prefix: key[:len(keyPrefix)+len(id)+1+prefixLength], Name: r.Name, UserID: owner,
			Scopes: append([]string{}, r.Scopes...), CreatedAt: tx.Now(), ExpiresAt: r.ExpiresAt}}
		expires := store.Null
		if r.ExpiresAt != nil {
			expires = store.Time(*r.ExpiresAt)
		}
		return tx.Exec("INSERT INTO "+keyTable+" (id, secret, prefix, name, user_id, scopes, created_at, expires_at) VALUES (?,?,?,?,?,?,?,?)",
			store.String(id), hashToken(key), store.String(out.Prefix), store.String(r.Name), store.String(owner),
			store.String(strings.Join(r.Scopes, "\n")), store.Time(tx.Now()), expires)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// keyOwner is whom a new key acts as.
func keyOwner(actor *store.Actor, userID string) (string, error) {
	switch {
	case isAdmin(actor) && userID != "" && userID != AdminID:
		return userID, nil
	case actor.Type == store.ActorAdmin || actor.Type == store.ActorSystem || userID == AdminID:
		return "", store.Errorf(store.Invalid, "MISSING_FIELD", "an API key acts as a user: give the user_id of one").WithField("user_id")
	}
	id, err := person(actor)
	if err == nil && userID != "" && userID != id {
		err = forbidden("only an administrator can make an API key for somebody else")
	}
	return id, err
}

func (s *Service) checkKey(r KeyRequest) error {
	const maxScopes = 64
	if !validName(r.Name, 100) {
		return store.Errorf(store.Invalid, "INVALID_VALUE", "name must be 1 to 100 printable characters").WithField("name")
	}
	if len(r.Scopes) > maxScopes {
		return store.Errorf(store.Invalid, "INVALID_VALUE", "an API key can have %d scopes", maxScopes).WithField("scopes")
	}
	for _, scope := range r.Scopes {
		if !validName(scope, 100) {
			return store.Errorf(store.Invalid, "INVALID_VALUE", "a scope must be 1 to 100 printable characters").WithField("scopes")
		}
	}
	if r.ExpiresAt != nil && !r.ExpiresAt.After(s.clock.Now()) {
		return store.Errorf(store.Invalid, "INVALID_VALUE", "expires_at is in the past").WithField("expires_at")
	}
	return nil
}

// APIKeys lists the keys that act as a user, the newest first.
func (s *Service) APIKeys(ctx context.Context, userID string) ([]APIKey, error) {
	if err := ownOrAdmin(ctx, userID); err != nil {
		return nil, err
	}
	list := []APIKey{}
	err := s.db.View(ctx, func(tx *store.Tx) error {
		return tx.Query("SELECT id, prefix, name, scopes, created_at, expires_at FROM "+keyTable+" WHERE user_id = ? ORDER BY id DESC",
			[]store.Value{store.String(userID)}, func(r store.Rows) error {
				k := APIKey{ID: r.Value(0, store.TypeString).Str(), Prefix: r.Value(1, store.TypeString).Str(), Name: r.Value(2, store.TypeString).Str(),
					UserID: userID, Scopes: []string{}, CreatedAt: r.Value(4, store.TypeDatetime).Time()}
				if scopes := r.Value(3, store.TypeString).Str(); scopes != "" {
					k.Scopes = strings.Split(scopes, "\n")
				}
				if at := r.Value(5, store.TypeDatetime); !at.IsNull() {
					t := at.Time()
					k.ExpiresAt = &t
				}
				list = append(list, k)
				return nil
			})
	})
	return list, err
}

// DeleteAPIKey ends a key: one of the caller's own, or any for an administrator.
func (s *Service) DeleteAPIKey(ctx context.Context, id string) error {
	actor := store.ActorFrom(ctx)
	where, args := "id = ?", []store.Value{store.String(id)}
	if !isAdmin(actor) {
		user, err := person(actor)
		if err != nil {
			return err
		}
		where, args = where+" AND user_id = ?", append(args, store.String(user))
	}
	return s.db.Update(ctx, func(tx *store.Tx) error {
		found := false
		err := tx.Query("SELECT id FROM "+keyTable+" WHERE "+where, args, func(store.Rows) error { found = true; return nil })
		if err != nil {
			return err
		}
		if !found {
			return notFound("API key", id)
		}
		return tx.Exec("DELETE FROM "+keyTable+" WHERE "+where, args...)
	})
}
