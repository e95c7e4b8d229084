package netguard

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/pylon-go/pylon/plugin"
)

// oldSpellings of 127.0.0.1 are understood by the C library and by no other.
var oldSpellings = []string{"127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "017700000001", "0x7F.0.0.1"}

// TestSpellingsUnderBothResolvers runs itself as a process for each of Go's two
// resolvers, because a process chooses once.
func TestSpellingsUnderBothResolvers(t *testing.T) {
	if which := os.Getenv("NETGUARD_TEST_RESOLVER"); which != "" {
		testOldSpellings(t, which == "cgo")
		return
	}
	for _, which := range []string{"go", "cgo"} {
		t.Run(which, func(t *testing.T) {
			if which == "cgo" && !systemResolver {
				t.Skip("without cgo there is no other resolver than Go's")
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestSpellingsUnderBothResolvers$", "-test.v")
			cmd.Env = append(os.Environ(), "GODEBUG=netdns="+which, "NETGUARD_TEST_RESOLVER="+which)
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func testOldSpellings(t *testing.T, system bool) {
	if !system {
		// Go's resolver takes them for names. Nobody is asked about them.
		serveDNS(t, nil)
	}
	p := guard(t)
	for _, host := range oldSpellings {
		seen, err := fetch(t, p, "http://"+host+"/")
		if system {
			wantBlocked(t, err, "127.0.0.0/8 is loopback (RFC 1122)")
			if len(seen) != 1 || seen[0].address != "127.0.0.1:80" || seen[0].host != host {
				t.Errorf("%s: asked about %v", host, seen)
			}
			continue
		}
		var none *net.DNSError
		if !errors.As(err, &none) || len(seen) > 0 {
			t.Errorf("%s: %v, asked about %v", host, err, seen)
		}
	}
	// The host's own names are in a file; no resolver asks a server about them.
	seen, err := fetchLocal(t, p)
	wantBlocked(t, err, "")
	for _, v := range seen {
		wantBlocked(t, v.err, "")
	}
}

// fetchLocal dials localhost by its name.
func fetchLocal(t *testing.T, p *Plugin) ([]verdict, error) {
	t.Helper()
	if addrs, err := net.DefaultResolver.LookupHost(context.Background(), "localhost"); err != nil || len(addrs) == 0 {
		t.Fatalf("localhost: %v %v", addrs, err)
	}
	s := &stopper{guard: p}
	conn, err := plugin.NewOutbound(s).DialContext(t.Context(), "tcp", "localhost:80")
	if err == nil {
		conn.Close()
	}
	return s.seen, err
}
