package auth

import "github.com/pylon-go/pylon/store"

const (
	accountTable = "_pylon_auth_accounts"
	sessionTable = "_pylon_auth_sessions"
	keyTable     = "_pylon_auth_api_keys"
	orgTable     = "_pylon_auth_orgs"
	memberTable  = "_pylon_auth_org_members"
)

// Tables are the private tables of this package, for the app's schema.
func Tables() []*store.Table {
	text := func(name string) store.Column { return store.Column{Name: name, Type: store.TypeString} }
	opt := func(c store.Column) store.Column { c.Null = true; return c }
	at := func(name string) store.Column { return store.Column{Name: name, Type: store.TypeDatetime} }
	hash := func(name string) store.Column { return store.Column{Name: name, Type: store.TypeBytes} }
	return []*store.Table{
		{
			// What is known of a user beside his row: how he signs in, and his
			// roles, one a line. A user without either has no account row.
			Name:       accountTable,
			Columns:    []store.Column{text("user_id"), opt(text("login")), opt(text("password")), opt(text("roles")), at("created_at")},
			PrimaryKey: []string{"user_id"},
			Indexes:    []store.Index{{Name: accountTable + "_login", Columns: []string{"login"}, Unique: true}},
		},
		{
			Name: sessionTable,
			Columns: []store.Column{hash("token"), text("prefix"), text("user_id"), {Name: "guest", Type: store.TypeBool},
				opt(text("tenant_id")), text("device"), at("created_at"), at("expires_at")},
			PrimaryKey: []string{"token"},
			Indexes: []store.Index{
				{Name: sessionTable + "_user", Columns: []string{"user_id"}},
				{Name: sessionTable + "_expiry", Columns: []string{"expires_at"}},
			},
		},
		{
			Name: keyTable,
			Columns: []store.Column{text("id"), hash("secret"), text("prefix"), text("name"), text("user_id"), text("scopes"),
				at("created_at"), opt(at("expires_at"))},
			PrimaryKey: []string{"id"},
			Indexes:    []store.Index{{Name: keyTable + "_user", Columns: []string{"user_id"}}},
		},
		{
			Name:       orgTable,
			Columns:    []store.Column{text("id"), text("name"), at("created_at")},
			PrimaryKey: []string{"id"},
		},
		{
			Name:       memberTable,
			Columns:    []store.Column{text("org_id"), text("user_id"), text("role"), at("joined_at")},
			PrimaryKey: []string{"org_id", "user_id"},
			Indexes:    []store.Index{{Name: memberTable + "_user", Columns: []string{"user_id"}}},
		},
	}
}
