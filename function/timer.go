package function

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/pylon-go/pylon/internal/quickjs"
)

// timerOperation waits. The call's own time limit ends a wait that is longer.
func timerOperation(ctx context.Context, c *call, args, _ []byte) (answer, error) {
	var a struct {
		MS int64 `json:"ms"`
	}
	if err := json.Unmarshal(args, &a); err != nil {
		return answer{}, fmt.Errorf("a timer's arguments: %w", err)
	}
	const longest = 1<<31 - 1 // what a browser's timers count to, some 24 days
	timer := c.host.clock.NewTimer(time.Duration(min(max(a.MS, 0), longest)) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.Chan():
		return answer{}, nil
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}

// clockNow is the time in milliseconds, with fractions.
func clockNow(c *call, _ quickjs.Args) (any, error) {
	return float64(c.host.clock.Now().UnixMicro()) / 1000, nil
}
