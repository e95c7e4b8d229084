package auth

import (
	"context"
	"slices"
	"strings"

	"github.com/pylon-go/pylon/store"
)

const (
	maxRoles = 32
	maxName  = 64 // characters of a role's name
)

// SetRoles gives a user exactly these roles; his live sessions and API keys have
// them from their next request on. Administrators only.
func (s *Service) SetRoles(ctx context.Context, userID string, roles []string) error {
	if !isAdmin(store.ActorFrom(ctx)) {
		return forbidden("only an administrator can set roles")
	}
	if userID == "" || userID == AdminID {
		return store.Errorf(store.Invalid, "INVALID_VALUE", "user_id must be the id of a user").WithField("user_id")
	}
	roles = slices.Clone(roles)
	slices.Sort(roles)
	roles = slices.Compact(roles)
	if len(roles) > maxRoles {
		return store.Errorf(store.Invalid, "INVALID_VALUE", "a user can have %d roles", maxRoles).WithField("roles")
	}
	for _, role := range roles {
		if !validName(role, maxName) || strings.HasPrefix(role, orgRolePrefix) {
			return store.Errorf(store.Invalid, "INVALID_VALUE", "%q is no role: 1 to %d printable characters, not beginning with %q", role, maxName, orgRolePrefix).WithField("roles")
		}
	}
	return s.db.Update(ctx, func(tx *store.Tx) error {
		if err := s.userExists(tx, userID); err != nil {
			return err
		}
		return tx.Exec("INSERT INTO "+accountTable+" (user_id, roles, created_at) VALUES (?,?,?) ON CONFLICT (user_id) DO UPDATE SET roles = excluded.roles",
			store.String(userID), store.OptString(strings.Join(roles, "\n")), store.Time(tx.Now()))
	})
}

// Roles are the roles that administrators gave a user.
func (s *Service) Roles(ctx context.Context, userID string) ([]string, error) {
	if err := ownOrAdmin(ctx, userID); err != nil {
		return nil, err
	}
	roles := []string{}
	err := s.db.View(ctx, func(tx *store.Tx) error {
		return tx.Query("SELECT roles FROM "+accountTable+" WHERE user_id = ?", []store.Value{store.String(userID)}, func(r store.Rows) error {
			if text := r.Value(0, store.TypeString).Str(); text != "" {
				roles = strings.Split(text, "\n")
			}
			return nil
		})
	})
	return roles, err
}
