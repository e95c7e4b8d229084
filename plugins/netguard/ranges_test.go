package netguard

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"code.dny.dev/ssrf"
)

// Every range that is not public: its first and last address must be refused
// under its name, and its neighbours under another name or, where the range
// borders on public addresses, not at all ("" below).
var boundaries = []struct {
	first, last   string
	rule          string
	before, after string // rules of the neighbours; "none" where there is none
}{
	{"0.0.0.0", "0.255.255.255", "0.0.0.0/8 is this host on this network (RFC 791)", "none", ""},
	{"10.0.0.0", "10.255.255.255", "10.0.0.0/8 is private (RFC 1918)", "", ""},
	{"100.64.0.0", "100.127.255.255", "100.64.0.0/10 is shared with carriers (RFC 6598)", "", ""},
	{"127.0.0.0", "127.255.255.255", "127.0.0.0/8 is loopback (RFC 1122)", "", ""},
	{"169.254.0.0", "169.254.255.255", "169.254.0.0/16 is link-local (RFC 3927)", "", ""},
	{"172.16.0.0", "172.31.255.255", "172.16.0.0/12 is private (RFC 1918)", "", ""},
	{"192.0.0.0", "192.0.0.255", "192.0.0.0/24 is for protocol assignments (RFC 6890)", "", ""},
	{"192.0.2.0", "192.0.2.255", "192.0.2.0/24 is for documentation (RFC 5737)", "", ""},
	{"192.31.196.0", "192.31.196.255", "192.31.196.0/24 is an AS112 name server (RFC 7535)", "", ""},
	{"192.52.193.0", "192.52.193.255", "192.52.193.0/24 is an AMT relay (RFC 7450)", "", ""},
	{"192.88.99.0", "192.88.99.255", "192.88.99.0/24 is a deprecated 6to4 relay (RFC 7526)", "", ""},
	{"192.168.0.0", "192.168.255.255", "192.168.0.0/16 is private (RFC 1918)", "", ""},
	{"192.175.48.0", "192.175.48.255", "192.175.48.0/24 is an AS112 name server (RFC 7534)", "", ""},
	{"198.18.0.0", "198.19.255.255", "198.18.0.0/15 is for benchmarks (RFC 2544)", "", ""},
	{"198.51.100.0", "198.51.100.255", "198.51.100.0/24 is for documentation (RFC 5737)", "", ""},
	{"203.0.113.0", "203.0.113.255", "203.0.113.0/24 is for documentation (RFC 5737)", "", ""},
	{"224.0.0.0", "239.255.255.255", "224.0.0.0/4 is multicast (RFC 5771)", "", reserved},
	{"240.0.0.0", "255.255.255.254", reserved, "224.0.0.0/4 is multicast (RFC 5771)", broadcast},
	{"255.255.255.255", "255.255.255.255", broadcast, reserved, "none"},

	{"::", "::", "::/128 is this host (RFC 4291)", "none", "::1/128 is loopback (RFC 4291)"},
	{"::1", "::1", "::1/128 is loopback (RFC 4291)", "::/128 is this host (RFC 4291)", "::/96 is IPv4-compatible, deprecated (RFC 4291)"},
	{"::2", "::a9fd:ffff", "::/96 is IPv4-compatible, deprecated (RFC 4291)", "::1/128 is loopback (RFC 4291)", "::a9fe:0 carries 169.254.0.0: 169.254.0.0/16 is link-local (RFC 3927)"},
	{"::a9ff:0", "::ffff:ffff", "::/96 is IPv4-compatible, deprecated (RFC 4291)", "::a9fe:ffff carries 169.254.255.255: 169.254.0.0/16 is link-local (RFC 3927)", outside("::1:0:0")},
	{"::ffff:0:0:0", "::ffff:0:a9fd:ffff", "::ffff:0:0:0/96 is IPv4-translated (RFC 2765)", outside("::fffe:ffff:ffff:ffff"), "::ffff:0:a9fe:0 carries 169.254.0.0: 169.254.0.0/16 is link-local (RFC 3927)"},
	{"::ffff:0:a9ff:0", "::ffff:0:ffff:ffff", "::ffff:0:0:0/96 is IPv4-translated (RFC 2765)", "::ffff:0:a9fe:ffff carries 169.254.255.255: 169.254.0.0/16 is link-local (RFC 3927)", outside("::ffff:1:0:0")},
	{"64:ff9b::", "64:ff9b::ffff:ffff", "64:ff9b::/96 is NAT64 (RFC 6052)", outside("64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff"), outside("64:ff9b::1:0:0")},
	{"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "64:ff9b:1::/48 is local NAT64 (RFC 8215)", outside("64:ff9b:0:ffff:ffff:ffff:ffff:ffff"), outside("64:ff9b:2::")},
	{"100::", "100::ffff:ffff:ffff:ffff", "100::/64 is discard-only (RFC 6666)", outside("ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "100:0:0:1::/64 is a dummy prefix (RFC 9780)"},
	{"100:0:0:1::", "100::1:ffff:ffff:ffff:ffff", "100:0:0:1::/64 is a dummy prefix (RFC 9780)", "100::/64 is discard-only (RFC 6666)", outside("100:0:0:2::")},
	{"2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "2001::/32 is Teredo (RFC 4380)", "", assignments},
	{"2001:1::", "2001:1:ffff:ffff:ffff:ffff:ffff:ffff", assignments, "2001::/32 is Teredo (RFC 4380)", "2001:2::/48 is for benchmarks (RFC 5180)"},
	{"2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", "2001:2::/48 is for benchmarks (RFC 5180)", assignments, assignments},
	{"2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:10::/28 is a deprecated ORCHID, no location (RFC 4843)", assignments, "2001:20::/28 is an ORCHIDv2, no location (RFC 7343)"},
	{"2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:20::/28 is an ORCHIDv2, no location (RFC 7343)", "2001:10::/28 is a deprecated ORCHID, no location (RFC 4843)", assignments},
	{"2001:30::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", assignments, "2001:20::/28 is an ORCHIDv2, no location (RFC 7343)", ""},
	{"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::/32 is for documentation (RFC 3849)", "", ""},
	{"2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2002::/16 is 6to4 (RFC 3056)", "", ""},
	{"2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "2620:4f:8000::/48 is an AS112 name server (RFC 7534)", "", ""},
	{"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::/20 is for documentation (RFC 9637)", "", ""},
	{"5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5f00::/16 is for segment routing (RFC 9602)", outside("5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), outside("5f01::")},
	{"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fc00::/7 is private, unique local (RFC 4193)", outside("fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), outside("fe00::")},
	{"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::/10 is link-local (RFC 4291)", outside("fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "fec0::/10 is site-local, deprecated (RFC 3879)"},
	{"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fec0::/10 is site-local, deprecated (RFC 3879)", "fe80::/10 is link-local (RFC 4291)", "ff00::/8 is multicast (RFC 4291)"},
	{"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ff00::/8 is multicast (RFC 4291)", "fec0::/10 is site-local, deprecated (RFC 3879)", "none"},

	// All that is not in 2000::/3.
	{"2000::", "2000::", "", outside("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ""},
	{"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "", "", outside("4000::")},
}

const (
	reserved    = "240.0.0.0/4 is reserved (RFC 1112)"
	broadcast   = "255.255.255.255/32 is broadcast (RFC 919)"
	assignments = "2001::/23 is for protocol assignments (RFC 2928)"
)

func outside(ip string) string {
	return ip + " is outside of 2000::/3, the addresses in use (RFC 4291)"
}

func TestEveryRange(t *testing.T) {
	p := guard(t)
	check := func(t *testing.T, ip, rule string) {
		t.Helper()
		if err := dial(p, "example.com", ip); rule == "" && err != nil {
			t.Errorf("%s: refused: %v", ip, err)
		} else if rule != "" {
			wantBlocked(t, err, rule)
		}
	}
	for _, b := range boundaries {
		t.Run(b.first+"-"+b.last, func(t *testing.T) {
			first, last := netip.MustParseAddr(b.first), netip.MustParseAddr(b.last)
			check(t, b.first, b.rule)
			check(t, b.last, b.rule)
			if b.before != "none" {
				check(t, first.Prev().String(), b.before)
			}
			if b.after != "none" {
				check(t, last.Next().String(), b.after)
			}
			if first.Is4() { // the 4-in-6 form is the same host
				check(t, "::ffff:"+b.first, b.rule)
				check(t, "::ffff:"+b.last, b.rule)
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	p := guard(t)
	for ip, whose := range map[string]string{
		"169.254.169.254": "AWS, Google Cloud, Azure and most others", "169.254.170.2": "AWS container credentials",
		"169.254.170.23": "AWS pod credentials", "100.100.100.200": "Alibaba Cloud", "192.0.0.192": "Oracle Cloud",
		"168.63.129.16": "Azure host", "fd00:ec2::254": "AWS", "fd00:ec2::23": "AWS pod credentials",
		"fd20:ce::254": "Google Cloud", "fd00:c1::a9fe:a9fe": "Oracle Cloud", "fd00:42::42": "Scaleway", "fd00:100::100:200": "Alibaba Cloud", "fd00:a9fe:a9fe::1": "Akamai",
	} {
		wantBlocked(t, dial(p, "metadata.google.internal", ip), fmt.Sprintf("%s is a cloud metadata address (%s)", ip, whose))
	}
	for _, neighbour := range []string{"168.63.129.15", "168.63.129.17"} {
		if err := dial(p, "example.com", neighbour); err != nil {
			t.Error(err)
		}
	}
}

// IPv4 inside IPv6, in every form a translator or tunnel might unpack.
func TestEmbeddedIPv4(t *testing.T) {
	p := guard(t)
	for ip, rule := range map[string]string{
		"::ffff:127.0.0.1":           "127.0.0.0/8 is loopback (RFC 1122)",
		"::ffff:7f00:1":              "127.0.0.0/8 is loopback (RFC 1122)",
		"::7f00:1":                   "::/96 is IPv4-compatible, deprecated (RFC 4291)",
		"::8.8.8.8":                  "::/96 is IPv4-compatible, deprecated (RFC 4291)",
		"::ffff:0:127.0.0.1":         "::ffff:0:0:0/96 is IPv4-translated (RFC 2765)",
		"64:ff9b::7f00:1":            "64:ff9b::/96 is NAT64 (RFC 6052)",
		"64:ff9b::8.8.8.8":           "64:ff9b::/96 is NAT64 (RFC 6052)",
		"64:ff9b:1::7f00:1":          "64:ff9b:1::/48 is local NAT64 (RFC 8215)",
		"2002:7f00:1::":              "2002::/16 is 6to4 (RFC 3056)",
		"2001:0:7f00:1::80ff:fffe":   "2001::/32 is Teredo (RFC 4380)",
		"2606:4700::5efe:10.0.0.1":   "2606:4700::5efe:a00:1 is ISATAP and carries 10.0.0.1 (RFC 5214)",
		"2606:4700::200:5efe:a00:1":  "2606:4700::200:5efe:a00:1 is ISATAP and carries 10.0.0.1 (RFC 5214)",
		"2606:4700::5efe:8.8.8.8":    "2606:4700::5efe:808:808 is ISATAP and carries 8.8.8.8 (RFC 5214)",
		"::ffff:169.254.169.254":     "169.254.169.254 is a cloud metadata address (AWS, Google Cloud, Azure and most others)",
		"64:ff9b::a9fe:a9fe":         carries("64:ff9b::a9fe:a9fe", "169.254.169.254"),
		"64:ff9b:1:a9fe:a9:fe00::":   carries("64:ff9b:1:a9fe:a9:fe00::", "169.254.169.254"),
		"64:ff9b:1:a9:fe:a9fe::":     carries("64:ff9b:1:a9:fe:a9fe::", "169.254.169.254"),
		"64:ff9b:1:0:a9:fea9:fe00:0": carries("64:ff9b:1:0:a9:fea9:fe00:0", "169.254.169.254"),
		"64:ff9b:1::a9fe:a9fe":       carries("64:ff9b:1::a9fe:a9fe", "169.254.169.254"),
		"::a9fe:a9fe":                carries("::a9fe:a9fe", "169.254.169.254"),
		"::ffff:0:a9fe:a9fe":         carries("::ffff:0:a9fe:a9fe", "169.254.169.254"),
		"2002:a9fe:a9fe::1":          carries("2002:a9fe:a9fe::1", "169.254.169.254"),
		"2001:0:0:0:0:0:5601:5601":   carries("2001::5601:5601", "169.254.169.254"),
		"2001:0:a9fe:a9fe::":         carries("2001:0:a9fe:a9fe::", "169.254.169.254"),
		"2606:4700::5efe:a9fe:a9fe":  carries("2606:4700::5efe:a9fe:a9fe", "169.254.169.254"),
	} {
		t.Run(ip, func(t *testing.T) { wantBlocked(t, dial(p, "example.com", ip), rule) })
	}
	for _, ip := range []string{"2606:4700::5eff:a00:1", "2606:4700::1:5efe:a00:1", "2606:4700::300:5efe:a00:1"} {
		if err := dial(p, "example.com", ip); err != nil {
			t.Errorf("%s is no ISATAP address: %v", ip, err)
		}
	}
}

func carries(ip, v4 string) string {
	return fmt.Sprintf("%s carries %s: %s is a cloud metadata address (AWS, Google Cloud, Azure and most others)", ip, v4, v4)
}

// A zone must not hide an address from the prefixes.
func TestZones(t *testing.T) {
	p := guard(t)
	for address, rule := range map[string]string{
		"[fe80::1%lo]:80":          "fe80::/10 is link-local (RFC 4291)",
		"[fd00::1%1]:80":           "fc00::/7 is private, unique local (RFC 4193)",
		"[::1%lo]:80":              "::1/128 is loopback (RFC 4291)",
		"[2001:db8::1%eth0]:80":    "2001:db8::/32 is for documentation (RFC 3849)",
		"[::ffff:10.0.0.1%lo]:443": "10.0.0.0/8 is private (RFC 1918)",
	} {
		wantBlocked(t, p.GuardDial(t.Context(), "x", "tcp6", address), rule)
	}
}

// Package ssrf is generated from the registries: whatever it refuses has a name here.
func TestRangesAreNamed(t *testing.T) {
	for _, prefix := range append(append([]netip.Prefix{}, ssrf.IPv4DeniedPrefixes...), ssrf.IPv6DeniedPrefixes...) {
		if named(prefix.Addr()) == nil {
			t.Errorf("%s has no name in ranges", prefix)
		}
	}
	for _, r := range ranges {
		if r.prefix != r.prefix.Masked() {
			t.Errorf("%s is not written as its first address", r.prefix)
		}
	}
}

// The README lists every label of the metric and every metadata address.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	labels, _, _ := strings.Cut(string(text)[strings.Index(string(text), "`rule` is one of `")+len("`rule` is one of `"):], "`")
	listed := strings.Fields(labels)
	want := []string{"not_tcp", "not_an_address", "unassigned", "special_purpose"}
	for _, r := range ranges {
		if !slices.Contains(want, r.key) {
			want = append(want, r.key)
		}
		if r.key == "metadata" && !strings.Contains(string(text), r.prefix.Addr().String()) {
			t.Errorf("README.md does not name %s", r.prefix.Addr())
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(slices.Values(listed)); !slices.Equal(got, want) {
		t.Errorf("README.md lists the rules %q, there are %q", got, want)
	}
}
