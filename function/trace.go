package function

import (
	"log/slog"
	"sync"
	"time"

	"github.com/pylon-go/pylon/store"
)

// Trace is what happened in one call, for administrators.
type Trace struct {
	RequestID  string     `json:"request_id"`
	Function   string     `json:"function"`
	Type       Type       `json:"type"`
	Actor      string     `json:"actor"`
	UserID     string     `json:"user_id,omitempty"`
	StartedAt  time.Time  `json:"started_at"`
	DurationMS float64    `json:"duration_ms"`
	OK         bool       `json:"ok"`
	Code       string     `json:"code,omitempty"`
	Message    string     `json:"message,omitempty"`
	Operations int        `json:"operations"`
	Logs       []LogEntry `json:"logs,omitempty"`
}

// LogEntry is a line that the handler wrote to its console.
type LogEntry struct {
	Level string `json:"level"`
	Text  string `json:"text"`
}

// Bounds of what is kept in memory.
const (
	keepTraces  = 200
	keepLogs    = 50
	keepLogText = 1024
)

// traces are the last calls.
type traces struct {
	mu   sync.Mutex
	ring [keepTraces]*Trace
	next int
}

func (ts *traces) begin(now time.Time, f *Info, a *store.Actor) *Trace {
	return &Trace{RequestID: a.RequestID, Function: f.Name, Type: f.Type, Actor: string(a.Type), UserID: a.UserID(), StartedAt: now}
}

func (ts *traces) end(t *Trace, now time.Time, err error) {
	t.DurationMS = float64(now.Sub(t.StartedAt).Microseconds()) / 1000
	t.OK = err == nil
	if err != nil {
		t.Code, t.Message = "INTERNAL", "see the log"
		if e := asVisible(err); e != nil {
			t.Code, t.Message = e.Code, e.Message
		}
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.ring[ts.next%keepTraces] = t
	ts.next++
}

// log keeps a line. The call's goroutine alone calls it, before end.
func (t *Trace) log(level slog.Level, text string) {
	if len(t.Logs) < keepLogs {
		t.Logs = append(t.Logs, LogEntry{level.String(), text[:min(len(text), keepLogText)]})
	}
}

// Traces are the last calls, the newest first.
func (h *Host) Traces() []*Trace {
	h.traces.mu.Lock()
	defer h.traces.mu.Unlock()
	list := make([]*Trace, 0, keepTraces)
	for i := 1; i <= min(h.traces.next, keepTraces); i++ {
		list = append(list, h.traces.ring[(h.traces.next-i)%keepTraces])
	}
	return list
}
