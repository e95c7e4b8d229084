package netguard

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"code.dny.dev/ssrf"
)

// public knows IANA's special-purpose registries and that IPv6 addresses in use
// are all in 2000::/3. Networks and ports are not its business here.
var public = ssrf.New(ssrf.WithAnyNetwork(), ssrf.WithAnyPort())

// judge is the rule that refuses ip, nil when it is a public address. ip is
// unmapped and has no zone.
func judge(ip netip.Addr) *rule {
	carried := embedded(ip)
	for _, v4 := range carried {
		// A translator on the way would deliver to the address inside.
		if r := named(v4); r != nil && r.always {
			return &rule{key: r.key, text: fmt.Sprintf("%s carries %s: %s", ip, v4, r.text), always: true}
		}
	}
	if r := named(ip); r != nil {
		return r
	}
	if isISATAP(ip) {
		return &rule{key: "transition", text: fmt.Sprintf("%s is ISATAP and carries %s (RFC 5214)", ip, carried[0])}
	}
	if public.SafeAddr(ip) == nil {
		return nil
	}
	if ip.Is6() && !ssrf.IPv6GlobalUnicast.Contains(ip) {
		return &rule{key: "unassigned", text: fmt.Sprintf("%s is outside of 2000::/3, the addresses in use (RFC 4291)", ip)}
	}
	return &rule{key: "special_purpose", text: fmt.Sprintf("%s is in IANA's registry of special-purpose addresses", ip)}
}

func named(ip netip.Addr) *rule {
	for i := range ranges {
		if ranges[i].prefix.Contains(ip) {
			return &ranges[i].rule
		}
	}
	return nil
}

// isISATAP reports whether the last 64 bits are those of ISATAP, which may sit
// under any prefix: ::0:5efe:a.b.c.d or ::200:5efe:a.b.c.d.
func isISATAP(ip netip.Addr) bool {
	if !ip.Is6() {
		return false
	}
	b := ip.As16()
	id := binary.BigEndian.Uint32(b[8:12])
	return id&^0x0200_0000 == 0x5efe
}

var (
	compatible = netip.MustParsePrefix("::/96")
	translated = netip.MustParsePrefix("::ffff:0:0:0/96")
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")
	teredo     = netip.MustParsePrefix("2001::/32")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

// embedded are the IPv4 addresses inside an IPv6 address of a form that
// translators and tunnels understand; 4-in-6 is unmapped already.
func embedded(ip netip.Addr) (found []netip.Addr) {
	if !ip.Is6() {
		return nil
	}
	b := ip.As16()
	at := func(i, j, k, l int) { found = append(found, netip.AddrFrom4([4]byte{b[i], b[j], b[k], b[l]})) }
	switch {
	case isISATAP(ip), compatible.Contains(ip), translated.Contains(ip), nat64.Contains(ip):
		at(12, 13, 14, 15)
	}
	switch {
	case localNAT64.Contains(ip): // RFC 6052: after a prefix of 48, 56, 64 or 96 bits, around byte 8
		at(6, 7, 9, 10)
		at(7, 9, 10, 11)
		at(9, 10, 11, 12)
		at(12, 13, 14, 15)
	case sixToFour.Contains(ip):
		at(2, 3, 4, 5)
	case teredo.Contains(ip): // the server, and the client with its bits turned over
		at(4, 5, 6, 7)
		found = append(found, netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}))
	}
	return found
}
