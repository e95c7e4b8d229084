package api

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/pylon-go/pylon/plugin"
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
	return store.DecodeJSON(body, into)
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
func answer(w http.ResponseWriter, status int, v any) error { return plugin.Answer(w, status, v) }
