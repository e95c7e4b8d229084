package webhooks_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The hook of these tests: one attempt, so that the first failure is on record,
// with every kind of header.
const recorded = `{ "name": "h", "entity": "Order", "url": "ADDRESS", "secret_env": "S",
	"headers": { "Authorization": "Bearer ${TOKEN}", "X-Key": "key ${KEY}", "X-Team": "blue", "User-Agent": "Shop/2" }, "retry": { "max_attempts": 1 } }`

var recordedEnv = map[string]string{"S": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "TOKEN": "the-bearer-token", "KEY": "the-api-key"}

// row is the exact WebhookDelivery of the first and only attempt, of which at is
// the time; what the receiver made of it is in o.
func recordOf(got map[string]any, url, event string, o outcome) map[string]any {
	body, _ := got["body"].(string) // its bytes are compared with what arrived where it did
	id, row, at := got["deliveryId"], got["rowId"], "2026-01-31T09:30:00.000Z"
	entry := map[string]any{"at": at, "ms": o.ms, "error": o.error}
	if o.status != nil {
		entry["status"] = o.status
	}
	want := map[string]any{
		"id": got["id"], "deliveryId": id, "hook": "h", "state": "failed", "entity": "Order", "rowId": row, "event": event, "url": url,
		"body":     fmt.Sprintf(`{"event":"%s","entity":"Order","row_id":"%s","data":{"id":"%s","n":1},"timestamp":"%s","delivery_id":"%s"}`, event, row, row, at, id),
		"attempts": 1, "attemptLog": []any{entry},
		"requestHeaders": map[string]any{"Authorization": "[redacted]", "Content-Type": "application/json", "User-Agent": "Shop/2", "Webhook-Id": id, "Webhook-Signature": "[redacted]",
			"Webhook-Timestamp": "1769851800", "X-Key": "[redacted]", "X-Pylon-Attempt": "1", "X-Pylon-Hook": "h", "X-Pylon-Signature": "[redacted]", "X-Team": "blue"},
		"responseStatus": o.status, "responseHeaders": o.headers, "responseBody": o.body, "error": o.error,
		"enqueuedAt": at, "failedAt": epoch.Add(time.Duration(o.ms) * time.Millisecond).Format("2006-01-02T15:04:05.000Z"), "replayedAt": nil, "deliveredAt": nil,
	}
	if !strings.HasPrefix(fmt.Sprint(id), "wh_") || body == "" {
		want["deliveryId"] = "wh_..."
	}
	return want
}

// outcome is what an attempt came to.
type outcome struct {
	status, headers, body any
	error                 string
	ms                    int
	state                 string // of the hook, active when empty
}

type header = map[string]any

// raw is a receiver below HTTP: it reads a request and then does with the connection as it likes.
func raw(t *testing.T, serve func(net.Conn)) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					io.Copy(io.Discard, req.Body)
					serve(c)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// says is a raw receiver that writes a text and closes the connection.
func says(text string) func(*testing.T, *rig) string {
	return func(t *testing.T, _ *rig) string { return raw(t, func(c net.Conn) { io.WriteString(c, text) }) }
}

// resets ends a connection with a reset instead of an orderly end.
func resets(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() }

// answers is the rig's receiver with one answer.
func answers(answer func(http.ResponseWriter)) func(*testing.T, *rig) string {
	return func(_ *testing.T, r *rig) string { r.on("/", answer); return r.url + "/" }
}

func plain(length string) header {
	return header{"Content-Length": length, "Content-Type": "text/plain; charset=utf-8"}
}

// What every kind of receiver that does not accept leaves behind, field by field.
func TestWhatFailuresLeaveBehind(t *testing.T) {
	var elsewhere atomic.Int32 // how often the aim of a redirect was asked
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	redirect := func(code int) func(*testing.T, *rig) string { return answers(status(code, "Location", other.URL)) }
	redirected := func(code int) outcome {
		h := plain("10")
		h["Location"] = other.URL
		return outcome{status: code, headers: h, body: fmt.Sprintf("answer %d", code), error: fmt.Sprintf("the receiver answered %d %s", code, http.StatusText(code))}
	}
	const broken = "net/http: HTTP/1.x transport connection broken: " // Go's words
	tests := []struct {
		name     string
		receiver func(*testing.T, *rig) (url string)
		// later moves the clock once the receiver has begun.
		later time.Duration
		want  outcome
		// part says that the error only begins like that: the rest is Go's or the system's.
		part bool
	}{
		{name: "500", receiver: answers(status(500)), want: outcome{status: 500, headers: plain("10"), body: "answer 500", error: "the receiver answered 500 Internal Server Error"}},
		{name: "400 with nothing to say", receiver: answers(func(w http.ResponseWriter) { w.WriteHeader(400) }), want: outcome{status: 400, headers: header{"Content-Length": "0"}, body: "", error: "the receiver answered 400 Bad Request"}},
		{name: "a status without a name", receiver: says("HTTP/1.1 520 Whatever\r\nContent-Length: 2\r\n\r\nhm"), want: outcome{status: 520, headers: header{"Content-Length": "2"}, body: "hm", error: "the receiver answered 520"}},
		{name: "301", receiver: redirect(301), want: redirected(301)},
		{name: "302", receiver: redirect(302), want: redirected(302)},
		{name: "303", receiver: redirect(303), want: redirected(303)},
		{name: "307", receiver: redirect(307), want: redirected(307)},
		{name: "308", receiver: redirect(308), want: redirected(308)},
		{name: "a redirect to nowhere", receiver: answers(func(w http.ResponseWriter) { w.WriteHeader(302) }), want: outcome{status: 302, headers: header{"Content-Length": "0"}, body: "", error: "the receiver answered 302 Found"}},
		{name: "410", receiver: answers(status(410)), want: outcome{status: 410, headers: plain("10"), body: "answer 410", error: "the receiver answered 410 Gone", state: "disabled"}},
		{name: "disable with 500", receiver: answers(status(500, "webhook-delivery", "disable")), want: outcome{status: 500, headers: header{"Content-Length": "10", "Content-Type": "text/plain; charset=utf-8", "Webhook-Delivery": "disable"},
			body: "answer 500", error: "the receiver answered 500 Internal Server Error", state: "disabled"}},
		{name: "abort-message with 500", receiver: answers(status(500, "webhook-delivery", "abort-message")), want: outcome{status: 500, headers: header{"Content-Length": "10", "Content-Type": "text/plain; charset=utf-8", "Webhook-Delivery": "abort-message"},
			body: "answer 500", error: "the receiver answered 500 Internal Server Error"}},
		{name: "429", receiver: answers(status(429, "Retry-After", "100")), want: outcome{status: 429, headers: header{"Content-Length": "10", "Content-Type": "text/plain; charset=utf-8", "Retry-After": "100"},
			body: "answer 429", error: "the receiver answered 429 Too Many Requests"}},
		{name: "cookies", receiver: answers(status(500, "Set-Cookie", "a=the-cookie")), want: outcome{status: 500, headers: header{"Content-Length": "10", "Content-Type": "text/plain; charset=utf-8", "Set-Cookie": "[redacted]"},
			body: "answer 500", error: "the receiver answered 500 Internal Server Error"}},
		{name: "103 and then 500", receiver: says("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"),
			want: outcome{status: 500, headers: header{"Content-Length": "2"}, body: "no", error: "the receiver answered 500 Internal Server Error"}},
		{name: "103 and then nothing", receiver: says("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"), part: true, want: outcome{error: broken + "unexpected EOF"}},
		{name: "101", receiver: says("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
			want: outcome{status: 101, headers: header{"Connection": "Upgrade", "Upgrade": "websocket"}, body: "", error: "the receiver answered 101 Switching Protocols"}},
		{name: "101 and a connection that stays", receiver: func(t *testing.T, r *rig) string {
			return raw(t, func(c net.Conn) {
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
				<-r.over
			})
		}, want: outcome{status: 101, headers: header{"Connection": "Upgrade", "Upgrade": "websocket"}, body: "", error: "the receiver answered 101 Switching Protocols"}},
		{name: "hangs", receiver: func(_ *testing.T, r *rig) string { r.on("/", r.hang); return r.url + "/" }, later: 15 * time.Second,
			want: outcome{error: "the receiver did not answer within 15s", ms: 15000}},
		{name: "drips after 500", receiver: func(_ *testing.T, r *rig) string {
			r.on("/", func(w http.ResponseWriter) { w.WriteHeader(500); drip(r, w) })
			return r.url + "/"
		}, later: 15 * time.Second, want: outcome{status: 500, headers: header{"Content-Type": "text/plain; charset=utf-8"}, body: "drop", error: "the receiver answered 500 Internal Server Error", ms: 15000}},
		{name: "hangs up", receiver: answers(func(http.ResponseWriter) { panic(http.ErrAbortHandler) }), want: outcome{error: "EOF"}},
		{name: "reset before the answer", receiver: func(t *testing.T, _ *rig) string { return raw(t, resets) }, part: true, want: outcome{error: "read tcp 127.0.0.1:"}},
		{name: "cut short in the header", receiver: says("HTTP/1.1 200 OK\r\nContent-"), part: true, want: outcome{error: broken}},
		{name: "cut short in the body of 500", receiver: says("HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nhalf"),
			want: outcome{status: 500, headers: header{"Content-Length": "100"}, body: "half", error: "the receiver answered 500 Internal Server Error"}},
		{name: "no HTTP", receiver: says("220 mail.example ESMTP\r\n"), want: outcome{error: broken + `malformed HTTP status code "mail.example"`}},
		{name: "no HTTP, without end", receiver: says(strings.Repeat("\x00<>", 20<<10) + "\r\n"), part: true, want: outcome{error: broken + `malformed HTTP response "\x00<>\x00<>`}},
		{name: "a status that is none", receiver: says("HTTP/1.1 abc Hm\r\n\r\n"), want: outcome{error: broken + `malformed HTTP status code "abc"`}},
		{name: "two lengths", receiver: says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), part: true, want: outcome{error: broken + "http: message cannot contain multiple Content-Length headers"}},
		{name: "endless headers", receiver: func(t *testing.T, _ *rig) string {
			return raw(t, func(c net.Conn) {
				for _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n"); err == nil; {
					_, err = io.WriteString(c, "X-More: "+strings.Repeat("a", 1000)+"\r\n")
				}
			})
		}, want: outcome{error: broken + "net/http: server response headers exceeded 65536 bytes; aborted"}},
		{name: "endless early hints", receiver: func(t *testing.T, _ *rig) string {
			return raw(t, func(c net.Conn) {
				for err := error(nil); err == nil; {
					_, err = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")
				}
			})
		}, part: true, want: outcome{error: "net/http: "}},
		{name: "nobody listens", receiver: func(*testing.T, *rig) string {
			closed := httptest.NewServer(nil)
			closed.Close()
			return closed.URL
		}, part: true, want: outcome{error: "dial tcp 127.0.0.1:"}},
		{name: "a certificate of nobody", receiver: func(t *testing.T, r *rig) string {
			s := httptest.NewUnstartedServer(http.HandlerFunc(r.receiver))
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.StartTLS()
			t.Cleanup(s.Close)
			return s.URL
		}, want: outcome{error: "tls: failed to verify certificate: x509: certificate signed by unknown authority"}},
		{name: "https where plain HTTP is spoken", receiver: func(_ *testing.T, r *rig) string { return strings.Replace(r.url, "http:", "https:", 1) },
			want: outcome{error: "the receiver speaks http where the address says https"}},
		{name: "HTTP where TLS is spoken", receiver: func(t *testing.T, r *rig) string {
			s := httptest.NewUnstartedServer(http.HandlerFunc(r.receiver))
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.StartTLS()
			t.Cleanup(s.Close)
			return strings.Replace(s.URL, "https:", "http:", 1)
		}, want: outcome{status: 400, headers: header{}, body: "Client sent an HTTP request to an HTTPS server.\n", error: "the receiver answered 400 Bad Request"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newStoppedRig(t, recordedEnv)
			url := tt.receiver(t, r)
			r.declare(strings.Replace(recorded, "ADDRESS", url, 1), "", "")
			r.start()
			id := r.create(`{"n":1,"secret":"hush"}`)
			if tt.later != 0 {
				r.receive()
				time.Sleep(50 * time.Millisecond) // what the receiver begins to answer arrives
				r.clock.Advance(tt.later)
			}
			got := r.failed()
			if tt.part {
				said, _ := got["error"].(string)
				if !strings.HasPrefix(said, tt.want.error) || len(said) > 1<<10 {
					t.Errorf("the error is %.2000s (%d bytes)", said, len(said))
				}
				tt.want.error = said
				if entries, ok := got["attemptLog"].([]any); ok && len(entries) == 1 { // shorter there
					entry, _ := entries[0].(map[string]any)
					if short, _ := entry["error"].(string); len(short) > 256 || !strings.HasPrefix(said, short) {
						t.Errorf("the log says %q", short)
					}
					entry["error"] = said
				}
			}
			same(t, got, recordOf(got, url, "insert", tt.want))
			if got["rowId"] != id {
				t.Errorf("%s is not the row's id %s", got["rowId"], id)
			}
			state := tt.want.state
			if state == "" {
				state = "active"
			}
			if h := r.hook("h"); h.State != state || h.Failed != 1 || h.Waiting != 0 {
				t.Errorf("%+v", h)
			}
			if elsewhere.Load() != 0 {
				t.Error("a redirect was followed")
			}
			for name, value := range recordedEnv {
				if strings.Contains(asJSON(got), value) || strings.Contains(r.logs.String(), value) {
					t.Errorf("the value of %s is on record", name)
				}
			}
		})
	}
}

// drip writes a little of a body, so that the answer has begun, and no more until
// the test is over.
func drip(r *rig, w http.ResponseWriter) {
	io.WriteString(w, "drop")
	w.(http.Flusher).Flush()
	<-r.over
}

// What a receiver sends beside a status of success changes nothing: it is delivered.
func TestWhatIsAccepted(t *testing.T) {
	for name, receiver := range map[string]func(*testing.T, *rig) string{
		"200":                   answers(status(200)),
		"201":                   answers(status(201)),
		"204":                   answers(func(w http.ResponseWriter) { w.WriteHeader(204) }),
		"299":                   answers(status(299)),
		"103 and then 200":      says("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
		"100, 102 and then 204": says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
		"reset in the body": func(t *testing.T, _ *rig) string {
			return raw(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"); resets(c) })
		},
		"abort-message with 200":  answers(status(200, "webhook-delivery", "abort-message")),
		"an unknown control word": answers(status(200, "webhook-delivery", "faster")),
		"HTTP/1.0":                says("HTTP/1.0 200 OK\r\n\r\nanything"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newStoppedRig(t, recordedEnv)
			r.declare(strings.Replace(recorded, "ADDRESS", receiver(t, r), 1), "", "")
			r.start()
			r.create(`{"n":1}`)
			r.waitMetric(`pylon_queue_done_total{queue="webhooks"} 1`)
			r.waitMetric(`pylon_webhooks_attempts_total{hook="h",result="delivered"} 1`)
			if rows, h := r.rows(), r.hook("h"); len(rows) != 0 || h.State != "active" || h.Waiting != 0 {
				t.Errorf("%v, %+v", rows, h)
			}
		})
	}
}

// A receiver that accepts may say at the same time that it wants no more.
func TestDisableWithSuccess(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL" }`, "", nil)
	r.answers <- status(200, "webhook-delivery", "disable")
	r.create(`{"n":1}`)
	r.receive()
	r.waitState("h", "disabled")
	if h := r.hook("h"); h.Reason != "the receiver answered 200 with webhook-delivery: disable" || h.Failed != 0 || h.Since != "2026-01-31T09:30:00.000Z" && h.Since != "2026-01-31T09:30:00Z" {
		t.Errorf("%+v", h)
	}
	r.create(`{"n":2}`)
	r.nothing()
	r.waitWaiting("h", 1)
}

// 410 ends the delivery and the hook: what comes later waits for a decision.
func TestGone(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL" }, { "name": "other", "entity": "Order", "url": "URL/other" }`, "", nil)
	r.on("/", status(410))
	r.create(`{"n":1}`)
	r.receiveN(2)
	if row := r.failed(); row["attempts"] != 1.0 || row["responseStatus"] != 410.0 {
		t.Errorf("%v", row)
	}
	r.waitState("h", "disabled")
	if h := r.hook("h"); h.Reason != "the receiver answered 410" {
		t.Errorf("%+v", h)
	}
	second := r.create(`{"n":2}`)
	if got := r.receive(); got.hook() != "other" {
		t.Errorf("%s", got.hook())
	}
	r.nothing()
	r.on("/", nil)
	r.must("POST", "/api/webhooks/hooks/h/resume", "")
	if got := r.receive(); got.hook() != "h" || got.row() != second || got.header.Get("X-Pylon-Attempt") != "1" {
		t.Errorf("after the resume came %+v", got)
	}
}

// abort-message ends a delivery with attempts left, and the hook goes on.
func TestAbortMessage(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL", "ordered": "hook", "retry": { "max_attempts": 3 } }`, "", nil)
	r.answers <- status(500)
	r.answers <- status(422, "webhook-delivery", "abort-message")
	first, second := r.create(`{"n":1}`), r.create(`{"n":2}`)
	r.receive()
	r.advance(1, 12*time.Second)
	for _, want := range []string{first, second} {
		if got := r.receive(); got.row() != want {
			t.Errorf("%+v", got)
		}
	}
	if row := r.failed(); row["rowId"] != first || row["attempts"] != 2.0 || row["responseStatus"] != 422.0 {
		t.Errorf("%v", row)
	}
	r.waitWaiting("h", 0)
	if h := r.hook("h"); h.State != "active" {
		t.Errorf("%+v", h)
	}
}

// An accepted delivery does not wait for the end of its answer: after a second its
// place is free, long before the attempt's time is over.
func TestDripsAfterAccepting(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL" }`, "", nil)
	r.on("/", func(w http.ResponseWriter) { w.WriteHeader(200); drip(r, w) })
	r.create(`{"n":1}`)
	r.receive()
	done := `pylon_queue_done_total{queue="webhooks"} 1`
	waited := time.Duration(0)
	for step := 100 * time.Millisecond; !r.hasMetric(done); waited += step {
		if waited > 10*time.Second {
			t.Fatal("the answer is read on and on")
		}
		r.clock.Advance(step)
		time.Sleep(2 * time.Millisecond) // the clock's timer begins when the answer has come
	}
	if waited < time.Second {
		t.Errorf("the answer was given up after %s", waited)
	}
	if rows := r.rows(); len(rows) != 0 {
		t.Errorf("%v", rows)
	}
}

// counted writes without end and counts what was taken.
type counted struct {
	w io.Writer
	n atomic.Int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// A body of a gigabyte costs neither memory nor disk nor the time to read it.
func TestEnormousBodies(t *testing.T) {
	for _, code := range []int{200, 500} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL", "retry": { "max_attempts": 1 } }`, "", nil)
			written := make(chan int64, 1)
			r.on("/", func(w http.ResponseWriter) {
				w.Header().Set("Content-Length", fmt.Sprint(1<<30))
				w.WriteHeader(code)
				c := &counted{w: w}
				io.CopyN(c, zeros{}, 1<<30)
				written <- c.n.Load()
			})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r.create(`{"n":1}`)
			r.receive()
			// What was taken is more than what is read by what sockets buffer.
			if n := <-written; n < 64<<10 || n > 64<<20 {
				t.Errorf("%d bytes were taken", n)
			}
			if code == 500 {
				if body, _ := r.failed()["responseBody"].(string); len(body) > 16<<10 || len(body) < 16<<10-3 {
					t.Errorf("%d bytes are kept", len(body))
				}
			} else {
				r.waitMetric(`pylon_queue_done_total{queue="webhooks"} 1`)
			}
			runtime.ReadMemStats(&after)
			if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 128<<20 {
				t.Errorf("%d MiB were allocated", grown>>20)
			}
		})
	}
}

// Of a body that ends, 64 KiB are read; a connection whose answer was read to the
// end is used again.
func TestConnectionsAreUsedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		code, size int
		again      bool
	}{
		"a short answer":               {200, 100, true},
		"a short failure":              {500, 100, true},
		"as much as is read":           {200, 63 << 10, true},
		"as much as is read, failed":   {500, 63 << 10, true},
		"more than is read":            {200, 80 << 10, false},
		"more than is read, a failure": {500, 80 << 10, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newStoppedRig(t, nil)
			var connections atomic.Int32
			s := httptest.NewUnstartedServer(http.HandlerFunc(r.receiver))
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections.Add(1)
				}
			}
			s.Start()
			t.Cleanup(s.Close)
			r.url = s.URL
			r.on("/", func(w http.ResponseWriter) { w.WriteHeader(tt.code); io.CopyN(w, zeros{}, int64(tt.size)) })
			r.declare(`{ "name": "h", "entity": "Order", "url": "URL", "ordered": "hook", "retry": { "max_attempts": 1 } }`, "", "")
			r.start()
			for i := range 3 {
				r.create(`{"n":1}`)
				r.receive()
				r.wait("the outcome", func() bool { return r.hook("h").Waiting == 0 && r.hook("h").Failed == (i+1)*(tt.code/500) })
			}
			if n := connections.Load(); (n == 1) != tt.again {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// What is packed stays packed: a small answer cannot become a large one.
func TestGzipBomb(t *testing.T) {
	var packed strings.Builder
	z := gzip.NewWriter(&packed)
	io.CopyN(z, zeros{}, 64<<20)
	z.Close()
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL", "retry": { "max_attempts": 1 } }`, "", nil)
	r.on("/", func(w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(500)
		io.WriteString(w, packed.String())
	})
	r.create(`{"n":1}`)
	if got := r.receive(); got.header.Get("Accept-Encoding") != "" {
		t.Errorf("it asks for %q", got.header.Get("Accept-Encoding"))
	}
	row := r.failed()
	// The beginning of a gzip stream, with what is no text replaced.
	if body, _ := row["responseBody"].(string); !strings.HasPrefix(body, "\x1f\uFFFD\x08") || len(body) > 16<<10 {
		t.Errorf("%d bytes are kept: %.20q", len(body), body)
	}
	if h, _ := row["responseHeaders"].(map[string]any); h["Content-Encoding"] != "gzip" {
		t.Errorf("%v", h)
	}
}

func TestCookiesAreNotSentBack(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL", "ordered": "hook" }`, "", nil)
	r.on("/", status(200, "Set-Cookie", "session=1; Path=/"))
	for range 2 {
		r.create(`{"n":1}`)
		if got := r.receive(); got.header.Get("Cookie") != "" {
			t.Errorf("a cookie came back: %v", got.header)
		}
	}
}

// An answer's record is bounded and is text, whatever it holds.
func TestRecordsOfAnswersAreBounded(t *testing.T) {
	r := newRig(t, `{ "name": "h", "entity": "Order", "url": "URL", "retry": { "max_attempts": 1 } }`, "", nil)
	r.on("/", func(w http.ResponseWriter) {
		for i := range 40 {
			w.Header().Set(fmt.Sprintf("X-%02d", i), strings.Repeat("x", 1000))
		}
		w.WriteHeader(500)
		io.WriteString(w, strings.Repeat("é", 16<<10)) // a limit falls into a character
	})
	r.create(`{"n":1}`)
	row := r.failed()
	if n := len(asJSON(row["responseHeaders"])); n > 5<<10 || n < 2<<10 {
		t.Errorf("%d bytes of headers are kept", n)
	}
	if body, _ := row["responseBody"].(string); len(body) != 16<<10 || strings.Contains(body, "\uFFFD") {
		t.Errorf("%d bytes of the body are kept, ending in %q", len(body), body[len(body)-4:])
	}
}
