package function

import (
	"fmt"
	"strings"

	whatwg "github.com/nlnwa/whatwg-url/url"

	"github.com/pylon-go/pylon/internal/quickjs"
)

// urlParser is the URL Standard's: net/url reads URLs otherwise than browsers do. The
// standard encodes ^ in paths since 2024, which the library does not know yet.
var urlParser = whatwg.NewParser(whatwg.WithPathPercentEncodeSet(whatwg.PathPercentEncodeSet.Set('^')))

// parseURL parses text, relative to base unless that is nil.
func parseURL(text string, base *string) (*whatwg.Url, error) {
	if base == nil {
		return urlParser.Parse(text)
	}
	return urlParser.ParseRef(*base, text)
}

// urlParse answers the components of a URL, or nothing when it is none.
func urlParse(_ *call, args quickjs.Args) (any, error) {
	var base *string
	if args.Given(2) {
		b := args.String(2)
		base = &b
	}
	u, err := parseURL(args.String(1), base)
	if err != nil {
		return nil, nil
	}
	return components(u), nil
}

// urlSet answers the components of a URL after one was assigned (URL §6.1).
func urlSet(_ *call, args quickjs.Args) (any, error) {
	u, err := urlParser.Parse(args.String(1))
	if err != nil {
		return nil, fmt.Errorf("the URL to change is none: %w", err)
	}
	value := args.String(3)
	switch part := args.String(2); part {
	case "protocol":
		u.SetProtocol(value)
	case "username":
		u.SetUsername(value)
	case "password":
		u.SetPassword(value)
	case "host":
		u.SetHost(value)
	case "hostname":
		u.SetHostname(value)
	case "port":
		u.SetPort(value)
	case "pathname":
		u.SetPathname(value)
	case "search":
		u.SetSearch(value)
	case "hash":
		u.SetHash(value)
	default:
		return nil, fmt.Errorf("a URL has no %q", part)
	}
	return components(u), nil
}

// components in the order that runtime/web/url.ts knows. None can hold a line break.
func components(u *whatwg.Url) string {
	return strings.Join([]string{
		u.Href(false), origin(u), u.Protocol(), u.Username(), u.Password(),
		u.Host(), u.Hostname(), u.Port(), u.Pathname(), u.Search(), u.Hash(),
	}, "\n")
}

// origin is that of URL §4.7; a blob's is the one of the URL in its path.
func origin(u *whatwg.Url) string {
	switch u.Scheme() {
	case "http", "https", "ws", "wss", "ftp":
		return u.Protocol() + "//" + u.Host()
	case "blob":
		if inner, err := urlParser.Parse(u.Pathname()); err == nil && (inner.Scheme() == "http" || inner.Scheme() == "https") {
			return origin(inner)
		}
	}
	return "null"
}
