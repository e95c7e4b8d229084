package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pylon-go/pylon/store"
)

func TestRegister(t *testing.T) {
	for _, test := range []struct {
		name string
		r    Registration
		code string
	}{
		{"good", Registration{"anna@Example.org", "correct horse", "Anna"}, ""},
		{"spaces around", Registration{"  bert@example.org\n", "correct horse", ""}, ""},
		{"10 characters", Registration{"c@example.org", strings.Repeat("é", 10), ""}, ""},
		{"1024 characters", Registration{"d@example.org", strings.Repeat("x", 1024), ""}, ""},
		{"9 characters", Registration{"e@example.org", strings.Repeat("é", 9), ""}, "WEAK_PASSWORD"},
		{"1025 characters", Registration{"e@example.org", strings.Repeat("x", 1025), ""}, "WEAK_PASSWORD"},
		{"no e-mail", Registration{"", "correct horse", ""}, "INVALID_EMAIL"},
		{"no @", Registration{"anna", "correct horse", ""}, "INVALID_EMAIL"},
		{"with a name", Registration{"Anna <anna@example.org>", "correct horse", ""}, "INVALID_EMAIL"},
		{"two", Registration{"a@x.org,b@x.org", "correct horse", ""}, "INVALID_EMAIL"},
		{"header injection", Registration{"a@x.org\r\nBcc: b@x.org", "correct horse", ""}, "INVALID_EMAIL"},
		{"too long", Registration{strings.Repeat("a", 250) + "@x.org", "correct horse", ""}, "INVALID_EMAIL"},
		{"taken", Registration{"taken@example.org", "correct horse", ""}, "EMAIL_TAKEN"},
		{"taken, other case", Registration{"Taken@EXAMPLE.org", "correct horse", ""}, "EMAIL_TAKEN"},
		{"taken by a row", Registration{"row@example.org", "correct horse", ""}, "EMAIL_TAKEN"},
		{"bad name", Registration{"f@example.org", "correct horse", "a\x00"}, "INVALID_VALUE"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, plain)
			w.register("taken@example.org")
			p := store.NewPatch(w.user)
			p.Put("email", store.String("row@example.org"))
			if err := w.db.Update(store.WithActor(context.Background(), store.System("test")), func(tx *store.Tx) error {
				_, err := tx.Insert(p)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			g, err := w.Register(context.Background(), test.r)
			w.wantCode(err, test.code)
			if err != nil {
				if w.count("User") != 2 || w.count(accountTable) != 1 || w.count(sessionTable) != 1 {
					t.Error("a refused registration left something behind")
				}
				return
			}
			if w.actor(g.Token).ID != g.UserID {
				t.Error("the session is not his")
			}
			row, err := w.db.Get(store.WithActor(context.Background(), store.System("test")), w.user, g.UserID)
			if err != nil {
				t.Fatal(err)
			}
			at := strings.IndexByte(test.r.Email, '@')
			if got, _ := row.Get("email"); got.Str() != strings.TrimSpace(test.r.Email[:at]+strings.ToLower(test.r.Email[at:])) {
				t.Errorf("email %q", got.Str())
			}
			if got, _ := row.Get("displayName"); got.Str() != test.r.DisplayName {
				t.Errorf("displayName %q", got.Str())
			}
		})
	}
}

func TestRegisterNeedsOtherFields(t *testing.T) {
	w := newWorld(t, []store.Field{{Name: "avatarColor", Type: store.TypeString}})
	_, err := w.Register(context.Background(), Registration{Email: "a@example.org", Password: "correct horse"})
	w.wantCode(err, "MISSING_FIELD")
}

func TestWithoutUserEntity(t *testing.T) {
	w := newWorld(t, nil)
	g := w.register("Anna@example.org")
	if a := w.actor(g.Token); a.ID != g.UserID || a.Email != "anna@example.org" {
		t.Errorf("%+v", a)
	}
	_, err := w.Login(context.Background(), "anna@example.org", "correct horse")
	w.wantCode(err, "")
	_, err = w.Register(context.Background(), Registration{Email: "anna@example.org", Password: "correct horse"})
	w.wantCode(err, "EMAIL_TAKEN")
}

// seen is a hook that looks at the transaction of a registration.
type seen struct {
	fail  bool
	actor store.Actor
}

func (h *seen) InTx(_ context.Context, tx *store.Tx, w *store.Write) error {
	h.actor = *w.Actor
	if h.fail {
		return errors.New("no")
	}
	return nil
}

func TestRegistrationIsOneTransaction(t *testing.T) {
	w := newWorld(t, plain)
	h := &seen{fail: true}
	w.db.AddHook(h)
	ctx := store.WithActor(context.Background(), store.Actor{Type: store.ActorAnonymous, IP: "192.0.2.1", RequestID: "r1"})
	if _, err := w.Register(ctx, Registration{Email: "a@example.org", Password: "correct horse"}); err == nil {
		t.Fatal("registered")
	}
	if w.count("User")+w.count(accountTable)+w.count(sessionTable) != 0 {
		t.Error("something was left behind")
	}
	if h.actor.Type != store.ActorSystem || h.actor.ID != "auth" || h.actor.IP != "192.0.2.1" || h.actor.RequestID != "r1" {
		t.Errorf("%+v", h.actor)
	}
}

func TestTwoRegistrationsAtOnce(t *testing.T) {
	for _, fields := range [][]store.Field{plain, nil} {
		w := newWorld(t, fields)
		errs := make([]error, 6)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = w.Register(context.Background(), Registration{Email: "anna@example.org", Password: "correct horse"})
			})
		}
		wg.Wait()
		good := 0
		for _, err := range errs {
			if err == nil {
				good++
			} else {
				w.wantCode(err, "EMAIL_TAKEN")
			}
		}
		if good != 1 || w.count(accountTable) != 1 || w.count(sessionTable) != 1 {
			t.Errorf("%d registrations", good)
		}
	}
}

func TestLogin(t *testing.T) {
	w := newWorld(t, plain)
	g := w.register("anna@example.org")
	if err := w.SetRoles(w.as(adminToken), g.UserID, []string{"x"}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, email, password, code string }{
		{"good", "anna@example.org", "correct horse", ""},
		{"as he likes to write it", " Anna@Example.ORG ", "correct horse", ""},
		{"wrong password", "anna@example.org", "wrong horse", "INVALID_CREDENTIALS"},
		{"empty password", "anna@example.org", "", "INVALID_CREDENTIALS"},
		{"huge password", "anna@example.org", strings.Repeat("x", 1<<20), "INVALID_CREDENTIALS"},
		{"unknown", "bert@example.org", "correct horse", "INVALID_CREDENTIALS"},
		{"empty", "", "", "INVALID_CREDENTIALS"},
		{"not UTF-8", "\xff\x00@x", "correct horse", "INVALID_CREDENTIALS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.t = t
			got, err := w.Login(context.Background(), test.email, test.password)
			w.wantCode(err, test.code)
			if err == nil && w.actor(got.Token).ID != g.UserID {
				t.Error("not his session")
			}
		})
	}
}

func TestRehash(t *testing.T) {
	w := newWorld(t, plain)
	g := w.register("anna@example.org")
	weak := argonParams{memory: 64, time: 1, threads: 1}
	salt := random(saltSize)
	key, _ := w.hasher.derive(context.Background(), "correct horse", salt, weak, keySize)
	old := encodeHash(weak, salt, key)
	w.db.Update(context.Background(), func(tx *store.Tx) error { return setPassword(tx, g.UserID, old) })
	stored := func() (hash string) {
		w.db.View(context.Background(), func(tx *store.Tx) error {
			a, err := accountByLogin(tx, "anna@example.org")
			hash = a.password
			return err
		})
		return hash
	}
	_, err := w.Login(context.Background(), "anna@example.org", "wrong horse")
	w.wantCode(err, "INVALID_CREDENTIALS")
	if stored() != old {
		t.Error("rehashed with a wrong password")
	}
	for range 2 {
		_, err = w.Login(context.Background(), "anna@example.org", "correct horse")
		w.wantCode(err, "")
		if !strings.Contains(stored(), "m=19456,") {
			t.Error("not rehashed")
		}
	}
}

func TestDecodeHash(t *testing.T) {
	for _, bad := range []string{"", "x", "$argon2i$v=19$m=1,t=1,p=1$AA$AA", "$argon2id$v=18$m=1,t=1,p=1$AA$AA", "$argon2id$v=19$m=1,t=0,p=1$AA$AA", "$argon2id$v=19$m=1,t=1,p=1$!$AA", "$argon2id$v=19$m=1,t=1,p=1$AA$"} {
		if _, _, _, err := decodeHash(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestHashingWaitsForTheContext(t *testing.T) {
	h := newHasher()
	for range hashesAtOnce {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := h.hash(ctx, "x")
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestLoginLimits(t *testing.T) {
	w := newWorld(t, plain)
	w.register("anna@example.org")
	w.perIP.max = 15
	from := func(ip string) context.Context {
		return store.WithActor(context.Background(), store.Actor{Type: store.ActorAnonymous, IP: ip})
	}
	for range 9 {
		_, err := w.Login(from("192.0.2.1"), "anna@example.org", "wrong horse")
		w.wantCode(err, "INVALID_CREDENTIALS")
	}
	_, err := w.Login(from("192.0.2.1"), "anna@example.org", "correct horse") // forgives
	w.wantCode(err, "")
	for range 10 {
		_, err := w.Login(from(""), "anna@example.org", "wrong horse")
		w.wantCode(err, "INVALID_CREDENTIALS")
	}
	w.clock.Advance(5 * time.Minute)
	_, err = w.Login(from("192.0.2.2"), "Anna@example.org", "correct horse")
	w.wantCode(err, "RATE_LIMITED")
	var limited *RateLimited
	if !errors.As(err, &limited) || limited.RetryAfter() != 10*time.Minute+time.Second || !store.IsKind(err, store.Limited) {
		t.Errorf("%v", err)
	}
	w.clock.Advance(10 * time.Minute)
	_, err = w.Login(from("192.0.2.2"), "anna@example.org", "correct horse")
	w.wantCode(err, "")

	for i := range 15 { // many accounts from one network
		_, err := w.Login(from(fmt.Sprintf("2001:db8::%d", i)), fmt.Sprintf("u%d@example.org", i), "wrong horse")
		w.wantCode(err, "INVALID_CREDENTIALS")
	}
	_, err = w.Login(from("2001:db8::ffff"), "anna@example.org", "correct horse")
	w.wantCode(err, "RATE_LIMITED")
	_, err = w.Login(from("2001:db8:0:1::1"), "anna@example.org", "correct horse")
	w.wantCode(err, "")
}

func TestGuessesAtOnce(t *testing.T) {
	w := newWorld(t, plain)
	w.register("anna@example.org")
	var mu sync.Mutex
	tried := 0
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if _, err := w.Login(context.Background(), "anna@example.org", "wrong horse"); store.HasCode(err, "INVALID_CREDENTIALS") {
				mu.Lock()
				tried++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if tried != 10 {
		t.Errorf("%d guesses got through", tried)
	}
}

func TestLimiterIsBounded(t *testing.T) {
	w := newWorld(t, nil)
	for i := range maxKeys + 100 {
		w.perID.take(fmt.Sprint(i))
	}
	if n := len(w.perID.attempts); n > maxKeys {
		t.Errorf("%d keys", n)
	}
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t, plain)
	a := w.register("anna@example.org")
	b, _ := w.Login(context.Background(), "anna@example.org", "correct horse")
	key, _ := w.CreateAPIKey(w.as(a.Token), KeyRequest{Name: "k"})
	_, err := w.ChangePassword(w.as(key.Key), "correct horse", "another horse")
	w.wantCode(err, "FORBIDDEN")
	_, err = w.ChangePassword(context.Background(), "correct horse", "another horse")
	w.wantCode(err, "AUTH_REQUIRED")
	_, err = w.ChangePassword(w.as(a.Token), "wrong horse", "another horse")
	w.wantCode(err, "INVALID_CREDENTIALS")
	_, err = w.ChangePassword(w.as(a.Token), "correct horse", "short")
	w.wantCode(err, "WEAK_PASSWORD")
	c, err := w.ChangePassword(w.as(a.Token), "correct horse", "another horse")
	w.wantCode(err, "")
	if w.actor(a.Token).ID != "" || w.actor(b.Token).ID != "" || w.actor(c.Token).ID != a.UserID {
		t.Error("old sessions live or the new does not")
	}
	_, err = w.Login(context.Background(), "anna@example.org", "correct horse")
	w.wantCode(err, "INVALID_CREDENTIALS")
	_, err = w.Login(context.Background(), "anna@example.org", "another horse")
	w.wantCode(err, "")
}

func TestDeletingTheUser(t *testing.T) {
	w := newWorld(t, plain)
	anna, bert := w.register("anna@example.org"), w.register("bert@example.org")
	key, _ := w.CreateAPIKey(w.as(anna.Token), KeyRequest{Name: "k"})
	alone, _ := w.CreateOrg(w.as(anna.Token), "Alone")
	shared, _ := w.CreateOrg(w.as(anna.Token), "Shared")
	w.wantCode(w.SetMember(w.as(adminToken), shared.ID, bert.UserID, OrgMember), "")
	if err := w.db.Update(store.WithActor(context.Background(), store.System("test")), func(tx *store.Tx) error {
		_, err := tx.Delete(w.user, anna.UserID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if w.actor(anna.Token).ID != "" || w.actor(bert.Token).ID == "" {
		t.Error("the wrong sessions ended")
	}
	_, err := w.Authenticate(context.Background(), key.Key)
	w.wantCode(err, "INVALID_API_KEY")
	_, err = w.Login(context.Background(), "anna@example.org", "correct horse")
	w.wantCode(err, "INVALID_CREDENTIALS")
	_, err = w.Org(w.as(adminToken), alone.ID)
	w.wantCode(err, "NOT_FOUND")
	_, err = w.Org(w.as(bert.Token), shared.ID)
	w.wantCode(err, "")
	w.register("anna@example.org") // free again
}

func TestChangingTheEmail(t *testing.T) {
	w := newWorld(t, plain)
	anna := w.register("anna@example.org")
	w.register("bert@example.org")
	w.wantCode(w.update(anna.UserID, "email", store.String("Bert@example.org")), "EMAIL_TAKEN")
	w.wantCode(w.update(anna.UserID, "email", store.String("New@example.org")), "")
	_, err := w.Login(context.Background(), "anna@example.org", "correct horse")
	w.wantCode(err, "INVALID_CREDENTIALS")
	_, err = w.Login(context.Background(), "new@example.org", "correct horse")
	w.wantCode(err, "")
	if a := w.actor(anna.Token); a.Email != "New@example.org" {
		t.Errorf("%+v", a)
	}
}
