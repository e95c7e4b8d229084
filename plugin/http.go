package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/pylon-go/pylon/store"
)

// Decode reads a route's body, a JSON object, into a struct, strictly. A body that
// is empty leaves the struct as it is.
func Decode(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body) // the host limits its size
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return err
		}
		return store.Errorf(store.Invalid, "BODY_INCOMPLETE", "the body could not be read to its end")
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	return store.DecodeJSON(body, into)
}

// Answer writes a value as JSON.
func Answer(w http.ResponseWriter, status int, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	body := bytes.TrimRight(b.Bytes(), "\n")
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) //nolint:errcheck // the client is gone
	return nil
}

var statuses = map[store.Kind]int{
	store.Invalid:     http.StatusBadRequest,
	store.Unauthentic: http.StatusUnauthorized,
	store.Denied:      http.StatusForbidden,
	store.NotFound:    http.StatusNotFound,
	store.Conflict:    http.StatusConflict,
	store.TooLarge:    http.StatusRequestEntityTooLarge,
	store.Limited:     http.StatusTooManyRequests,
	store.Unavailable: http.StatusServiceUnavailable,
}

// Status is the HTTP status of a kind of error; 500 for one that has none.
func Status(k store.Kind) int {
	if s, ok := statuses[k]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// KindOf is the kind of error that has the status; ok is false when none has.
func KindOf(status int) (k store.Kind, ok bool) {
	for k, s := range statuses {
		if s == status {
			return k, true
		}
	}
	return 0, false
}
