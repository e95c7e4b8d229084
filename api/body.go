package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/store"
)

// buffers are used for bodies and answers; one that grew large is let go.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

const keepBuffer = 256 << 10

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) <= keepBuffer {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// readBody reads the whole body; its size is limited already. The bytes are valid
// until release is called.
func readBody(r *http.Request) (body []byte, release func(), err error) {
	buf := getBuffer()
	b := (*buf)[:0]
	if n := r.ContentLength; n > int64(cap(b)) && n <= keepBuffer {
		b = make([]byte, 0, n)
	}
	for {
		if len(b) == cap(b) {
			b = slices.Grow(b, len(b)+1)
		}
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			*buf = b
			putBuffer(buf)
			var tooLarge *http.MaxBytesError
			if !errors.As(err, &tooLarge) {
				err = store.Errorf(store.Invalid, "BODY_INCOMPLETE", "the body could not be read to its end")
			}
			return nil, nil, err
		}
	}
	*buf = b
	return b, func() { putBuffer(buf) }, nil
}

// decode reads the body as JSON into a struct. An unknown key is an error that
// names the nearest one.
func decode(r *http.Request, into any) error {
	body, release, err := readBody(r)
	if err != nil {
		return err
	}
	defer release()
	return decodeStruct(body, into)
}

func decodeStruct(body []byte, into any) error {
	known := jsonKeys(into)
	if err := store.EachMember(body, func(key string, _ []byte) error {
		if slices.Contains(known, key) {
			return nil
		}
		err := store.Errorf(store.Invalid, "UNKNOWN_KEY", "unknown key %q", key).WithField(key)
		if near := manifest.Nearest(key, known); near != "" {
			return err.WithHint("did you mean %q?", near)
		}
		return err.WithHint("known keys: %s", strings.Join(known, ", "))
	}); err != nil {
		return err
	}
	err := json.Unmarshal(body, into)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return store.Errorf(store.Invalid, "INVALID_VALUE", "%s must be %s, got %s", wrong.Field, jsonTypeName(wrong.Type), wrong.Value).WithField(wrong.Field)
	}
	return err
}

func jsonKeys(v any) []string {
	var keys []string
	t := reflect.TypeOf(v).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		keys = append(keys, name)
	}
	return keys
}

func jsonTypeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "a number"
	}
}

var jsonType = []string{"application/json"}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	w.Write(body) //nolint:errcheck // the client is gone
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, status int, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	writeJSON(w, status, bytes.TrimRight(b.Bytes(), "\n"))
	return nil
}
