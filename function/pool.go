package function

import (
	"context"
	"sync"

	"github.com/pylon-go/pylon/internal/quickjs"
)

// pool hands out engines, each as the image says. It keeps the last ones that were
// used: a call finds its memory in the processor's caches.
type pool struct {
	image *quickjs.Image

	mu   sync.Mutex
	idle []*quickjs.VM
	// places bounds the engines in use.
	places chan struct{}
}

// keepIdle is how many engines wait for the next calls.
const keepIdle = 64

func newPool(image *quickjs.Image) *pool { return &pool{image: image} }

func (p *pool) limit(n int) { p.places = make(chan struct{}, n) }

// enter waits for a place; leave gives it back.
func (p *pool) enter(ctx context.Context) error {
	select {
	case p.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *pool) leave() { <-p.places }

// get answers an engine.
func (p *pool) get() *quickjs.VM {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		vm := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return vm
	}
	p.mu.Unlock()
	return p.image.New()
}

// put takes an engine back. One that broke is thrown away.
func (p *pool) put(vm *quickjs.VM) {
	if vm.Broken() {
		return
	}
	vm.Reset()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) < keepIdle {
		p.idle = append(p.idle, vm)
	}
}
