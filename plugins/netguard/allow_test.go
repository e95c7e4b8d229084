package netguard

import (
	"strings"
	"testing"
)

func TestAllowedNames(t *testing.T) {
	p := guard(t, "webhook.internal.com", "FD.io", "localhost", "bücher.example", "file.example", "xn--mnchen-3ya.example.", "my_service", "intern。example")
	for _, host := range []string{
		"webhook.internal.com", "WebHook.Internal.COM", "webhook.internal.com.", "fd.io", "FD.IO.", "localhost", "localhost.", "ⓛocalhost",
		"BÜCHER.example", "xn--bcher-kva.example", "bu\u0308cher.example", "münchen.example", "my_service", "intern.example", "ｗebhook.internal.com",
		"\uFB01le.example", "ﬁle.example", "fi\u200Ble.example", "fi\u00ADle.example", "ＦＩＬＥ．ＥＸＡＭＰＬＥ",
	} {
		if err := dial(p, host, "10.0.0.1"); err != nil {
			t.Errorf("%q is allowed, but %v", host, err)
		}
	}
	for _, host := range []string{
		"", ".", "internal.com", "evil-webhook.internal.com", "a.webhook.internal.com", "webhook.internal.com.evil.com", "webhook.internal.comm",
		"webhook.internal.com..", ".webhook.internal.com", "webhook.internal.com:443", "webhook-internal.com", "webhook.internal.com\x00", "webhook.internal.com ",
		"a@webhook.internal.com", "fd.io.evil.com", "xfd.io", "fd", "bucher.example", "localhost.localdomain", "10.0.0.1", "webhook%2einternal.com",
	} {
		wantBlocked(t, dial(p, host, "10.0.0.1"), "10.0.0.0/8 is private (RFC 1918)")
	}
}

// Names that look like the start of a private address are names.
func TestNamesThatLookLikeAddresses(t *testing.T) {
	p := guard(t)
	for _, host := range []string{"fd.io", "fc00.example", "fe80.example", "10.example.com", "127.0.0.1.example.com", "192.168.example.org", "localhost.example.com"} {
		if err := dial(p, host, "93.184.216.34"); err != nil {
			t.Errorf("%q at a public address: %v", host, err)
		}
	}
}

// What a name opens, and what only the address itself does.
func TestAllowedNameOpensNoMetadata(t *testing.T) {
	const name = "metadata.google.internal"
	p := guard(t, name)
	for _, ip := range []string{
		"169.254.169.254", "169.254.170.2", "169.254.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fe80::1", "fd20:ce::254",
		"fd00:ec2::23", "fd00:c1::a9fe:a9fe", "fd00:42::42", "fd00:100::100:200", "fd00:a9fe:a9fe::1", "169.254.170.23", "169.254.42.42", "169.254.0.23", "fe80::a9fe:a9fe",
		"::ffff:169.254.169.254", "::a9fe:a9fe", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "64:ff9b::a83f:8110", "2606:4700::5efe:a9fe:a9fe", "2606:4700::200:5efe:6464:64c8",
	} {
		wantBlocked(t, dial(p, name, ip), "")
	}
	wantBlocked(t, p.GuardDial(t.Context(), name, "tcp6", "[fe80::1%lo]:80"), "fe80::/10 is link-local (RFC 4291)")
	for _, ip := range []string{"10.0.0.1", "127.0.0.1", "0.0.0.0", "100.100.100.201", "192.0.0.191", "fd00:ec2::253", "::1", "64:ff9b::808:808", "2606:4700::5efe:808:808"} {
		if err := dial(p, name, ip); err != nil {
			t.Errorf("%s under an allowed name: %v", ip, err)
		}
	}
}

// An entry that is an address opens that address, under every name, and no other.
func TestAllowedAddresses(t *testing.T) {
	p := guard(t, "169.254.169.254", "10.0.0.7", "FD00:EC2:0::254", "::ffff:192.168.1.1", "fe80::1", "2606:4700::5efe:10.0.0.1")
	for _, ip := range []string{"169.254.169.254", "::ffff:169.254.169.254", "10.0.0.7", "fd00:ec2::254", "192.168.1.1", "fe80::1", "fe80::1%lo", "2606:4700::5efe:a00:1"} {
		for _, host := range []string{"metadata.google.internal", ip} {
			if err := dial(p, host, ip); err != nil {
				t.Errorf("%s: %v", ip, err)
			}
		}
	}
	for _, ip := range []string{
		"169.254.169.253", "169.254.169.255", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "10.0.0.6", "10.0.0.8", "::10.0.0.7", "fd00:ec2::255", "fe80::2", "192.168.1.2", "2606:4700::5efe:a00:2",
	} {
		wantBlocked(t, dial(p, "10.0.0.7", ip), "")
	}
}

func TestBadEntries(t *testing.T) {
	for entry, want := range map[string]string{
		"":                           "this one is empty",
		"  ":                         "this one is empty",
		"*":                          "wildcards",
		"*.internal.com":             "wildcards",
		"http://internal.com":        "without scheme",
		"https://10.0.0.1/":          "without scheme",
		"internal.com:8080":          "without port",
		"10.0.0.1:80":                "without port",
		"[::1]":                      "without brackets",
		"[::1]:80":                   "without brackets",
		"10.0.0.0/8":                 "ranges",
		"fd00::/8":                   "ranges",
		"internal.com/path":          "host name alone",
		"user@internal.com":          "host name alone",
		"fe80::1%lo":                 "without its zone",
		"127.1":                      "neither a host name nor an IP address",
		"2130706433":                 "neither a host name nor an IP address",
		"0x7f000001":                 "neither a host name nor an IP address",
		"0177.0.0.1":                 "neither a host name nor an IP address",
		"0x7f.1":                     "neither a host name nor an IP address",
		"①②⑦.⓪.⓪.①":                  "neither a host name nor an IP address",
		"127.0.0.1.":                 "neither a host name nor an IP address",
		"a..b":                       "empty part",
		".a":                         "empty part",
		"a.b..":                      "empty part",
		" a.b":                       "' ' in it",
		"a b":                        "' ' in it",
		"a,b":                        "',' in it",
		"a\u200b.example":            "",
		strings.Repeat("a", 64):      "longer than 63",
		strings.Repeat("abc.", 64):   "longer than a host name",
		"-bücher-.example\u3002\x00": "not a valid international",
	} {
		name, addr, err := parseEntry(entry)
		switch {
		case want == "": // IDNA drops the character: the name is what browsers see
			if err != nil || name != "a.example" {
				t.Errorf("%q: %q, %v", entry, name, err)
			}
		case err == nil:
			t.Errorf("%q was taken as %q %s", entry, name, addr)
		case !strings.Contains(err.Error(), want):
			t.Errorf("%q: %v, want %q", entry, err, want)
		}
	}
}
