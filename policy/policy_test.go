package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/store"
)

// doc is the entity of the tests: a field of every type, nearly all optional.
func doc(t testing.TB) (*store.Entity, *store.Schema) {
	t.Helper()
	e := &store.Entity{Name: "Doc", Fields: []store.Field{
		{Name: "owner", Type: store.TypeID, Ref: "User", Optional: true},
		{Name: "title", Type: store.TypeString, Optional: true},
		{Name: "body", Type: store.TypeRichtext, Optional: true},
		{Name: "count", Type: store.TypeInt, Optional: true},
		{Name: "price", Type: store.TypeFloat, Optional: true},
		{Name: "live", Type: store.TypeBool, Optional: true},
		{Name: "at", Type: store.TypeDatetime, Optional: true},
		{Name: "tags", Type: store.TypeJSON, Optional: true},
		{Name: "in", Type: store.TypeString, Optional: true}, // a name that is an operator
	}}
	s, err := store.NewSchema([]*store.Entity{e}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e, s
}

func row(t testing.TB, e *store.Entity, values map[string]store.Value) *store.Row {
	t.Helper()
	r := &store.Row{Entity: e, ID: "row1", Values: make([]store.Value, len(e.Fields))}
	for name, v := range values {
		i, ok := e.Lookup(name)
		if !ok {
			t.Fatalf("no field %s", name)
		}
		if i == store.FieldIDIndex {
			r.ID = v.Str()
			continue
		}
		r.Values[i] = v.As(e.Fields[i].Type)
	}
	return r
}

var (
	anna      = store.Actor{Type: store.ActorUser, ID: "anna", Email: "anna@x.org", Roles: []string{"editor", "staff"}, TenantID: "t1"}
	anonymous = store.Actor{Type: store.ActorAnonymous}
)

type values = map[string]store.Value

func TestSemantics(t *testing.T) {
	moment, _ := time.Parse(time.RFC3339, "2026-01-01T00:00:00Z")
	tests := []struct {
		expression string
		actor      *store.Actor
		row        values
		want       bool
	}{
		{"true", &anonymous, nil, true},
		{"false", &anna, nil, false},
		// null
		{"auth.userId == data.owner", &anna, values{"owner": store.ID("anna")}, true},
		{"auth.userId == data.owner", &anna, values{"owner": store.ID("bert")}, false},
		{"auth.userId == data.owner", &anonymous, nil, false},
		{"auth.userId != data.owner", &anonymous, nil, true},
		{"auth.userId != data.owner", &anna, values{"owner": store.ID("anna")}, false},
		{"data.owner == null", &anna, nil, true},
		{"null == data.owner", &anna, values{"owner": store.ID("x")}, false},
		{"data.owner != null", &anna, values{"owner": store.ID("x")}, true},
		{"auth.userId == null", &anonymous, nil, true},
		{"auth.userId == null", &anna, nil, false},
		{"auth.tenantId == null && auth.email == null", &anonymous, nil, true},
		{"null == null", &anna, nil, true},
		{"null != null", &anna, nil, false},
		{"data.count < 1", &anna, nil, false},
		{"data.count >= 1", &anna, nil, false},
		{"!(data.count < 1)", &anna, nil, true},
		{"data.tags == null", &anna, nil, true},
		// bools
		{"data.live", &anna, nil, false},
		{"!data.live", &anna, nil, true},
		{"data.live", &anna, values{"live": store.Bool(true)}, true},
		{"data.live == true", &anna, values{"live": store.Bool(true)}, true},
		{"data.live == false", &anna, nil, false},
		{"data.live != true", &anna, nil, true},
		{"!data.live == true", &anna, nil, true}, // ! binds tighter
		{"(data.count == 1) == data.live", &anna, values{"count": store.Int(1), "live": store.Bool(true)}, true},
		{"auth.isAdmin", &anna, nil, false},
		{"auth.isAdmin", &store.Actor{Admin: true}, nil, true},
		{"auth.isAdmin == false", &anna, nil, true},
		// text
		{"data.title == 'a'", &anna, values{"title": store.String("a")}, true},
		{"data.title == data.body", &anna, values{"title": store.String("a"), "body": store.Richtext("a")}, true},
		{"data.id == 'row1'", &anna, nil, true},
		{"data.title < 'b'", &anna, values{"title": store.String("a")}, true},
		{"data.title starts_with 'ab'", &anna, values{"title": store.String("abc")}, true},
		{"data.title starts_with 'b'", &anna, values{"title": store.String("abc")}, false},
		{"data.title starts_with ''", &anna, values{"title": store.String("abc")}, true},
		{"data.title starts_with ''", &anna, nil, false},
		{"data.title ends_with auth.userId", &anna, values{"title": store.String("by anna")}, true},
		{"data.title ends_with auth.userId", &anonymous, values{"title": store.String("by anna")}, false},
		{`data.title == "null starts_with"`, &anna, values{"title": store.String("null starts_with")}, true},
		{"'org:' + auth.tenantId == data.title", &anna, values{"title": store.String("org:t1")}, true},
		{"'org:' + auth.tenantId == null", &anonymous, nil, true},
		{"data.in == 'x' && data . in != null", &anna, values{"in": store.String("x")}, true},
		{`data["title"] == "é"`, &anna, values{"title": store.String("é")}, true},
		{"data.title == 'a' // a comment with null", &anna, values{"title": store.String("a")}, true},
		// numbers
		{"data.count == 1.0", &anna, values{"count": store.Int(1)}, true},
		{"data.price > data.count", &anna, values{"count": store.Int(1), "price": store.Float(1.5)}, true},
		{"data.count == 9007199254740993", &anna, values{"count": store.Int(9007199254740992)}, false},
		{"1 < data.count < 5", &anna, values{"count": store.Int(3)}, true},
		{"1 < data.count < 5", &anna, values{"count": store.Int(5)}, false},
		{"data.count + 2 * 3 == 7", &anna, values{"count": store.Int(1)}, true},
		{"7 / 2 == 3.5 && 6 / 2 == 3 && 7 % 2 == 1 && -7 % 2 == -1", &anna, nil, true},
		{"7.5 % 2 == 1.5", &anna, nil, true},
		{"data.count / 0 == null && data.count % 0 == null && 1.5 / 0 == null", &anna, values{"count": store.Int(1)}, true},
		{"data.count + 1 == null", &anna, nil, true},
		{"data.count + 1 > 0", &anna, nil, false},
		{"9223372036854775807 + 1 == null", &anna, nil, true},
		{"-9223372036854775807 - 2 == null && 9223372036854775807 * 2 == null", &anna, nil, true},
		{"(-9223372036854775807 - 1) / -1 == null", &anna, nil, true},
		{"-data.count == -3 && +data.count == 3", &anna, values{"count": store.Int(3)}, true},
		// datetimes
		{"data.at == '2026-01-01T01:00:00+01:00'", &anna, values{"at": store.Time(moment)}, true},
		{"'2025-01-01T00:00:00.5Z' < data.at", &anna, values{"at": store.Time(moment)}, true},
		{"data.at in ['2026-01-01T00:00:00Z']", &anna, values{"at": store.Time(moment)}, true},
		// lists
		{"data.count in [1, 2.5]", &anna, values{"count": store.Int(1)}, true},
		{"data.count in []", &anna, values{"count": store.Int(1)}, false},
		{"data.count in [1]", &anna, nil, false},
		{"!(data.count in [1])", &anna, nil, true},
		{"auth.userId in [data.owner, data.title]", &anna, values{"title": store.String("anna")}, true},
		{"auth.userId in [data.owner, data.title]", &anonymous, nil, false},
		{"'editor' in auth.roles", &anna, nil, true},
		{"data.title in auth.roles", &anna, values{"title": store.String("staff")}, true},
		{"data.title in auth.roles", &anna, nil, false},
		{"data.title in auth.roles", &anonymous, values{"title": store.String("staff")}, false},
		{"auth.hasRole('editor')", &anna, nil, true},
		{"auth.hasRole('admin')", &anna, nil, false},
		{"auth.hasAnyRole('admin', 'staff')", &anna, nil, true},
		{"auth.hasAnyRole(['admin', 'staff'])", &anna, nil, true},
		{"auth.hasAnyRole('admin', 'owner')", &anna, nil, false},
		{"'x' in data.tags", &anna, values{"tags": store.JSON(`["y","x"]`)}, true},
		{"'x' in data.tags", &anna, values{"tags": store.JSON(`["xy"]`)}, false},
		{"'x' in data.tags", &anna, values{"tags": store.JSON(`{"x":"x"}`)}, false},
		{"'x' in data.tags", &anna, values{"tags": store.JSON(`"x"`)}, false},
		{"'x' in data.tags", &anna, values{"tags": store.JSON(`[["x"]]`)}, false},
		{"'x' in data.tags", &anna, values{"tags": store.JSON(`["\u0078"]`)}, true},
		{"'x' in data.tags", &anna, nil, false},
		{"auth.userId in data.tags", &anonymous, values{"tags": store.JSON(`[null]`)}, false},
		{"1 in data.tags", &anna, values{"tags": store.JSON(`["1", 1.0]`)}, true},
		{"1 in data.tags", &anna, values{"tags": store.JSON(`["1", true]`)}, false},
		{"9007199254740993 in data.tags", &anna, values{"tags": store.JSON(`[9007199254740992]`)}, false},
		{"true in data.tags", &anna, values{"tags": store.JSON(`[true]`)}, true},
	}
	e, _ := doc(t)
	for _, test := range tests {
		r, err := newRule(test.expression, e, read, map[string]bool{})
		if err != nil {
			t.Errorf("%s: %v", test.expression, err)
			continue
		}
		data := row(t, e, test.row)
		if got := r.holds(env{actor: test.actor, data: data}); got != test.want {
			t.Errorf("%s on %v for %q: %v", test.expression, test.row, test.actor.ID, got)
		}
		if rule := readable(t, test.actor, e, r); rule.Allows(data) != test.want {
			t.Errorf("%s on %v for %q, partly evaluated: %v", test.expression, test.row, test.actor.ID, !test.want)
		}
	}
}

func readable(t testing.TB, a *store.Actor, e *store.Entity, rules ...*rule) store.ReadRule {
	t.Helper()
	p := &Policies{entities: map[string]*[actions][]*rule{e.Name: {read: rules}}}
	rule, err := p.Readable(context.Background(), a, e)
	if err != nil {
		t.Fatal(err)
	}
	return rule
}

func TestRefusedAtStart(t *testing.T) {
	tests := []struct {
		expression string
		at         int // 1 is the first character
		message    string
	}{
		{" ", 1, "empty"},
		{"auth.foo == 'x'", 6, "auth has no foo"},
		{"data.nofield == 'x'", 6, "Doc has no field nofield"},
		{"'é' == data.nofield", 13, "Doc has no field nofield"}, // characters, not bytes
		{"foo == 'x'", 1, "unknown name foo"},
		{"input.title == 'x'", 1, "unknown name input"},
		{"auth", 1, "auth needs a name"},
		{"data == null", 1, "data needs a name"},
		{"len(data.title) > 1", 1, "unknown function len"},
		{"all(auth.roles, true)", 1, "unknown function all"},
		{"foo('x')", 1, "unknown function foo"},
		{"auth.hasRoles('x')", 6, "unknown function auth.hasRoles"},
		{"data.hasRole('x')", 6, "unknown function data.hasRole"},
		{"auth.hasRole", 6, "needs a role"},
		{"auth.hasRole()", 6, "needs one role"},
		{"auth.hasRole('a', 'b')", 6, "needs one role"},
		{"auth.hasAnyRole([])", 6, "at least one role"},
		{"auth.hasRole(1)", 14, "a role is text"},
		{"existing.title == 'x'", 1, "existing is known in updates"},
		{"data.title.x == 'x'", 12, "have names inside"},
		{"data[0] == 'x'", 5, "a name must follow data"},
		{"data.title", 6, "must be true or false"},
		{"'x'", 1, "must be true or false"},
		{"null", 1, "must be true or false"},
		{"auth.roles", 6, "must be true or false"},
		{"data.title < 1", 12, "< cannot be used between text and a number"},
		{"data.title == 1", 12, "== cannot be used between text and a number"},
		{"data.live == 'true'", 11, "between a bool and text"},
		{"data.count < null", 12, "between a number and null"},
		{"data.live < true", 11, "bools have no order"},
		{"data.tags == 'x'", 11, "between json and text"},
		{"data.tags == data.tags", 11, "between json and json"},
		{"auth.roles == 'x'", 12, "between a list and text"},
		{"auth.roles == null", 12, "between a list and null"},
		{"data.at < 'yesterday'", 11, "RFC 3339"},
		{"'2026-01-01' < data.at", 1, "RFC 3339"},
		{"data.at in ['now']", 13, "RFC 3339"},
		{"data.at == auth.userId", 9, "between a datetime and text"},
		{"data.at + 1 == 2", 9, "+ cannot be used"},
		{"data.count in ['1']", 16, "text can never equal a number"},
		{"data.count in [null]", 16, "null in a list"},
		{"data.count in [[1]]", 16, "a list cannot hold a list"},
		{"data.count in 1", 12, "in cannot be used between a number and a number"},
		{"data.count in auth.roles", 12, "in cannot be used"},
		{"data.count starts_with 1", 12, "starts_with cannot be used"},
		{"data.title && true", 12, "&& cannot be used between text and a bool"},
		{"!data.title", 1, "! needs a bool"},
		{"-data.title == 'x'", 1, "- needs a number"},
		{"'a' - 'b' == 'c'", 5, "- cannot be used between text and text"},
		{"data.live and true", 11, "write &&"},
		{"data.live or true", 11, "write ||"},
		{"not data.live", 1, "write !"},
		{"data.title not in ['x']", 12, "write !"},
		{"data.title == nil", 15, "write null"},
		{"data.title startsWith 'x'", 12, "write starts_with"},
		{"data.title contains 'x'", 12, "write in"},
		{"data.title = 'x'", 12, "write =="},
		{"data.live ? true : false", 11, "? is not part"},
		{"data.title matches 'x'", 12, "matches is not part"},
		{"data.title ?? 'x' == 'x'", 12, "?? is not part"},
		{"data?.live", 5, "?. is not part"},
		{"auth.roles | len() > 1", 12, "write ||"},
		{"let x = 1; x == 1", 1, "let is not part"},
		{"data.live; true", 10, "; is not part"},
		{"data.count in 1..2", 16, ".. is not part"},
		{"2 ** 3 == 8", 3, "** is not part"},
		{"{a: 1} == null", 1, "{ is not part"},
		{"#x == 1", 1, "# is not part"},
		{"b'x' == 'x'", 1, "byte strings"},
		{"data.title == 'x", 17, "not terminated"},
		{"data.title == ", 14, "ends too early"},
		{"(data.live", 10, "ends too early"},
		{"data.live)", 10, "unexpected token"},
		{"data.title == '\\x00'", 15, "U+0000"},
		{"data.title == '\xff'", 1, "UTF-8"},
		{"data.title == @", 15, "unrecognized character"},
		{strings.Repeat("(", 9000), 1, "longer than"},
		{strings.Repeat("!", 8000), 8000, "ends too early"},
	}
	e, _ := doc(t)
	for _, test := range tests {
		name := test.expression[:min(len(test.expression), 40)]
		_, err := newRule(test.expression, e, read, map[string]bool{})
		if err == nil {
			t.Errorf("%s was accepted", name)
		} else if err.at+1 != test.at || !strings.Contains(err.message, test.message) {
			t.Errorf("%s: %v; want %q at %d", name, err, test.message, test.at)
		}
	}
}

func TestNearestCandidates(t *testing.T) {
	e, _ := doc(t)
	for expression, want := range map[string]string{
		"auth.usrId == 'x'":  "userId",
		"data.titel == 'x'":  "title",
		"dta.title == 'x'":   "data",
		"auth.hasrole('x')":  "auth.hasRole",
		"hasRole('x')":       "auth.hasRole",
		"count(data.tags)>1": "auth.hasRole",
	} {
		_, err := newRule(expression, e, read, map[string]bool{})
		if err == nil || !strings.Contains(strings.Join(err.candidates, " "), want) {
			t.Errorf("%s: %v, candidates %v", expression, err, err)
		}
	}
}

func compileOne(t *testing.T, s *store.Schema, policies ...manifest.Policy) *Policies {
	t.Helper()
	p, err := Compile(&manifest.Manifest{Policies: policies}, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestActions(t *testing.T) {
	e, s := doc(t)
	mine, other := row(t, e, values{"owner": store.ID("anna")}), row(t, e, values{"owner": store.ID("bert")})
	own := "auth.userId == data.owner"
	tests := []struct {
		name     string
		policies []manifest.Policy
		write    store.Write
		want     bool
	}{
		{"none", nil, store.Write{Op: store.Insert, After: mine}, false},
		{"insert", []manifest.Policy{{AllowInsert: own}}, store.Write{Op: store.Insert, After: mine}, true},
		{"insert of another's", []manifest.Policy{{AllowInsert: own}}, store.Write{Op: store.Insert, After: other}, false},
		{"insert does not allow delete", []manifest.Policy{{AllowInsert: own}}, store.Write{Op: store.Delete, Before: mine}, false},
		{"delete", []manifest.Policy{{AllowDelete: own}}, store.Write{Op: store.Delete, Before: mine}, true},
		{"delete with existing", []manifest.Policy{{AllowDelete: "existing.owner == data.owner"}}, store.Write{Op: store.Delete, Before: mine}, true},
		{"write stands in", []manifest.Policy{{AllowWrite: own}}, store.Write{Op: store.Delete, Before: mine}, true},
		{"the special rule wins", []manifest.Policy{{AllowWrite: own, AllowDelete: "false"}}, store.Write{Op: store.Delete, Before: mine}, false},
		{"allow stands in", []manifest.Policy{{Allow: own}}, store.Write{Op: store.Update, Before: mine, After: mine}, true},
		{"write before allow", []manifest.Policy{{Allow: "false", AllowWrite: own}}, store.Write{Op: store.Update, Before: mine, After: mine}, true},
		{"take over", []manifest.Policy{{AllowUpdate: own}}, store.Write{Op: store.Update, Before: other, After: mine}, false},
		{"give away", []manifest.Policy{{AllowUpdate: own}}, store.Write{Op: store.Update, Before: mine, After: other}, false},
		{"give away on purpose", []manifest.Policy{{AllowUpdate: "auth.userId == existing.owner"}}, store.Write{Op: store.Update, Before: mine, After: other}, true},
		{"existing and data", []manifest.Policy{{AllowUpdate: "auth.userId == existing.owner && data.owner == existing.owner"}}, store.Write{Op: store.Update, Before: mine, After: other}, false},
		{"all must agree", []manifest.Policy{{AllowInsert: own}, {AllowInsert: "auth.hasRole('boss')"}}, store.Write{Op: store.Insert, After: mine}, false},
		{"the silent do not count", []manifest.Policy{{AllowInsert: own}, {AllowRead: "false"}}, store.Write{Op: store.Insert, After: mine}, true},
		{"functions are passed over", []manifest.Policy{{AllowInsert: own}, {Action: "f", Allow: "nonsense(", Entity: ""}}, store.Write{Op: store.Insert, After: mine}, true},
	}
	for _, test := range tests {
		for i := range test.policies {
			test.policies[i].Name = "rule"
			if test.policies[i].Action == "" {
				test.policies[i].Entity = "Doc"
			}
		}
		p := compileOne(t, s, test.policies...)
		test.write.Entity, test.write.Actor = e, &anna
		err := p.Allow(context.Background(), &test.write)
		if (err == nil) != test.want {
			t.Errorf("%s: %v", test.name, err)
		}
		if err != nil && !store.HasCode(err, "POLICY_DENIED") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestDenials(t *testing.T) {
	e, s := doc(t)
	p := compileOne(t, s, manifest.Policy{Name: "owners", Entity: "Doc", AllowUpdate: "data.owner == 'secret'"})
	err := p.Allow(context.Background(), &store.Write{Op: store.Update, Entity: e, Actor: &anna, Before: row(t, e, nil), After: row(t, e, nil)})
	denied, ok := err.(*store.Error)
	if !ok || denied.Kind != store.Denied || denied.Message != "you may not update this Doc" || !strings.Contains(denied.Hint, `"owners"`) {
		t.Errorf("%#v", err)
	}
	if strings.Contains(denied.Error()+denied.Hint, "secret") {
		t.Error("the denial shows the expression")
	}
	if _, err := p.Readable(context.Background(), &anna, e); !store.HasCode(err, "POLICY_DENIED") {
		t.Errorf("read without a policy: %v", err)
	}
	err = p.Allow(context.Background(), &store.Write{Op: store.Insert, Entity: e, Actor: &anna, After: row(t, e, nil)})
	if denied, _ := err.(*store.Error); denied == nil || !strings.Contains(denied.Message, "insert on Doc") {
		t.Errorf("insert without a policy: %v", err)
	}
}

func TestPushdown(t *testing.T) {
	e, _ := doc(t)
	owner, _ := e.Lookup("owner")
	tests := []struct {
		expression string
		actor      *store.Actor
		filter     string
		check      bool
	}{
		{"true", &anna, "<nil>", false},
		{"auth.hasRole('editor') || data.live", &anna, "<nil>", false},
		{"auth.userId == data.owner", &anonymous, "false", false}, // an empty list, not a denial
		{"auth.userId == data.owner", &anna, fmt.Sprint(store.Compare{Field: owner, Op: store.Eq, Value: store.String("anna")}), false},
		{"'x' in data.tags", &anna, "<nil>", true},
		{"auth.userId == data.owner && 'x' in data.tags", &anna, fmt.Sprint(store.Compare{Field: owner, Op: store.Eq, Value: store.String("anna")}), true},
		{"auth.hasRole('boss') && 'x' in data.tags", &anna, "false", false},
		{"data.count + 1 > 2", &anna, "<nil>", true},
		{"data.live || 'x' in data.tags", &anna, "<nil>", true},
	}
	for _, test := range tests {
		r, err := newRule(test.expression, e, read, map[string]bool{})
		if err != nil {
			t.Fatal(err)
		}
		rule := readable(t, test.actor, e, r)
		if fmt.Sprint(rule.Filter) != test.filter || (rule.Check != nil) != test.check {
			t.Errorf("%s for %q: filter %v, check %v", test.expression, test.actor.ID, rule.Filter, rule.Check != nil)
		}
	}
}

func TestCompileReportsEverything(t *testing.T) {
	_, s := doc(t)
	_, err := Compile(&manifest.Manifest{Policies: []manifest.Policy{
		{Name: "a", Entity: "Dok", Allow: "true"},
		{Name: "b", Entity: "Doc", AllowRead: "data.titel == 'x'", AllowWrite: "existing.title == 'x'"},
		{Name: "c"},
		{Name: "d", Entity: "Doc"},
		{Name: "e", Entity: "Doc", Allow: "nowhere", AllowRead: "true", AllowWrite: "true"},
	}}, s)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`"Dok"`, "Doc has no field titel", "character 6 of allowRead", "this rule is for insert", `"c" names no entity`, `"d" allows nothing`, "unknown name nowhere"} {
		if strings.Count(err.Error(), want) != 1 {
			t.Errorf("want %q once in:\n%v", want, err)
		}
	}
}

func TestUses(t *testing.T) {
	_, s := doc(t)
	p := compileOne(t, s, manifest.Policy{Name: "a", Entity: "Doc", AllowRead: "auth.email == 'x'", AllowWrite: "auth.hasRole('x')"})
	for name, want := range map[string]bool{"auth.email": true, "auth.roles": true, "auth.tenantId": false} {
		if p.Uses(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		"auth.userId == data.owner", "auth.hasAnyRole(['a','b'], \"c\")", "!(1 < data.count < 5) || 'x' in data.tags",
		"data.at in ['2026-01-01T00:00:00Z']", "a.b.c[1](2)", "let x = {a: 1}; x?.a ?? nil", "filter(data, {# > 1})", "/* */ // \n`raw`", "b'x'", "0x1f % 1_0.5e3", "-(-1)",
	} {
		f.Add(seed)
	}
	e, _ := doc(f)
	data := row(f, e, values{"title": store.String("x"), "count": store.Int(3)})
	f.Fuzz(func(t *testing.T, expression string) {
		r, err := newRule(expression, e, read, map[string]bool{})
		if err != nil {
			if err.at < 0 || err.at > len([]rune(expression))+1 {
				t.Fatalf("mistake placed at %d of %q", err.at, expression)
			}
			return
		}
		for _, a := range []*store.Actor{&anna, &anonymous} {
			rule := readable(t, a, e, r)
			if r.holds(env{actor: a, data: data}) != rule.Allows(data) {
				t.Fatalf("%q: direct and partial evaluation disagree", expression)
			}
		}
	})
}

func BenchmarkAllow(b *testing.B) {
	e, s := doc(b)
	p, err := Compile(&manifest.Manifest{Policies: []manifest.Policy{{Name: "own", Entity: "Doc", AllowUpdate: "auth.userId == data.owner"}}}, s)
	if err != nil {
		b.Fatal(err)
	}
	r := row(b, e, values{"owner": store.ID("anna")})
	w := &store.Write{Op: store.Update, Entity: e, Actor: &anna, Before: r, After: r}
	b.ReportAllocs()
	for b.Loop() {
		if p.Allow(context.Background(), w) != nil {
			b.Fatal("denied")
		}
	}
}

func BenchmarkReadable(b *testing.B) {
	e, s := doc(b)
	p, err := Compile(&manifest.Manifest{Policies: []manifest.Policy{{Name: "own", Entity: "Doc", AllowRead: "auth.userId == data.owner || auth.hasRole('boss')"}}}, s)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Readable(context.Background(), &anna, e); err != nil {
			b.Fatal(err)
		}
	}
}
