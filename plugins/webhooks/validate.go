package webhooks

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/policy"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// Validate checks the hooks and resolves what they take from the environment.
func (p *Plugin) Validate(c *plugin.Check) {
	if days := p.config.RetentionDays; days < 0 || days > 36500 {
		c.Problems.Add(c.Config.At("retention_days").Problem("INVALID_VALUE", "must be 0 (for ever) to 36500 days"))
	}
	names := map[string]bool{}
	for i := range p.config.Hooks {
		if h := p.compile(c, &p.config.Hooks[i]); h != nil {
			if names[h.name] {
				c.Problems.Add(p.config.Hooks[i].Node.Problem("DUPLICATE_HOOK", "two hooks are called %q: give one of them another name", h.name))
			}
			names[h.name] = true
			p.hooks = append(p.hooks, h)
		}
	}
}

// compile turns a declared hook into one that can work, or reports what is wrong with it.
func (p *Plugin) compile(c *plugin.Check, d *Hook) *hook {
	ok := true
	wrong := func(key, code, format string, args ...any) {
		ok = false
		c.Problems.Add(d.Node.At(key).Problem(code, format, args...))
	}
	h := &hook{entity: d.Entity, events: map[store.Op]bool{}, headers: http.Header{}, secretHeaders: map[string]bool{}}
	entity := c.Schema.Entity(d.Entity)
	if entity == nil {
		var names []string
		for _, e := range c.Schema.Entities {
			names = append(names, e.Name)
		}
		ok = false
		c.Problems.Add(d.Node.At("entity").Problem("UNKNOWN_ENTITY", "no entity %q", d.Entity).WithNearest(d.Entity, names))
	}

	events := d.Events
	if d.Event != "" {
		if d.Events != nil {
			wrong("event", "INVALID_VALUE", "give either event or events")
		}
		events = []string{d.Event}
	}
	if events == nil {
		events = allEvents
	}
	if len(events) == 0 {
		wrong("events", "INVALID_VALUE", "no event is left: leave events out for all of them")
	}
	for _, e := range events {
		if !slices.Contains(allEvents, e) {
			ok = false
			key := "events"
			if d.Event != "" {
				key = "event"
			}
			c.Problems.Add(d.Node.At(key).Problem("UNKNOWN_EVENT", "unknown event %q", e).WithNearest(e, allEvents))
			continue
		}
		h.events[store.Op(e)] = true
	}

	if ok {
		h.onlyChanged = d.OnlyChanged
		ok = p.conditions(c, d, h, entity)
	}
	switch h.ordered = d.Ordered; {
	case d.Ordered != "" && !slices.Contains(orders, d.Ordered):
		ok = false
		c.Problems.Add(d.Node.At("ordered").Problem("INVALID_VALUE", `must be "row" or "hook"`).WithNearest(d.Ordered, orders))
	}

	if h.url = c.Address(d.Node.At("url"), d.URL); h.url == nil {
		ok = false
	}

	for _, name := range d.SecretEnv {
		value := c.Getenv(name)
		if value == "" {
			wrong("secret_env", "MISSING_ENV", "the environment variable %s is not set or empty", name)
			continue
		}
		secret, err := ParseSecret(value)
		if err == nil && !secret.CanSign() {
			err = errors.New("a public key (whpk_) cannot sign; use the private one (whsk_)")
		}
		if err != nil {
			wrong("secret_env", "INVALID_SECRET", "the environment variable %s: %s", name, err)
			continue
		}
		h.secrets = append(h.secrets, secret)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		value, missing := plugin.ExpandEnv(d.Headers[name], c.Getenv)
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case missing != "":
			wrong("headers", "MISSING_ENV", "%s: the environment variable %s is not set or empty", name, missing)
		case !httpguts.ValidHeaderFieldName(name):
			wrong("headers", "INVALID_HEADER", "%q is not a header name", name)
		case !httpguts.ValidHeaderFieldValue(value):
			wrong("headers", "INVALID_HEADER", "the value of %s holds characters a header may not have", name)
		case reserved[canonical] || strings.HasPrefix(canonical, "X-Pylon-") || strings.HasPrefix(canonical, "Webhook-"):
			wrong("headers", "RESERVED_HEADER", "%s is set by Pylon", name)
		case h.headers[canonical] != nil:
			wrong("headers", "INVALID_HEADER", "%s is there twice", name)
		default:
			h.headers[canonical] = []string{value}
			h.secretHeaders[canonical] = value != d.Headers[name]
		}
	}

	h.retry = queue.Backoff{Base: defaultBackoff, Max: maxBackoff, Jitter: 0.2, MaxAttempts: defaultAttempts}
	if n := d.Retry.MaxAttempts; n != 0 || present(d, "max_attempts") {
		if h.retry.MaxAttempts = n; n < 1 || n > 100 {
			wrong("retry", "INVALID_VALUE", "max_attempts must be 1 to 100")
		}
	}
	if n := d.Retry.BackoffSecs; n != 0 || present(d, "backoff_secs") {
		if h.retry.Base = time.Duration(n) * time.Second; n < 1 || n > 86400 {
			wrong("retry", "INVALID_VALUE", "backoff_secs must be 1 to 86400")
		}
	}
	if h.name = d.Name; h.name == "" {
		h.name = defaultName(d)
	} else if !nameForm.MatchString(d.Name) {
		wrong("name", "INVALID_VALUE", "a name has 1 to 64 letters, digits, dots, dashes and underscores")
	}
	if !ok {
		return nil
	}
	h.labels = newHookLabels(h.name)
	var err error
	if h.template, err = http.NewRequest(http.MethodPost, h.url.String(), nil); err != nil {
		wrong("url", "INVALID_URL", "not an address")
		return nil
	}
	return h
}

// conditions checks when a hook fires beside its events.
func (p *Plugin) conditions(c *plugin.Check, d *Hook, h *hook, e *store.Entity) (ok bool) {
	ok = true
	if d.Fields != nil && len(d.Fields) == 0 {
		ok = false
		c.Problems.Add(d.Node.At("fields").Problem("INVALID_VALUE", "the list is empty: leave fields out to send every update"))
	}
	for i, name := range d.Fields {
		field, known := e.Lookup(name)
		if !known || field == store.FieldIDIndex {
			ok = false
			c.Problems.Add(d.Node.At("fields", i).Problem("UNKNOWN_FIELD", "%s has no field %q that could change", e.Name, name).WithNearest(name, e.FieldNames()))
			continue
		}
		h.fields = append(h.fields, field)
	}
	if (d.Fields != nil || d.OnlyChanged) && !h.events[store.Update] {
		ok = false
		c.Problems.Add(d.Node.Problem("INVALID_VALUE", "fields and only_changed are about updates, which this hook does not send"))
	}
	if d.When != "" {
		when, problem := policy.CompileCondition(d.When, e, d.Node.At("when"))
		if problem != nil {
			ok = false
			c.Problems.Add(problem)
		}
		h.when = when
	}
	return ok
}

var (
	orders    = []string{orderRow, orderHook}
	allEvents = []string{string(store.Insert), string(store.Update), string(store.Delete)}
	nameForm  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	// reserved headers frame the message or are ours.
	reserved = map[string]bool{"Host": true, "Content-Length": true, "Transfer-Encoding": true, "Connection": true,
		"Content-Type": true, "Trailer": true, "Upgrade": true, "Te": true, "Expect": true, "Traceparent": true}
)

// defaultName stays the same as long as the hook means the same, so that what
// waits for it survives a restart and a reordering of the manifest.
func defaultName(d *Hook) string {
	sum := sha256.Sum256([]byte(d.Entity + "\x00" + d.URL + "\x00" + d.Event + "\x00" + strings.Join(d.Events, ",")))
	return d.Entity + "." + hex.EncodeToString(sum[:4])
}

func present(d *Hook, key string) bool { return !d.Node.Get("retry").Get(key).IsZero() }
