package policy

import (
	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/store"
)

// ruleKeys are the keys that hold an action's rule, in order of preference.
var ruleKeys = [actions][]string{
	read:   {"allowRead", "allow"},
	insert: {"allowInsert", "allowWrite", "allow"},
	update: {"allowUpdate", "allowWrite", "allow"},
	del:    {"allowDelete", "allowWrite", "allow"},
}

// keyNames are all of them, in the order in which mistakes are reported.
var keyNames = []string{"allow", "allowRead", "allowWrite", "allowInsert", "allowUpdate", "allowDelete"}

func expressions(p *manifest.Policy) map[string]string {
	return map[string]string{
		"allow": p.Allow, "allowRead": p.AllowRead, "allowWrite": p.AllowWrite,
		"allowInsert": p.AllowInsert, "allowUpdate": p.AllowUpdate, "allowDelete": p.AllowDelete,
	}
}

// Compile compiles the policies of an app for its schema, which holds the
// plugins' entities too. The error lists every mistake, each with its place in
// the manifest. Policies about functions only are passed over.
func Compile(m *manifest.Manifest, schema *store.Schema) (*Policies, error) {
	c := &compiler{
		manifest: m,
		schema:   schema,
		out:      &Policies{entities: map[string]*[actions][]*rule{}, uses: map[string]bool{}},
	}
	for i := range m.Policies {
		c.policy(i)
	}
	if err := c.problems.Err(); err != nil {
		return nil, err
	}
	return c.out, nil
}

type compiler struct {
	manifest *manifest.Manifest
	schema   *store.Schema
	out      *Policies
	problems manifest.Problems
}

func (c *compiler) policy(i int) {
	p := &c.manifest.Policies[i]
	node := c.manifest.Root.At("policies", i)
	if p.Entity == "" {
		if p.Action == "" {
			c.problems.Add(node.Problem("POLICY_WITHOUT_ENTITY", "policy %s names no entity", quoted(p.Name, i)))
		}
		return
	}
	e := c.schema.Entity(p.Entity)
	if e == nil {
		var names []string
		for _, e := range c.schema.Entities {
			names = append(names, e.Name)
		}
		c.problems.Add(node.At("entity").Problem("UNKNOWN_ENTITY", "policy %s is about %q, which is no entity", quoted(p.Name, i), p.Entity).
			WithNearest(p.Entity, names))
		return
	}
	text := expressions(p)
	rules := c.out.entities[e.Name]
	if rules == nil {
		rules = new([actions][]*rule)
		c.out.entities[e.Name] = rules
	}
	used, failed := map[string]bool{}, map[string]bool{}
	for a := range actions {
		for _, key := range ruleKeys[a] {
			if text[key] == "" {
				continue
			}
			used[key] = true
			if r := c.rule(i, key, text[key], e, a, failed); r != nil {
				rules[a] = append(rules[a], r)
			}
			break
		}
	}
	for _, key := range keyNames { // a rule that others replace everywhere is still checked
		if text[key] != "" && !used[key] {
			c.rule(i, key, text[key], e, del, failed)
		}
	}
	if len(used) == 0 {
		c.problems.Add(node.Problem("EMPTY_POLICY", "policy %s allows nothing", quoted(p.Name, i)))
	}
}

// rule compiles one expression and reports its mistake, once for all the actions
// it stands for.
func (c *compiler) rule(i int, key, expression string, e *store.Entity, a action, failed map[string]bool) *rule {
	r, err := newRule(expression, e, a, c.out.uses)
	if err == nil {
		r.policy = quoted(c.manifest.Policies[i].Name, i)
		return r
	}
	if !failed[key] {
		failed[key] = true
		problem := c.manifest.Root.At("policies", i, key).
			Problem("INVALID_POLICY", "%s, at character %d of %s", err.message, err.at+1, key)
		if err.name != "" {
			problem = problem.WithNearest(err.name, err.candidates)
		}
		c.problems.Add(problem)
	}
	return nil
}
