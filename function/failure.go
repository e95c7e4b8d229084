package function

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// errorJSON is an error as the handler gets it (runtime/host.ts, HostError). What is
// none of its business becomes INTERNAL, and the log has it.
func (c *call) errorJSON(err error) string {
	e := c.host.visible(c.ctx, c.name, c.requestID, err)
	b, jsonErr := json.Marshal(struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
		Field   string `json:"field,omitempty"`
		Status  int    `json:"status,omitempty"`
	}{e.Code, e.Message, e.Hint, e.Field, plugin.Status(e.Kind)})
	if jsonErr != nil {
		panic(jsonErr) // strings and a number
	}
	return string(b)
}

// failure is the error of a handler that threw (runtime/call.ts, failed).
func (c *call) failure(told string) error {
	var e struct {
		Name, Message, Stack, Code, Hint, Field string
		Status                                  int
		Stated                                  bool
	}
	if err := json.Unmarshal([]byte(told), &e); err != nil {
		return c.threw("", told, "")
	}
	if e.Stated {
		kind, ok := plugin.KindOf(e.Status)
		if !ok && e.Status != http.StatusInternalServerError { // which is what the host says when it failed
			kind = store.Invalid
		}
		return &store.Error{Kind: kind, Code: e.Code, Message: e.Message, Hint: e.Hint, Field: e.Field}
	}
	if e.Name == "InternalError" && e.Message == "out of memory" {
		return &store.Error{Code: "FN_OUT_OF_MEMORY", Message: c.name + " needs more than " + mebibytes(c.host.limits.Memory) + " of memory"}
	}
	return c.threw(e.Name, e.Message, e.Stack)
}

// threw is an error that the handler did not mean for its callers. The log has it;
// in development the caller too.
func (c *call) threw(name, message, stack string) error {
	text := message
	if name != "" {
		text = name + ": " + message
	}
	stack = c.program.source.Stack(stack)
	c.host.log.ErrorContext(c.ctx, "function failed", "function", c.name, "request_id", c.requestID, "error", text, "stack", stack)
	e := &store.Error{Code: "FN_FAILED", Message: c.name + " failed", Hint: "the server's log says more under request id " + c.requestID}
	if c.host.dev {
		e.Message += ": " + text
		if stack != "" {
			e.Hint = stack
		}
	}
	return e
}

// asVisible is the part of an error that callers may see, nil when there is none.
func asVisible(err error) *store.Error {
	var e *store.Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// visible is an error as the app's code may see it. What is the server's own business
// is logged and becomes INTERNAL.
func (h *Host) visible(ctx context.Context, function, requestID string, err error) *store.Error {
	if e := asVisible(err); e != nil {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return store.Errorf(store.Unavailable, "ABORTED", "it was given up")
	}
	h.log.ErrorContext(ctx, "internal error", "function", function, "request_id", requestID, "error", err)
	return &store.Error{Code: "INTERNAL", Message: "something went wrong on the server", Hint: "the server's log says more under request id " + requestID}
}
