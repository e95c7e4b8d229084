package netguard

import (
	"bytes"
	"net/netip"
	"testing"
)

// special are IANA's special-purpose registries and the rest of what is not
// public, written down as first and last addresses, apart from the plugin's tables.
var special = [][2]string{
	{"0.0.0.0", "0.255.255.255"}, {"10.0.0.0", "10.255.255.255"}, {"100.64.0.0", "100.127.255.255"},
	{"127.0.0.0", "127.255.255.255"}, {"168.63.129.16", "168.63.129.16"}, {"169.254.0.0", "169.254.255.255"},
	{"172.16.0.0", "172.31.255.255"}, {"192.0.0.0", "192.0.0.255"}, {"192.0.2.0", "192.0.2.255"},
	{"192.31.196.0", "192.31.196.255"}, {"192.52.193.0", "192.52.193.255"}, {"192.88.99.0", "192.88.99.255"},
	{"192.168.0.0", "192.168.255.255"}, {"192.175.48.0", "192.175.48.255"}, {"198.18.0.0", "198.19.255.255"},
	{"198.51.100.0", "198.51.100.255"}, {"203.0.113.0", "203.0.113.255"}, {"224.0.0.0", "255.255.255.255"},
	{"::", "::fffe:ffff:ffff"}, {"::1:0:0:0", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"},
	{"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
}

// isSpecial compares 16 bytes and knows nothing of prefixes.
func isSpecial(ip netip.Addr) bool {
	b := ip.As16()
	for _, r := range special {
		first, last := netip.MustParseAddr(r[0]).As16(), netip.MustParseAddr(r[1]).As16()
		if bytes.Compare(b[:], first[:]) >= 0 && bytes.Compare(b[:], last[:]) <= 0 {
			return true
		}
	}
	mapped := bytes.HasPrefix(b[:], []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})
	return !mapped && (bytes.Equal(b[8:12], []byte{0, 0, 0x5e, 0xfe}) || bytes.Equal(b[8:12], []byte{2, 0, 0x5e, 0xfe}))
}

func FuzzGuardDialAddress(f *testing.F) {
	for _, r := range special {
		for _, s := range r {
			ip := netip.MustParseAddr(s)
			for _, a := range []netip.Addr{ip, ip.Prev(), ip.Next()} {
				if a.IsValid() {
					f.Add(a.AsSlice(), uint16(443), "")
				}
			}
		}
	}
	f.Add(netip.MustParseAddr("fe80::1").AsSlice(), uint16(80), "lo")
	f.Add(netip.MustParseAddr("2606:4700::5efe:a00:1").AsSlice(), uint16(0), "")
	p := guard(f)
	p.log = nil // millions of lines otherwise
	f.Fuzz(func(t *testing.T, raw []byte, port uint16, zone string) {
		ip, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		want := isSpecial(ip)
		if r := judge(ip.Unmap()); (r != nil) != want || r != nil && (r.text == "" || r.key == "") {
			t.Fatalf("%s: rule %v, want refused %t", ip, r, want)
		}
		address := netip.AddrPortFrom(ip.WithZone(zone), port).String()
		parsed, err := netip.ParseAddrPort(address)
		if err != nil || parsed.Addr().WithZone("") != ip {
			want = true // a zone that changes how the text reads
			if err == nil {
				return
			}
		}
		if err := p.GuardDial(t.Context(), "example.com", "tcp", address); (err != nil) != want {
			t.Fatalf("%s: %v, want refused %t", address, err, want)
		}
	})
}

func FuzzGuardDialText(f *testing.F) {
	for _, s := range []string{"127.0.0.1:80", "[::]:80", "[fe80::1%lo]:80", "127.1:80", "8.8.8.8", "", ":80", "[::ffff:1.2.3.4%]:1", "8.8.8.8:99999"} {
		f.Add("example.com", "tcp4", s)
	}
	f.Add("ⓛocalhost.", "tcp", "127.0.0.1:80")
	f.Add("..", "udp", "1.1.1.1:53")
	p := guard(f, "localhost", "allowed.example")
	p.log = nil
	f.Fuzz(func(t *testing.T, host, network, address string) {
		err := p.GuardDial(t.Context(), host, network, address)
		if target, parseErr := netip.ParseAddrPort(address); err == nil && parseErr != nil {
			t.Fatalf("%q allowed", address)
		} else if err == nil && isSpecial(target.Addr().WithZone("")) && !p.exceptions().allowsName(host) {
			t.Fatalf("%q for %q allowed", address, host)
		}
	})
}

func FuzzAllowEntry(f *testing.F) {
	for _, s := range []string{"a.example", "*.x", "1.2.3.4", "::1", "fe80::1%lo", "bücher.example.", "0x7f.1", "x:80", "http://x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, addr, err := parseEntry(s)
		if err != nil || addr.IsValid() {
			return
		}
		again, _, err := parseEntry(name)
		if err != nil || again != name {
			t.Fatalf("%q reads as %q, which reads as %q (%v)", s, name, again, err)
		}
	})
}
