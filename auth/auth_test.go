package auth

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/enginetest"
)

const adminToken = "the-admin-token-of-the-tests"

// world is a service on a real database with a clock that stands still.
type world struct {
	*Service
	t     testing.TB
	db    *store.DB
	clock *clockwork.FakeClock
	user  *store.Entity
}

// newWorld has a User entity with the given fields beside email, displayName and
// isAdmin; nil fields mean an app without a user entity.
func newWorld(t testing.TB, fields []store.Field, change ...func(*Config)) *world {
	t.Helper()
	clock := clockwork.NewFakeClockAt(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	m := &manifest.Manifest{}
	var entities []*store.Entity
	var user *store.Entity
	if fields != nil {
		user = &store.Entity{Name: "User", Fields: append([]store.Field{
			{Name: "email", Type: store.TypeString, Unique: true},
			{Name: "displayName", Type: store.TypeString, Optional: true},
			{Name: "isAdmin", Type: store.TypeBool, Optional: true},
		}, fields...)}
		entities = append(entities, user)
		m.Entities = []manifest.Entity{{Name: "User"}}
		m.Auth = &manifest.Auth{User: &manifest.AuthUser{Entity: "User", AdminField: "isAdmin"}}
	}
	schema, err := store.NewSchema(entities, Tables())
	if err != nil {
		t.Fatal(err)
	}
	engine := enginetest.New(t).Open(t, false)
	plan, err := engine.Plan(context.Background(), schema.AllTables(), false)
	if err == nil {
		err = engine.Apply(context.Background(), plan)
	}
	if err != nil {
		t.Fatal(err)
	}
	db := store.New(engine, schema, store.Options{Clock: clock})
	config := Config{DB: db, Manifest: m, AdminToken: adminToken, LoadEmail: true}
	for _, f := range change {
		f(&config)
	}
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	db.AddHook(s)
	return &world{Service: s, t: t, db: db, clock: clock, user: user}
}

var plain = []store.Field{} // a user entity without further fields

// as is a context of whoever the token belongs to.
func (w *world) as(token string) context.Context {
	w.t.Helper()
	a, err := w.Authenticate(context.Background(), token)
	if err != nil {
		w.t.Fatal(err)
	}
	return store.WithActor(context.Background(), a)
}

func (w *world) register(email string) *Grant {
	w.t.Helper()
	g, err := w.Register(context.Background(), Registration{Email: email, Password: "correct horse"})
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

func (w *world) actor(token string) *store.Actor { return store.ActorFrom(w.as(token)) }

func (w *world) wantCode(err error, code string) {
	w.t.Helper()
	if code == "" && err != nil || code != "" && !store.HasCode(err, code) {
		w.t.Errorf("got %v, want %q", err, code)
	}
}

func (w *world) count(table string) (n int) {
	w.t.Helper()
	err := w.db.View(context.Background(), func(tx *store.Tx) error {
		return tx.Query("SELECT count(*) FROM "+store.Quote(table), nil, func(r store.Rows) error {
			n = int(r.Value(0, store.TypeInt).Int())
			return nil
		})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) update(id, field string, v store.Value) error {
	p := store.NewPatch(w.user)
	if err := p.Put(field, v); err != nil {
		return err
	}
	return w.db.Update(store.WithActor(context.Background(), store.System("test")), func(tx *store.Tx) error {
		_, err := tx.Update(id, p)
		return err
	})
}

func TestAuthenticate(t *testing.T) {
	w := newWorld(t, plain)
	g := w.register("anna@example.org")
	guest, err := w.Guest(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	key, err := w.CreateAPIKey(w.as(g.Token), KeyRequest{Name: "ci", Scopes: []string{"read", "write"}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, token string
		want        store.Actor
		code        string
	}{
		{"no token", "", store.Actor{Type: store.ActorAnonymous}, ""},
		{"unknown", "nonsense", store.Actor{Type: store.ActorAnonymous}, ""},
		{"very long", strings.Repeat("x", 1<<16), store.Actor{Type: store.ActorAnonymous}, ""},
		{"admin", adminToken, store.Actor{Type: store.ActorAdmin, ID: AdminID, Admin: true, Roles: []string{"admin"}}, ""},
		{"nearly admin", adminToken + "x", store.Actor{Type: store.ActorAnonymous}, ""},
		{"session", g.Token, store.Actor{Type: store.ActorUser, ID: g.UserID, Email: "anna@example.org"}, ""},
		{"guest", guest.Token, store.Actor{Type: store.ActorGuest, ID: guest.UserID}, ""},
		{"API key", key.Key, store.Actor{Type: store.ActorAPIKey, ID: g.UserID, Email: "anna@example.org", APIKeyID: key.ID}, ""},
		{"bad key", key.Key + "x", store.Actor{Type: store.ActorAnonymous}, "INVALID_API_KEY"},
		{"key without secret", "pk." + key.ID, store.Actor{Type: store.ActorAnonymous}, "INVALID_API_KEY"},
		{"unknown key", "pk.x.y", store.Actor{Type: store.ActorAnonymous}, "INVALID_API_KEY"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w.t = t
			got, err := w.Authenticate(context.Background(), test.token)
			w.wantCode(err, test.code)
			if got.Type != test.want.Type || got.ID != test.want.ID || got.Email != test.want.Email || got.Admin != test.want.Admin ||
				got.APIKeyID != test.want.APIKeyID || !slices.Equal(got.Roles, test.want.Roles) || got.TenantID != "" {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
	if !strings.HasPrefix(guest.UserID, "guest_") || !store.ValidID(guest.UserID[6:]) {
		t.Errorf("guest id %q", guest.UserID)
	}
}

func TestNoAdminToken(t *testing.T) {
	w := newWorld(t, plain, func(c *Config) { c.AdminToken = "" })
	if a := w.actor(""); a.Admin {
		t.Error("the empty token is the administrator")
	}
}

func TestTokensAreNotStored(t *testing.T) {
	w := newWorld(t, plain)
	g := w.register("anna@example.org")
	key, _ := w.CreateAPIKey(w.as(g.Token), KeyRequest{Name: "k"})
	var stored strings.Builder
	for table, columns := range map[string]string{sessionTable: "prefix", keyTable: "prefix", accountTable: "password"} {
		other := map[string]string{sessionTable: "token", keyTable: "secret", accountTable: "login"}[table]
		err := w.db.View(context.Background(), func(tx *store.Tx) error {
			return tx.Query("SELECT "+columns+", "+other+" FROM "+table, nil, func(r store.Rows) error {
				stored.WriteString(r.Value(0, store.TypeString).Str() + " " + r.Value(1, store.TypeBytes).Str() + "\n")
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	secret := key.Key[strings.LastIndexByte(key.Key, '.')+1:]
	for _, s := range []string{g.Token, secret, "correct horse"} {
		if strings.Contains(stored.String(), s) {
			t.Errorf("%q is in the database", s)
		}
	}
	if !strings.Contains(stored.String(), "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Error("no PHC string")
	}
}

func TestSessions(t *testing.T) {
	w := newWorld(t, plain)
	a := w.register("anna@example.org")
	ctx := store.WithActor(context.Background(), store.Actor{UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"})
	w.clock.Advance(time.Minute)
	b, err := w.Login(ctx, "anna@example.org", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	list, err := w.Sessions(w.as(a.Token), a.UserID)
	if err != nil || len(list) != 2 || list[0].TokenPrefix != b.Token[:8] || list[0].Device != "Firefox on Linux" || list[1].Device != "unknown" ||
		!list[1].ExpiresAt.Equal(a.ExpiresAt) || !a.ExpiresAt.Equal(w.clock.Now().Add(30*24*time.Hour-time.Minute)) {
		t.Fatalf("%+v %v", list, err)
	}
	c, err := w.Refresh(context.Background(), b.Token)
	if err != nil {
		t.Fatal(err)
	}
	if w.actor(b.Token).ID != "" || w.actor(c.Token).ID != a.UserID {
		t.Error("refresh left the old token alive or gave a dead one")
	}
	_, err = w.Refresh(context.Background(), b.Token)
	w.wantCode(err, "AUTH_REQUIRED")

	other := w.register("bert@example.org")
	_, err = w.Sessions(w.as(other.Token), a.UserID)
	w.wantCode(err, "FORBIDDEN")
	w.wantCode(w.RevokeAll(w.as(other.Token), a.UserID), "FORBIDDEN")
	w.wantCode(w.RevokeAll(context.Background(), ""), "AUTH_REQUIRED")

	w.wantCode(w.RevokeByPrefix(w.as(a.Token), a.UserID, c.Token[:8]), "")
	if w.actor(c.Token).ID != "" || w.actor(a.Token).ID == "" {
		t.Error("the wrong session was revoked")
	}
	w.wantCode(w.Revoke(context.Background(), a.Token), "")
	if w.actor(a.Token).ID != "" {
		t.Error("a revoked session lives")
	}

	w.clock.Advance(30*24*time.Hour - time.Nanosecond*1000)
	if w.actor(other.Token).ID != "" { // registered a minute after the start
		w.clock.Advance(time.Minute)
	}
	if w.actor(other.Token).ID != "" {
		t.Error("an expired session lives")
	}
	_, err = w.Refresh(context.Background(), other.Token)
	w.wantCode(err, "AUTH_REQUIRED")
	w.wantCode(w.PurgeExpired(context.Background()), "")
	if n := w.count(sessionTable); n != 0 {
		t.Errorf("%d sessions left", n)
	}
}

func TestSessionLifetime(t *testing.T) {
	w := newWorld(t, plain, func(c *Config) { c.Manifest.Auth.Session = &manifest.AuthSession{ExpiresIn: 60} })
	g := w.register("anna@example.org")
	w.clock.Advance(59 * time.Second)
	if w.actor(g.Token).ID == "" {
		t.Error("over too early")
	}
	w.clock.Advance(time.Second)
	if w.actor(g.Token).ID != "" {
		t.Error("over too late")
	}
}

func TestCreateFor(t *testing.T) {
	w := newWorld(t, plain)
	g := w.register("anna@example.org")
	_, err := w.CreateFor(w.as(g.Token), g.UserID)
	w.wantCode(err, "FORBIDDEN")
	_, err = w.CreateFor(w.as(adminToken), "nobody")
	w.wantCode(err, "NOT_FOUND")
	_, err = w.CreateFor(w.as(adminToken), AdminID)
	w.wantCode(err, "INVALID_VALUE")
	other, err := w.CreateFor(w.as(adminToken), g.UserID)
	w.wantCode(err, "")
	if w.actor(other.Token).ID != g.UserID {
		t.Error("not his session")
	}
}

func TestRolesAndAdminField(t *testing.T) {
	w := newWorld(t, plain)
	g := w.register("anna@example.org")
	key, _ := w.CreateAPIKey(w.as(g.Token), KeyRequest{Name: "k"})
	w.wantCode(w.SetRoles(w.as(g.Token), g.UserID, []string{"boss"}), "FORBIDDEN")
	w.wantCode(w.SetRoles(w.as(adminToken), "nobody", []string{"boss"}), "NOT_FOUND")
	for _, bad := range []string{"", "a\nb", " a", "org:owner", strings.Repeat("x", 65)} {
		w.wantCode(w.SetRoles(w.as(adminToken), g.UserID, []string{bad}), "INVALID_VALUE")
	}
	w.wantCode(w.SetRoles(w.as(adminToken), g.UserID, []string{"editor", "boss", "boss"}), "")
	for _, token := range []string{g.Token, key.Key} { // at once, in what is open
		if a := w.actor(token); !slices.Equal(a.Roles, []string{"boss", "editor"}) || a.Admin {
			t.Errorf("%+v", a)
		}
	}
	roles, err := w.Roles(w.as(g.Token), g.UserID)
	if err != nil || !slices.Equal(roles, []string{"boss", "editor"}) {
		t.Errorf("%v %v", roles, err)
	}
	w.wantCode(w.SetRoles(w.as(adminToken), g.UserID, nil), "")
	if a := w.actor(g.Token); len(a.Roles) != 0 {
		t.Errorf("%+v", a)
	}
	w.wantCode(w.update(g.UserID, "isAdmin", store.Bool(true)), "")
	if !w.actor(g.Token).Admin || !w.actor(key.Key).Admin {
		t.Error("the admin field does not count")
	}
	w.wantCode(w.update(g.UserID, "isAdmin", store.Bool(false)), "")
	if w.actor(g.Token).Admin {
		t.Error("still an administrator")
	}
}

func TestAPIKeys(t *testing.T) {
	w := newWorld(t, plain)
	anna, bert := w.register("anna@example.org"), w.register("bert@example.org")
	guest, _ := w.Guest(context.Background())
	past, soon := w.clock.Now(), w.clock.Now().Add(time.Hour)
	key, err := w.CreateAPIKey(w.as(anna.Token), KeyRequest{Name: "ci", Scopes: []string{"a", "b"}, ExpiresAt: &soon})
	if err != nil || !strings.HasPrefix(key.Key, "pk."+key.ID+".") || !strings.HasPrefix(key.Key, key.Prefix) {
		t.Fatalf("%+v %v", key, err)
	}
	for _, test := range []struct {
		name, token string
		request     KeyRequest
		code        string
	}{
		{"by an API key", key.Key, KeyRequest{Name: "x"}, "FORBIDDEN"},
		{"by a guest", guest.Token, KeyRequest{Name: "x"}, "FORBIDDEN"},
		{"by nobody", "", KeyRequest{Name: "x"}, "AUTH_REQUIRED"},
		{"for somebody else", anna.Token, KeyRequest{Name: "x", UserID: bert.UserID}, "FORBIDDEN"},
		{"for the administrator", anna.Token, KeyRequest{Name: "x", UserID: AdminID}, "MISSING_FIELD"},
		{"by the admin token for nobody", adminToken, KeyRequest{Name: "x"}, "MISSING_FIELD"},
		{"by the admin token for itself", adminToken, KeyRequest{Name: "x", UserID: AdminID}, "MISSING_FIELD"},
		{"for an unknown user", adminToken, KeyRequest{Name: "x", UserID: "x"}, "NOT_FOUND"},
		{"without a name", anna.Token, KeyRequest{}, "INVALID_VALUE"},
		{"with a bad scope", anna.Token, KeyRequest{Name: "x", Scopes: []string{"a\nb"}}, "INVALID_VALUE"},
		{"over already", anna.Token, KeyRequest{Name: "x", ExpiresAt: &past}, "INVALID_VALUE"},
		{"by the admin token for a user", adminToken, KeyRequest{Name: "x", UserID: bert.UserID}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.t = t
			_, err := w.CreateAPIKey(w.as(test.token), test.request)
			w.wantCode(err, test.code)
		})
	}
	w.t = t
	list, err := w.APIKeys(w.as(anna.Token), anna.UserID)
	if err != nil || len(list) != 1 || !slices.Equal(list[0].Scopes, []string{"a", "b"}) || list[0].ExpiresAt == nil || !list[0].ExpiresAt.Equal(soon) {
		t.Errorf("%+v %v", list, err)
	}
	w.wantCode(w.DeleteAPIKey(w.as(bert.Token), key.ID), "NOT_FOUND")
	w.clock.Advance(time.Hour)
	_, err = w.Authenticate(context.Background(), key.Key)
	w.wantCode(err, "INVALID_API_KEY")
	w.wantCode(w.DeleteAPIKey(w.as(anna.Token), key.ID), "")
	list, _ = w.APIKeys(w.as(bert.Token), bert.UserID)
	w.wantCode(w.DeleteAPIKey(w.as(adminToken), list[0].ID), "")
}

func TestNew(t *testing.T) {
	base := newWorld(t, plain)
	for _, test := range []struct{ name, entity, adminField, want string }{
		{"good", "User", "isAdmin", ""},
		{"no such entity", "Person", "", "no entity"},
		{"no such field", "User", "boss", "no bool field"},
		{"not a bool", "User", "email", "no bool field"},
		{"the id", "User", "id", "no bool field"},
	} {
		m := &manifest.Manifest{Auth: &manifest.Auth{User: &manifest.AuthUser{Entity: test.entity, AdminField: test.adminField}}}
		_, err := New(Config{DB: base.db, Manifest: m})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	_, err := New(Config{DB: base.db, Manifest: &manifest.Manifest{Auth: &manifest.Auth{User: &manifest.AuthUser{AdminField: "isAdmin"}}}})
	if err == nil {
		t.Error("an admin field without a user entity was accepted")
	}
}

func TestDevice(t *testing.T) {
	for agent, want := range map[string]string{
		"": "unknown",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 Edg/126.0":            "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36":                "Chrome on macOS",
		"curl/8.5.0 extra": "curl/8.5.0",
		"\xff\x00":         "??",
	} {
		if got := device(agent); got != want {
			t.Errorf("%q: %q, want %q", agent, got, want)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	w := newWorld(b, plain)
	g := w.register("anna@example.org")
	b.ReportAllocs()
	for b.Loop() {
		if a, _ := w.Authenticate(context.Background(), g.Token); a.ID == "" {
			b.Fatal("nobody")
		}
	}
}
