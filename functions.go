package pylon

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/pylon-go/pylon/function"
	"github.com/pylon-go/pylon/plugin"
)

// Functions are an app's functions beside those in its folder.
type Functions struct {
	// Go are functions written in Go; see [Query], [Mutation] and [Action].
	Go []*Function
	// Limits of a call; zero values get the defaults.
	Limits function.Limits
}

// What functions written in Go are made with; see package function.
type (
	// Function is one of them.
	Function = function.Native
	// Ctx is what its handler gets.
	Ctx = function.Ctx
	// Auth says who may call it.
	Auth = function.Auth
)

// Who may call a function.
const (
	AuthPublic   = function.AuthPublic
	AuthUser     = function.AuthUser
	AuthAdmin    = function.AuthAdmin
	AuthInternal = function.AuthInternal
)

// Query makes a function that reads. Its arguments are decoded from JSON, strictly.
func Query[Args, Result any](name string, auth Auth, run func(c *Ctx, args Args) (Result, error)) *Function {
	return function.NewQuery(name, auth, run)
}

// Mutation makes a function whose reads and writes are one transaction. On a database
// that others write to as well it may be run again after a conflict, so it must have no
// effect outside of its transaction.
func Mutation[Args, Result any](name string, auth Auth, run func(c *Ctx, args Args) (Result, error)) *Function {
	return function.NewMutation(name, auth, run)
}

// Action makes a function without a transaction, which may call the outside.
func Action[Args, Result any](name string, auth Auth, run func(c *Ctx, args Args) (Result, error)) *Function {
	return function.NewAction(name, auth, run)
}

// Call runs a function for the actor in ctx, which is anonymous when there is none, and
// answers its result as JSON.
func (a *App) Call(ctx context.Context, name string, args []byte) ([]byte, error) {
	return a.function.Call(ctx, function.Request{Name: name, Args: args})
}

// Callback implements [plugin.Callbacks].
func (a *App) Callback(ctx context.Context, c plugin.Callback, args ...any) (json.RawMessage, error) {
	in, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("the arguments of %s: %w", c.Key(), err)
	}
	return a.function.Callback(ctx, c.Key(), in)
}

// wireFunctions makes the host of the app's functions.
func (a *App) wireFunctions() (err error) {
	o := a.opts
	cache, _ := plugin.Find[plugin.Cache](a)
	a.function, err = function.New(function.Config{
		DB: a.db, Queue: a.queue, Outbound: a.outbound, Cache: cache, Dev: o.Dev, Limits: o.Functions.Limits,
		Getenv: o.Getenv, Clock: o.Clock, Logger: o.Logger, Tracer: a.telem.tracer, Meter: a.telem.meter,
	})
	if err != nil {
		return err
	}
	if err := a.function.Add(o.Functions.Go...); err != nil {
		return err
	}
	a.function.Load(a.declared.program)
	return a.function.Crons(a.declared.manifest.Crons)
}

// ReloadFunctions compiles the functions in the app's folder anew and, when they are
// right, uses them from then on; otherwise those from before go on. What the manifest and
// app.ts declare stays as it was.
func (a *App) ReloadFunctions() error {
	p, err := function.Compile(a.build())
	if err != nil {
		return err
	}
	if err := checkCrons(a.declared.manifest, p, a.opts.Functions.Go); err != nil {
		return err
	}
	a.function.Load(p)
	return nil
}

func (a *App) build() function.Build {
	o := a.opts
	return function.Build{Dir: o.Dir, Dev: o.Dev, Limits: o.Functions.Limits, Getenv: o.Getenv, Logger: o.Logger, Now: o.Clock.Now}
}
