package function

import (
	"context"
	"encoding/json"
	"time"

	"github.com/pylon-go/pylon/store"
)

// Calls of functions by functions, now or later.
var runOperations = map[string]operation{
	"run":             {kind: outside, run: runNow},
	"schedule":        {kind: inTx, run: schedule},
	"schedule.cancel": {kind: inTx, run: cancelScheduled},
}

// runNow is ctx.runQuery, runMutation and runAction: another call, for the same
// caller, with its own engine and transaction.
func runNow(ctx context.Context, c *call, args, _ []byte) (answer, error) {
	var in struct {
		Type Type            `json:"type"`
		Name string          `json:"name"`
		Args json.RawMessage `json:"args"`
	}
	if err := json.Unmarshal(args, &in); err != nil {
		return answer{}, store.Errorf(store.Invalid, "INVALID_CALL", "a function is called by its name and with arguments")
	}
	result, err := c.host.Call(store.WithActor(ctx, *c.caller), Request{
		Name: in.Name, Args: in.Args, Type: in.Type, internal: true, depth: c.request.depth + 1,
	})
	return answer{json: result}, err
}

// update runs fn in the call's transaction or, in an action, in one of its own.
func (c *call) update(fn func(tx *store.Tx) error) error {
	if c.tx != nil {
		return fn(c.tx)
	}
	return c.host.db.Update(c.ctx, fn)
}

func schedule(_ context.Context, c *call, args, _ []byte) (answer, error) {
	var in struct {
		Name  string          `json:"name"`
		Args  json.RawMessage `json:"args"`
		After *float64        `json:"after"` // milliseconds
		At    string          `json:"at"`
	}
	if err := json.Unmarshal(args, &in); err != nil {
		return answer{}, store.Errorf(store.Invalid, "INVALID_SCHEDULE", "a function is scheduled by its name, with a time and arguments")
	}
	var at time.Time
	switch {
	case in.At != "":
		t, err := time.Parse(time.RFC3339, in.At)
		if err != nil {
			return answer{}, store.Errorf(store.Invalid, "INVALID_SCHEDULE", "runAt needs a Date")
		}
		at = t
	case in.After != nil && *in.After >= 0 && *in.After <= maxDelay.Seconds()*1000:
		at = c.host.clock.Now().Add(time.Duration(*in.After * float64(time.Millisecond)))
	default:
		return answer{}, store.Errorf(store.Invalid, "INVALID_SCHEDULE", "runAfter needs a number of milliseconds from 0 to %d days", int(maxDelay.Hours()/24))
	}
	var id string
	err := c.update(func(tx *store.Tx) (err error) {
		id, err = c.host.Schedule(tx, in.Name, in.Args, at)
		return err
	})
	return answer{json: store.AppendJSONString(nil, id)}, err
}

func cancelScheduled(_ context.Context, c *call, args, _ []byte) (answer, error) {
	var in struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(args, &in); err != nil || in.ID == "" {
		return answer{}, store.Errorf(store.Invalid, "INVALID_SCHEDULE", "cancel needs the id that runAfter or runAt answered")
	}
	var was bool
	err := c.update(func(tx *store.Tx) (err error) {
		was, err = c.host.Cancel(tx, in.ID)
		return err
	})
	b, _ := json.Marshal(was) //nolint:errcheck // a bool
	return answer{json: b}, err
}

// maxDelay is the furthest that something can be put off.
const maxDelay = 10 * 365 * 24 * time.Hour
