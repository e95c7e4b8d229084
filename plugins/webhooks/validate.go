package webhooks

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// hook is a declared hook, checked and with its secrets filled in.
type hook struct {
	name    string
	entity  string
	events  map[store.Op]bool
	url     string
	secret  []byte // nil: not signed
	headers http.Header
	max     int
	backoff time.Duration
}

const (
	defaultAttempts = 15
	defaultBackoff  = 10 * time.Second
	maxBackoff      = 24 * time.Hour
)

// Validate checks the hooks and resolves what they take from the environment.
func (p *Plugin) Validate(c *plugin.Check) {
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
	h := &hook{entity: d.Entity, url: d.URL, events: map[store.Op]bool{}, headers: http.Header{}}
	if c.Schema.Entity(d.Entity) == nil {
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

	u, err := url.Parse(d.URL)
	switch {
	case err != nil:
		wrong("url", "INVALID_URL", "not an address")
	case u.Scheme != "http" && u.Scheme != "https":
		wrong("url", "INVALID_URL", "must begin with https:// or http://")
	case u.Hostname() == "":
		wrong("url", "INVALID_URL", "has no host")
	case u.User != nil:
		wrong("url", "INVALID_URL", "must not hold a user name or password: put them into headers, from the environment")
	case u.Fragment != "":
		wrong("url", "INVALID_URL", "must not have a #fragment: it is never sent")
	}

	if d.SecretEnv != "" {
		secret := c.Getenv(d.SecretEnv)
		if secret == "" {
			wrong("secret_env", "MISSING_ENV", "the environment variable %s is not set or empty", d.SecretEnv)
		}
		h.secret = []byte(secret)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		value, missing := expand(d.Headers[name], c.Getenv)
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
		}
	}

	h.max, h.backoff = defaultAttempts, defaultBackoff
	if n := d.Retry.MaxAttempts; n != 0 || present(d, "max_attempts") {
		if h.max = n; n < 1 || n > 100 {
			wrong("retry", "INVALID_VALUE", "max_attempts must be 1 to 100")
		}
	}
	if n := d.Retry.BackoffSecs; n != 0 || present(d, "backoff_secs") {
		if h.backoff = time.Duration(n) * time.Second; n < 1 || n > 86400 {
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
	return h
}

var (
	allEvents = []string{string(store.Insert), string(store.Update), string(store.Delete)}
	nameForm  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
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

// expand replaces ${NAME}; missing names the first variable that is not set.
func expand(value string, getenv func(string) string) (out, missing string) {
	out = reference.ReplaceAllStringFunc(value, func(ref string) string {
		name := ref[2 : len(ref)-1]
		v := getenv(name)
		if v == "" && missing == "" {
			missing = name
		}
		return v
	})
	return out, missing
}
