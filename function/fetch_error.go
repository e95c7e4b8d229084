package function

import (
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"syscall"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// The codes of a fetch that failed, which runtime/web/fetch.ts makes the cause's code:
// BLOCKED, DNS, REFUSED, TIMEOUT, TLS, TOO_LARGE, REDIRECT, ABORTED, NETWORK. Messages
// name no address, path or header: the handler knows what it asked for, and a client
// that sees the message may not.
func fetchError(code string, cause error, format string, args ...any) *store.Error {
	e := store.Errorf(store.Unavailable, code, format, args...)
	e.Cause = cause
	return e
}

func messageOf(err error) string {
	var e *store.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// explain makes an error of the network one that a handler may see. limited is the
// fetch's own context, ctx the call's.
func explain(ctx, limited context.Context, err error) error {
	var (
		known   *store.Error
		blocked *plugin.BlockedError
		dns     *net.DNSError
		timeout net.Error
	)
	switch {
	case errors.As(err, &blocked):
		return fetchError("BLOCKED", err, "net_guard refused the connection: %s", blocked.Rule)
	case errors.Is(ctx.Err(), context.Canceled):
		return fetchError("ABORTED", err, "it was aborted")
	case limited.Err() != nil:
		return fetchError("TIMEOUT", err, "it took too long")
	case errors.As(err, &known):
		return known
	case errors.As(err, &dns):
		return fetchError("DNS", err, "the host's name could not be resolved")
	case errors.As(err, &timeout) && timeout.Timeout():
		return fetchError("TIMEOUT", err, "the server did not answer in time")
	case errors.Is(err, syscall.ECONNREFUSED):
		return fetchError("REFUSED", err, "the server refused the connection")
	case isTLS(err):
		return fetchError("TLS", err, "the server's certificate or its TLS is not acceptable")
	case isEncoding(err):
		return fetchError("NETWORK", err, "the response is not encoded as it says")
	}
	return fetchError("NETWORK", err, "the connection was lost or the server does not speak HTTP")
}

func isTLS(err error) bool {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		authority   x509.UnknownAuthorityError
		hostname    x509.HostnameError
		invalid     x509.CertificateInvalidError
	)
	return errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) ||
		errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid) ||
		// net/http makes its own error of a plain answer to a TLS greeting.
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") ||
		strings.Contains(err.Error(), "remote error: tls:") || strings.Contains(err.Error(), "tls: ")
}

func isEncoding(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) ||
		errors.Is(err, zlib.ErrHeader) || errors.Is(err, zlib.ErrChecksum) || errors.Is(err, zlib.ErrDictionary)
}
