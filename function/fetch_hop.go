package function

import (
	"net/http"
	"net/url"
	"strings"

	whatwg "github.com/nlnwa/whatwg-url/url"
	"golang.org/x/net/http/httpguts"
)

const maxRedirects = 20 // Fetch §4.4, HTTP-redirect fetch

// hop is one request of a fetch; redirects change it into the next one.
type hop struct {
	url    *whatwg.Url
	method string
	header http.Header
	body   []byte // nil when there is none
}

// Headers that the transport sets; runtime/web/headers.ts leaves them out already.
var ownHeaders = map[string]bool{
	"Accept-Encoding": true, "Connection": true, "Content-Length": true, "Expect": true, "Host": true,
	"Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Trailer": true, "Transfer-Encoding": true,
	"Upgrade": true,
}

func newHop(r fetchRequest, body []byte) (*hop, error) {
	u, err := parseURL(r.URL, nil)
	if err != nil {
		return nil, fetchError("NETWORK", nil, "the URL is not valid")
	}
	if err := allowed(u); err != nil {
		return nil, err
	}
	if !httpguts.ValidHeaderFieldName(r.Method) {
		return nil, fetchError("NETWORK", nil, "the method is not valid")
	}
	h := &hop{url: u, method: r.Method, body: body, header: http.Header{
		"Accept":          {"*/*"},
		"Accept-Encoding": {"gzip, deflate"},
		"User-Agent":      {"Pylon/1"},
	}}
	set := map[string]bool{}
	for _, kv := range r.Headers {
		name := http.CanonicalHeaderKey(kv[0])
		value, ok := bytesOfLatin1(kv[1])
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, fetchError("NETWORK", nil, "a header of the request is not valid")
		}
		if ownHeaders[name] {
			continue
		}
		if !set[name] {
			h.header.Del(name)
			set[name] = true
		}
		h.header.Add(name, value)
	}
	return h, nil
}

// allowed refuses what no fetch may go to.
func allowed(u *whatwg.Url) error {
	if s := u.Scheme(); s != "http" && s != "https" {
		return fetchError("NETWORK", nil, "only http and https URLs can be fetched")
	}
	if u.Username() != "" || u.Password() != "" {
		return fetchError("NETWORK", nil, "the URL holds credentials; use the authorization header")
	}
	if badPorts[u.Port()] {
		return fetchError("BLOCKED", nil, "the port %s belongs to another protocol", u.Port())
	}
	return nil
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirect is HTTP-redirect fetch (Fetch §4.4).
func (h *hop) redirect(status int, location string) error {
	from := h.url
	to, err := from.Parse(location)
	if err != nil {
		return fetchError("REDIRECT", nil, "the server redirects to an URL that is not valid")
	}
	if err := allowed(to); err != nil {
		return fetchError("REDIRECT", err, "the server redirects to where it may not: %s", messageOf(err))
	}
	if status == http.StatusSeeOther && h.method != http.MethodGet && h.method != http.MethodHead ||
		(status == http.StatusMovedPermanently || status == http.StatusFound) && h.method == http.MethodPost {
		h.method, h.body = http.MethodGet, nil
		for _, name := range []string{"Content-Encoding", "Content-Language", "Content-Location", "Content-Type"} {
			h.header.Del(name)
		}
	}
	if origin(from) != origin(to) {
		// Meant for the server that was asked, not for the one it names.
		for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
			h.header.Del(name)
		}
	}
	h.url = to
	return nil
}

// requestURL is a parsed URL for net/http, which must not read it again with its own
// rules: path and query go out as they are.
func requestURL(u *whatwg.Url) *url.URL {
	out := &url.URL{Scheme: u.Scheme(), Host: u.Host(), RawQuery: u.Query()}
	path := u.Pathname()
	// An opaque part that begins with // would mean a host.
	if strings.HasPrefix(path, "//") {
		out.Path, out.RawPath = path, path
		if p, err := url.PathUnescape(path); err == nil {
			out.Path = p
		}
	} else {
		out.Opaque = path
	}
	return out
}

// badPorts are those of Fetch §2.9: a server of another protocol may take a request
// for its own.
var badPorts = func() map[string]bool {
	ports := map[string]bool{}
	for _, p := range strings.Fields(`0 1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95
		101 102 103 104 109 110 111 113 115 117 119 123 135 137 139 143 161 179 389 427 465 512 513
		514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049
		3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080`) {
		ports[p] = true
	}
	return ports
}()
