package netguard

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// allowList is what allow_hosts opens.
type allowList struct {
	names map[string]bool
	addrs map[netip.Addr]bool
}

// newAllowList reads the entries. Those that cannot be read are the error and are
// left out.
func newAllowList(entries []string) (*allowList, error) {
	l := &allowList{names: map[string]bool{}, addrs: map[netip.Addr]bool{}}
	var errs []error
	for _, entry := range entries {
		name, addr, err := parseEntry(entry)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("allow_hosts: %q: %w", entry, err))
		case addr.IsValid():
			l.addrs[addr] = true
		default:
			l.names[name] = true
		}
	}
	return l, errors.Join(errs...)
}

// allowsName reports whether host, as the caller of a connection gave it, is on the list.
func (l *allowList) allowsName(host string) bool {
	if len(l.names) == 0 {
		return false
	}
	name, err := normalise(host)
	return err == nil && l.names[name]
}

// parseEntry reads one entry of allow_hosts: a name in its normal form or an address.
func parseEntry(s string) (name string, addr netip.Addr, err error) {
	fail := func(text string) (string, netip.Addr, error) { return "", netip.Addr{}, errors.New(text) }
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" {
			return fail("write the address without its zone")
		}
		return "", a.Unmap(), nil
	}
	switch {
	case strings.TrimSpace(s) == "":
		return fail("an entry is a host name or an IP address, this one is empty")
	case strings.Contains(s, "://"):
		return fail("write the host name alone, without scheme and path")
	case strings.Contains(s, "*"):
		return fail("wildcards are not taken, list every host name")
	case strings.HasPrefix(s, "["):
		return fail("write an IPv6 address without brackets and port")
	case isPrefix(s):
		return fail("ranges are not taken, list every address")
	case strings.Contains(s, ":"):
		return fail("write the host name alone, without port: every port of it is opened")
	case strings.ContainsAny(s, "/?#@\\"):
		return fail("write the host name alone")
	}
	if name, err = normalise(s); err != nil {
		return "", netip.Addr{}, err
	}
	if endsInNumber(name) {
		return fail("is neither a host name nor an IP address in its usual form (four decimal numbers)")
	}
	return name, netip.Addr{}, nil
}

func isPrefix(s string) bool {
	_, err := netip.ParsePrefix(s)
	return err == nil
}

// normalise gives a host name the form in which names are compared: ASCII
// (punycode), lower case, without the trailing dot. ASCII names skip IDNA's
// stricter rules, as they do in net/http, so that names with an underscore work.
func normalise(host string) (string, error) {
	host = strings.TrimSuffix(host, ".")
	if !isASCII(host) {
		ascii, err := idna.Lookup.ToASCII(host)
		if err != nil {
			return "", errors.New("is not a valid international host name")
		}
		host = strings.TrimSuffix(ascii, ".")
	}
	host = strings.ToLower(host)
	if len(host) > 253 {
		return "", errors.New("is longer than a host name can be")
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" {
			return "", errors.New("has an empty part between its dots")
		}
		if len(label) > 63 {
			return "", errors.New("has a part longer than 63 characters")
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return "", fmt.Errorf("has %q in it, which no host name has", c)
			}
		}
	}
	return host, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// endsInNumber reports whether some resolver might read the name as an IPv4
// address ("127.1", "0x7f000001"): its last part is a number.
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}
