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

	mu    sync.Mutex
	idle  []*quickjs.VM
	slots chan struct{}
}

// keepIdle is how many engines wait for the next calls.
const keepIdle = 64

func newPool(image *quickjs.Image) *pool { return &pool{image: image} }

func (p *pool) limit(n int) { p.slots = make(chan struct{}, n) }

// get waits for its turn and answers an engine. A nested call does not wait, because
// the one it was called from would not let go before it.
func (p *pool) get(ctx context.Context, nested bool) (*quickjs.VM, error) {
	if !nested {
		select {
		case p.slots <- struct{}{}:
		default:
			select {
			case p.slots <- struct{}{}:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		vm := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return vm, nil
	}
	p.mu.Unlock()
	return p.image.New(), nil
}

// put takes an engine back. One that broke is thrown away.
func (p *pool) put(vm *quickjs.VM, nested bool) {
	if !vm.Broken() {
		vm.Reset()
		p.mu.Lock()
		if len(p.idle) < keepIdle {
			p.idle = append(p.idle, vm)
		}
		p.mu.Unlock()
	}
	if !nested {
		<-p.slots
	}
}
