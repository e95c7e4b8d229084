package manifest

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adhocore/gronx"
)

// identifier is the form of the names of entities, fields and indexes. They
// become names in the database, where PostgreSQL takes 63 bytes.
var identifier = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

const maxIdentifier = 63

// fieldTypes are the types a field may have, beside id(Entity).
var fieldTypes = []string{"string", "int", "float", "bool", "datetime", "richtext", "json"}

var idType = regexp.MustCompile(`^id\(\s*([A-Za-z][A-Za-z0-9_]*)\s*\)$`)

// ParseType reads a field's type. ref is the entity an id points to.
func ParseType(s string) (kind, ref string, ok bool) {
	if m := idType.FindStringSubmatch(s); m != nil {
		return "id", m[1], true
	}
	return s, "", slices.Contains(fieldTypes, s)
}

// Entity finds a declared entity by its exact name, nil when there is none.
func (m *Manifest) Entity(name string) *Entity {
	for i := range m.Entities {
		if m.Entities[i].Name == name {
			return &m.Entities[i]
		}
	}
	return nil
}

// UserEntity is the entity that holds people: auth.user.entity, or User where the
// app declares one; "" when there is none.
func (m *Manifest) UserEntity() string {
	if m.Auth != nil && m.Auth.User != nil && m.Auth.User.Entity != "" {
		return m.Auth.User.Entity
	}
	if m.Entity("User") != nil {
		return "User"
	}
	return ""
}

// checker holds a decoded manifest against the rules that types cannot express.
type checker struct {
	m        *Manifest
	problems *Problems
	entities []string
	indexes  map[string]bool // lower case, over the whole app
}

func (c *checker) wrong(n Node, code, format string, args ...any) *Problem {
	p := n.Problem(code, format, args...)
	c.problems.Add(p)
	return p
}

func validate(m *Manifest, problems *Problems) {
	c := &checker{m: m, problems: problems, indexes: map[string]bool{}}
	root := m.Root
	if n := root.Get("manifest_version"); n.Kind() == Number && m.ManifestVersion != 1 {
		c.wrong(n, "UNKNOWN_VERSION", "manifest_version must be 1")
	}
	if n := root.Get("name"); n.Kind() == String && strings.TrimSpace(m.Name) == "" {
		c.wrong(n, "INVALID_VALUE", "the app needs a name")
	}
	for i := range m.Entities {
		c.entities = append(c.entities, m.Entities[i].Name)
	}
	taken := map[string]bool{}
	for i := range m.Entities {
		n := root.At("entities", i)
		if c.name(n.Get("name"), m.Entities[i].Name, "an entity") {
			c.unique(n.Get("name"), taken, m.Entities[i].Name, "entity")
		}
		c.entity(n, &m.Entities[i])
	}
	for i := range m.Policies {
		c.policy(root.At("policies", i), &m.Policies[i])
	}
	plugins := map[string]bool{}
	for i, p := range m.Plugins {
		n := root.At("plugins", i, "name")
		if p.Name == "" && n.Kind() == String {
			c.wrong(n, "INVALID_VALUE", "the plugin needs a name")
		} else if plugins[p.Name] {
			c.wrong(n, "DUPLICATE_NAME", "the plugin %s is declared twice", p.Name)
		}
		plugins[p.Name] = true
	}
	for i, v := range m.RequiredEnv {
		if v == "" {
			c.wrong(root.At("requiredEnv", i), "INVALID_VALUE", "the name of an environment variable is empty")
		}
	}
	crons := map[string]bool{}
	for i := range m.Crons {
		c.cron(root.At("crons", i), &m.Crons[i], crons)
	}
	c.auth()
}

// cronShortcuts are the schedules with a name.
var cronShortcuts = []string{"@hourly", "@daily", "@weekly", "@monthly", "@yearly"}

func (c *checker) cron(n Node, cron *Cron, taken map[string]bool) {
	if cron.Name == "" {
		cron.Name = cron.Function
	}
	if n.Get("function").Kind() == String && cron.Function == "" {
		c.wrong(n.Get("function"), "INVALID_VALUE", "the function to call is empty")
	}
	if cron.Name != "" {
		if taken[cron.Name] {
			c.wrong(n, "DUPLICATE_NAME", "the cron %s is declared twice; give them names", cron.Name)
		}
		taken[cron.Name] = true
	}
	if s := n.Get("schedule"); s.Kind() == String {
		_, err := cron.Next(time.Unix(0, 0))
		if err != nil {
			c.problems.Add(s.Problem("INVALID_SCHEDULE", "%q is not a schedule: five fields like \"*/5 * * * *\" (minute, hour, day of month, month, day of week), or one of %s",
				cron.Schedule, strings.Join(cronShortcuts, " ")).WithNearest(cron.Schedule, cronShortcuts))
		}
	}
}

// Next is the first time after t that the schedule names.
func (c *Cron) Next(t time.Time) (time.Time, error) {
	fields := len(strings.Fields(c.Schedule))
	if fields != 5 && !slices.Contains(cronShortcuts, c.Schedule) {
		return t, fmt.Errorf("%q has %d fields, not 5", c.Schedule, fields)
	}
	if !gronx.IsValid(c.Schedule) {
		return t, fmt.Errorf("%q is not a schedule", c.Schedule)
	}
	return gronx.NextTickAfter(c.Schedule, t.UTC(), false)
}

// name checks the form of a name; a missing one is reported by the decoder.
func (c *checker) name(n Node, name, what string) bool {
	switch {
	case n.Kind() != String:
		return false
	case !identifier.MatchString(name):
		c.wrong(n, "INVALID_NAME", "%q is no name for %s: a letter, then letters, digits and underscores", name, what)
	case len(name) > maxIdentifier:
		c.wrong(n, "INVALID_NAME", "the name is longer than %d characters", maxIdentifier)
	case strings.HasPrefix(strings.ToLower(name), "sqlite_"), strings.HasPrefix(strings.ToLower(name), "pg_"):
		c.wrong(n, "INVALID_NAME", "names that begin with sqlite_ or pg_ belong to the database")
	default:
		return true
	}
	return false
}

// unique checks that a name is free; the database does not tell Order from order.
func (c *checker) unique(n Node, taken map[string]bool, name, what string) {
	if taken[strings.ToLower(name)] {
		c.wrong(n, "DUPLICATE_NAME", "the %s %s is declared twice (upper and lower case count as the same)", what, name)
	}
	taken[strings.ToLower(name)] = true
}

func (c *checker) entity(n Node, e *Entity) {
	if n.Get("fields").Kind() == Array && len(e.Fields) == 0 {
		c.wrong(n.Get("fields"), "INVALID_VALUE", "the entity %s needs a field", e.Name)
	}
	taken := map[string]bool{}
	for i := range e.Fields {
		c.field(n.At("fields", i), e, &e.Fields[i], taken)
	}
	for i := range e.Indexes {
		c.index(n.At("indexes", i), e, &e.Indexes[i])
	}
}

func (c *checker) field(n Node, e *Entity, f *Field, taken map[string]bool) {
	if nn := n.Get("name"); strings.EqualFold(f.Name, "id") {
		c.wrong(nn, "RESERVED_NAME", "every row has an id already")
	} else if c.name(nn, f.Name, "a field") {
		c.unique(nn, taken, f.Name, "field")
	}
	kind, ref, ok := ParseType(f.Type)
	if tn := n.Get("type"); tn.Kind() == String {
		if !ok {
			c.wrong(tn, "UNKNOWN_TYPE", "unknown type %q; types are %s and id(Entity)", f.Type, strings.Join(fieldTypes, ", ")).WithNearest(f.Type, fieldTypes)
		} else if kind == "id" && !slices.Contains(c.entities, ref) {
			c.wrong(tn, "UNKNOWN_ENTITY", "no entity %q", ref).WithNearest(ref, c.entities)
		}
	}
	if f.Unique {
		c.indexName(n.Get("unique"), e.Name+"_"+f.Name+"_unique")
		if kind == "json" {
			c.wrong(n.Get("unique"), "INVALID_VALUE", "a json field cannot be unique")
		}
	}
	if f.Encrypted {
		c.wrong(n.Get("encrypted"), "UNSUPPORTED", "single fields cannot be encrypted; this is refused rather than stored in the clear")
	}
	if en := n.Get("enumValues"); !en.IsZero() {
		if kind != "string" {
			c.wrong(en, "INVALID_VALUE", "enumValues works on string fields")
		}
		if en.Kind() == Array && len(f.EnumValues) == 0 {
			c.wrong(en, "INVALID_VALUE", "enumValues is empty")
		}
		for i, v := range f.EnumValues {
			if slices.Contains(f.EnumValues[:i], v) {
				c.wrong(en.At(i), "DUPLICATE_NAME", "%q is there twice", v)
			}
		}
	}
	if ok && !f.Default.IsZero() {
		c.fits(f.Default, kind, f)
	}
}

// fits checks a default against the field's type.
func (c *checker) fits(n Node, kind string, f *Field) {
	want := map[string]Kind{"string": String, "richtext": String, "id": String, "datetime": String, "bool": Bool, "int": Number, "float": Number}[kind]
	if want != Absent && n.Kind() != want {
		c.wrong(n, "WRONG_TYPE", "the default of a field of type %s must be %s, is %s", kind, want, n.Kind())
		return
	}
	switch kind {
	case "int":
		if _, err := strconv.ParseInt(n.literal(), 10, 64); err != nil {
			c.wrong(n, "WRONG_TYPE", "the default of an int must be a whole number from -2^63 to 2^63-1")
		}
	case "float":
		if v, err := strconv.ParseFloat(n.literal(), 64); err != nil || math.IsInf(v, 0) {
			c.wrong(n, "WRONG_TYPE", "the default is out of range")
		}
	case "datetime":
		if _, err := time.Parse(time.RFC3339, n.text()); err != nil && n.text() != "now" {
			c.wrong(n, "WRONG_TYPE", `the default of a datetime must be "now" or in RFC 3339, like 2026-01-31T09:30:00Z`)
		}
	case "string":
		if len(f.EnumValues) > 0 && !slices.Contains(f.EnumValues, n.text()) {
			c.wrong(n, "INVALID_VALUE", "the default %q is not one of enumValues", n.text()).WithNearest(n.text(), f.EnumValues)
		}
	case "json":
		if !json.Valid(n.Raw()) {
			c.wrong(n, "WRONG_TYPE", "the default is not JSON")
		}
	}
}

func (c *checker) index(n Node, e *Entity, ix *Index) {
	fields := []string{"id"}
	for i := range e.Fields {
		fields = append(fields, e.Fields[i].Name)
	}
	if n.Get("fields").Kind() == Array && len(ix.Fields) == 0 {
		c.wrong(n.Get("fields"), "INVALID_VALUE", "the index needs a field")
	}
	for i, name := range ix.Fields {
		at := n.At("fields", i)
		if !slices.Contains(fields, name) {
			c.wrong(at, "UNKNOWN_FIELD", "%s has no field %q", e.Name, name).WithNearest(name, fields)
		}
		if slices.Contains(ix.Fields[:i], name) {
			c.wrong(at, "DUPLICATE_NAME", "the field %s is there twice", name)
		}
	}
	name := ix.Name
	if name == "" {
		name = e.Name + "_" + strings.Join(ix.Fields, "_")
	} else if !c.name(n.Get("name"), name, "an index") {
		return
	}
	c.indexName(n, name)
}

// indexName claims the name of an index, which is one for the whole database.
func (c *checker) indexName(n Node, name string) {
	if len(name) > maxIdentifier {
		c.wrong(n, "INVALID_NAME", "the index's name %s is longer than %d characters: give it a shorter one, or shorten the names it is made of", name, maxIdentifier)
	}
	if c.indexes[strings.ToLower(name)] {
		c.wrong(n, "DUPLICATE_NAME", "two indexes are called %s", name)
	}
	c.indexes[strings.ToLower(name)] = true
}

func (c *checker) policy(n Node, p *Policy) {
	switch {
	case p.Entity == "" && p.Action == "":
		c.wrong(n, "MISSING_KEY", "the policy says nothing of what it is about: name an entity")
	case p.Entity != "" && c.m.Entity(p.Entity) == nil && !c.pluginEntity(p.Entity):
		c.wrong(n.Get("entity"), "UNKNOWN_ENTITY", "no entity %q", p.Entity).WithNearest(p.Entity, c.entities)
	}
	if p.Allow+p.AllowRead+p.AllowInsert+p.AllowUpdate+p.AllowDelete+p.AllowWrite == "" {
		c.wrong(n, "MISSING_KEY", "the policy allows nothing: give allow, allowRead, allowInsert, allowUpdate, allowDelete or allowWrite an expression")
	}
}

// pluginEntity reports whether plugins are declared, whose entities a policy may
// name too; the policy compiler knows them and checks again.
func (c *checker) pluginEntity(name string) bool {
	return len(c.m.Plugins) > 0 && Nearest(name, c.entities) == ""
}

func (c *checker) auth() {
	a := c.m.Auth
	if a == nil {
		return
	}
	n := c.m.Root.Get("auth")
	if a.Session != nil && n.At("session", "expires_in").Kind() == Number && a.Session.ExpiresIn < 60 {
		c.wrong(n.At("session", "expires_in"), "INVALID_VALUE", "a session lasts at least 60 seconds")
	}
	u := a.User
	if u == nil {
		return
	}
	un := n.Get("user")
	if u.Entity != "" && c.m.Entity(u.Entity) == nil {
		c.wrong(un.Get("entity"), "UNKNOWN_ENTITY", "no entity %q", u.Entity).WithNearest(u.Entity, c.entities)
		return
	}
	e := c.m.Entity(c.m.UserEntity())
	if e == nil {
		c.wrong(un, "UNKNOWN_ENTITY", "the app has no entity User; name the one that holds people in auth.user.entity")
		return
	}
	types := map[string]string{}
	var names []string
	for i := range e.Fields {
		types[e.Fields[i].Name] = e.Fields[i].Type
		names = append(names, e.Fields[i].Name)
	}
	known := func(at Node, name string) bool {
		if types[name] == "" {
			c.wrong(at, "UNKNOWN_FIELD", "%s has no field %q", e.Name, name).WithNearest(name, names)
		}
		return types[name] != ""
	}
	for i, f := range u.Expose {
		known(un.At("expose", i), f)
	}
	for i, f := range u.Hide {
		known(un.At("hide", i), f)
	}
	if at := un.Get("admin_field"); u.AdminField != "" && known(at, u.AdminField) && types[u.AdminField] != "bool" {
		c.wrong(at, "WRONG_TYPE", "%s.%s is of type %s, a bool is needed", e.Name, u.AdminField, types[u.AdminField])
	}
}

// Notices are the keys that are accepted and have no effect, so that the host can
// say so.
func Notices(m *Manifest) []Problem {
	var ps Problems
	none := func(n Node) {
		if !n.IsZero() {
			ps.Add(n.Problem("NO_EFFECT", "%s is accepted and has no effect", n.Path()))
		}
	}
	for _, n := range []Node{m.Routes, m.Queries, m.Actions, m.LLM, m.Connections, m.Fonts} {
		none(n)
	}
	for i := range m.Entities {
		e := &m.Entities[i]
		for _, n := range []Node{e.Relations, e.Search, e.Sync, e.SyncScope, e.SyncLimit} {
			none(n)
		}
		if e.CRDT != nil && *e.CRDT {
			none(m.Root.At("entities", i, "crdt"))
		}
		for j := range e.Fields {
			none(e.Fields[j].CRDT)
			if e.Fields[j].SyncOmit {
				none(m.Root.At("entities", i, "fields", j, "syncOmit"))
			}
		}
	}
	for i := range m.Policies {
		if m.Policies[i].Action != "" {
			none(m.Root.At("policies", i, "action"))
		}
	}
	if a := m.Auth; a != nil {
		none(a.Org)
		none(a.OrgRoles)
		none(a.OnDeleteAccount)
		if a.Session != nil {
			none(a.Session.CookieCache)
		}
	}
	return ps.List()
}
