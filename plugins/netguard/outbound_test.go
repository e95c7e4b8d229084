package netguard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// fetch makes one request through the app's transport, with every connection
// asked for and stopped, and returns what net_guard said.
func fetch(t *testing.T, p *Plugin, url string) ([]verdict, error) {
	t.Helper()
	s := &stopper{guard: p}
	transport := plugin.NewOutbound(s).Transport()
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(url)
	if err == nil {
		resp.Body.Close()
		t.Errorf("%s: a connection was made", url)
	}
	return s.seen, err
}

// Spellings of one address, as net/http hands them on.
func TestSpellings(t *testing.T) {
	serveDNS(t, map[string][][]string{
		"localhost": {{"127.0.0.1"}},
		// What a resolver that knows old IPv4 spellings makes of them.
		"127.1": {{"127.0.0.1"}}, "2130706433": {{"127.0.0.1"}}, "0x7f000001": {{"127.0.0.1"}}, "0177.0.0.1": {{"127.0.0.1"}}, "0x7f.1": {{"127.0.0.1"}},
		"127.0.0.1": {{"127.0.0.1"}},
	})
	for _, url := range []string{
		"http://127.0.0.1/", "http://127.0.0.1:080/", "http://127.0.0.1:0/", "http://127.0.0.1:/", "http://127.0.0.1./", "https://127.0.0.1/",
		"http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://0x7f.1/",
		"http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://ⓛocalhost/", "http://LOCALHOST/", "http://localhost./", "http://loc\u200balhost/", "http://local\u00adhost/", "http://ｌｏｃａｌｈｏｓｔ/", "http://１２７.0.0.1/", "http://127｡0｡0｡1/", "http://127．0．0．1/",
		"http://LOCALHOST.:80/", "HTTP://LocalHost:00080/",
		"http://[::1]/", "http://[::]/", "http://0.0.0.0/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[0:0:0:0:0:ffff:7f00:0001]/",
		"http://[::ffff:127.0.0.1%25lo]/", "http://[fe80::1%25lo]/", "http://[::1%25lo]:80/", "http://a@127.0.0.1/", "http://example.com:x@127.0.0.1/", "http://example.com@[::1]/",
	} {
		seen, err := fetch(t, guard(t), url)
		var blocked *plugin.BlockedError
		if !errors.As(err, &blocked) {
			var noSuchHost *net.DNSError // the resolver refused the spelling first
			if !errors.As(err, &noSuchHost) {
				t.Errorf("%s: %v (asked: %v)", url, err, seen)
			}
			continue
		}
		for _, v := range seen {
			wantBlocked(t, v.err, "")
		}
	}
	for _, url := range []string{"http:///127.0.0.1/", "http:127.0.0.1", "unix:///var/run/x.sock", "file:///etc/passwd", "gopher://127.0.0.1/", "http://[127.0.0.1]/", "http://x.com\\@127.0.0.1/", "http://127.0.0.1%00/"} {
		if seen, err := fetch(t, guard(t), url); err == nil || len(seen) > 0 {
			t.Errorf("%s: got as far as dialling %v", url, seen)
		}
	}
}

// A name that resolves into every range.
func TestNamesIntoEveryRange(t *testing.T) {
	answers := map[string][][]string{}
	for i, b := range boundaries {
		if ip := netip.MustParseAddr(b.first); b.rule != "" && !ip.Is4In6() {
			answers[fmt.Sprintf("r%d.example", i)] = [][]string{{b.first}}
		}
	}
	serveDNS(t, answers)
	p := guard(t)
	for name := range answers {
		seen, err := fetch(t, p, "http://"+name+":8443/") // net dials [::] as 0.0.0.0, too
		wantBlocked(t, err, "")
		if len(seen) == 0 || seen[0].host != name {
			t.Errorf("%s: net_guard saw %v", name, seen)
		}
	}
}

// Of mixed answers only the public addresses are tried.
func TestMixedAnswers(t *testing.T) {
	serveDNS(t, map[string][][]string{"mixed.example": {{"10.0.0.1", "93.184.216.34", "127.0.0.1", "fd00::1", "2606:4700::1"}}})
	seen, _ := fetch(t, guard(t), "http://mixed.example/")
	for _, v := range seen {
		public := slices.Contains([]string{"93.184.216.34:80", "[2606:4700::1]:80"}, v.address)
		if public != (v.err == nil) {
			t.Errorf("%s: %v", v.address, v.err)
		}
	}
	if len(seen) != 5 {
		t.Errorf("asked about %d addresses of 5: %v", len(seen), seen)
	}
}

// A name whose answer changes between two look-ups is judged by what is dialled.
func TestRebinding(t *testing.T) {
	serveDNS(t, map[string][][]string{"rebind.example": {{"93.184.216.34"}, {"127.0.0.1"}}})
	p := guard(t)
	if _, err := fetch(t, p, "http://rebind.example/"); !errors.Is(err, errStopped) {
		t.Errorf("first, public answer: %v", err)
	}
	_, err := fetch(t, p, "http://rebind.example/")
	wantBlocked(t, err, "127.0.0.0/8 is loopback (RFC 1122)")
}

// passTo lets connections to one address through and stops the others.
type passTo struct {
	*stopper
	address string
}

func (g passTo) GuardDial(ctx context.Context, host, network, address string) error {
	err := g.stopper.GuardDial(ctx, host, network, address)
	if address == g.address && errors.Is(err, errStopped) {
		return nil
	}
	return err
}

// Every hop of a chain of redirects is a connection of its own.
func TestRedirects(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		for target, rule := range map[string]string{
			"http://10.0.0.1/":                         "10.0.0.0/8 is private (RFC 1918)",
			"https://127.0.0.2/":                       "127.0.0.0/8 is loopback (RFC 1122)",
			"http://169.254.169.254/latest/meta-data/": "169.254.169.254 is a cloud metadata address (AWS, Google Cloud, Azure and most others)",
			"http://[::1]:80/":                         "::1/128 is loopback (RFC 4291)",
			"//0.0.0.0/":                               "0.0.0.0/8 is this host on this network (RFC 791)",
		} {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/1" {
					w.Header().Set("Location", "/2")
				} else {
					w.Header().Set("Location", target)
				}
				w.WriteHeader(code)
			}))
			g := passTo{&stopper{guard: guard(t, "127.0.0.1")}, srv.Listener.Addr().String()}
			transport := plugin.NewOutbound(g).Transport()
			_, err := (&http.Client{Transport: transport}).Post(srv.URL+"/1", "text/plain", strings.NewReader("x"))
			wantBlocked(t, err, rule)
			transport.CloseIdleConnections()
			srv.Close()
		}
	}
}

// The app's own listener is as far away as any other on loopback.
func TestOwnListener(t *testing.T) {
	reached := false
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer srv.Close()
	transport := plugin.NewOutbound(guard(t)).Transport()
	defer transport.CloseIdleConnections()
	_, err := (&http.Client{Transport: transport}).Get(srv.URL)
	wantBlocked(t, err, "127.0.0.0/8 is loopback (RFC 1122)")
	if reached {
		t.Error("the request arrived")
	}
}

// With a proxy the guard would see only the proxy's address.
func TestProxyVariablesChangeNothing(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "http://93.184.216.34:3128")
		t.Setenv(strings.ToLower(name), "http://93.184.216.34:3128")
	}
	for url, address := range map[string]string{"http://10.1.2.3/": "10.1.2.3:80", "https://10.1.2.3/": "10.1.2.3:443"} {
		seen, err := fetch(t, guard(t), url)
		wantBlocked(t, err, "10.0.0.0/8 is private (RFC 1918)")
		if len(seen) != 1 || seen[0].address != address {
			t.Errorf("%s: dialled %v", url, seen)
		}
	}
}

func TestOnlyTCP(t *testing.T) {
	p := guard(t, "93.184.216.34")
	for _, network := range []string{"udp", "udp4", "unix", "ip4:icmp", ""} {
		wantBlocked(t, p.GuardDial(t.Context(), "x", network, "93.184.216.34:53"), "")
	}
	for _, address := range []string{"", "example.com:80", "127.1:80", "93.184.216.34", "/var/run/x.sock", "[::1:80", "93.184.216.34:x"} {
		wantBlocked(t, p.GuardDial(t.Context(), "x", "tcp", address), "")
	}
	for _, port := range []string{"1", "25", "587", "8443", "65535"} {
		if err := p.GuardDial(t.Context(), "x", "tcp4", "93.184.216.34:"+port); err != nil {
			t.Error(err)
		}
	}
}

// A refusal is an error with all there is to know, a count and a log line.
func TestRefusalIsRecorded(t *testing.T) {
	h, p := newHost(), new(Plugin)
	if err := p.Provision(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	ctx := store.WithActor(t.Context(), store.Actor{RequestID: "req_1"})
	err := p.GuardDial(ctx, "intra.example", "tcp4", "10.0.0.1:80")
	var blocked *plugin.BlockedError
	if !errors.As(err, &blocked) || *blocked != (plugin.BlockedError{Host: "intra.example", Address: "10.0.0.1:80", Rule: "10.0.0.0/8 is private (RFC 1918)"}) {
		t.Errorf("%#v", err)
	}
	_ = p.GuardDial(ctx, "a", "tcp4", "192.168.0.1:80")
	_ = p.GuardDial(t.Context(), "a", "tcp4", "169.254.169.254:80")
	_ = p.GuardDial(t.Context(), "a", "tcp4", "93.184.216.34:80")
	if got := h.counts(t); len(got) != 2 || got["private"] != 2 || got["metadata"] != 1 {
		t.Errorf("counted %v", got)
	}
	lines := strings.Split(strings.TrimSpace(h.log.String()), "\n")
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"level": "WARN", "host": "intra.example", "address": "10.0.0.1:80", "rule": "10.0.0.0/8 is private (RFC 1918)", "request_id": "req_1"} {
		if line[key] != want {
			t.Errorf("log %s = %v, want %v", key, line[key], want)
		}
	}
	if len(lines) != 3 || strings.Contains(lines[2], "request_id") {
		t.Errorf("logged %q", lines)
	}
}

// A guard that was not provisioned yet decides by its config, without a log line or
// a count: others ask it about addresses in their own config.
func TestBeforeProvision(t *testing.T) {
	p := new(Plugin)
	wantBlocked(t, dial(p, "localhost", "127.0.0.1"), "127.0.0.0/8 is loopback (RFC 1122)")
	p.Config().(*Config).AllowHosts = []string{"*.bad", "10.0.0.1", "billing.internal"}
	for _, ip := range []string{"10.0.0.1", "93.184.216.34"} {
		if err := dial(p, ip, ip); err != nil {
			t.Error(err)
		}
	}
	if err := dial(p, "billing.internal", "10.0.0.9"); err != nil {
		t.Error(err)
	}
	wantBlocked(t, dial(p, "10.0.0.2", "10.0.0.2"), "10.0.0.0/8 is private (RFC 1918)")
	wantBlocked(t, dial(p, "x.bad", "10.0.0.2"), "10.0.0.0/8 is private (RFC 1918)")
	wantBlocked(t, dial(p, "billing.internal", "169.254.169.254"), "")

	p.Config().(*Config).AllowHosts = []string{"10.0.0.2"}
	h := newHost()
	if err := p.Provision(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if err := dial(p, "10.0.0.2", "10.0.0.2"); err != nil {
		t.Errorf("the config of an earlier question stayed: %v", err)
	}
	if h.log.Len() > 0 || len(h.counts(t)) > 0 {
		t.Errorf("before Provision: logged %q, counted %v", h.log.String(), h.counts(t))
	}
	wantBlocked(t, dial(p, "10.0.0.1", "10.0.0.1"), "10.0.0.0/8 is private (RFC 1918)")
	if h.log.Len() == 0 || h.counts(t)["private"] != 1 {
		t.Error("after Provision a refusal leaves no trace")
	}
}

func BenchmarkGuardDial(b *testing.B) {
	p := guard(b, "a.internal")
	for b.Loop() {
		if err := p.GuardDial(b.Context(), "example.com", "tcp4", "93.184.216.34:443"); err != nil {
			b.Fatal(err)
		}
	}
}
