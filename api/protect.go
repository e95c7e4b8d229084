package api

import (
	"net"
	"net/http"
	"strings"

	"github.com/pylon-go/pylon/store"
)

var securityHeaders = map[string][]string{
	"X-Content-Type-Options": {"nosniff"},
	"X-Frame-Options":        {"DENY"},
	"Referrer-Policy":        {"no-referrer"},
	"Permissions-Policy":     {"interest-cohort=()"},
	"Cache-Control":          {"no-store"},
}

// protected refuses what should not reach a handler: overload, browsers of
// foreign origins, cross-site writes.
func (s *Server) protected(next http.Handler) http.Handler {
	limits := s.cfg.Limits
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for k, v := range securityHeaders {
			h[k] = v
		}
		if n := s.inFlight.Add(1); n > limits.MaxInFlight && r.URL.Path != "/health" {
			s.inFlight.Add(-1)
			s.fail(w, r, store.Errorf(store.Unavailable, "OVERLOADED", "the server has too much to do").WithHint("try again in a second"))
			return
		}
		defer s.inFlight.Add(-1)

		if origin := r.Header.Get("Origin"); origin != "" {
			if s.cors(w, r, origin) {
				return
			}
		}
		if bearer(r) == "" { // a cookie may sign this request: it must come from our own pages
			if err := s.csrf.Check(r); err != nil {
				s.fail(w, r, store.Errorf(store.Denied, "CSRF_REJECTED", "a write from another site needs a bearer token").
					WithHint("send Authorization: Bearer TOKEN, or add the origin to PYLON_CORS_ORIGIN"))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// cors answers for the origins that are allowed; it reports whether the request
// was a preflight and is answered.
func (s *Server) cors(w http.ResponseWriter, r *http.Request, origin string) bool {
	h := w.Header()
	h.Add("Vary", "Origin")
	preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	if s.origins[origin] {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Expose-Headers", requestIDHeader+", Retry-After")
		if preflight {
			h.Set("Access-Control-Allow-Methods", "GET, POST, PATCH, PUT, DELETE")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, "+requestIDHeader)
			h.Set("Access-Control-Max-Age", "600")
		}
	}
	if preflight {
		w.WriteHeader(http.StatusNoContent)
	}
	return preflight
}

// bearer is the token of the Authorization header, "" when there is none.
func bearer(r *http.Request) string {
	a := r.Header["Authorization"]
	if len(a) != 1 || len(a[0]) < 7 || !strings.EqualFold(a[0][:7], "Bearer ") {
		return ""
	}
	return strings.TrimSpace(a[0][7:])
}

// clientIP is the address the connection came from. Headers that proxies set are
// not believed: anybody can send them.
func clientIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
