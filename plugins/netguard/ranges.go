package netguard

import "net/netip"

// A rule refuses addresses.
type rule struct {
	// key is the metric's label, one of a few.
	key string
	// text tells a human which rule it was.
	text string
	// always rules hold for allowed names too; only an entry that is the address
	// itself opens it.
	always bool
}

// namedRange is a range of addresses that are not public, and why.
type namedRange struct {
	prefix netip.Prefix
	rule
}

func span(prefix, key, what, source string) namedRange {
	p := netip.MustParsePrefix(prefix)
	return namedRange{p, rule{key: key, text: prefix + " is " + what + " (" + source + ")", always: key == "link_local"}}
}

func metadata(addr, whose string) namedRange {
	a := netip.MustParseAddr(addr)
	return namedRange{
		netip.PrefixFrom(a, a.BitLen()),
		rule{key: "metadata", text: addr + " is a cloud metadata address (" + whose + ")", always: true},
	}
}

// ranges name the rules; the first that contains an address is its rule. Which
// addresses are refused is also decided by package ssrf, so that a range missing
// here would lack its name and no more.
var ranges = []namedRange{
	metadata("169.254.169.254", "AWS, Google Cloud, Azure and most others"),
	metadata("169.254.170.2", "AWS container credentials"),
	metadata("169.254.170.23", "AWS pod credentials"),
	metadata("100.100.100.200", "Alibaba Cloud"),
	metadata("fd00:100::100:200", "Alibaba Cloud"),
	metadata("192.0.0.192", "Oracle Cloud"),
	metadata("168.63.129.16", "Azure host"),
	metadata("fd00:ec2::254", "AWS"),
	metadata("fd00:ec2::23", "AWS pod credentials"),
	metadata("fd20:ce::254", "Google Cloud"),
	metadata("fd00:c1::a9fe:a9fe", "Oracle Cloud"),
	metadata("fd00:42::42", "Scaleway"),
	metadata("fd00:a9fe:a9fe::1", "Akamai"),

	span("0.0.0.0/8", "this_network", "this host on this network", "RFC 791"),
	span("10.0.0.0/8", "private", "private", "RFC 1918"),
	span("100.64.0.0/10", "shared", "shared with carriers", "RFC 6598"),
	span("127.0.0.0/8", "loopback", "loopback", "RFC 1122"),
	span("169.254.0.0/16", "link_local", "link-local", "RFC 3927"),
	span("172.16.0.0/12", "private", "private", "RFC 1918"),
	span("192.0.0.0/24", "protocol", "for protocol assignments", "RFC 6890"),
	span("192.0.2.0/24", "documentation", "for documentation", "RFC 5737"),
	span("192.31.196.0/24", "protocol", "an AS112 name server", "RFC 7535"),
	span("192.52.193.0/24", "transition", "an AMT relay", "RFC 7450"),
	span("192.88.99.0/24", "transition", "a deprecated 6to4 relay", "RFC 7526"),
	span("192.168.0.0/16", "private", "private", "RFC 1918"),
	span("192.175.48.0/24", "protocol", "an AS112 name server", "RFC 7534"),
	span("198.18.0.0/15", "benchmarking", "for benchmarks", "RFC 2544"),
	span("198.51.100.0/24", "documentation", "for documentation", "RFC 5737"),
	span("203.0.113.0/24", "documentation", "for documentation", "RFC 5737"),
	span("224.0.0.0/4", "multicast", "multicast", "RFC 5771"),
	span("255.255.255.255/32", "broadcast", "broadcast", "RFC 919"),
	span("240.0.0.0/4", "reserved", "reserved", "RFC 1112"),

	span("::/128", "this_network", "this host", "RFC 4291"),
	span("::1/128", "loopback", "loopback", "RFC 4291"),
	span("::/96", "transition", "IPv4-compatible, deprecated", "RFC 4291"),
	span("::ffff:0:0:0/96", "transition", "IPv4-translated", "RFC 2765"),
	span("64:ff9b::/96", "transition", "NAT64", "RFC 6052"),
	span("64:ff9b:1::/48", "transition", "local NAT64", "RFC 8215"),
	span("100::/64", "discard", "discard-only", "RFC 6666"),
	span("100:0:0:1::/64", "discard", "a dummy prefix", "RFC 9780"),
	span("2001::/32", "transition", "Teredo", "RFC 4380"),
	span("2001:2::/48", "benchmarking", "for benchmarks", "RFC 5180"),
	span("2001:10::/28", "protocol", "a deprecated ORCHID, no location", "RFC 4843"),
	span("2001:20::/28", "protocol", "an ORCHIDv2, no location", "RFC 7343"),
	span("2001::/23", "protocol", "for protocol assignments", "RFC 2928"),
	span("2001:db8::/32", "documentation", "for documentation", "RFC 3849"),
	span("2002::/16", "transition", "6to4", "RFC 3056"),
	span("2620:4f:8000::/48", "protocol", "an AS112 name server", "RFC 7534"),
	span("3fff::/20", "documentation", "for documentation", "RFC 9637"),
	span("5f00::/16", "protocol", "for segment routing", "RFC 9602"),
	span("fc00::/7", "private", "private, unique local", "RFC 4193"),
	span("fe80::/10", "link_local", "link-local", "RFC 4291"),
	span("fec0::/10", "private", "site-local, deprecated", "RFC 3879"),
	span("ff00::/8", "multicast", "multicast", "RFC 4291"),
}
