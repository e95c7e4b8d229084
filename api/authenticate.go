package api

import (
	"context"
	"net/http"

	"github.com/pylon-go/pylon/store"
)

// token is what signs a request: the bearer token or, without one, the session cookie.
func (s *Server) token(r *http.Request) string {
	if t := bearer(r); t != "" {
		return t
	}
	if c, err := r.Cookie(s.cookieName()); err == nil {
		return c.Value
	}
	return ""
}

// authenticated puts the actor and the time limit into the request's context.
func (s *Server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Limits.Timeout)
		defer cancel()
		actor := store.Actor{Type: store.ActorAnonymous}
		var err error
		if token := s.token(r); token != "" {
			actor, err = s.cfg.Auth.Authenticate(ctx, token)
		}
		actor.IP = clientIP(r)
		actor.UserAgent = r.UserAgent()
		actor.RequestID = answerID(w)
		signed := r.WithContext(store.WithActor(ctx, actor))
		if err != nil {
			s.fail(w, signed, err)
			return
		}
		next.ServeHTTP(w, signed)
		r.Pattern = signed.Pattern // the observer further out wants to know the route
	})
}
