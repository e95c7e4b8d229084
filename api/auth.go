package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/pylon-go/pylon/auth"
	"github.com/pylon-go/pylon/store"
)

func (s *Server) authRoutes(public, user, admin func(string, handler)) {
	public("POST /api/auth/password/register", s.register)
	public("POST /api/auth/password/login", s.login)
	user("POST /api/auth/password/change", s.changePassword)
	public("POST /api/auth/guest", s.guest)
	public("GET /api/auth/me", s.me)
	user("POST /api/auth/refresh", s.refresh)
	admin("POST /api/auth/session", s.createSession)
	public("GET /api/auth/session", s.session)
	public("DELETE /api/auth/session", s.signOut)
	user("GET /api/auth/sessions", s.sessions)
	user("DELETE /api/auth/sessions", s.signOutEverywhere)

	user("POST /api/auth/api-keys", s.createKey)
	user("GET /api/auth/api-keys", s.keys)
	user("DELETE /api/auth/api-keys/{id}", s.deleteKey)

	admin("GET /api/auth/users/{id}/roles", s.roles)
	admin("PUT /api/auth/users/{id}/roles", s.setRoles)

	user("POST /api/auth/orgs", s.createOrg)
	user("GET /api/auth/orgs", s.orgs)
	user("GET /api/auth/orgs/{id}", s.org)
	user("DELETE /api/auth/orgs/{id}", s.deleteOrg)
	user("GET /api/auth/orgs/{id}/members", s.members)
	user("PUT /api/auth/orgs/{id}/members/{user}", s.setMember)
	user("DELETE /api/auth/orgs/{id}/members/{user}", s.removeMember)
	user("POST /api/auth/select-org", s.selectOrg)
}

// cookieName is the session cookie of this app; several apps may share a host.
func (s *Server) cookieName() string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToLower(s.cfg.Manifest.Name))
	return name + "_session"
}

// grant answers a new session. Browsers, which send an Origin, get it as a cookie too.
func (s *Server) grant(w http.ResponseWriter, r *http.Request, status int, g *auth.Grant, more map[string]any) error {
	if r.Header.Get("Origin") != "" {
		http.SetCookie(w, &http.Cookie{Name: s.cookieName(), Value: g.Token, Path: "/", Expires: g.ExpiresAt,
			HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	}
	out := map[string]any{"token": g.Token, "user_id": g.UserID, "expires_at": g.ExpiresAt}
	for k, v := range more {
		out[k] = v
	}
	return answer(w, status, out)
}

func (s *Server) register(w http.ResponseWriter, r *http.Request) error {
	var in auth.Registration
	if err := decode(r, &in); err != nil {
		return err
	}
	g, err := s.cfg.Auth.Register(r.Context(), in)
	if err != nil {
		return err
	}
	return s.grant(w, r, http.StatusOK, g, map[string]any{"verification_email_sent": false})
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	g, err := s.cfg.Auth.Login(r.Context(), in.Email, in.Password)
	if err != nil {
		return err
	}
	return s.grant(w, r, http.StatusOK, g, nil)
}

func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Old string `json:"currentPassword"`
		New string `json:"newPassword"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	g, err := s.cfg.Auth.ChangePassword(r.Context(), in.Old, in.New)
	if err != nil {
		return err
	}
	return s.grant(w, r, http.StatusOK, g, nil)
}

func (s *Server) guest(w http.ResponseWriter, r *http.Request) error {
	g, err := s.cfg.Auth.Guest(r.Context())
	if err != nil {
		return err
	}
	return s.grant(w, r, http.StatusCreated, g, map[string]any{"guest": true})
}

// me says who the caller is; nobody is an answer too.
func (s *Server) me(w http.ResponseWriter, r *http.Request) error {
	return answer(w, http.StatusOK, identity(store.ActorFrom(r.Context())))
}

func identity(a *store.Actor) map[string]any {
	out := map[string]any{"user_id": orNull(a.UserID()), "is_admin": a.Admin, "roles": a.Roles, "avatar_url": nil,
		"tenant_id": orNull(a.TenantID), "api_key_id": orNull(a.APIKeyID)}
	if a.Roles == nil {
		out["roles"] = []string{}
	}
	return out
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (s *Server) refresh(w http.ResponseWriter, r *http.Request) error {
	g, err := s.cfg.Auth.Refresh(r.Context(), s.token(r))
	if err != nil {
		return err
	}
	return s.grant(w, r, http.StatusOK, g, nil)
}

func (s *Server) createSession(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		UserID string `json:"user_id"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	g, err := s.cfg.Auth.CreateFor(r.Context(), in.UserID)
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, g)
}

// session is the caller with his own row of the user entity.
func (s *Server) session(w http.ResponseWriter, r *http.Request) error {
	a := store.ActorFrom(r.Context())
	user, err := s.ownRow(r, a)
	if err != nil {
		return err
	}
	b := append([]byte(nil), `{"session":`...)
	if a.Type == store.ActorAnonymous {
		b = append(b, "null"...)
	} else {
		b = append(b, `{"user_id":`...)
		b = store.AppendJSONString(b, a.UserID())
		b = append(b, `,"is_admin":`...)
		b = store.Bool(a.Admin).AppendJSON(b)
		b = append(b, `,"roles":[`...)
		for i, role := range a.Roles {
			if i > 0 {
				b = append(b, ',')
			}
			b = store.AppendJSONString(b, role)
		}
		b = append(b, "]}"...)
	}
	b = append(append(append(b, `,"user":`...), user...), `,"avatar_url":null}`...)
	writeJSON(w, http.StatusOK, b)
	return nil
}

// ownRow is what a person sees of himself: his row without serverOnly fields,
// narrowed by auth.user.expose and hide.
func (s *Server) ownRow(r *http.Request, a *store.Actor) ([]byte, error) {
	e := s.schema.Entity(s.cfg.Manifest.UserEntity())
	if e == nil || a.UserID() == "" {
		return []byte("null"), nil
	}
	ctx := store.WithActor(r.Context(), store.System("auth"))
	row, err := s.cfg.DB.Get(ctx, e, a.UserID())
	if store.IsKind(err, store.NotFound) {
		return []byte("null"), nil
	}
	if err != nil {
		return nil, err
	}
	var expose, hide []string
	if au := s.cfg.Manifest.Auth; au != nil && au.User != nil {
		expose, hide = au.User.Expose, au.User.Hide
	}
	return row.AppendJSONFields(nil, expose, hide), nil
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := s.cfg.Auth.Revoke(r.Context(), s.token(r)); err != nil {
		return err
	}
	return s.revoked(w, r)
}

func (s *Server) signOutEverywhere(w http.ResponseWriter, r *http.Request) error {
	a := store.ActorFrom(r.Context())
	var err error
	if prefix := r.URL.Query().Get("token_prefix"); prefix != "" {
		err = s.cfg.Auth.RevokeByPrefix(r.Context(), a.ID, prefix)
	} else {
		err = s.cfg.Auth.RevokeAll(r.Context(), a.ID)
	}
	if err != nil {
		return err
	}
	return s.revoked(w, r)
}

func (s *Server) revoked(w http.ResponseWriter, r *http.Request) error {
	if _, err := r.Cookie(s.cookieName()); err == nil {
		http.SetCookie(w, &http.Cookie{Name: s.cookieName(), Path: "/", Expires: time.Unix(1, 0), MaxAge: -1,
			HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	}
	return answer(w, http.StatusOK, map[string]bool{"revoked": true})
}

func (s *Server) sessions(w http.ResponseWriter, r *http.Request) error {
	list, err := s.cfg.Auth.Sessions(r.Context(), store.ActorFrom(r.Context()).ID)
	return answerList(w, list, err)
}

// answerList answers a list, empty rather than null.
func answerList[T any](w http.ResponseWriter, list []T, err error) error {
	if err != nil {
		return err
	}
	if list == nil {
		list = []T{}
	}
	return answer(w, http.StatusOK, list)
}

func (s *Server) createKey(w http.ResponseWriter, r *http.Request) error {
	var in auth.KeyRequest
	if err := decode(r, &in); err != nil {
		return err
	}
	key, err := s.cfg.Auth.CreateAPIKey(r.Context(), in)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, key)
}

func (s *Server) keys(w http.ResponseWriter, r *http.Request) error {
	a := store.ActorFrom(r.Context())
	id := a.ID
	if u := r.URL.Query().Get("user_id"); u != "" && a.Admin {
		id = u
	}
	list, err := s.cfg.Auth.APIKeys(r.Context(), id)
	return answerList(w, list, err)
}

func (s *Server) deleteKey(w http.ResponseWriter, r *http.Request) error {
	return deleted(w, s.cfg.Auth.DeleteAPIKey(r.Context(), r.PathValue("id")))
}

func deleted(w http.ResponseWriter, err error) error {
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, map[string]bool{"deleted": true})
}

func updated(w http.ResponseWriter, err error) error {
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, map[string]bool{"updated": true})
}

func (s *Server) roles(w http.ResponseWriter, r *http.Request) error {
	list, err := s.cfg.Auth.Roles(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if list == nil {
		list = []string{}
	}
	return answer(w, http.StatusOK, map[string]any{"roles": list})
}

func (s *Server) setRoles(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Roles []string `json:"roles"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	return updated(w, s.cfg.Auth.SetRoles(r.Context(), r.PathValue("id"), in.Roles))
}

func (s *Server) createOrg(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Name string `json:"name"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	org, err := s.cfg.Auth.CreateOrg(r.Context(), in.Name)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, org)
}

func (s *Server) orgs(w http.ResponseWriter, r *http.Request) error {
	list, err := s.cfg.Auth.Orgs(r.Context())
	return answerList(w, list, err)
}

func (s *Server) org(w http.ResponseWriter, r *http.Request) error {
	org, err := s.cfg.Auth.Org(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, org)
}

func (s *Server) deleteOrg(w http.ResponseWriter, r *http.Request) error {
	return deleted(w, s.cfg.Auth.DeleteOrg(r.Context(), r.PathValue("id")))
}

func (s *Server) members(w http.ResponseWriter, r *http.Request) error {
	list, err := s.cfg.Auth.Members(r.Context(), r.PathValue("id"))
	return answerList(w, list, err)
}

func (s *Server) setMember(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Role string `json:"role"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	return updated(w, s.cfg.Auth.SetMember(r.Context(), r.PathValue("id"), r.PathValue("user"), in.Role))
}

func (s *Server) removeMember(w http.ResponseWriter, r *http.Request) error {
	return deleted(w, s.cfg.Auth.RemoveMember(r.Context(), r.PathValue("id"), r.PathValue("user")))
}

func (s *Server) selectOrg(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		OrgID string `json:"orgId"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	if err := s.cfg.Auth.SelectOrg(r.Context(), s.token(r), in.OrgID); err != nil {
		return err
	}
	return answer(w, http.StatusOK, map[string]any{"tenantId": orNull(in.OrgID)})
}
