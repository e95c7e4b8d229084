package auth

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/store"
)

// userEntity is the name of the app's user entity, "" when it has none.
func userEntity(m *manifest.Manifest) string { return m.UserEntity() }

// Registration is what somebody registers with.
type Registration struct {
	Email       string `json:"email"`
	Password    string `json:"password"`
	DisplayName string `json:"displayName,omitempty"`
}

func emailTaken() *store.Error {
	return store.Errorf(store.Conflict, "EMAIL_TAKEN", "an account with this e-mail address exists").WithField("email").WithHint("sign in instead")
}

func invalidCredentials() *store.Error {
	return store.Errorf(store.Unauthentic, "INVALID_CREDENTIALS", "e-mail address or password is wrong")
}

// Register makes an account with its user row and first session, all in one
// transaction, so that hooks on the user entity see what there is to see.
func (s *Service) Register(ctx context.Context, r Registration) (g *Grant, err error) {
	email, err := normalizeEmail(r.Email)
	if err != nil {
		return nil, err
	}
	if err := checkPassword(r.Password); err != nil {
		return nil, err
	}
	// Before the transaction: hashing takes long, and the writer is one for all.
	hash, err := s.hasher.hash(ctx, r.Password)
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		if a, err := accountByLogin(tx, login(email)); err != nil {
			return err
		} else if a != nil {
			return emailTaken()
		}
		id, err := s.insertUser(tx, email, r.DisplayName)
		if err != nil {
			return err
		}
		if err := tx.Exec("INSERT INTO "+accountTable+" (user_id, login, password, created_at) VALUES (?,?,?,?)",
			store.String(id), store.String(login(email)), store.String(hash), store.Time(tx.Now())); err != nil {
			return err
		}
		g, err = s.openSession(tx, id, false, store.Null)
		return err
	})
	if err != nil {
		return nil, takenOr(err)
	}
	return g, nil
}

// takenOr says EMAIL_TAKEN where a unique index was what noticed: of two
// registrations at once, or of a user row made by other means.
func takenOr(err error) error {
	var e *store.Error
	if errors.As(err, &e) && e.Code == "UNIQUE_VIOLATION" && (e.Field == "login" || e.Field == "email") {
		return emailTaken()
	}
	return err
}

// insertUser makes the row of a new user, or only an id without a user entity.
func (s *Service) insertUser(tx *store.Tx, email, displayName string) (string, error) {
	if s.user == nil {
		return store.NewID(tx.Now()), nil
	}
	if s.emailField < 0 {
		return "", store.Errorf(store.Invalid, "MISSING_FIELD", "%s has no field email of type string, which signing up with a password needs", s.user.Name)
	}
	p := store.NewPatch(s.user)
	if err := p.PutAt(s.emailField, store.String(email)); err != nil {
		return "", err
	}
	if s.nameField >= 0 && displayName != "" {
		if err := p.PutAt(s.nameField, store.String(displayName)); err != nil {
			return "", err
		}
	}
	row, err := tx.As(system(tx.Actor())).Insert(p)
	if err != nil {
		return "", err
	}
	return row.ID, nil
}

// account is a row of the account table.
type account struct {
	userID, password string
}

func accountByLogin(tx *store.Tx, login string) (*account, error) {
	return readAccount(tx, "login = ?", login)
}

func readAccount(tx *store.Tx, where, arg string) (a *account, err error) {
	err = tx.Query("SELECT user_id, password FROM "+accountTable+" WHERE "+where, []store.Value{store.String(arg)}, func(r store.Rows) error {
		a = &account{userID: r.Value(0, store.TypeString).Str(), password: r.Value(1, store.TypeString).Str()}
		return nil
	})
	return a, err
}

// Login starts a session with e-mail address and password. Answer and time are
// the same whether the address is unknown or the password wrong.
func (s *Service) Login(ctx context.Context, email, password string) (g *Grant, err error) {
	key, ip := login(email), network(store.ActorFrom(ctx).IP)
	if len(key) > maxEmail || utf8.RuneCountInString(password) > maxPassword || strings.ContainsRune(key, 0) || !utf8.ValidString(key) {
		return nil, invalidCredentials() // no account has such
	}
	if err := s.attempt(key, ip); err != nil {
		return nil, err
	}
	var a *account
	err = s.db.View(ctx, func(tx *store.Tx) (err error) {
		a, err = accountByLogin(tx, key)
		return err
	})
	if err == nil {
		g, err = s.open(ctx, a, password)
	}
	switch {
	case err == nil:
		s.perID.reset(key)
		s.forgiveIP(ip)
	case !store.HasCode(err, "INVALID_CREDENTIALS"): // not the caller's fault
		s.perID.forgive(key)
		s.forgiveIP(ip)
	}
	return g, err
}

// attempt counts a guess at a password against its account and its origin.
func (s *Service) attempt(key, ip string) error {
	if ip != "" {
		if err := s.perIP.take(ip); err != nil {
			return err
		}
	}
	if err := s.perID.take(key); err != nil {
		s.forgiveIP(ip)
		return err
	}
	return nil
}

func (s *Service) forgiveIP(ip string) {
	if ip != "" {
		s.perIP.forgive(ip)
	}
}

// open checks the password of an account, nil for one that is not there, and
// starts a session.
func (s *Service) open(ctx context.Context, a *account, password string) (g *Grant, err error) {
	if a == nil {
		a = new(account)
	}
	ok, stale, err := s.hasher.verify(ctx, password, a.password)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, invalidCredentials()
	}
	hash := a.password
	if stale {
		if hash, err = s.hasher.hash(ctx, password); err != nil {
			return nil, err
		}
	}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		// The password may have changed, or the user gone, while it was verified.
		now, err := readAccount(tx, "user_id = ?", a.userID)
		if err != nil {
			return err
		}
		if now == nil || now.password != a.password {
			return invalidCredentials()
		}
		if stale {
			if err := setPassword(tx, a.userID, hash); err != nil {
				return err
			}
		}
		g, err = s.openSession(tx, a.userID, false, store.Null)
		return err
	})
	return g, err
}

func setPassword(tx *store.Tx, userID, hash string) error {
	return tx.Exec("UPDATE "+accountTable+" SET password = ? WHERE user_id = ?", store.String(hash), store.String(userID))
}

// ChangePassword replaces the caller's password. His other sessions end, and with
// them those of whoever may have known the old one; the answer is a new session.
func (s *Service) ChangePassword(ctx context.Context, old, password string) (g *Grant, err error) {
	actor := store.ActorFrom(ctx)
	user, err := person(actor)
	if err != nil {
		return nil, err
	}
	if actor.Type == store.ActorAPIKey {
		return nil, forbidden("an API key cannot change the password")
	}
	if err := checkPassword(password); err != nil {
		return nil, err
	}
	ip := network(actor.IP)
	if err := s.attempt(user, ip); err != nil {
		return nil, err
	}
	var a *account
	err = s.db.View(ctx, func(tx *store.Tx) (err error) {
		a, err = readAccount(tx, "user_id = ?", user)
		return err
	})
	if err != nil {
		return nil, err
	}
	if a == nil {
		a = new(account)
	}
	ok, _, err := s.hasher.verify(ctx, old, a.password)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, invalidCredentials()
	}
	s.perID.reset(user)
	s.forgiveIP(ip)
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		if now, err := readAccount(tx, "user_id = ?", user); err != nil {
			return err
		} else if now == nil || now.password != a.password {
			return invalidCredentials()
		}
		if err := setPassword(tx, user, hash); err != nil {
			return err
		}
		if err := tx.Exec("DELETE FROM "+sessionTable+" WHERE user_id = ?", store.String(user)); err != nil {
			return err
		}
		g, err = s.openSession(tx, user, false, tenantOf(actor))
		return err
	})
	return g, err
}

func tenantOf(a *store.Actor) store.Value { return store.OptString(a.TenantID) }
