package webhooks

import (
	"fmt"
	"sync"
	"time"

	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// A hook whose receiver fails again and again is probed with one request at a
// time, at growing intervals; what waits for it is not tried, and so uses up none
// of its attempts. The first success lets everything go.
const (
	// breakAfter consecutive failures, one attempt at a time is made.
	breakAfter = 10
	// The first pause between probes, and the longest.
	minProbe = 5 * time.Second
	maxProbe = time.Minute
	// maxThrottle bounds how long a Retry-After holds back the whole hook.
	maxThrottle = time.Hour
	// disableAfter failing for so long without a success, the hook is disabled.
	disableAfter = 5 * 24 * time.Hour
	// undecided is how long a decision may take to the database.
	undecided = time.Minute
)

// health is how a hook's receiver does, as this process sees it, and what was
// decided about the hook, as the database has it.
type health struct {
	mu       sync.Mutex
	failures int           // in a row
	since    time.Time     // the first of them
	open     bool          // one attempt at a time
	probe    time.Duration // pause before the next probe
	until    time.Time     // no attempt before this time
	saved    bool          // since is in the database

	decision
}

// decision is what the administrator or the receiver wants of a hook. It stays
// until the hook is resumed.
type decision struct {
	paused   time.Time // by the administrator; zero: not
	disabled time.Time // by its receiver or for failing; zero: not
	reason   string    // why it is disabled
}

func (d decision) held() bool { return !d.paused.IsZero() || !d.disabled.IsZero() }

// state is one word for it.
func (h *health) state() string {
	switch {
	case !h.disabled.IsZero():
		return "disabled"
	case !h.paused.IsZero():
		return "paused"
	case h.open:
		return "failing"
	}
	return "active"
}

// steer tells the queue what the hook's health means for its lane. h.health.mu is held.
func (p *Plugin) steer(h *hook) {
	limit := 0
	if h.health.open {
		limit = 1
	}
	until := h.health.until
	if h.health.held() {
		until = queue.Forever
	}
	p.queue.Limit(name, h.name, limit)
	p.queue.Pause(name, h.name, until)
}

// worked notes a success; the answer, when not nil, belongs into the transaction
// that records it.
func (p *Plugin) worked(h *hook) func(*store.Tx) error {
	s := &h.health
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures == 0 && !s.saved {
		return nil
	}
	open, saved := s.open, s.saved
	s.failures, s.since, s.open, s.probe, s.saved = 0, time.Time{}, false, 0, false
	if open { // otherwise a pause is what the receiver asked for, which this attempt did not know of
		s.until = time.Time{}
		p.steer(h)
		p.log.Info("a webhook's receiver works again", "hook", h.name)
	}
	if !saved {
		return nil
	}
	return func(tx *store.Tx) error { return saveSince(tx, h.name, time.Time{}) }
}

// failed notes a failure. wait is what the receiver asked for.
func (p *Plugin) failed(h *hook, a *attempt, wait time.Duration) func(*store.Tx) error {
	now := p.clock.Now()
	s := &h.health
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures++; s.since.IsZero() {
		s.since = a.at
	}
	if s.open && now.Before(s.until) {
		return nil // it was under way when the others failed
	}
	pause := min(wait, maxThrottle)
	if s.failures >= breakAfter || s.open {
		if now.Sub(s.since) >= disableAfter {
			return p.disable(h, now, fmt.Sprintf("every attempt failed since %s, the last one: %s", store.FormatTime(s.since), bounded(a.Error(), maxLogError)))
		}
		if !s.open {
			p.log.Warn("a webhook's receiver fails; it is probed until it works again", "hook", h.name, "failures", s.failures, "error", a.Error())
		}
		s.open, s.probe = true, max(minProbe, min(2*s.probe, maxProbe))
		pause = max(pause, s.probe)
	}
	if pause == 0 {
		return nil
	}
	if until := now.Add(pause); until.After(s.until) {
		s.until = until
	}
	p.steer(h)
	if !s.open || s.saved {
		return nil
	}
	s.saved = true
	since := s.since
	return func(tx *store.Tx) error { return saveSince(tx, h.name, since) }
}

// disabledByReceiver notes that a receiver wants no more of a hook.
func (p *Plugin) disabledByReceiver(h *hook, a *attempt) func(*store.Tx) error {
	reason := fmt.Sprintf("the receiver answered %d", a.status)
	if control := a.header.Get(headerControl); control == "disable" {
		reason += " with webhook-delivery: disable"
	}
	h.health.mu.Lock()
	defer h.health.mu.Unlock()
	return p.disable(h, p.clock.Now(), reason)
}

// disable keeps a hook from being worked on until it is resumed. h.health.mu is held.
func (p *Plugin) disable(h *hook, now time.Time, reason string) func(*store.Tx) error {
	s := &h.health
	if !s.disabled.IsZero() {
		return nil
	}
	s.disabled, s.reason = now, reason
	p.steer(h)
	p.log.Error("a webhook is disabled; its deliveries wait until it is resumed", "hook", h.name, "reason", reason)
	return func(tx *store.Tx) error { return saveDisabled(tx, h.name, now, reason) }
}

// adopt takes over what the database says about a hook. A hook that is resumed
// starts afresh.
func (p *Plugin) adopt(h *hook, saved savedHook, resumed bool) {
	s := &h.health
	s.mu.Lock()
	defer s.mu.Unlock()
	if !resumed && !saved.held() && !s.disabled.IsZero() && p.clock.Since(s.disabled) < undecided {
		return // what was decided here a moment ago is still on its way to the database
	}
	if resumed = resumed || s.held() && !saved.held(); !resumed && s.decision == saved.decision {
		return
	}
	if s.decision = saved.decision; resumed {
		s.failures, s.since, s.open, s.probe, s.until, s.saved = 0, time.Time{}, false, 0, time.Time{}, false
	}
	p.steer(h)
}
