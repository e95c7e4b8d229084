package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"time"

	"github.com/pylon-go/pylon/store"
)

// health says that the process runs; it asks nothing of the database.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, struct {
		Status  string `json:"status"`
		Uptime  int64  `json:"uptime_secs"`
		Version string `json:"version"`
	}{"ok", int64(s.cfg.DB.Clock().Since(s.started) / time.Second), s.cfg.Version})
}

// ready says whether requests can be served now; a load balancer asks it.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.cfg.Ready(ctx); err != nil {
		return &store.Error{Kind: store.Unavailable, Code: "NOT_READY", Message: "the app cannot serve at the moment", Cause: err}
	}
	return answer(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) error {
	if s.cfg.Metrics == nil {
		return s.noRoute(r)
	}
	if !store.ActorFrom(r.Context()).Admin && !sameSecret(bearer(r), s.cfg.MetricsToken) {
		return store.Errorf(store.Unauthentic, "AUTH_REQUIRED", "metrics are for the administrator").
			WithHint("send the admin token, or set PYLON_METRICS_TOKEN and send that")
	}
	s.cfg.Metrics.ServeHTTP(w, r)
	return nil
}

// sameSecret compares in constant time; an empty secret matches nothing.
func sameSecret(given, secret string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(secret))
	return secret != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
