package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// methodNotAllowed is a 405, which is more than an error's kind.
type methodNotAllowed struct {
	err   *store.Error
	allow string
}

func (e *methodNotAllowed) Error() string { return e.err.Error() }
func (e *methodNotAllowed) Unwrap() error { return e.err }

// fail writes the error shape {"error":{"code","message","hint"?,"field"?}}. What
// is not meant for the caller becomes INTERNAL, and the log has the cause.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e, status := s.visible(r, answerID(w), err)
	var notAllowed *methodNotAllowed
	if errors.As(err, &notAllowed) {
		status = http.StatusMethodNotAllowed
		w.Header().Set("Allow", notAllowed.allow)
	}
	var retry interface{ RetryAfter() time.Duration }
	switch {
	case errors.As(err, &retry):
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(retry.RetryAfter().Seconds()))))
	case status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(w, status, appendError(nil, e))
}

// visible is what the caller may see of an error.
func (s *Server) visible(r *http.Request, id string, err error) (*store.Error, int) {
	var e *store.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		e = store.Errorf(store.TooLarge, "PAYLOAD_TOO_LARGE", "the body is larger than %d bytes", tooLarge.Limit)
	case errors.As(err, &e):
		if e.Kind == store.Unavailable {
			s.cfg.Logger.ErrorContext(r.Context(), "unavailable", "request_id", id, "error", err)
		}
	case errors.Is(err, context.DeadlineExceeded):
		e = store.Errorf(store.Unavailable, "TIMEOUT", "the request took longer than %s", s.cfg.Limits.Timeout)
	case errors.Is(err, context.Canceled):
		e = store.Errorf(store.Unavailable, "CANCELED", "the request was cancelled")
	default:
		s.cfg.Logger.ErrorContext(r.Context(), "internal error", "request_id", id, "method", r.Method, "path", r.URL.Path, "error", err)
		return internalError(id), http.StatusInternalServerError
	}
	return e, plugin.Status(e.Kind)
}

// internalError says nothing of the cause; the log has it under the request's id.
func internalError(id string) *store.Error {
	return &store.Error{Code: "INTERNAL", Message: "something went wrong on the server", Hint: "the server's log says more under request id " + id}
}

func appendError(dst []byte, e *store.Error) []byte {
	dst = append(dst, `{"error":`...)
	dst = appendErrorObject(dst, e)
	return append(dst, '}')
}

func appendErrorObject(dst []byte, e *store.Error) []byte {
	dst = append(dst, `{"code":`...)
	dst = store.AppendJSONString(dst, e.Code)
	dst = append(dst, `,"message":`...)
	dst = store.AppendJSONString(dst, e.Message)
	if e.Hint != "" {
		dst = append(dst, `,"hint":`...)
		dst = store.AppendJSONString(dst, e.Hint)
	}
	if e.Field != "" {
		dst = append(dst, `,"field":`...)
		dst = store.AppendJSONString(dst, e.Field)
	}
	return append(dst, '}')
}

func joinComma(list []string) string { return strings.Join(list, ", ") }
