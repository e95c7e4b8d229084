package netguard

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pylon-go/pylon/plugin"
)

// A connection that was opened for an allowed name is not used for another name at
// the same address.
func TestPooledConnectionsBelongToTheirName(t *testing.T) {
	serveDNS(t, map[string][][]string{"allowed.example": {{"127.0.0.1"}}, "other.example": {{"127.0.0.1"}}})
	var connections, requests atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	transport := plugin.NewOutbound(guard(t, "allowed.example")).Transport()
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	get := func(host string) error {
		resp, err := client.Get("http://" + host + ":" + port + "/")
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		return err
	}
	for range 2 {
		if err := get("allowed.example"); err != nil {
			t.Fatal(err)
		}
		wantBlocked(t, get("other.example"), "127.0.0.0/8 is loopback (RFC 1122)")
		wantBlocked(t, get("127.0.0.1"), "127.0.0.0/8 is loopback (RFC 1122)")
	}
	if connections.Load() != 1 || requests.Load() != 2 {
		t.Errorf("%d connections for %d requests, want 1 for 2", connections.Load(), requests.Load())
	}
}

// What a refused target would have said reaches nobody, neither at once nor after a
// redirect.
func TestRefusedTargetsSayNothing(t *testing.T) {
	const inside = "the-secret-of-the-inside"
	var asked atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("X-Secret", inside)
		io.WriteString(w, inside)
	}))
	defer target.Close()
	serveDNS(t, map[string][][]string{"allowed.example": {{"127.0.0.1"}}})
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect)
	}))
	defer outside.Close()
	_, port, err := net.SplitHostPort(outside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	transport := plugin.NewOutbound(guard(t, "allowed.example")).Transport()
	defer transport.CloseIdleConnections()
	for _, url := range []string{target.URL, "http://allowed.example:" + port + "/"} {
		resp, err := (&http.Client{Transport: transport}).Post(url, "text/plain", strings.NewReader("x"))
		wantBlocked(t, err, "127.0.0.0/8 is loopback (RFC 1122)")
		if err != nil && strings.Contains(err.Error(), inside) {
			t.Errorf("%s: the error holds the answer: %v", url, err)
		}
		if resp == nil {
			continue
		}
		// After a redirect that fails the client hands out the answer before it.
		if body, err := io.ReadAll(resp.Body); err == nil && strings.Contains(string(body), inside) || resp.Header.Get("X-Secret") != "" {
			t.Errorf("%s: answered %q", url, body)
		}
	}
	if asked.Load() > 0 {
		t.Errorf("the target was asked %d times", asked.Load())
	}
}

// A name checked while its answer was public is refused when it is dialled and the
// answer is another: at every connection anew, however short the answer's life.
func TestRebindingBetweenConnections(t *testing.T) {
	var requests atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Connection", "close")
	}))
	defer srv.Close()
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	serveDNS(t, map[string][][]string{"rebind.example": {{"127.0.0.2"}, {"127.0.0.1"}, {"::1", "127.0.0.1"}}})
	// 127.0.0.2 stands for the public address.
	g := passTo{&stopper{guard: guard(t, "127.0.0.2")}, net.JoinHostPort("127.0.0.2", port)}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", port))
	if err != nil {
		t.Skip("127.0.0.2 is not there: ", err)
	}
	go func() { _ = srv.Config.Serve(l) }() // ends with the server
	transport := plugin.NewOutbound(g).Transport()
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	resp, err := client.Get("http://rebind.example:" + port + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for range 2 {
		_, err := client.Get("http://rebind.example:" + port + "/")
		wantBlocked(t, err, "")
	}
	if requests.Load() != 1 {
		t.Errorf("%d requests arrived, want the first only", requests.Load())
	}
}
