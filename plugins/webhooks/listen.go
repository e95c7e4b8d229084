package webhooks

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Listener is a receiver for development: it verifies and prints deliveries.
type Listener struct {
	// Secret to verify with; empty means that signatures are not checked.
	Secret string
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
	verdict := "not checked (no secret given)"
	if l.Secret != "" {
		switch signature := r.Header.Get(HeaderSignature); {
		case signature == "":
			verdict, status = "MISSING", http.StatusUnauthorized
		case VerifyBody([]byte(l.Secret), body, signature):
			verdict = "verified"
		default:
			verdict, status = "WRONG", http.StatusUnauthorized
		}
	}
	l.mu.Lock()
	fmt.Fprintf(l.Out, "%s %s %s\n  delivery   %s (attempt %s)\n  signature  %s\n  answered   %d\n  body       %s\n",
		time.Now().Format(time.TimeOnly), r.Method, printable(r.URL.Path), printable(r.Header.Get(HeaderID)), printable(r.Header.Get("X-Pylon-Attempt")), verdict, status, printable(string(body)))
	l.mu.Unlock()
	w.WriteHeader(status)
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
