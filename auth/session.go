package auth

import (
	"context"
	"strings"
	"time"

	"github.com/pylon-go/pylon/store"
)

// Grant is a new session as its owner gets it. The token is shown this once.
type Grant struct {
	Token     string    `json:"token"`
	UserID    string    `json:"user_id"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Session is a session as lists show it.
type Session struct {
	CreatedAt   time.Time `json:"created_at"`
	Device      string    `json:"device"`
	ExpiresAt   time.Time `json:"expires_at"`
	TokenPrefix string    `json:"token_prefix"`
	UserID      string    `json:"user_id"`
}

// openSession starts a session of a user inside a transaction.
func (s *Service) openSession(tx *store.Tx, userID string, guest bool, tenant store.Value) (*Grant, error) {
	g := &Grant{Token: newToken(), UserID: userID, ExpiresAt: tx.Now().Add(s.lifetime)}
	err := tx.Exec("INSERT INTO "+sessionTable+" (token, prefix, user_id, guest, tenant_id, device, created_at, expires_at) VALUES (?,?,?,?,?,?,?,?)",
		hashToken(g.Token), store.String(g.Token[:prefixLength]), store.String(userID), store.Bool(guest), tenant,
		store.String(device(tx.Actor().UserAgent)), store.Time(tx.Now()), store.Time(g.ExpiresAt))
	return g, err
}

// Guest starts a session of a new guest, who has an id and nothing else.
func (s *Service) Guest(ctx context.Context) (g *Grant, err error) {
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		g, err = s.openSession(tx, "guest_"+store.NewID(tx.Now()), true, store.Null)
		return err
	})
	return g, err
}

// CreateFor starts a session of any user, for administrators.
func (s *Service) CreateFor(ctx context.Context, userID string) (g *Grant, err error) {
	if !isAdmin(store.ActorFrom(ctx)) {
		return nil, forbidden("only an administrator can start a session for somebody else")
	}
	if userID == "" || userID == AdminID {
		return nil, store.Errorf(store.Invalid, "INVALID_VALUE", "user_id must be the id of a user").WithField("user_id")
	}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		if err := s.userExists(tx, userID); err != nil {
			return err
		}
		g, err = s.openSession(tx, userID, false, store.Null)
		return err
	})
	return g, err
}

// Refresh exchanges a session's token for a new one with a full lifetime; the
// old one is dead in the same moment.
func (s *Service) Refresh(ctx context.Context, token string) (g *Grant, err error) {
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		g = nil
		user, tenant, guest := "", store.Null, false
		err := tx.Query("SELECT user_id, tenant_id, guest FROM "+sessionTable+" WHERE token = ? AND expires_at > ?"+tx.Dialect().ForUpdate,
			[]store.Value{hashToken(token), store.Time(tx.Now())}, func(r store.Rows) error {
				user, tenant, guest = r.Value(0, store.TypeString).Str(), r.Value(1, store.TypeString), r.Value(2, store.TypeBool).Bool()
				return nil
			})
		if err != nil {
			return err
		}
		if user == "" {
			return noSession()
		}
		if err := tx.Exec("DELETE FROM "+sessionTable+" WHERE token = ?", hashToken(token)); err != nil {
			return err
		}
		g, err = s.openSession(tx, user, guest, tenant)
		return err
	})
	return g, err
}

func noSession() *store.Error {
	return store.Errorf(store.Unauthentic, "AUTH_REQUIRED", "the session is unknown or has ended").WithHint("sign in again")
}

// Sessions lists the live sessions of a user, the newest first.
func (s *Service) Sessions(ctx context.Context, userID string) ([]Session, error) {
	if err := ownOrAdmin(ctx, userID); err != nil {
		return nil, err
	}
	list := []Session{}
	err := s.db.View(ctx, func(tx *store.Tx) error {
		return tx.Query("SELECT created_at, device, expires_at, prefix FROM "+sessionTable+" WHERE user_id = ? AND expires_at > ? ORDER BY created_at DESC, prefix",
			[]store.Value{store.String(userID), store.Time(s.clock.Now())}, func(r store.Rows) error {
				list = append(list, Session{
					CreatedAt: r.Value(0, store.TypeDatetime).Time(), Device: r.Value(1, store.TypeString).Str(),
					ExpiresAt: r.Value(2, store.TypeDatetime).Time(), TokenPrefix: r.Value(3, store.TypeString).Str(), UserID: userID,
				})
				return nil
			})
	})
	return list, err
}

// Revoke ends the session of a token. Ending one that is over is not an error.
func (s *Service) Revoke(ctx context.Context, token string) error {
	return s.exec(ctx, "DELETE FROM "+sessionTable+" WHERE token = ?", hashToken(token))
}

// RevokeByPrefix ends the sessions of a user that lists show under that prefix.
func (s *Service) RevokeByPrefix(ctx context.Context, userID, prefix string) error {
	if err := ownOrAdmin(ctx, userID); err != nil {
		return err
	}
	return s.exec(ctx, "DELETE FROM "+sessionTable+" WHERE user_id = ? AND prefix = ?", store.String(userID), store.String(prefix))
}

// RevokeAll ends all sessions of a user.
func (s *Service) RevokeAll(ctx context.Context, userID string) error {
	if err := ownOrAdmin(ctx, userID); err != nil {
		return err
	}
	return s.exec(ctx, "DELETE FROM "+sessionTable+" WHERE user_id = ?", store.String(userID))
}

// PurgeExpired removes sessions that are over. Nobody can use them any more;
// this only gives their space back.
func (s *Service) PurgeExpired(ctx context.Context) error {
	return s.exec(ctx, "DELETE FROM "+sessionTable+" WHERE expires_at <= ?", store.Time(s.clock.Now()))
}

func (s *Service) exec(ctx context.Context, query string, args ...store.Value) error {
	return s.db.Update(ctx, func(tx *store.Tx) error { return tx.Exec(query, args...) })
}

// device names the browser and system of a user agent for people who look
// through their sessions.
func device(userAgent string) string {
	first := func(pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			if strings.Contains(userAgent, pairs[i]) {
				return pairs[i+1]
			}
		}
		return ""
	}
	// In this order: each browser also claims to be those after it.
	browser := first("Edg", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "FxiOS/", "Firefox", "Chrome/", "Chrome", "CriOS/", "Chrome", "Safari/", "Safari")
	system := first("iPhone", "iPhone", "iPad", "iPad", "Android", "Android", "Windows", "Windows", "Mac OS X", "macOS", "CrOS", "ChromeOS", "Linux", "Linux")
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser != "" || system != "":
		return browser + system
	case userAgent == "":
		return "unknown"
	}
	program, _, _ := strings.Cut(strings.ToValidUTF8(userAgent, "?"), " ") // curl/8.5.0
	program = strings.ReplaceAll(program, "\x00", "?")
	if len(program) > 64 {
		program = strings.ToValidUTF8(program[:64], "")
	}
	return program
}
