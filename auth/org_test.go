package auth

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/pylon-go/pylon/store"
)

func TestOrgs(t *testing.T) {
	w := newWorld(t, plain)
	owner, admin, member, stranger := w.register("o@x.org"), w.register("a@x.org"), w.register("m@x.org"), w.register("s@x.org")
	guest, _ := w.Guest(context.Background())
	org, err := w.CreateOrg(w.as(owner.Token), "Acme")
	if err != nil || org.Role != OrgOwner || org.Name != "Acme" {
		t.Fatalf("%+v %v", org, err)
	}
	for token, code := range map[string]string{"": "AUTH_REQUIRED", guest.Token: "FORBIDDEN", adminToken: "FORBIDDEN"} {
		_, err := w.CreateOrg(w.as(token), "x")
		w.wantCode(err, code)
	}
	_, err = w.CreateOrg(w.as(owner.Token), "\n")
	w.wantCode(err, "INVALID_VALUE")

	steps := []struct {
		name, token string
		do          func(ctx context.Context) error
		code        string
	}{
		{"a stranger does not see it", stranger.Token, func(ctx context.Context) error { _, err := w.Org(ctx, org.ID); return err }, "NOT_FOUND"},
		{"nor its members", stranger.Token, func(ctx context.Context) error { _, err := w.Members(ctx, org.ID); return err }, "NOT_FOUND"},
		{"nor joins", stranger.Token, func(ctx context.Context) error { return w.SetMember(ctx, org.ID, stranger.UserID, OrgMember) }, "NOT_FOUND"},
		{"an owner cannot add without an invite", owner.Token, func(ctx context.Context) error { return w.SetMember(ctx, org.ID, member.UserID, OrgMember) }, "NOT_FOUND"},
		{"the administrator adds", adminToken, func(ctx context.Context) error { return w.SetMember(ctx, org.ID, member.UserID, OrgMember) }, ""},
		{"and another", adminToken, func(ctx context.Context) error { return w.SetMember(ctx, org.ID, admin.UserID, OrgMember) }, ""},
		{"but nobody unknown", adminToken, func(ctx context.Context) error { return w.SetMember(ctx, org.ID, "nobody", OrgMember) }, "NOT_FOUND"},
		{"no such role", owner.Token, func(ctx context.Context) error { return w.SetMember(ctx, org.ID, admin.UserID, "boss") }, "INVALID_VALUE"},
		{"the owner makes an admin", owner.Token, func(ctx context.Context) error { return w.SetMember(ctx, org.ID, admin.UserID, OrgAdmin) }, ""},
		{"a member does not promote himself", member.Token, func(ctx context.Context) error { return w.SetMember(ctx, org.ID, member.UserID, OrgAdmin) }, "FORBIDDEN"},
		{"an admin does not promote himself", admin.Token, func(ctx context.Context) error { return w.SetMember(ctx, org.ID, admin.UserID, OrgOwner) }, "FORBIDDEN"},
		{"nor others", admin.Token, func(ctx context.Context) error { return w.SetMember(ctx, org.ID, member.UserID, OrgOwner) }, "FORBIDDEN"},
		{"nor demotes the owner", admin.Token, func(ctx context.Context) error { return w.SetMember(ctx, org.ID, owner.UserID, OrgMember) }, "FORBIDDEN"},
		{"nor removes him", admin.Token, func(ctx context.Context) error { return w.RemoveMember(ctx, org.ID, owner.UserID) }, "FORBIDDEN"},
		{"a member removes nobody", member.Token, func(ctx context.Context) error { return w.RemoveMember(ctx, org.ID, admin.UserID) }, "FORBIDDEN"},
		{"the last owner cannot leave", owner.Token, func(ctx context.Context) error { return w.RemoveMember(ctx, org.ID, owner.UserID) }, "LAST_OWNER"},
		{"nor step down", owner.Token, func(ctx context.Context) error { return w.SetMember(ctx, org.ID, owner.UserID, OrgAdmin) }, "LAST_OWNER"},
		{"an admin removes a member", admin.Token, func(ctx context.Context) error { return w.RemoveMember(ctx, org.ID, member.UserID) }, ""},
		{"who is gone", admin.Token, func(ctx context.Context) error { return w.RemoveMember(ctx, org.ID, member.UserID) }, "NOT_FOUND"},
		{"an admin does not delete it", admin.Token, func(ctx context.Context) error { return w.DeleteOrg(ctx, org.ID) }, "FORBIDDEN"},
		{"he may leave", admin.Token, func(ctx context.Context) error { return w.RemoveMember(ctx, org.ID, admin.UserID) }, ""},
		{"a stranger does not delete it", stranger.Token, func(ctx context.Context) error { return w.DeleteOrg(ctx, org.ID) }, "NOT_FOUND"},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			w.t = t
			w.wantCode(step.do(w.as(step.token)), step.code)
		})
	}
	w.t = t
	members, err := w.Members(w.as(owner.Token), org.ID)
	if err != nil || len(members) != 1 || members[0].UserID != owner.UserID || members[0].Role != OrgOwner {
		t.Errorf("%+v %v", members, err)
	}
	list, err := w.Orgs(w.as(owner.Token))
	if err != nil || len(list) != 1 || list[0] != *org {
		t.Errorf("%+v %v", list, err)
	}
	w.wantCode(w.DeleteOrg(w.as(owner.Token), org.ID), "")
	if w.count(orgTable)+w.count(memberTable) != 0 {
		t.Error("something was left behind")
	}
}

func TestSelectOrg(t *testing.T) {
	w := newWorld(t, plain)
	owner, member := w.register("o@x.org"), w.register("m@x.org")
	org, _ := w.CreateOrg(w.as(owner.Token), "Acme")
	is := func(tenant string, roles ...string) {
		t.Helper()
		if a := w.actor(member.Token); a.TenantID != tenant || !slices.Equal(a.Roles, roles) {
			t.Errorf("tenant %q, roles %v; want %q, %v", a.TenantID, a.Roles, tenant, roles)
		}
	}
	w.wantCode(w.SelectOrg(w.as(member.Token), member.Token, org.ID), "NOT_A_MEMBER")
	w.wantCode(w.SelectOrg(w.as(member.Token), member.Token, "nowhere"), "NOT_A_MEMBER")
	is("")
	w.wantCode(w.SetMember(w.as(adminToken), org.ID, member.UserID, OrgMember), "")
	w.wantCode(w.SetRoles(w.as(adminToken), member.UserID, []string{"staff"}), "")
	is("", "staff")
	w.wantCode(w.SelectOrg(w.as(member.Token), owner.Token, org.ID), "AUTH_REQUIRED") // not his session
	w.wantCode(w.SelectOrg(w.as(member.Token), member.Token, org.ID), "")
	is(org.ID, "staff", "org:member")
	w.wantCode(w.SetMember(w.as(owner.Token), org.ID, member.UserID, OrgAdmin), "")
	is(org.ID, "staff", "org:admin") // at once, and never the app's role "admin"
	g, err := w.Refresh(context.Background(), member.Token)
	w.wantCode(err, "")
	member = g
	is(org.ID, "staff", "org:admin")
	w.wantCode(w.SelectOrg(w.as(member.Token), member.Token, ""), "")
	is("", "staff")
	w.wantCode(w.SelectOrg(w.as(member.Token), member.Token, org.ID), "")
	w.wantCode(w.RemoveMember(w.as(owner.Token), org.ID, member.UserID), "")
	is("", "staff")
	w.wantCode(w.SetMember(w.as(adminToken), org.ID, member.UserID, OrgMember), "")
	is("", "staff") // joining again selects nothing
	w.wantCode(w.SelectOrg(w.as(member.Token), member.Token, org.ID), "")
	w.wantCode(w.DeleteOrg(w.as(owner.Token), org.ID), "")
	is("", "staff")
}

func TestTwoOwnersLeaveAtOnce(t *testing.T) {
	w := newWorld(t, plain)
	a, b := w.register("a@x.org"), w.register("b@x.org")
	org, _ := w.CreateOrg(w.as(a.Token), "Acme")
	w.wantCode(w.SetMember(w.as(adminToken), org.ID, b.UserID, OrgOwner), "")
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i, g := range []*Grant{a, b} {
		ctx := w.as(g.Token)
		wg.Go(func() { errs[i] = w.RemoveMember(ctx, org.ID, g.UserID) })
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || w.count(memberTable) != 1 {
		t.Errorf("%v", errs)
	}
	for _, err := range errs {
		if err != nil && !store.HasCode(err, "LAST_OWNER") {
			t.Error(err)
		}
	}
}
