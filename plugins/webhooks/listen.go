package webhooks

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Listener is a receiver for development: it verifies and prints deliveries.
type Listener struct {
	// Secret to verify with; nil means that signatures are not checked.
	Secret *Secret
	// Status to answer with; 0 means 200.
	Status int
	// Out is where deliveries are printed.
	Out io.Writer

	mu sync.Mutex
}

// maxListen bounds what a delivery may hold.
const maxListen = 16 << 20

// ServeHTTP takes one delivery. One that does not verify is answered with 401, as
// a real receiver should.
func (l *Listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxListen))
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	status := http.StatusOK
	if l.Status != 0 {
		status = l.Status
	}
	verdict, good := l.verify(r.Header, body)
	if !good {
		status = http.StatusUnauthorized
	}
	l.mu.Lock()
	fmt.Fprintf(l.Out, "%s %s %s\n  delivery   %s (attempt %s)\n  signature  %s\n  answered   %d\n  body       %s\n",
		time.Now().Format(time.TimeOnly), r.Method, printable(r.URL.Path), printable(r.Header.Get(HeaderID)), printable(r.Header.Get("X-Pylon-Attempt")), verdict, status, printable(string(body)))
	l.mu.Unlock()
	w.WriteHeader(status)
}

// tolerance is how far webhook-timestamp may be from now (Standard Webhooks).
const tolerance = 5 * time.Minute

// verify checks every signature that is there; all of them must be right, and at
// least one must be there.
func (l *Listener) verify(header http.Header, body []byte) (verdict string, good bool) {
	if l.Secret == nil {
		return "not checked (no secret given)", true
	}
	legacy, standard := header.Get(HeaderSignature), header.Get(HeaderStandardSig)
	if legacy == "" && standard == "" {
		return "MISSING", false
	}
	if legacy != "" && l.Secret.SignsBody() && !l.Secret.VerifyBody(body, legacy) {
		return "WRONG", false
	}
	if standard != "" {
		secs, err := strconv.ParseInt(header.Get(HeaderTimestamp), 10, 64)
		at := time.Unix(secs, 0)
		if err != nil || !l.Secret.VerifyStandard(header.Get(HeaderID), at, body, standard) {
			return "WRONG", false
		}
		if time.Since(at).Abs() > tolerance {
			return "TOO OLD", false
		}
	} else if !l.Secret.SignsBody() {
		return "MISSING", false
	}
	return "verified", true
}

// printable keeps what a sender writes from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}
