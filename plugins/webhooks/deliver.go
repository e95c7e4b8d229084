package webhooks

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/propagation"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

const (
	// attemptTimeout bounds one delivery, from dialling to the end of the answer.
	attemptTimeout = 15 * time.Second
	// keepResponse is how much of a failure's body is kept for inspection;
	// drainResponse how much of any is read so that the connection can be used
	// again, and drainTime for how long when it does not matter what it says.
	keepResponse  = 16 << 10
	drainResponse = 64 << 10
	drainTime     = time.Second
	// maxRetryAfter bounds what a receiver may ask for.
	maxRetryAfter = 24 * time.Hour
)

// maxError bounds an attempt's error on record and in the log.
const maxError = 1 << 10

// HeaderPayload tells that a body was too large and holds the id alone as data.
const HeaderPayload = "X-Pylon-Payload"

// headerControl is how a receiver's answer steers what comes: "disable" ends the
// hook, "abort-message" this delivery.
const headerControl = "Webhook-Delivery"

// attempt is what one request came to.
type attempt struct {
	at       time.Time
	took     time.Duration
	request  http.Header
	status   int // 0: there was no answer
	header   http.Header
	response string // of a failure
	err      error  // why there was no answer
}

func (a *attempt) succeeded() bool { return a.status >= 200 && a.status < 300 }

func (a *attempt) Error() string {
	if a.status == 0 {
		return bounded(storable(a.err.Error()), maxError) // it may quote what a receiver sent
	}
	return strings.TrimSpace(fmt.Sprintf("the receiver answered %d %s", a.status, http.StatusText(a.status)))
}

func (a *attempt) Unwrap() error { return a.err }

// blocked reports whether net_guard refused the connection.
func (a *attempt) blocked() bool {
	var refused *plugin.BlockedError
	return errors.As(a.err, &refused)
}

// deliver is one attempt of a delivery.
func (p *Plugin) deliver(ctx context.Context, j *queue.Job) queue.Outcome {
	h := p.byName[j.Lane]
	if h == nil {
		return queue.Dead(errors.New("the hook is not declared any more"))
	}
	n, err := decodeNote(j.Note)
	if err != nil {
		return queue.Dead(err).WithNote(note{}.encode())
	}
	a := p.send(ctx, h, message{id: j.ID, body: j.Payload, attempt: j.Attempts + 1, idOnly: n.IDOnly})
	if !a.succeeded() && errors.Is(ctx.Err(), context.Canceled) {
		return queue.Retry(a, 0) // the process stops: the queue does not count it, and it says nothing of the receiver
	}
	p.metrics.attempted(ctx, h, a)
	control := a.header.Get(headerControl)
	if control == "disable" || a.status == http.StatusGone {
		change := p.disabledByReceiver(h, a)
		if a.succeeded() {
			return queue.Done().With(both(change, p.delivered(j, n)))
		}
		return queue.Dead(a).With(change).WithNote(n.add(a).encode())
	}
	if a.succeeded() {
		return queue.Done().With(both(p.worked(h), p.delivered(j, n)))
	}
	wait := retryAfter(a.header.Get("Retry-After"), p.clock.Now())
	outcome := queue.Retry(a, wait)
	if control == "abort-message" {
		outcome = queue.Dead(a)
	}
	return outcome.With(p.failed(h, a, wait)).WithNote(n.add(a).encode())
}

// both runs what is not nil of two steps of a transaction.
func both(a, b func(*store.Tx) error) func(*store.Tx) error {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(tx *store.Tx) error {
		if err := a(tx); err != nil {
			return err
		}
		return b(tx)
	}
}

// message is what is sent.
type message struct {
	id      string
	body    []byte
	attempt int
	idOnly  bool
}

// send makes one request.
func (p *Plugin) send(ctx context.Context, h *hook, m message) *attempt {
	a := &attempt{at: p.clock.Now()}
	req := p.request(ctx, h, m, a.at)
	a.request = req.Header
	// Not through an http.Client: it would follow redirects, repeating the data at
	// an address nobody configured, keep cookies and copy the header.
	res, err := p.transport.RoundTrip(req)
	if err != nil {
		a.err, a.took = plainError(ctx, err), p.clock.Since(a.at)
		return a
	}
	defer res.Body.Close()
	a.status, a.header = res.StatusCode, res.Header
	switch {
	case a.succeeded():
		p.drain(res)
	case a.status == http.StatusSwitchingProtocols:
		// What follows is no answer but a connection, which no context ends.
	default:
		a.response = readSnippet(res.Body)
	}
	a.took = p.clock.Since(a.at)
	return a
}

// request builds the POST. The timestamp is that of the attempt, everything else
// the same every time.
func (p *Plugin) request(ctx context.Context, h *hook, m message, now time.Time) *http.Request {
	req := h.template.WithContext(ctx)
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(m.body)), int64(len(m.body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m.body)), nil }
	header := make(http.Header, len(h.headers)+10)
	header["User-Agent"] = []string{"Pylon-Webhooks/1"} // a hook may send another
	for k, v := range h.headers {
		header[k] = v
	}
	header["Content-Type"] = []string{"application/json"}
	header["X-Pylon-Hook"] = []string{h.name}
	header["X-Pylon-Attempt"] = []string{strconv.Itoa(m.attempt)}
	if m.idOnly {
		header[HeaderPayload] = []string{"id-only"}
	}
	header[HeaderID] = []string{m.id}
	header[HeaderTimestamp] = []string{strconv.FormatInt(now.Unix(), 10)}
	if len(h.secrets) > 0 {
		header[HeaderSignature] = []string{h.bodySigner().SignBody(m.body)}
		signatures := h.secrets[0].SignStandard(m.id, now, m.body)
		for _, s := range h.secrets[1:] {
			signatures += " " + s.SignStandard(m.id, now, m.body)
		}
		header[HeaderStandardSig] = []string{signatures}
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(header))
	req.Header = header
	return req
}

// drain reads what is left of an accepted delivery's answer, so that the
// connection can be used again; an answer that takes its time costs the connection.
func (p *Plugin) drain(res *http.Response) {
	if res.ContentLength == 0 {
		return
	}
	late := p.clock.AfterFunc(drainTime, func() { res.Body.Close() })
	defer late.Stop()
	io.Copy(io.Discard, io.LimitReader(res.Body, drainResponse)) //nolint:errcheck // accepted is accepted; the connection is closed if this fails
}

// readSnippet keeps the beginning of an answer, as text. The answer is drained
// within bounds; what hangs or goes on for ever ends with the attempt's time.
func readSnippet(body io.Reader) string {
	kept, _ := io.ReadAll(io.LimitReader(body, keepResponse))             //nolint:errcheck // what was read is all there is to keep
	io.Copy(io.Discard, io.LimitReader(body, drainResponse-keepResponse)) //nolint:errcheck // the connection is closed if draining fails
	return bounded(storable(string(kept)), keepResponse)
}

// storable is a text without what no database holds.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// bounded cuts a valid text to at most limit bytes, between characters.
func bounded(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// retryAfter reads the header's two forms (RFC 9110, 10.2.3) within bounds.
func retryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	var d time.Duration
	secs, err := strconv.ParseInt(value, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) { // then it is the nearest there is
		d = time.Duration(max(0, min(secs, int64(maxRetryAfter/time.Second)))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		d = at.Sub(now)
	}
	return max(0, min(d, maxRetryAfter))
}

// plainError says what the two commonest failures mean.
func plainError(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("the receiver did not answer within %s", attemptTimeout)
	}
	var record tls.RecordHeaderError
	if errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/" {
		return errors.New("the receiver speaks http where the address says https")
	}
	return err
}

// note is what is remembered of a delivery between its attempts.
type note struct {
	// IDOnly: the row was too large for the body.
	IDOnly bool `json:"id_only,omitempty"`
	// Replay: it failed for good before and has a row in WebhookDelivery.
	Replay bool `json:"replay,omitempty"`
	// Log of the failed attempts.
	Log []logEntry `json:"log,omitempty"`
}

type logEntry struct {
	At     string `json:"at"`
	MS     int64  `json:"ms"`
	Status int    `json:"status,omitempty"`
	Error  string `json:"error"`
}

// maxLogError bounds an attempt's error in the log; the last one is kept longer.
const maxLogError = 256

func (n note) add(a *attempt) note {
	n.Log = append(n.Log, logEntry{store.FormatTime(a.at), a.took.Milliseconds(), a.status, bounded(a.Error(), maxLogError)})
	return n
}

func (n note) encode() []byte {
	b, err := json.Marshal(n)
	if err != nil {
		panic(err) // texts and numbers
	}
	return b
}

func decodeNote(b []byte) (n note, err error) {
	if b != nil {
		if err = json.Unmarshal(b, &n); err != nil {
			err = fmt.Errorf("read the note of a delivery: %w", err)
		}
	}
	return n, err
}
