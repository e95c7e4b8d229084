package main

import (
	"context"
	"sync"
)

// gate holds the writers back while the server is down.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while the gate is open
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

// set opens or shuts the gate.
func (g *gate) set(up bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		if !up {
			g.open = make(chan struct{})
		}
	default:
		if up {
			close(g.open)
		}
	}
}

// wait waits until the gate is open.
func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
