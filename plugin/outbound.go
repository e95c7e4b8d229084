package plugin

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"
)

// DialGuard decides about every connection to the outside; net_guard implements it.
type DialGuard interface {
	// GuardDial is asked after the name was resolved and before the connection is
	// made, once for every address tried. host is the name or literal as the
	// caller gave it, address the ip:port that would be dialled. It refuses with
	// a [BlockedError].
	GuardDial(ctx context.Context, host, network, address string) error
}

// BlockedError says that net_guard refused a connection, and by which rule. The
// rule may be shown to the administrator; the address is not shown to others.
type BlockedError struct {
	Host, Address, Rule string
}

func (e *BlockedError) Error() string {
	return fmt.Sprintf("net_guard refused the connection to %s: %s", e.Host, e.Rule)
}

// Outbound makes connections to the outside for the host and every plugin.
// Proxies of the environment are not used: behind one the guard would see only
// the proxy's address.
type Outbound struct {
	guard  DialGuard
	dialer net.Dialer
}

// NewOutbound makes connections that guard allows; a nil guard allows all.
func NewOutbound(guard DialGuard) *Outbound {
	return &Outbound{guard: guard, dialer: net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}}
}

// Guarded reports whether a guard decides about connections.
func (o *Outbound) Guarded() bool { return o.guard != nil }

// DialContext connects to address, a host:port.
func (o *Outbound) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d := o.dialer
	if o.guard != nil {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		d.ControlContext = func(ctx context.Context, network, addr string, _ syscall.RawConn) error {
			return o.guard.GuardDial(ctx, host, network, addr)
		}
	}
	return d.DialContext(ctx, network, address)
}

// Transport is an http.Transport that connects through the guard. Each caller
// has its own, with its own pool of connections, and closes it in the end.
func (o *Outbound) Transport() *http.Transport {
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            o.DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           512,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        60 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
}
