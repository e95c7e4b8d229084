package function

import (
	"context"
	"errors"
	"slices"

	"github.com/pylon-go/pylon/store"
)

// transaction runs the rest of the call in a transaction: a snapshot for a query, a
// write transaction for a mutation. It ends with the handler, and is rolled back when
// that fails.
func (c *call) transaction() error {
	limit := c.host.limits.Transaction
	tooLong := store.Errorf(store.Unavailable, "FN_TIMEOUT", "the transaction of %s took longer than %s", c.name, limit)
	// The time begins when the transaction does: waiting for the turn does not count.
	begin := func(tx *store.Tx) (end func()) {
		ctx, cancel := context.WithTimeoutCause(c.ctx, limit, tooLong)
		leave := c.enterTx(ctx, tx)
		return func() {
			leave()
			cancel()
		}
	}
	if c.info.Type != Mutation {
		return c.host.db.View(c.ctx, func(tx *store.Tx) error {
			defer begin(tx)()
			return c.rest()
		})
	}
	// Others may write to the database at the same time, so that the transaction must
	// be run again. The handler then goes on from where it is now.
	var again *checkpoint
	runs := 0
	return c.host.db.Update(c.ctx, func(tx *store.Tx) error {
		if runs++; runs > 1 && again == nil {
			return errors.New("a transaction was run again on a database that one process serves")
		}
		if again != nil {
			c.restore(again)
		} else if !c.host.db.Alone() {
			again = c.checkpoint()
		}
		err := c.inUpdate(tx, begin)
		if again == nil { // nobody will run it again, so the engine need not wait for the commit
			c.release()
			c.giveTurn()
		}
		return err
	})
}

func (c *call) inUpdate(tx *store.Tx, begin func(*store.Tx) (end func())) error {
	defer begin(tx)()
	if before, err := c.ranBefore(tx); before || err != nil {
		c.ok, c.finished, c.result = true, true, "null"
		return err
	}
	return c.rest()
}

// enterTx makes the transaction the call's.
func (c *call) enterTx(ctx context.Context, tx *store.Tx) (leave func()) {
	outer := c.ctx
	c.tx, c.ctx = tx, ctx
	ended := c.vm.Until(ctx)
	return func() {
		ended()
		c.tx, c.cacheInTx, c.ctx = nil, nil, outer
	}
}

// rest is the handler's way to its end. What it answers decides about the transaction.
func (c *call) rest() error {
	if _, err := c.loop(); err != nil || c.renewing {
		return err
	}
	return c.outcome()
}

// checkpoint is a call between two steps of its handler.
type checkpoint struct {
	memory   []byte
	queue    []asked
	asked    int
	finished bool
	ok       bool
	result   string
	streamed int
}

func (c *call) checkpoint() *checkpoint {
	return &checkpoint{c.vm.Save(), slices.Clone(c.queue), c.asked, c.finished, c.ok, c.result, len(c.streamed)}
}

func (c *call) restore(p *checkpoint) {
	c.vm.Restore(p.memory)
	c.queue, c.asked = slices.Clone(p.queue), p.asked
	c.finished, c.ok, c.result = p.finished, p.ok, p.result
	c.streamed = c.streamed[:p.streamed]
}
