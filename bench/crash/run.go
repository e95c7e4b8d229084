package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pylon-go/pylon/bench/process"
)

// options say how a run goes.
type options struct {
	kills        int
	limit, drain time.Duration
	writers      int
	ordered      bool
	audit        bool
	seed         uint64
	dir, binary  string
	keep         bool
	out          io.Writer
}

const (
	// backlog is how far the receiver may fall behind before the writers wait.
	backlog = 3000
	// progress is how often the harness says where it stands.
	progress = 10 * time.Second
)

// harness is a run.
type harness struct {
	options
	begin    time.Time
	rng      *rand.Rand
	hooks    []hook
	app      *process.Pylon
	sink     *sink
	gate     *gate
	load     *load
	problems *problems
	log      *os.File // what the servers print
	killed   int
}

// run kills, restarts and checks. It is clean when no promise was broken; an error
// means that the harness itself could not do its work.
func run(ctx context.Context, o options) (clean bool, err error) {
	h := &harness{options: o, begin: time.Now(), rng: rand.New(rand.NewPCG(o.seed, 0)), hooks: hooksOf(o.ordered), gate: newGate(), problems: &problems{}}
	fmt.Fprintf(o.out, "seed %d, %d kills within %s, evidence in %s\n", o.seed, o.kills, o.limit, o.dir)
	if h.sink, err = startSink(o.seed, h.problems); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, h.sink.close()) }()
	text, err := manifest(h.hooks, h.sink.url, h.auditPlugin())
	if err != nil {
		return false, err
	}
	if h.app, err = process.NewPylon(o.binary, o.dir, text, "HOOK_SECRET="+secret, "AUDIT_KEY="+auditKey, "PYLON_LOG_LEVEL=warn"); err != nil {
		return false, err
	}
	if h.log, err = os.Create(filepath.Join(o.dir, "server.log")); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, h.log.Close()) }()

	h.load = &load{hooks: map[string]int{}, full: h.full}
	for _, k := range h.hooks {
		h.load.hooks[k.entity]++
	}
	writing, stopWriting := context.WithCancel(ctx)
	defer stopWriting()
	var writers []*writer
	var wg sync.WaitGroup
	for i := range o.writers {
		w := newWriter(i+1, o.seed, h.app, h.gate, h.load, h.problems)
		writers = append(writers, w)
		wg.Go(func() { w.run(writing) })
	}
	defer wg.Wait()
	defer stopWriting()

	if err := h.killAgainAndAgain(ctx); err != nil {
		return false, err
	}
	end := func() { stopWriting(); wg.Wait() }
	found, err := h.finish(ctx, end)
	if err != nil {
		return false, err
	}
	var writes []write
	for _, w := range writers {
		writes = append(writes, w.writes...)
	}
	accepted := h.sink.all()
	v := check(h.hooks, writes, found.rows, accepted)
	v.violations = append(append(h.problems.all(), found.violations...), v.violations...)
	return len(v.violations) == 0, h.report(v, writes, accepted)
}

// full says whether the receiver is so far behind that the writers wait.
func (h *harness) full() bool {
	_, _, distinct := h.sink.counts()
	return h.load.expected.Load()-int64(distinct) > backlog
}

// killAgainAndAgain starts the server and kills it, until it was done often or
// long enough.
func (h *harness) killAgainAndAgain(ctx context.Context) error {
	said := time.Now()
	for h.killed < h.kills && time.Since(h.begin) < h.limit {
		p, err := h.app.Launch(h.log)
		if err != nil {
			return err
		}
		if err := h.killOne(ctx, p); err != nil {
			p.Kill()
			return err
		}
		h.killed++
		if err := h.auditKilled(ctx); err != nil {
			return err
		}
		if time.Since(said) > progress {
			h.say()
			said = time.Now()
		}
	}
	return nil
}

// killOne lets the server run for a while that nobody can foretell, and kills it:
// now and then before it is ready.
func (h *harness) killOne(ctx context.Context, p *process.Process) error {
	if h.rng.IntN(10) == 0 {
		if err := sleep(ctx, h.upTo(80*time.Millisecond)); err != nil {
			return err
		}
		p.Kill()
		return nil
	}
	if err := p.Ready(ctx, h.app.Health()); err != nil {
		return fmt.Errorf("after %d kills the server does not start: %w", h.killed, err)
	}
	h.gate.set(true)
	defer h.gate.set(false)
	moment := h.upTo(500 * time.Millisecond)
	switch h.rng.IntN(4) {
	case 0:
		moment = h.upTo(30 * time.Millisecond)
	case 1:
		moment = h.upTo(1500 * time.Millisecond)
	}
	if err := sleep(ctx, moment); err != nil {
		return err
	}
	if ended, err := p.Ended(); ended {
		return fmt.Errorf("after %d kills the server ended by itself: %v\n%s", h.killed, err, p.Output())
	}
	p.Kill()
	return nil
}

func (h *harness) upTo(d time.Duration) time.Duration { return time.Duration(h.rng.Int64N(int64(d))) }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// finish starts the server for the last time, lets the writers come to an end and the
// server deliver what is left, stops it in order and looks into the database.
func (h *harness) finish(ctx context.Context, endWriters func()) (*inspection, error) {
	p, err := h.app.Launch(h.log)
	if err != nil {
		return nil, err
	}
	defer p.Kill()
	if err := p.Ready(ctx, h.app.Health()); err != nil {
		return nil, fmt.Errorf("after %d kills the server does not start: %w", h.killed, err)
	}
	h.gate.set(true)
	endWriters()
	h.sink.calmDown()
	deadline := time.Now().Add(h.drain)
	if err := h.awaitDeliveries(ctx, deadline); err != nil {
		return nil, err
	}
	if err := p.Stop(); err != nil {
		h.problems.add("SIGTERM: %v", err)
	}
	if _, err := p.Ended(); err != nil {
		h.problems.add("after SIGTERM the server ended with %v\n%s", err, p.Output())
	}
	return h.inspect(ctx, deadline)
}

// awaitDeliveries waits until the receiver has at least as many deliveries as
// acknowledged writes have. What is still missing then shows in the end.
func (h *harness) awaitDeliveries(ctx context.Context, deadline time.Time) error {
	said := time.Now()
	for time.Now().Before(deadline) {
		if _, _, distinct := h.sink.counts(); int64(distinct) >= h.load.expected.Load() {
			return nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
		if time.Since(said) > progress {
			h.say()
			said = time.Now()
		}
	}
	return nil
}

func (h *harness) say() {
	requests, accepted, distinct := h.sink.counts()
	fmt.Fprintf(h.out, "%6s  %d kills, %d writes acknowledged, %d requests cut off, %d answered 5xx; %d requests to the receiver, %d accepted, %d again, %d to come\n",
		time.Since(h.begin).Round(time.Second), h.killed, h.load.acknowledged.Load(), h.load.cut.Load(), h.load.refused.Load(),
		requests, accepted, accepted-distinct, max(0, h.load.expected.Load()-int64(distinct)))
}
