package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/pylon-go/pylon/store"
)

// maxGroup bounds how many callers share one commit.
const maxGroup = 256

// job is one caller's transaction, waiting for the writer.
type job struct {
	ctx  context.Context
	fn   func(store.Conn) error
	err  error
	done chan struct{}
}

// Write hands fn to the writer and waits until its commit is on disk.
func (e *Engine) Write(ctx context.Context, fn func(store.Conn) error) error {
	release, err := e.use()
	if err != nil {
		return err
	}
	defer release()
	j := &job{ctx: ctx, fn: fn, done: make(chan struct{})}
	select {
	case e.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	}
	// From here on the writer decides: a caller that left could not tell whether
	// its write happened.
	<-j.done
	return j.err
}

// write is the writer: it takes what waits, a savepoint each, into one
// transaction, and answers everybody after the commit. While it waits for the
// disk the next group gathers, so no timer is needed.
func (e *Engine) write(c *conn) {
	defer c.close()
	group := make([]*job, 0, maxGroup)
	for first := range e.jobs {
		group = append(group[:0], first)
		commit(c, &group, e.jobs)
		for _, j := range group {
			close(j.done)
		}
		clear(group)
	}
}

// commit runs the first job and all that come up to the limit, and commits.
func commit(c *conn, group *[]*job, jobs <-chan *job) {
	c.failed = nil
	if err := c.Exec("BEGIN IMMEDIATE", nil); err != nil {
		(*group)[0].err = err
		return
	}
	good := 0
	for i := 0; i < len(*group); i++ {
		j := (*group)[i]
		if j.err = runJob(c, j); j.err == nil {
			good++
		}
		if c.raw.AutocommitEnabled() {
			// A full disk or an I/O error made SQLite roll the whole transaction
			// back; nobody's work is kept.
			failAll((*group)[:i+1], j.err)
			return
		}
		if len(*group) < maxGroup {
			select {
			case next, open := <-jobs:
				if open {
					*group = append(*group, next)
				}
			default:
			}
		}
	}
	end := "COMMIT"
	if good == 0 {
		end = "ROLLBACK"
	}
	c.failed = nil
	if err := c.Exec(end, nil); err != nil {
		failAll(*group, err)
		if !c.raw.AutocommitEnabled() {
			c.Exec("ROLLBACK", nil) //nolint:errcheck // the callers have the first error; a connection that cannot roll back fails at the next BEGIN
		}
	}
}

// failAll marks jobs as not done. Those that failed on their own keep their error.
func failAll(group []*job, cause error) {
	for _, j := range group {
		if j.err == nil {
			j.err = &store.Error{Kind: store.Unavailable, Code: "DATABASE_UNAVAILABLE", Message: "the write could not be committed", Cause: cause}
		}
	}
}

// runJob runs one caller's work between a savepoint and its release.
func runJob(c *conn, j *job) (err error) {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	c.failed = nil
	if err := c.Exec("SAVEPOINT one", nil); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a write: %v", p)
		}
		if err == nil {
			err = c.failed
		}
		if c.raw.AutocommitEnabled() {
			if err == nil {
				err = errors.New("the transaction ended while a write was under way")
			}
			return
		}
		cause := err
		if cause != nil {
			err = c.Exec("ROLLBACK TO one", nil)
		} else {
			err = nil
		}
		if released := c.Exec("RELEASE one", nil); err == nil {
			err = released
		}
		if cause != nil {
			err = cause
		}
	}()
	return j.fn(c)
}
