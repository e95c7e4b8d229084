package auditlog

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// Validate checks the config and resolves what it takes from the environment.
func (p *Plugin) Validate(c *plugin.Check) {
	p.validateKeys(c)
	p.validateEntities(c)
	p.validateTimes(c)
	for i := range p.config.Anchors {
		p.validateAnchor(c, &p.config.Anchors[i])
	}
	p.validateExport(c)
}

func (p *Plugin) validateKeys(c *plugin.Check) {
	cfg, at := &p.config, c.Config.At("signing_key_env")
	for i, env := range cfg.SigningKeyEnv {
		value := c.Getenv(env)
		if value == "" {
			c.Problems.Add(at.Problem("MISSING_ENV", "the environment variable %s is not set or empty", env))
			continue
		}
		k, err := newKey([]byte(value))
		if err != nil {
			c.Problems.Add(at.Problem("INVALID_KEY", "the environment variable %s: %s", env, err))
			continue
		}
		if slices.ContainsFunc(p.keys, func(other *key) bool { return other.kid == k.kid }) {
			c.Problems.Add(at.Problem("INVALID_KEY", "the environment variable %s holds the same key as one before it", cfg.SigningKeyEnv[i]))
			continue
		}
		p.keys = append(p.keys, k)
	}
	if len(cfg.SigningKeyEnv) > 0 {
		return
	}
	if cfg.SignEntries {
		c.Problems.Add(c.Config.At("sign_entries").Problem("MISSING_KEY", "sign_entries needs signing_key_env"))
	}
	if len(cfg.HashFields.list) > 0 || cfg.HashFields.all {
		c.Problems.Add(c.Config.At("hash_fields").Problem("MISSING_KEY", "hash_fields needs signing_key_env"))
	}
}

// validateEntities makes the recorders.
func (p *Plugin) validateEntities(c *plugin.Check) {
	cfg := &p.config
	var known []string
	for _, e := range c.Schema.Entities {
		known = append(known, e.Name)
	}
	wanted := cfg.Entities.list
	if cfg.Entities.all {
		wanted = known
	} else if len(wanted) == 0 {
		c.Problems.Add(c.Config.At("entities").Problem("INVALID_VALUE", `the list is empty: name entities, or say "*" for all of them`))
	}
	p.recorders = map[string]*recorder{}
	for i, entity := range wanted {
		e := c.Schema.Entity(entity)
		if e == nil {
			c.Problems.Add(c.Config.At("entities", i).Problem("UNKNOWN_ENTITY", "no entity %q", entity).WithNearest(entity, known))
			continue
		}
		if p.recorders[entity] != nil {
			c.Problems.Add(c.Config.At("entities", i).Problem("DUPLICATE_ENTITY", "%s is there twice", entity))
			continue
		}
		all := cfg.IncludeFields.all || cfg.IncludeFields.list == nil
		r := newRecorder(e, all)
		if len(p.keys) > 0 {
			r.key = p.keys[0]
		}
		p.recorders[entity] = r
	}
	if len(p.recorders) == 0 {
		return
	}
	for _, l := range []struct {
		key   string
		names names
		mode  mode
	}{ // what comes later wins
		{"include_fields", cfg.IncludeFields, plain},
		{"hash_fields", cfg.HashFields, hashed},
		{"mask_fields", cfg.MaskFields, masked},
		{"exclude_fields", cfg.ExcludeFields, skip},
	} {
		if l.names.all && l.mode != plain {
			for _, r := range p.recorders {
				for _, one := range r.rules {
					one.set(nil, l.mode)
				}
			}
		}
		for i, field := range l.names.list {
			p.validateField(c.Config.At(l.key, i), c.Problems, field, l.mode, l.key == "include_fields")
		}
	}
}

// validateField applies what a list says of one field.
func (p *Plugin) validateField(at manifest.Node, problems *manifest.Problems, field string, m mode, include bool) {
	steps := strings.Split(field, ".")
	recorders := p.recorders
	if r := p.recorders[steps[0]]; r != nil && len(steps) > 1 {
		recorders, steps = map[string]*recorder{steps[0]: r}, steps[1:]
	}
	if slices.Contains(steps, "") {
		problems.Add(at.Problem("INVALID_VALUE", "%q is not a field: write name, Entity.name or Entity.name.key", field))
		return
	}
	found, hidden, flat := false, false, false
	var candidates []string
	for _, r := range recorders {
		candidates = append(candidates, r.entity.FieldNames()...)
		i, ok := r.entity.Lookup(steps[0])
		if !ok || i == store.FieldIDIndex {
			continue
		}
		f := &r.entity.Fields[i]
		if f.ServerOnly {
			hidden = true
			continue
		}
		if len(steps) > 1 && f.Type != store.TypeJSON {
			flat = true
			continue
		}
		found = true
		if include {
			r.rules[i].include(steps[1:])
		} else {
			r.rules[i].set(steps[1:], m)
		}
	}
	switch {
	case found:
	case steps[0] == "id":
		problems.Add(at.Problem("INVALID_VALUE", "the id of a row is always recorded"))
	case hidden && m == skip: // said twice
	case hidden:
		problems.Add(at.Problem("INVALID_VALUE", "%s is serverOnly and never recorded", field))
	case flat:
		problems.Add(at.Problem("INVALID_VALUE", "%s is not a json field, there is nothing in it", steps[0]))
	default:
		slices.Sort(candidates)
		problems.Add(at.Problem("UNKNOWN_FIELD", "no recorded entity has a field %q", steps[0]).WithNearest(steps[0], slices.Compact(candidates)))
	}
}

func (p *Plugin) validateTimes(c *plugin.Check) {
	cfg := &p.config
	within := func(key string, value, low, high int, zero bool) {
		if value == 0 && zero {
			return
		}
		if value < low || value > high {
			c.Problems.Add(c.Config.At(key).Problem("INVALID_VALUE", "must be %d to %d", low, high))
		}
	}
	within("anchor_secs", cfg.AnchorSecs, 1, 3600, false)
	within("max_seal_lag_secs", cfg.MaxSealLagSecs, 2, 86400, false)
	within("verify_secs", cfg.VerifySecs, 1, 604800, true)
	within("retention_days", cfg.RetentionDays, 1, 36500, true)
	if !slices.Contains(lagReactions, cfg.OnSealLag) {
		c.Problems.Add(c.Config.At("on_seal_lag").Problem("INVALID_VALUE", `must be "warn" or "block"`).WithNearest(cfg.OnSealLag, lagReactions))
	}
	if cfg.AlertURL != "" {
		c.Address(c.Config.At("alert_url"), cfg.AlertURL)
	}
}

var lagReactions = []string{"warn", "block"}

var anchorTypes = []string{"file", "http", "log", "s3"}

func (p *Plugin) validateAnchor(c *plugin.Check, a *Anchor) {
	needs := map[string]string{"file": "path", "http": "url", "s3": "s3"}
	given := map[string]bool{"path": a.Path != "", "url": a.URL != "", "s3": a.S3 != nil, "headers": a.Headers != nil}
	if !slices.Contains(anchorTypes, a.Type) {
		c.Problems.Add(a.Node.At("type").Problem("INVALID_VALUE", "no anchor %q: file, http, log or s3", a.Type).WithNearest(a.Type, anchorTypes))
		return
	}
	if need := needs[a.Type]; need != "" && !given[need] {
		c.Problems.Add(a.Node.Problem("MISSING_KEY", "an anchor of type %q needs the key %q", a.Type, need))
		return
	}
	for _, key := range []string{"path", "url", "headers", "s3"} {
		if given[key] && key != needs[a.Type] && !(key == "headers" && a.Type == "http") {
			c.Problems.Add(a.Node.At(key).Problem("INVALID_VALUE", "an anchor of type %q has no %s", a.Type, key))
		}
	}
	var one anchor
	switch a.Type {
	case "file":
		one = &fileAnchor{path: a.Path}
	case "log":
		one = &logAnchor{}
	case "http":
		c.Address(a.Node.At("url"), a.URL)
		one = &httpAnchor{url: a.URL, headers: expandHeaders(c, a)}
	case "s3":
		one = &bucketAnchor{bucket: p.validateBucket(c, a.S3)}
	}
	p.anchors = append(p.anchors, one)
}

// expandHeaders fills in what the headers of an anchor take from the environment.
func expandHeaders(c *plugin.Check, a *Anchor) http.Header {
	headers := http.Header{}
	for header, value := range a.Headers {
		at := a.Node.At("headers", header)
		value, missing := plugin.ExpandEnv(value, c.Getenv)
		if missing != "" {
			c.Problems.Add(at.Problem("MISSING_ENV", "the environment variable %s is not set or empty", missing))
		}
		if !httpguts.ValidHeaderFieldName(header) || !httpguts.ValidHeaderFieldValue(value) {
			c.Problems.Add(at.Problem("INVALID_HEADER", "not a header"))
			continue
		}
		headers.Set(header, value)
	}
	return headers
}

var exportTypes = []string{"dir", "s3"}

func (p *Plugin) validateExport(c *plugin.Check) {
	x := p.config.Export
	if x == nil {
		return
	}
	if x.EverySecs == 0 && x.Node.Get("every_secs").IsZero() {
		x.EverySecs = defaultExportSecs
	}
	if x.EverySecs < 10 || x.EverySecs > 604800 {
		c.Problems.Add(x.Node.At("every_secs").Problem("INVALID_VALUE", "must be 10 to 604800"))
	}
	switch {
	case !slices.Contains(exportTypes, x.Type):
		c.Problems.Add(x.Node.At("type").Problem("INVALID_VALUE", "no export %q: dir or s3", x.Type).WithNearest(x.Type, exportTypes))
	case x.Type == "dir" && (x.Path == "" || x.S3 != nil):
		c.Problems.Add(x.Node.Problem("MISSING_KEY", `an export of type "dir" needs the key "path", and no "s3"`))
	case x.Type == "dir":
		p.exportTo = &folder{filepath.Clean(x.Path)}
	case x.S3 == nil || x.Path != "":
		c.Problems.Add(x.Node.Problem("MISSING_KEY", `an export of type "s3" needs the key "s3", and no "path"`))
	default:
		p.exportTo = &bucketSink{bucket: p.validateBucket(c, x.S3)}
	}
}
