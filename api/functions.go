package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/pylon-go/pylon/function"
	"github.com/pylon-go/pylon/store"
)

func (s *Server) functionRoutes(public, admin func(pattern string, h handler)) {
	if s.cfg.Functions == nil {
		return
	}
	public("POST /api/fn/{name...}", s.callFunction)
	admin("GET /api/fn", s.listFunctions)
	admin("GET /api/fn/traces", s.functionTraces)
	public("/api/webhooks/{name...}", s.webhookFunction)
}

// callFunction runs a function with the body as its arguments.
func (s *Server) callFunction(w http.ResponseWriter, r *http.Request) error {
	body, release, err := readBody(r)
	if err != nil {
		return err
	}
	defer release()
	return s.runFunction(w, r, function.Request{Name: r.PathValue("name"), Args: body})
}

func (s *Server) runFunction(w http.ResponseWriter, r *http.Request, call function.Request) error {
	if !strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		result, err := s.cfg.Functions.Call(r.Context(), call)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, result)
		return nil
	}
	stream := &eventStream{w: w, flush: http.NewResponseController(w).Flush}
	call.Stream = stream
	result, err := s.cfg.Functions.Call(r.Context(), call)
	if err != nil {
		if !stream.begun { // nothing is sent yet, so the status can say it
			return err
		}
		e, _ := s.visible(r, answerID(w), err)
		return stream.last("error", string(appendErrorObject(nil, e)))
	}
	return stream.last("result", string(result))
}

// eventStream sends server-sent events (HTML Living Standard, 9.2).
type eventStream struct {
	w     http.ResponseWriter
	flush func() error
	begun bool
}

// Event implements [function.Stream].
func (s *eventStream) Event(event, data string) error {
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", "text/event-stream")
		s.w.WriteHeader(http.StatusOK)
	}
	var b strings.Builder
	if event != "message" {
		b.WriteString("event: " + event + "\n")
	}
	for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data), "\n") {
		b.WriteString("data: " + line + "\n")
	}
	b.WriteByte('\n')
	if _, err := s.w.Write([]byte(b.String())); err != nil {
		return fmt.Errorf("the client is gone: %w", err)
	}
	return s.flush()
}

// last sends the final event. The call is over, whether or not somebody still listens.
func (s *eventStream) last(event, data string) error {
	_ = s.Event(event, data) //nolint:errcheck // see above
	return nil
}

func (s *Server) listFunctions(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, struct {
		Functions []function.Info `json:"functions"`
	}{s.cfg.Functions.List()})
}

func (s *Server) functionTraces(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, struct {
		Traces []*function.Trace `json:"traces"`
	}{s.cfg.Functions.Traces()})
}

// webhookFunction hands a request of any method to the action of that name, as it
// came: for senders that sign what they send. The action must be public, since such
// senders do not sign in; it checks their signature.
func (s *Server) webhookFunction(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	info, ok := s.cfg.Functions.Find(name)
	if !ok && r.Method == http.MethodGet { // more likely a question to a plugin that is not there
		return store.Errorf(store.NotFound, "NOT_FOUND", "no route %s %s", r.Method, r.URL.Path)
	}
	switch {
	case !ok || info.Auth == function.AuthInternal:
		return store.Errorf(store.NotFound, "FN_NOT_FOUND", "no function %q", name)
	case info.Type != function.Action:
		return store.Errorf(store.Invalid, "NOT_AN_ACTION", "%s is not an action", name)
	}
	raw, release, err := readBody(r)
	if err != nil {
		return err
	}
	defer release()
	body := append([]byte(nil), raw...)
	head := &function.HTTPRequest{Method: r.Method, Path: r.URL.Path, Query: map[string]string{}, Headers: map[string]string{}}
	for key, values := range r.URL.Query() {
		head.Query[key] = values[len(values)-1]
	}
	for key, values := range r.Header {
		head.Headers[strings.ToLower(key)] = strings.Join(values, ", ")
	}
	head.Headers["host"] = r.Host
	args := append(store.AppendJSONString([]byte(`{"rawBody":`), string(body)), '}')
	return s.runFunction(w, r, function.Request{Name: name, Args: args, HTTP: head, Body: body})
}
