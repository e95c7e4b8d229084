package function

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"
)

// decoded reads a response's body and undoes its content codings (Fetch §4.7, "handle
// content codings"). Neither what came nor what it becomes may be larger than the limit.
func decoded(resp *http.Response, method string) ([]byte, error) {
	if method == http.MethodHead || resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified {
		return nil, nil
	}
	if resp.ContentLength > maxFetchBody {
		return nil, tooLarge()
	}
	in := &bounded{r: resp.Body, left: maxFetchBody}
	var out io.Reader = in
	codings := strings.Split(strings.Join(resp.Header.Values("Content-Encoding"), ","), ",")
	if len(codings) > 5 {
		return nil, fetchError("NETWORK", nil, "the response is encoded too often")
	}
	for i := len(codings) - 1; i >= 0; i-- {
		r, known, err := decoder(strings.ToLower(strings.TrimSpace(codings[i])), out)
		if errors.Is(err, io.EOF) {
			return nil, nil // nothing at all is fine, as in browsers
		}
		if err != nil {
			return nil, err
		}
		if !known {
			break // not asked for; the handler gets it as it is
		}
		out = r
	}
	if out != io.Reader(in) {
		out = &bounded{r: out, left: maxFetchBody}
	}
	return io.ReadAll(out)
}

func decoder(coding string, in io.Reader) (r io.Reader, known bool, err error) {
	switch coding {
	case "", "identity":
		return in, true, nil
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(in)
		return r, true, badCoding(err)
	case "deflate":
		// The name means zlib (RFC 9110 §8.4.1.2), but some send it without its frame.
		b := bufio.NewReader(in)
		head, err := b.Peek(2)
		if err == nil && head[0]&0x0F == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
			r, err = zlib.NewReader(b)
			return r, true, badCoding(err)
		}
		if len(head) == 0 {
			return nil, true, badCoding(err)
		}
		return flate.NewReader(b), true, nil
	}
	return nil, false, nil
}

func badCoding(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, zlib.ErrHeader) {
		return fetchError("NETWORK", err, "the response is not encoded as it says")
	}
	return err
}

// bounded fails when there is more than it may read.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, tooLarge()
	}
	return n, err
}

func tooLarge() error {
	return fetchError("TOO_LARGE", nil, "the response is larger than 10 MiB")
}
