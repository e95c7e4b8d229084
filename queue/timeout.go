package queue

import (
	"context"
	"time"

	"github.com/jonboulle/clockwork"
)

// WithTimeout is context.WithTimeout by a clock, so that a test's clock ends
// attempts too. (That of clockwork has an Err that waits for the end.)
func WithTimeout(ctx context.Context, clock clockwork.Clock, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := clock.AfterFunc(d, func() { cancel(context.DeadlineExceeded) })
	return timed{ctx}, func() {
		timer.Stop()
		cancel(context.Canceled)
	}
}

type timed struct{ context.Context }

func (t timed) Err() error {
	if t.Context.Err() == nil {
		return nil
	}
	return context.Cause(t.Context)
}
