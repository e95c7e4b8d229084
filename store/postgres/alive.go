package postgres

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// alive reports whether the server still holds the other end of an idle
// connection. A commit sent into a dead one would have to be reported as unknown,
// while here it is certain that nothing happened. It costs one system call.
func (s *session) alive(ctx context.Context) bool {
	conn := s.pg.Conn()
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = wrapped.NetConn()
	}
	source, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := source.SyscallConn()
	if err != nil {
		return false
	}
	n, failed := 0, error(nil)
	// Not raw.Read: pgx reads in the background after a slow exchange, and that
	// would wait for it.
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, failed = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	switch {
	case err != nil:
		return false
	case errors.Is(failed, syscall.EAGAIN): // quiet, as it should be
		return true
	case failed != nil || n == 0: // closed
		return false
	}
	// It said something unasked: a farewell, or a notice.
	return s.pooled.Ping(ctx) == nil
}
