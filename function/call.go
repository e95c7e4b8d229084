package function

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/pylon-go/pylon/internal/quickjs"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// call is one run of a TypeScript function.
type call struct {
	host      *Host
	program   *Program
	info      *Info
	request   Request
	caller    *store.Actor
	name      string
	requestID string
	trace     *Trace

	// ctx ends with the call's time, and with the caller's patience. Its actor is
	// the function.
	ctx context.Context
	vm  *quickjs.VM
	tx  *store.Tx // nil outside of the transaction
	// turn says that the handler may run; release gives its engine back.
	turn    bool
	release func()

	// queue is what the handler asked for and nobody has begun.
	queue []asked
	asked int // in all
	// waits counts operations under way in goroutines; they answer here. timers are
	// those among them that nobody waits for before the transaction.
	waits, timers int
	answers       chan answered
	cancels       map[float64]context.CancelFunc

	finished bool
	ok       bool
	result   string
	streamed []event // of a mutation, for after the commit

	cacheView *plugin.CacheView
	cacheInTx *plugin.CacheView
	loaders   map[float64]*loading
	wraps     map[float64]bool // operations with a loader, and whether that is done
	landing   int              // how many of them are
	stale     sync.Mutex
	renewals  []func(context.Context)
	renewing  bool
}

// asked is an operation that the handler asked for.
type asked struct {
	id   float64
	name string
	op   operation
	args []byte
	body []byte
	// entity and row are those of a database call.
	entity, row string
}

// answered is what became of it.
type answered struct {
	id    float64
	timer bool
	answer
	err     error
	load    *loading // not an answer: a loader of the handler's is to run
	renewed bool     // not an answer either: a stale value was renewed, or not
}

// callScript runs a TypeScript function.
func (h *Host) callScript(ctx context.Context, p *Program, info *Info, r Request, t *Trace) ([]byte, error) {
	limit := h.limits.Time
	if r.background > 0 {
		limit = r.background
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, timeout(info.Name, limit))
	defer cancel()
	caller := store.ActorFrom(ctx)
	c := &call{
		host: h, program: p, info: info, request: r, caller: caller, trace: t,
		name: info.Name, requestID: caller.RequestID,
		ctx: store.WithActor(ctx, functionActor(caller, info.Name)),
	}
	// First the place, then the turn: who waits for a place must not keep a turn from
	// those who have one. A nested call needs no place, because the one it was called
	// from would not let go of its own.
	leave := func() {}
	if r.depth == 0 {
		if err := p.pool.enter(ctx); err != nil {
			return nil, c.explain(err)
		}
		leave = p.pool.leave
	}
	if err := c.takeTurn(); err != nil {
		leave()
		return nil, err
	}
	defer c.giveTurn()
	vm := p.pool.get()
	c.vm, vm.Host = vm, c.fromGuest
	if h.cache != nil {
		c.cacheView = plugin.BeginCache(h.cache, plugin.CacheOptions{Background: c.later})
	}
	ended := sync.OnceFunc(vm.Until(ctx))
	c.release = sync.OnceFunc(func() {
		ended()
		p.pool.put(vm)
		leave()
	})
	result, err := c.run()
	ended()
	t.Operations = c.asked
	if err == nil && len(c.renewals) > 0 {
		c.giveTurn() // what nobody waits for has none
		go func() {
			defer c.release()
			c.renew()
		}()
	} else {
		c.release()
	}
	if err != nil {
		return nil, err
	}
	return []byte(result), nil
}

// takeTurn waits until the handler may run. Engines that run side by side in larger
// numbers only push each other out of the processor's caches.
func (c *call) takeTurn() error {
	select {
	case c.host.turns <- struct{}{}:
		c.turn = true
		return nil
	case <-c.ctx.Done():
		return c.explain(context.Cause(c.ctx))
	}
}

func (c *call) giveTurn() {
	if c.turn {
		c.turn = false
		<-c.host.turns
	}
}

func timeout(name string, limit time.Duration) error {
	return store.Errorf(store.Unavailable, "FN_TIMEOUT", "%s took longer than %s", name, limit)
}

// run takes the call from its start to its result.
func (c *call) run() (string, error) {
	var err error
	if c.request.callback {
		err = c.enter("callback", c.name, string(c.request.Args))
	} else {
		err = c.enter("start", c.name, string(c.request.Args), c.describeCaller(), c.request.Body)
	}
	if err != nil {
		return "", err
	}
	begin, err := c.loop()
	switch {
	case err != nil:
	case begin:
		err = c.transaction()
	default:
		err = c.outcome()
	}
	if err != nil {
		return "", err
	}
	c.flushStream()
	return c.result, nil
}

// outcome is the error that the handler ended with.
func (c *call) outcome() error {
	if !c.ok {
		return c.failure(c.result)
	}
	if len(c.result) > c.host.limits.Result {
		return &store.Error{Code: "RESULT_TOO_LARGE", Message: "the result is larger than " + mebibytes(c.host.limits.Result)}
	}
	if why, rejected := c.vm.Rejected(); rejected {
		c.host.log.ErrorContext(c.ctx, "a promise was rejected and nobody awaited it", "function", c.name, "request_id", c.requestID, "reason", why)
		e := &store.Error{Code: "UNHANDLED_REJECTION", Message: "something failed that " + c.name + " did not wait for", Hint: "await what you call"}
		if c.host.dev {
			e.Message += ": " + why
		}
		return e
	}
	return nil
}

// enter calls into the guest, and explains what stopped it there.
func (c *call) enter(name string, args ...any) error {
	if err := c.vm.Call(name, args...); err != nil {
		return c.explain(err)
	}
	return nil
}

// describeCaller is the JSON of runtime/call.ts, Info.
func (c *call) describeCaller() string {
	b := make([]byte, 0, 256)
	text := func(key, value string) {
		b = append(b, key...)
		if value == "" {
			b = append(b, "null"...)
		} else {
			b = store.AppendJSONString(b, value)
		}
	}
	text(`{"auth":{"userId":`, c.caller.UserID())
	text(`,"tenantId":`, c.caller.TenantID)
	text(`,"email":`, c.caller.Email)
	b = append(b, `,"isAdmin":`...)
	if c.caller.Admin {
		b = append(b, "true"...)
	} else {
		b = append(b, "false"...)
	}
	b = append(b, `,"roles":[`...)
	for i, role := range c.caller.Roles {
		if i > 0 {
			b = append(b, ',')
		}
		b = store.AppendJSONString(b, role)
	}
	b = append(b, `]},"requestId":`...)
	b = store.AppendJSONString(b, c.requestID)
	if c.request.HTTP != nil {
		b = append(b, `,"request":`...)
		head, err := json.Marshal(c.request.HTTP)
		if err != nil {
			panic(err) // strings and maps of them
		}
		b = append(b, head...)
	}
	return string(append(b, '}'))
}

// fromGuest answers what the handler asks (runtime/host.ts).
func (c *call) fromGuest(_ *quickjs.VM, a quickjs.Args) (any, error) {
	switch name := a.String(0); name {
	case "op":
		return nil, c.ask(a)
	case "cancel":
		if cancel := c.cancels[a.Number(1)]; cancel != nil {
			cancel()
		}
	case "done":
		c.finished, c.ok, c.result = true, a.Bool(1), "null"
		if a.Given(2) {
			c.result = a.String(2)
		}
	case "loaded":
		c.loaded(a.Number(1), a.Bool(2), a.String(3))
	default:
		f, ok := syncs[name]
		if !ok {
			panic("the runtime asks for " + name)
		}
		return f(c, a)
	}
	return nil, nil
}

func (c *call) ask(a quickjs.Args) error {
	if c.asked++; c.asked > c.host.limits.Operations {
		return errTooMuch
	}
	name := a.String(2)
	op, ok := operations[name]
	if !ok {
		panic("the runtime asks for the operation " + name)
	}
	q := asked{id: a.Number(1), name: name, op: op}
	switch {
	case op.db != nil:
		q.entity, q.row = a.Text(3), a.Text(4)
		if text := a.Text(5); text != "" {
			q.args = []byte(text)
		}
	default:
		q.args = []byte(a.String(3))
		if a.Given(4) {
			q.body = a.Bytes(4)
		}
	}
	c.queue = append(c.queue, q)
	return nil
}
