package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pylon-go/pylon/store"
)

const (
	// relisten is the pause before a lost connection is made again.
	relisten = time.Second
	// silence is how long a listener believes in a connection that says nothing.
	silence = 30 * time.Second
)

// Notify says a word to all that listen; see [store.Notifier].
func (e *Engine) Notify(ctx context.Context, channel, word string) error {
	return e.ReadOne(ctx, func(c store.Conn) error {
		return c.Query("SELECT pg_notify(?, ?)", []store.Value{store.String(channel), store.String(word)}, nil)
	})
}

// Listen hears what is said until ctx ends, on a connection of its own; see
// [store.Notifier].
func (e *Engine) Listen(ctx context.Context, channel string, fn func(word string)) {
	release, err := e.use()
	if err != nil {
		return
	}
	defer release()
	for ctx.Err() == nil {
		e.listenOnce(ctx, channel, fn) //nolint:errcheck // it is tried again; words are hints
		t := time.NewTimer(relisten)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

func (e *Engine) listenOnce(ctx context.Context, channel string, fn func(word string)) error {
	c, err := pgx.ConnectConfig(ctx, e.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), relisten)
		defer cancel()
		c.Close(end) //nolint:errcheck // nothing is lost with it
	}()
	if _, err := c.Exec(ctx, "LISTEN "+store.Quote(channel)); err != nil {
		return err
	}
	fn("")
	for {
		wait, cancel := context.WithTimeout(ctx, silence)
		n, err := c.WaitForNotification(wait)
		cancel()
		switch {
		case err == nil:
			fn(n.Payload)
		case ctx.Err() != nil || wait.Err() == nil:
			return err
		default: // silent for a while: is anybody there?
			if err := c.Ping(ctx); err != nil {
				return err
			}
		}
	}
}
