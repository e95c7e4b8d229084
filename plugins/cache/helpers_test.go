package cache

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/plugin"
)

// newEngine is an engine with a clock that stands still.
func newEngine(t testing.TB, entries int, policy string) (*Engine, *clockwork.FakeClock) {
	t.Helper()
	clock := clockwork.NewFakeClock()
	e, err := New(Options{MaxEntries: entries, DefaultTTL: 5 * time.Minute, Policy: policy, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e, clock
}

var ctx = context.Background()

// put sets a value without a token.
func put(e *Engine, key, value string) { e.Set(ctx, nil, key, value, plugin.CacheLife{}) }

func wantGet(t testing.TB, e *Engine, key, want string) {
	t.Helper()
	if v := e.Get(ctx, key); !v.Found || v.Bytes != want {
		t.Errorf("%q is %+v, want %q", key, v, want)
	}
}

func wantMiss(t testing.TB, e *Engine, key string) {
	t.Helper()
	if v := e.Get(ctx, key); v != (plugin.CacheValue{}) {
		t.Errorf("%q is %+v, want a miss", key, v)
	}
}

func k(i int) string { return fmt.Sprintf("k%d", i) }
