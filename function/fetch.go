package function

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pylon-go/pylon/plugin"
)

// Limits of one fetch; runtime/web/fetch.ts bounds how many run at once.
const (
	maxFetchBody = 10 << 20 // of the request, and of the response once it is decoded
	maxFetchTime = 30 * time.Second
)

// fetcher carries out the fetches of every call, over one pool of connections.
type fetcher struct {
	transport *http.Transport
	limit     time.Duration
}

func newFetcher(outbound *plugin.Outbound) *fetcher {
	t := outbound.Transport()
	t.ResponseHeaderTimeout = 0 // the whole fetch has a limit; some answers take their time
	return &fetcher{transport: t, limit: maxFetchTime}
}

func (f *fetcher) close() { f.transport.CloseIdleConnections() }

func fetchOperation(ctx context.Context, c *call, args, body []byte) (answer, error) {
	return c.host.fetcher.do(ctx, c, args, body)
}

// fetchRequest is what runtime/web/fetch.ts asks for.
type fetchRequest struct {
	URL      string      `json:"url"`
	Method   string      `json:"method"`
	Headers  [][2]string `json:"headers"`
	Redirect string      `json:"redirect"` // follow, error, manual
}

// fetchResponse is what it gets, with the body beside it.
type fetchResponse struct {
	Status     int         `json:"status"`
	StatusText string      `json:"statusText"`
	Headers    [][2]string `json:"headers"`
	URL        string      `json:"url"`
	Redirected bool        `json:"redirected"`
}

// do sends a request and reads the whole response. What goes wrong on the way is a
// [store.Error] with one of the codes in fetch_error.go.
func (f *fetcher) do(ctx context.Context, _ *call, args, body []byte) (answer, error) {
	var r fetchRequest
	if err := json.Unmarshal(args, &r); err != nil {
		return answer{}, fmt.Errorf("a fetch's arguments: %w", err)
	}
	if len(body) > maxFetchBody {
		return answer{}, fetchError("TOO_LARGE", nil, "the request's body is larger than 10 MiB")
	}
	limited, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	a, err := f.exchange(limited, r, body)
	if err != nil {
		return answer{}, explain(ctx, limited, err)
	}
	return a, nil
}

// exchange is HTTP fetch (Fetch §4.3) with its redirects.
func (f *fetcher) exchange(ctx context.Context, r fetchRequest, body []byte) (answer, error) {
	h, err := newHop(r, body)
	if err != nil {
		return answer{}, err
	}
	for redirects := 0; ; redirects++ {
		resp, err := f.send(ctx, h)
		if err != nil {
			return answer{}, err
		}
		location := resp.Header.Get("Location")
		if !isRedirect(resp.StatusCode) || location == "" || r.Redirect == "manual" {
			return read(resp, h, redirects > 0)
		}
		// What is left of the body is not worth a new connection when it is short.
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
		if err := resp.Body.Close(); err != nil {
			return answer{}, fmt.Errorf("end of a redirect's body: %w", err)
		}
		switch {
		case r.Redirect == "error":
			return answer{}, fetchError("REDIRECT", nil, "the server redirects, and redirect is \"error\"")
		case redirects == maxRedirects:
			return answer{}, fetchError("REDIRECT", nil, "there were more than %d redirects", maxRedirects)
		}
		if err := h.redirect(resp.StatusCode, latin1(location)); err != nil {
			return answer{}, err
		}
	}
}

func (f *fetcher) send(ctx context.Context, h *hop) (*http.Response, error) {
	req := (&http.Request{
		Method:     h.method,
		URL:        requestURL(h.url),
		Host:       h.url.Host(),
		Header:     h.header.Clone(),
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
	}).WithContext(ctx)
	if h.body != nil {
		req.ContentLength = int64(len(h.body))
		req.Body = io.NopCloser(bytes.NewReader(h.body))
		// So that a connection that the server just closed is no failure.
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(h.body)), nil }
		if len(h.body) == 0 {
			req.Body, req.GetBody = http.NoBody, nil
		}
	}
	resp, err := f.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		err := resp.Body.Close()
		return nil, fetchError("NETWORK", err, "the server switched to another protocol")
	}
	return resp, nil
}

// read is the response with its whole body, decoded.
func read(resp *http.Response, h *hop, redirected bool) (a answer, err error) {
	defer func() {
		if cerr := resp.Body.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("end of the response: %w", cerr)
		}
	}()
	body, err := decoded(resp, h.method)
	if err != nil {
		return answer{}, err
	}
	_, text, _ := strings.Cut(resp.Status, " ")
	out := fetchResponse{
		Status:     resp.StatusCode,
		StatusText: latin1(text),
		URL:        h.url.Href(true),
		Redirected: redirected,
		Headers:    [][2]string{},
	}
	for name, values := range resp.Header {
		for _, v := range values {
			out.Headers = append(out.Headers, [2]string{strings.ToLower(name), latin1(strings.Trim(v, " \t\r\n"))})
		}
	}
	slices.SortStableFunc(out.Headers, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	j, err := json.Marshal(out)
	if err != nil {
		return answer{}, fmt.Errorf("a fetch's answer: %w", err)
	}
	return answer{json: j, body: body}, nil
}

// latin1 is a header's bytes as the text that JavaScript sees, a character a byte
// ("isomorphic decode").
func latin1(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			r := make([]rune, len(s))
			for i := range len(s) {
				r[i] = rune(s[i])
			}
			return string(r)
		}
	}
	return s
}

// bytesOfLatin1 is the way back; false when there is a character that is no byte.
func bytesOfLatin1(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xFF {
			return "", false
		}
		b = append(b, byte(r))
	}
	return string(b), true
}
