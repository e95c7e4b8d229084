package webhooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/propagation"

	"github.com/pylon-go/pylon/queue"
)

const (
	// attemptTimeout bounds one delivery, from dialling to the end of the answer.
	attemptTimeout = 15 * time.Second
	// keepResponse is how much of an answer's body is kept for inspection;
	// drainResponse how much is read so that the connection can be used again.
	keepResponse  = 16 << 10
	drainResponse = 64 << 10
	// maxRetryAfter bounds what a receiver may ask for.
	maxRetryAfter = 24 * time.Hour
)

// attemptError is a delivery that did not succeed.
type attemptError struct {
	status   int // 0: there was no answer
	response string
	cause    error
}

func (e *attemptError) Error() string {
	if e.status == 0 {
		return e.cause.Error()
	}
	return fmt.Sprintf("the receiver answered %d %s", e.status, http.StatusText(e.status))
}

func (e *attemptError) Unwrap() error { return e.cause }

// deliver is one attempt.
func (p *Plugin) deliver(ctx context.Context, j *queue.Job) queue.Outcome {
	h := p.byName[j.Lane]
	if h == nil {
		return queue.Dead(errors.New("the hook is not declared any more"))
	}
	req, err := p.request(ctx, h, j)
	if err != nil {
		return queue.Dead(err)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return queue.Retry(&attemptError{cause: plainError(err)}, 0)
	}
	defer res.Body.Close()
	snippet := readSnippet(res.Body)
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return queue.Done()
	}
	failure := &attemptError{status: res.StatusCode, response: snippet}
	if res.StatusCode == http.StatusGone {
		return queue.Dead(failure) // the receiver says that it will never want this
	}
	return queue.Retry(failure, retryAfter(res.Header.Get("Retry-After"), p.clock.Now()))
}

// request builds the POST. The timestamp is that of the attempt, everything else
// the same every time.
func (p *Plugin) request(ctx context.Context, h *hook, j *queue.Job) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(j.Payload))
	if err != nil {
		return nil, fmt.Errorf("build the request: %w", err)
	}
	req.Header["User-Agent"] = []string{"Pylon-Webhooks/1"} // a hook may send another
	for k, v := range h.headers {
		req.Header[k] = v
	}
	now := p.clock.Now()
	req.Header["Content-Type"] = []string{"application/json"}
	req.Header["X-Pylon-Hook"] = []string{h.name}
	req.Header["X-Pylon-Attempt"] = []string{strconv.Itoa(j.Attempts + 1)}
	req.Header[HeaderID] = []string{j.ID}
	req.Header[HeaderTimestamp] = []string{strconv.FormatInt(now.Unix(), 10)}
	if h.secret != nil {
		req.Header[HeaderSignature] = []string{SignBody(h.secret, j.Payload)}
		req.Header[HeaderStandardSig] = []string{SignStandard(h.secret, j.ID, now, j.Payload)}
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	return req, nil
}

// readSnippet keeps the beginning of an answer, as text. The answer is drained
// within bounds; what hangs or goes on for ever ends with the attempt's time.
func readSnippet(body io.Reader) string {
	kept, _ := io.ReadAll(io.LimitReader(body, keepResponse)) //nolint:errcheck // what was read is all there is to keep
	io.Copy(io.Discard, io.LimitReader(body, drainResponse))  //nolint:errcheck // the connection is closed if draining fails
	s := strings.ToValidUTF8(string(kept), "\uFFFD")
	s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	for len(s) > keepResponse {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// retryAfter reads the header's two forms (RFC 9110, 10.2.3) within bounds.
func retryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	var d time.Duration
	if secs, err := strconv.ParseInt(value, 10, 64); err == nil {
		d = time.Duration(min(secs, int64(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		d = at.Sub(now)
	}
	return max(0, min(d, maxRetryAfter))
}

// plainError takes the address out of an HTTP client's error: it may hold a
// secret in its path or query.
func plainError(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
