package auth

import (
	"context"
	"time"

	"github.com/pylon-go/pylon/store"
)

// The roles of an organisation's members.
const (
	OrgOwner  = "owner"  // everything, deleting it included
	OrgAdmin  = "admin"  // manages members other than owners
	OrgMember = "member" // belongs to it
)

// Org is an organisation as one of its members sees it.
type Org struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Role      string    `json:"role"` // the caller's; "" for an administrator who is no member
	CreatedAt time.Time `json:"created_at"`
}

// CreateOrg founds an organisation, owned by the caller.
func (s *Service) CreateOrg(ctx context.Context, name string) (*Org, error) {
	user, err := person(store.ActorFrom(ctx))
	if err != nil {
		return nil, err
	}
	if !validName(name, 200) {
		return nil, store.Errorf(store.Invalid, "INVALID_VALUE", "name must be 1 to 200 printable characters").WithField("name")
	}
	var org *Org
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		org = &Org{ID: store.NewID(tx.Now()), Name: name, Role: OrgOwner, CreatedAt: tx.Now()}
		if err := tx.Exec("INSERT INTO "+orgTable+" (id, name, created_at) VALUES (?,?,?)",
			store.String(org.ID), store.String(name), store.Time(tx.Now())); err != nil {
			return err
		}
		return putMember(tx, org.ID, user, OrgOwner)
	})
	if err != nil {
		return nil, err
	}
	return org, nil
}

// Orgs lists the organisations that the caller belongs to, the oldest first.
func (s *Service) Orgs(ctx context.Context) ([]Org, error) {
	user, err := person(store.ActorFrom(ctx))
	if err != nil {
		return nil, err
	}
	list := []Org{}
	err = s.db.View(ctx, func(tx *store.Tx) error {
		return tx.Query("SELECT o.id, o.name, m.role, o.created_at FROM "+memberTable+" m JOIN "+orgTable+" o ON o.id = m.org_id WHERE m.user_id = ? ORDER BY o.id",
			[]store.Value{store.String(user)}, func(r store.Rows) error {
				list = append(list, readOrg(r))
				return nil
			})
	})
	return list, err
}

func readOrg(r store.Rows) Org {
	return Org{ID: r.Value(0, store.TypeString).Str(), Name: r.Value(1, store.TypeString).Str(),
		Role: r.Value(2, store.TypeString).Str(), CreatedAt: r.Value(3, store.TypeDatetime).Time()}
}

// Org is one organisation. Who does not belong to it is told that there is none.
func (s *Service) Org(ctx context.Context, id string) (org *Org, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		org, err = orgFor(tx, id)
		return err
	})
	return org, err
}

// orgFor reads an organisation with the caller's role in it.
func orgFor(tx *store.Tx, id string) (org *Org, err error) {
	actor := tx.Actor()
	user := actor.ID
	if !isAdmin(actor) {
		if user, err = person(actor); err != nil {
			return nil, err
		}
	}
	err = tx.Query("SELECT o.id, o.name, m.role, o.created_at FROM "+orgTable+" o LEFT JOIN "+memberTable+" m ON m.org_id = o.id AND m.user_id = ? WHERE o.id = ?",
		[]store.Value{store.String(user), store.String(id)}, func(r store.Rows) error {
			found := readOrg(r)
			org = &found
			return nil
		})
	if err == nil && (org == nil || org.Role == "" && !isAdmin(actor)) {
		return nil, notFound("organisation", id)
	}
	return org, err
}

// DeleteOrg ends an organisation and its memberships; owners and administrators may.
func (s *Service) DeleteOrg(ctx context.Context, id string) error {
	return s.db.Update(ctx, func(tx *store.Tx) error {
		org, err := orgFor(tx, id)
		if err != nil {
			return err
		}
		if org.Role != OrgOwner && !isAdmin(tx.Actor()) {
			return forbidden("only an owner can delete the organisation")
		}
		if err := tx.Exec("DELETE FROM "+memberTable+" WHERE org_id = ?", store.String(id)); err != nil {
			return err
		}
		return tx.Exec("DELETE FROM "+orgTable+" WHERE id = ?", store.String(id))
	})
}

// SelectOrg makes an organisation the tenant of a session, "" none. It stays so
// until another is selected or the membership ends.
func (s *Service) SelectOrg(ctx context.Context, token, id string) error {
	user, err := person(store.ActorFrom(ctx))
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *store.Tx) error {
		if id != "" {
			role, err := memberRole(tx, id, user)
			if err != nil {
				return err
			}
			if role == "" {
				return store.Errorf(store.Denied, "NOT_A_MEMBER", "you are not a member of this organisation")
			}
		}
		found := false
		if err := tx.Query("SELECT user_id FROM "+sessionTable+" WHERE token = ? AND user_id = ?", []store.Value{hashToken(token), store.String(user)},
			func(store.Rows) error { found = true; return nil }); err != nil {
			return err
		}
		if !found {
			return noSession().WithHint("an organisation is selected for a session; API keys have none")
		}
		return tx.Exec("UPDATE "+sessionTable+" SET tenant_id = ? WHERE token = ?", store.OptString(id), hashToken(token))
	})
}
