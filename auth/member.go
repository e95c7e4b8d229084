package auth

import (
	"context"
	"time"

	"github.com/pylon-go/pylon/store"
)

// Member is somebody's place in an organisation.
type Member struct {
	UserID   string    `json:"user_id"`
	Role     string    `json:"role"`
	JoinedAt time.Time `json:"joined_at"`
}

// Members lists who belongs to an organisation, in the order they joined.
func (s *Service) Members(ctx context.Context, orgID string) ([]Member, error) {
	list := []Member{}
	err := s.db.View(ctx, func(tx *store.Tx) error {
		if _, err := orgFor(tx, orgID); err != nil {
			return err
		}
		return tx.Query("SELECT user_id, role, joined_at FROM "+memberTable+" WHERE org_id = ? ORDER BY joined_at, user_id",
			[]store.Value{store.String(orgID)}, func(r store.Rows) error {
				list = append(list, Member{UserID: r.Value(0, store.TypeString).Str(), Role: r.Value(1, store.TypeString).Str(), JoinedAt: r.Value(2, store.TypeDatetime).Time()})
				return nil
			})
	})
	return list, err
}

// SetMember gives a member another role. Owners may give any, admins may not make
// or change owners; the last owner stays one. An administrator of the app can
// also add somebody who is no member yet.
func (s *Service) SetMember(ctx context.Context, orgID, userID, role string) error {
	if role != OrgOwner && role != OrgAdmin && role != OrgMember {
		return store.Errorf(store.Invalid, "INVALID_VALUE", "role must be owner, admin or member").WithField("role")
	}
	return s.db.Update(ctx, func(tx *store.Tx) error {
		m, err := managing(tx, orgID, userID)
		if err != nil {
			return err
		}
		if !m.asAdmin {
			return notManaging()
		}
		if m.role == "" && !isAdmin(tx.Actor()) {
			return notFound("member", userID)
		}
		if m.role == "" {
			if err := s.userExists(tx, userID); err != nil {
				return err
			}
		}
		if (role == OrgOwner || m.role == OrgOwner) && !m.asOwner {
			return forbidden("only an owner can make or change owners")
		}
		if m.role == OrgOwner && role != OrgOwner && m.owners == 1 {
			return lastOwner()
		}
		return putMember(tx, orgID, userID, role)
	})
}

// RemoveMember ends a membership: the caller's own, or another's for owners and
// admins. Sessions that had the organisation selected lose it with their next request.
func (s *Service) RemoveMember(ctx context.Context, orgID, userID string) error {
	return s.db.Update(ctx, func(tx *store.Tx) error {
		m, err := managing(tx, orgID, userID)
		switch {
		case err != nil:
			return err
		case !m.asAdmin && userID != tx.Actor().ID:
			return notManaging()
		case m.role == "":
			return notFound("member", userID)
		case m.role == OrgOwner && !m.asOwner:
			return forbidden("only an owner can remove owners")
		case m.role == OrgOwner && m.owners == 1:
			return lastOwner()
		}
		// So that joining again does not bring the old selection back.
		if err := tx.Exec("UPDATE "+sessionTable+" SET tenant_id = NULL WHERE user_id = ? AND tenant_id = ?", store.String(userID), store.String(orgID)); err != nil {
			return err
		}
		return tx.Exec("DELETE FROM "+memberTable+" WHERE org_id = ? AND user_id = ?", store.String(orgID), store.String(userID))
	})
}

// management is what decides about changing one member.
type management struct {
	role    string // the member's; "" when he is none
	owners  int
	asOwner bool // the caller may do what owners may
	asAdmin bool // the caller may do what admins may
}

func notManaging() error {
	return forbidden("only owners and admins of an organisation can change its members")
}

// managing reads what the caller may do to a member. It locks the owners, so
// that two of them cannot remove each other at the same time.
func managing(tx *store.Tx, orgID, userID string) (m management, err error) {
	if _, err := orgFor(tx, orgID); err != nil {
		return m, err
	}
	caller := ""
	err = tx.Query("SELECT user_id, role FROM "+memberTable+" WHERE org_id = ? AND (role = 'owner' OR user_id = ? OR user_id = ?) ORDER BY user_id"+tx.Dialect().ForUpdate,
		[]store.Value{store.String(orgID), store.String(userID), store.String(tx.Actor().ID)}, func(r store.Rows) error {
			id, role := r.Value(0, store.TypeString).Str(), r.Value(1, store.TypeString).Str()
			if id == userID {
				m.role = role
			}
			if id == tx.Actor().ID {
				caller = role
			}
			if role == OrgOwner {
				m.owners++
			}
			return nil
		})
	m.asOwner = caller == OrgOwner || isAdmin(tx.Actor())
	m.asAdmin = m.asOwner || caller == OrgAdmin
	return m, err
}

func lastOwner() *store.Error {
	return store.Errorf(store.Conflict, "LAST_OWNER", "the last owner cannot leave the organisation").WithHint("make somebody else an owner first, or delete the organisation")
}

func memberRole(tx *store.Tx, orgID, userID string) (role string, err error) {
	err = tx.Query("SELECT role FROM "+memberTable+" WHERE org_id = ? AND user_id = ?", []store.Value{store.String(orgID), store.String(userID)},
		func(r store.Rows) error { role = r.Value(0, store.TypeString).Str(); return nil })
	return role, err
}

func putMember(tx *store.Tx, orgID, userID, role string) error {
	return tx.Exec("INSERT INTO "+memberTable+" (org_id, user_id, role, joined_at) VALUES (?,?,?,?) ON CONFLICT (org_id, user_id) DO UPDATE SET role = excluded.role",
		store.String(orgID), store.String(userID), store.String(role), store.Time(tx.Now()))
}
