package function

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/pylon-go/pylon/function/bundle"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// Native is a function written in Go, by a program that embeds Pylon. It is called
// like any other: over HTTP, by functions, by the scheduler. Make one with
// [NewQuery], [NewMutation] or [NewAction].
type Native struct {
	info Info
	run  func(c *Ctx, args []byte) ([]byte, error)
}

// Name is what the function is called by.
func (f *Native) Name() string { return f.info.Name }

// Ctx is what a Go function gets. Its context ends with the call's time.
type Ctx struct {
	context.Context
	// Tx is the transaction of a query or mutation, nil in an action. Policies do not
	// apply to it.
	Tx *store.Tx
	// Caller is who called; anonymous when nobody did.
	Caller *store.Actor
	// Cache is the call's view of the app's cache; nil when the app has none.
	Cache *plugin.CacheView

	host *Host
	r    Request
}

// Call calls another function for the same caller and decodes its result into out,
// unless that is nil. Only actions can.
func (c *Ctx) Call(name string, args, out any) error {
	if c.Tx != nil {
		return errors.New("a function with a transaction does not call others")
	}
	in, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("the arguments of %s: %w", name, err)
	}
	result, err := c.host.Call(store.WithActor(c.Context, *c.Caller), Request{Name: name, Args: in, internal: true, depth: c.r.depth + 1})
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(result, out)
}

// NewQuery is a function that reads. Args are decoded strictly from JSON.
func NewQuery[Args, Result any](name string, auth Auth, run func(c *Ctx, args Args) (Result, error)) *Native {
	return native(name, Query, auth, run)
}

// NewMutation is a function whose reads and writes are one transaction. It may be run
// again after a conflict, so it must have no effect outside of its transaction.
func NewMutation[Args, Result any](name string, auth Auth, run func(c *Ctx, args Args) (Result, error)) *Native {
	return native(name, Mutation, auth, run)
}

// NewAction is a function without a transaction.
func NewAction[Args, Result any](name string, auth Auth, run func(c *Ctx, args Args) (Result, error)) *Native {
	return native(name, Action, auth, run)
}

func native[Args, Result any](name string, t Type, auth Auth, run func(c *Ctx, args Args) (Result, error)) *Native {
	if auth == "" {
		auth = AuthUser
	}
	return &Native{Info{Name: name, Type: t, Auth: auth, Args: null}, func(c *Ctx, args []byte) ([]byte, error) {
		var in Args
		if err := store.DecodeJSON(args, &in); err != nil {
			var e *store.Error
			if errors.As(err, &e) {
				bad := *e
				bad.Code = "INVALID_ARGS"
				return nil, &bad
			}
			return nil, err
		}
		out, err := run(c, in)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(out); err != nil {
			return nil, fmt.Errorf("the result of %s: %w", name, err)
		}
		return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
	}}
}

// Add registers Go functions. Call before the first call.
func (h *Host) Add(functions ...*Native) error {
	for _, f := range functions {
		if !bundle.ValidName(f.info.Name) {
			return fmt.Errorf("%q is not a name for a function: letters, digits, _ and -, in parts divided by /", f.info.Name)
		}
		if h.native[f.info.Name] != nil {
			return fmt.Errorf("two Go functions are called %s", f.info.Name)
		}
		h.native[f.info.Name] = f
	}
	return nil
}

// callNative runs a Go function.
func (h *Host) callNative(ctx context.Context, f *Native, r Request) (result []byte, err error) {
	limit := h.limits.Time
	if r.background > 0 {
		limit = r.background
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, timeout(f.info.Name, limit))
	defer cancel()
	caller := store.ActorFrom(ctx)
	c := &Ctx{Context: store.WithActor(ctx, functionActor(caller, f.info.Name)), Caller: caller, host: h, r: r}
	if h.cache != nil {
		c.Cache = plugin.BeginCache(h.cache, plugin.CacheOptions{})
	}
	run := func(c *Ctx) (err error) {
		defer func() {
			if p := recover(); p != nil {
				h.log.ErrorContext(ctx, "panic in a function", "function", f.info.Name, "request_id", caller.RequestID, "panic", p, "stack", string(debug.Stack()))
				err = &store.Error{Code: "FN_FAILED", Message: f.info.Name + " failed", Hint: "the server's log says more under request id " + caller.RequestID}
			}
		}()
		result, err = f.run(c, r.Args)
		return err
	}
	inTx := func(tx *store.Tx) error {
		in := *c // a new one each time: the transaction may be run again
		if in.Tx = tx; c.Cache != nil {
			in.Cache = c.Cache.In(tx)
		}
		return run(&in)
	}
	switch f.info.Type {
	case Action:
		err = run(c)
	case Query:
		err = h.db.View(c.Context, inTx)
	default:
		err = h.db.Update(c.Context, func(tx *store.Tx) error {
			if before, err := h.ranBefore(tx, r.once); before || err != nil {
				result = null
				return err
			}
			return inTx(tx)
		})
	}
	if err == nil && len(result) > h.limits.Result {
		return nil, &store.Error{Code: "RESULT_TOO_LARGE", Message: "the result is larger than " + mebibytes(h.limits.Result)}
	}
	return result, err
}
