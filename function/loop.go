package function

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/pylon-go/pylon/internal/quickjs"
	"github.com/pylon-go/pylon/store"
)

var (
	errTooMuch = errors.New("the handler asked for too many things at once, or in all")
	// errNeverDone is a handler that waits for something that nobody will do.
	errNeverDone = &store.Error{Code: "FN_NEVER_SETTLED", Message: "the handler waits for a promise that nothing can settle"}
)

// inTransactionCode refuses what would make a transaction wait for others than the database.
const inTransactionCode = "FETCH_IN_TRANSACTION"

// loop carries out what the handler asks for, until it is done or, with begin, until
// the next thing needs the transaction that has not begun.
func (c *call) loop() (begin bool, err error) {
	for {
		if c.ctx.Err() != nil {
			return false, c.explain(context.Cause(c.ctx))
		}
		if i := c.next(); i >= 0 {
			q := c.queue[i]
			if q.op.kindFor(c) == inTx && c.tx == nil {
				return true, nil
			}
			c.queue = append(c.queue[:i], c.queue[i+1:]...)
			if err := c.carryOut(q); err != nil {
				return false, err
			}
			continue
		}
		switch {
		case c.over():
			return false, nil
		case c.waits == 0:
			return false, errNeverDone
		case c.tx != nil && c.landing == 0: // what could have been waited for was, before it began
			return false, store.Errorf(store.Invalid, inTransactionCode, "%s waits for a timer while its transaction is open", c.name).WithHint("wait before the first database call")
		}
		if err := c.wait(); err != nil {
			return false, err
		}
	}
}

// wait waits for something under way. Others may run meanwhile, unless a transaction
// is open, in which what is waited for is nearly there.
func (c *call) wait() error {
	had := c.turn && c.tx == nil
	if had {
		c.giveTurn()
	}
	var a answered
	select {
	case a = <-c.answers:
	case <-c.ctx.Done():
		return nil // the loop says why
	}
	if had {
		if err := c.takeTurn(); err != nil {
			return err
		}
	}
	return c.landed(a)
}

// over reports whether there is nothing left to wait for. While stale values are
// renewed the handler is done; a transaction then ends with the loaders that need it.
func (c *call) over() bool {
	switch {
	case !c.renewing:
		return c.finished
	case c.tx != nil:
		return len(c.loaders) == 0
	}
	return c.waits == 0
}

// next is the position of what is to be done next, -1 when there is nothing. What
// begins a transaction waits for what is under way outside, since the transaction
// cannot. Of what the handler did not wait for, only work in the database is done.
func (c *call) next() int {
	for i, q := range c.queue {
		switch q.op.kindFor(c) {
		case inTx:
			if c.tx != nil || c.waits == c.timers {
				return i
			}
		case inline:
			return i
		default:
			if !c.finished || c.renewing {
				return i
			}
		}
	}
	return -1
}

// kindFor is the kind of an operation in a call: without a transaction of its own, an
// action does database work like any other, in transactions of their own.
func (o operation) kindFor(c *call) opKind {
	switch {
	case o.kind == inTx && c.info.Type == Action:
		return outside
	case o.kind == unlessInTx && c.tx != nil:
		return inline
	case o.kind == unlessInTx:
		return outside
	}
	return o.kind
}

// carryOut does what was asked, or begins it.
func (c *call) carryOut(q asked) error {
	if q.op.kindFor(c) == outside {
		if c.tx != nil {
			return c.settle(answered{id: q.id, err: store.Errorf(store.Invalid, inTransactionCode, "%s does not work in a transaction, which began with the first database call", q.name).
				WithHint("do it before the first database call, or in an action")})
		}
		c.begin(q)
		return nil
	}
	a, err := c.do(q)
	if err != nil && c.tx != nil && !c.tellable(err) {
		return err // the transaction is lost, whatever the handler would make of it
	}
	return c.settle(answered{id: q.id, answer: a, err: err})
}

func (c *call) do(q asked) (answer, error) {
	if q.op.db != nil {
		return q.op.db(c, q.entity, q.row, q.args)
	}
	return q.op.run(c.ctx, c, q.args, q.body)
}

// tellable reports whether a handler may see an error and go on.
func (c *call) tellable(err error) bool {
	var e *store.Error
	return errors.As(err, &e) && e.Kind != store.Unavailable && e.Kind != 0
}

// maxOutside bounds what one call has under way outside.
const maxOutside = 256

// begin does something in a goroutine.
func (c *call) begin(q asked) {
	if c.answers == nil {
		c.answers = make(chan answered)
		c.cancels = map[float64]context.CancelFunc{}
	}
	timer := q.name == "timer"
	c.waits++
	if timer {
		c.timers++
	}
	full := c.waits > maxOutside
	ctx, cancel := context.WithCancel(context.WithValue(c.ctx, operationKey{}, q.id))
	c.cancels[q.id] = cancel
	over := c.ctx.Done()
	go func() {
		defer cancel()
		out := answered{id: q.id, timer: timer}
		defer func() {
			if p := recover(); p != nil {
				out.err = fmt.Errorf("panic in %s: %v\n%s", q.name, p, debug.Stack())
			}
			select {
			case c.answers <- out:
			case <-over:
			}
		}()
		if full {
			out.err = store.Errorf(store.Limited, "TOO_MANY_OPERATIONS", "more than %d operations are under way", maxOutside)
			return
		}
		out.answer, out.err = q.op.run(ctx, c, q.args, q.body)
	}()
}

// operationKey is the context's key for the id of the operation that runs.
type operationKey struct{}

// landed takes the answer of something that was done outside.
func (c *call) landed(a answered) error {
	if a.load != nil {
		return c.runLoader(a.load)
	}
	if _, known := c.cancels[a.id]; !known && !a.renewed {
		return nil // from before the handler's end
	}
	c.waits--
	if a.timer {
		c.timers--
	}
	if a.renewed {
		return nil
	}
	c.wrapLanded(a.id)
	delete(c.cancels, a.id)
	return c.settle(a)
}

// settle tells the handler.
func (c *call) settle(a answered) error {
	if a.err != nil {
		return c.enter("settle", a.id, false, c.errorJSON(a.err))
	}
	var json, body any
	if a.json != nil {
		json = string(a.json)
	}
	if a.body != nil {
		body = a.body
	}
	return c.enter("settle", a.id, true, json, body)
}

// explain turns what stopped the engine into what the caller may know.
func (c *call) explain(err error) error {
	var e *quickjs.Error
	switch {
	case c.ctx.Err() != nil:
		if cause := context.Cause(c.ctx); !errors.Is(cause, context.DeadlineExceeded) {
			return cause
		}
		return timeout(c.name, c.host.limits.Time) // the request's own time, which is as long
	case errors.As(err, &e) && e.OutOfMemory():
		return &store.Error{Code: "FN_OUT_OF_MEMORY", Message: fmt.Sprintf("%s needs more than %s of memory", c.name, mebibytes(c.host.limits.Memory)), Cause: err}
	case errors.As(err, &e):
		return c.threw(e.Name, e.Message, e.Stack)
	}
	return err
}

func mebibytes(n int) string { return fmt.Sprintf("%d MiB", n>>20) }
