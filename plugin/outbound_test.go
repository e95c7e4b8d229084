package plugin

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// asked records what a guard was asked and answers with err.
type asked struct {
	host, network, address string
	at, deadline           time.Time
	n                      int
	err                    error
}

func (a *asked) GuardDial(ctx context.Context, host, network, address string) error {
	a.host, a.network, a.address = host, network, address
	a.at = time.Now()
	a.deadline, _ = ctx.Deadline()
	a.n++
	return a.err
}

func client(t *testing.T, guard DialGuard) *http.Client {
	t.Helper()
	transport := NewOutbound(guard).Transport()
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestBounds(t *testing.T) {
	tr := NewOutbound(nil).Transport()
	if tr.ResponseHeaderTimeout != 10*time.Second || tr.TLSHandshakeTimeout != 10*time.Second || tr.MaxResponseHeaderBytes != 64<<10 || tr.IdleConnTimeout <= 0 {
		t.Errorf("headers within %s, TLS within %s, %d bytes of headers, idle for %s", tr.ResponseHeaderTimeout, tr.TLSHandshakeTimeout, tr.MaxResponseHeaderBytes, tr.IdleConnTimeout)
	}
	if tr.Proxy != nil || !tr.DisableCompression || tr.DialTLSContext != nil {
		t.Error("a proxy, decompression or a second way to dial")
	}

	// A connection has five seconds to be made.
	refuse := errors.New("refused by the test")
	guard := &asked{err: refuse}
	before := time.Now()
	_, err := client(t, guard).Get("http://127.0.0.1:9/")
	if !errors.Is(err, refuse) || guard.n != 1 {
		t.Fatalf("%v, asked %d times", err, guard.n)
	}
	if guard.deadline.Before(before.Add(5*time.Second)) || guard.deadline.After(guard.at.Add(5*time.Second)) {
		t.Errorf("begun after %s, asked about at %s, the connection has until %s", before, guard.at, guard.deadline)
	}
}

// A receiver that accepts and never answers is given up after the time for headers.
func TestHeadersDoNotComeForEver(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer srv.Close()
	c := client(t, nil)
	tr := c.Transport.(*http.Transport)
	tr.ResponseHeaderTimeout /= 200
	_, err := c.Get(srv.URL)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v", err)
	}
}

func TestEndlessHeadersEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	written := make(chan int, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			written <- -1
			return
		}
		defer conn.Close()
		n, _ := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for {
			k, err := io.WriteString(conn, "X-More: "+strings.Repeat("a", 1000)+"\r\n")
			if n += k; err != nil {
				written <- n
				return
			}
		}
	}()
	resp, err := client(t, nil).Get("http://" + l.Addr().String())
	if err == nil {
		resp.Body.Close()
		t.Fatal("headers without end were taken")
	}
	// The error names the limit, unless the connection's end is seen first.
	if n := <-written; n < 64<<10 || n > 32<<20 { // the rest is what sockets buffer
		t.Errorf("%d bytes were taken", n)
	}
}

// An answer is handed out as it came: a small one cannot become a large one.
func TestNothingIsUnpacked(t *testing.T) {
	var encodings []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		encodings = r.Header.Values("Accept-Encoding")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.Copy(z, io.LimitReader(zeros{}, 10<<20))
		z.Close()
	}))
	defer srv.Close()
	resp, err := client(t, nil).Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n > 100<<10 || resp.Uncompressed || len(encodings) != 0 {
		t.Errorf("%d bytes, unpacked %t, asked for %q, %v", n, resp.Uncompressed, encodings, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A guard's refusal is found in whatever the HTTP client wraps it into.
func TestRefusalIsRecognisable(t *testing.T) {
	refusal := &BlockedError{Host: "intra.example", Address: "10.0.0.1:80", Rule: "a rule"}
	guard := &asked{err: refusal}
	if !NewOutbound(guard).Guarded() || NewOutbound(nil).Guarded() {
		t.Error("Guarded")
	}
	for _, address := range []string{"http://127.0.0.1:9/a?b", "https://127.0.0.1:9/"} {
		_, err := client(t, guard).Post(address, "text/plain", strings.NewReader("x"))
		var blocked *BlockedError
		var wrapped *url.Error
		if !errors.As(err, &blocked) || *blocked != *refusal || !errors.As(err, &wrapped) {
			t.Errorf("%s: %v", address, err)
		}
		if guard.host != "127.0.0.1" || guard.network != "tcp4" || guard.address != "127.0.0.1:9" {
			t.Errorf("asked about %+v", guard)
		}
	}
	if text := refusal.Error(); text != "net_guard refused the connection to intra.example: a rule" {
		t.Error(text)
	}
	_, err := NewOutbound(guard).DialContext(t.Context(), "tcp", "no-port")
	if err == nil || guard.n != 2 {
		t.Errorf("an address without a port: %v, asked %d times", err, guard.n)
	}
}

// Variables of the environment name a proxy; requests go to their address all the same.
func TestProxiesAreNotUsed(t *testing.T) {
	proxied := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { proxied <- r.RequestURI }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	refuse := errors.New("refused by the test")
	for address, dialled := range map[string]string{"http://10.0.0.1/": "10.0.0.1:80", "https://10.0.0.1/": "10.0.0.1:443"} {
		guard := &asked{err: refuse}
		if _, err := client(t, guard).Get(address); !errors.Is(err, refuse) || guard.address != dialled {
			t.Errorf("%s: %v, dialled %s", address, err, guard.address)
		}
	}
	select {
	case uri := <-proxied:
		t.Errorf("the proxy was asked for %s", uri)
	default:
	}
}

// A guard that has no objection lets the connection be made, to the address it saw.
func TestAllowed(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	guard := &asked{}
	c := client(t, guard)
	c.Transport.(*http.Transport).TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	resp, err := c.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "HTTP/2.0" || guard.n != 1 || guard.address != srv.Listener.Addr().String() {
		t.Errorf("%q, %v; asked %d times, about %s", body, err, guard.n, guard.address)
	}
	if resp, err := client(t, nil).Get(srv.URL); err == nil {
		resp.Body.Close()
		t.Error("a certificate nobody signed was taken")
	}
}
