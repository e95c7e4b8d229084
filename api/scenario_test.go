package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/api"
	"github.com/pylon-go/pylon/store/enginetest"
)

const shop = `{
  "manifest_version": 1, "name": "shop", "version": "1.0",
  "entities": [
    { "name": "User", "fields": [{ "name": "email", "type": "string", "unique": true }, { "name": "displayName", "type": "string", "optional": true }] },
    { "name": "Order", "fields": [
      { "name": "userId", "type": "id(User)" },
      { "name": "number", "type": "string", "unique": true },
      { "name": "total", "type": "int" },
      { "name": "weight", "type": "float", "optional": true },
      { "name": "paid", "type": "bool", "default": false },
      { "name": "status", "type": "string", "enumValues": ["open", "closed"], "default": "open" },
      { "name": "due", "type": "datetime", "optional": true },
      { "name": "extra", "type": "json", "optional": true },
      { "name": "origin", "type": "string", "optional": true, "readonly": true },
      { "name": "secret", "type": "string", "optional": true, "serverOnly": true },
    ] },
    { "name": "Hidden", "fields": [{ "name": "a", "type": "int" }] },
  ],
  "policies": [
    { "name": "own user", "entity": "User", "allowRead": "auth.userId == data.id" },
    { "name": "own orders", "entity": "Order", "allow": "auth.userId == data.userId" },
  ],
}`

// world is a running app and what scenarios have learnt of it.
type world struct {
	t    *testing.T
	app  http.Handler
	vars map[string]string
}

const adminToken = "the-administrators-token"

func start(t *testing.T, manifest string, limits api.Limits, env map[string]string) *world {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, pylon.ManifestName), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	app, err := pylon.New(t.Context(), pylon.Options{Dir: dir, AdminToken: adminToken, Version: "test", Limits: limits,
		Logger: slog.New(slog.DiscardHandler), Getenv: enginetest.New(t).Getenv(func(name string) string { return env[name] })})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, app: app, vars: map[string]string{"admin": adminToken}}
	if limits.Timeout == 1 { // nobody can register
		return w
	}
	for _, name := range []string{"alice", "bob"} {
		var g struct {
			Token  string `json:"token"`
			UserID string `json:"user_id"`
		}
		_, body, _ := w.do("POST", "/api/auth/password/register", "", `{"email":"`+name+`@example.com","password":"correct horse"}`, nil)
		if err := json.Unmarshal([]byte(body), &g); err != nil || g.Token == "" {
			t.Fatal(body)
		}
		w.vars[name], w.vars[name+"Id"] = g.Token, g.UserID
	}
	return w
}

func (w *world) fill(s string) string {
	for k, v := range w.vars {
		s = strings.ReplaceAll(s, "{{"+k+"}}", v)
	}
	return s
}

func (w *world) do(method, path, who, body string, headers map[string]string) (int, string, http.Header) {
	req := httptest.NewRequest(method, w.fill(path), strings.NewReader(w.fill(body)))
	if who != "" {
		token := w.vars[who]
		if token == "" {
			token = who
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	rec := httptest.NewRecorder()
	w.app.ServeHTTP(rec, req)
	return rec.Code, rec.Body.String(), rec.Header()
}

// scenario is one request and its exact answer. {{name}} stands for what earlier
// ones learnt; id keeps the new row's id under that name; # in the wanted body is
// any ULID, @ any time.
type scenario struct {
	name, method, path, who, body string
	status                        int
	want                          string
	id                            string
}

var (
	anyID   = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{26}\b`)
	anyTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
)

func (w *world) run(list []scenario) {
	w.t.Helper()
	for _, s := range list {
		w.t.Run(s.name, func(t *testing.T) {
			status, got, _ := w.do(s.method, s.path, s.who, s.body, nil)
			if s.id != "" {
				var row struct{ ID string }
				if json.Unmarshal([]byte(got), &row) == nil {
					w.vars[s.id] = row.ID
				}
			}
			want := w.fill(s.want)
			if strings.Contains(want, "#") {
				got = anyID.ReplaceAllString(got, "#")
				want = anyID.ReplaceAllString(want, "#")
			}
			if strings.Contains(want, "@") && !strings.Contains(want, "@example") {
				got = anyTime.ReplaceAllString(got, "@")
			}
			if status != s.status || got != want {
				t.Errorf("%s %s\ngot  %d %s\nwant %d %s", s.method, s.path, status, got, s.status, want)
			}
		})
	}
}

func TestEntities(t *testing.T) {
	w := start(t, shop, api.Limits{}, nil)
	const orders = "/api/entities/Order"
	const one = `"userId":"{{aliceId}}","number":"A1","total":5,"weight":1.5,"paid":false,"status":"open","due":"2026-01-31T08:30:00.000Z","extra":{"b":1,"a":[2]},"origin":"web"`
	w.run([]scenario{
		{name: "create", method: "POST", path: orders, who: "alice", status: 201, id: "o", want: `{"id":"#"}`,
			body: `{"userId":"{{aliceId}}","number":"A1","total":5,"weight":1.5,"due":"2026-01-31T09:30:00+01:00","extra":{ "b":1, "a":[2] },"origin":"web"}`},
		{name: "read", method: "GET", path: orders + "/{{o}}", who: "alice", status: 200, want: `{"id":"{{o}}",` + one + `}`},
		{name: "list", method: "GET", path: orders, who: "alice", status: 200, want: `{"data":[{"id":"{{o}}",` + one + `}],"count":1,"offset":0,"limit":null,"has_more":false}`},
		{name: "list is filtered by policy", method: "GET", path: orders + "?limit=5", who: "bob", status: 200, want: `{"data":[],"count":0,"offset":0,"limit":5,"has_more":false}`},
		{name: "list for nobody", method: "GET", path: orders, status: 200, want: `{"data":[],"count":0,"offset":0,"limit":null,"has_more":false}`},
		{name: "read denied", method: "GET", path: orders + "/{{o}}", who: "bob", status: 403, want: `{"error":{"code":"POLICY_DENIED","message":"you may not read this Order"}}`},
		{name: "query finds", method: "POST", path: "/api/query/Order", who: "alice", body: `{"total":{"$gte":5,"$lt":6},"number":{"$like":"a%"},"$order":{"total":"desc"},"$limit":3}`, status: 200, want: `[{"id":"{{o}}",` + one + `}]`},
		{name: "query finds nothing", method: "POST", path: "/api/query/Order", who: "alice", body: `{"status":{"$not":"open"}}`, status: 200, want: `[]`},
		{name: "query of several", method: "POST", path: "/api/query", who: "alice", body: `{"Order":{"paid":true},"User":{}}`, status: 200, want: `{"Order":[],"User":[{"id":"{{aliceId}}","email":"alice@example.com","displayName":null}]}`},
		{name: "lookup", method: "GET", path: "/api/lookup/Order/number/A1", who: "alice", status: 200, want: `{"id":"{{o}}",` + one + `}`},
		{name: "lookup of another's row", method: "GET", path: "/api/lookup/Order/number/A1", who: "bob", status: 404, want: `{"error":{"code":"NOT_FOUND","message":"no Order with this number"}}`},
		{name: "change", method: "PATCH", path: orders + "/{{o}}", who: "alice", body: `{"total":7,"weight":null}`, status: 200, want: `{"updated":true}`},
		{name: "changed", method: "POST", path: "/api/query/Order", who: "alice", body: `{"total":7,"weight":null}`, status: 200, want: `[{"id":"{{o}}","userId":"{{aliceId}}","number":"A1","total":7,"weight":null,"paid":false,"status":"open","due":"2026-01-31T08:30:00.000Z","extra":{"b":1,"a":[2]},"origin":"web"}]`},
		{name: "taking a row over", method: "PATCH", path: orders + "/{{o}}", who: "bob", body: `{"userId":"{{bobId}}"}`, status: 403, want: `{"error":{"code":"POLICY_DENIED","message":"you may not update this Order","hint":"refused by the policy \"own orders\""}}`},
		{name: "giving a row away", method: "PATCH", path: orders + "/{{o}}", who: "alice", body: `{"userId":"{{bobId}}"}`, status: 403, want: `{"error":{"code":"POLICY_DENIED","message":"you may not update this Order","hint":"refused by the policy \"own orders\""}}`},
		{name: "creating for another", method: "POST", path: orders, who: "bob", body: `{"userId":"{{aliceId}}","number":"B1","total":1}`, status: 403, want: `{"error":{"code":"POLICY_DENIED","message":"you may not insert this Order","hint":"refused by the policy \"own orders\""}}`},
		{name: "creating as nobody", method: "POST", path: orders, body: `{"userId":"{{aliceId}}","number":"B1","total":1}`, status: 403, want: `{"error":{"code":"POLICY_DENIED","message":"you may not insert this Order","hint":"refused by the policy \"own orders\""}}`},
		{name: "no policy is a denial", method: "GET", path: "/api/entities/Hidden", who: "alice", status: 403, want: `{"error":{"code":"POLICY_DENIED","message":"no policy allows read on Hidden","hint":"a policy for Hidden with allowRead or allow would"}}`},
		{name: "duplicate", method: "POST", path: orders, who: "bob", body: `{"userId":"{{bobId}}","number":"A1","total":1}`, status: 409, want: `{"error":{"code":"UNIQUE_VIOLATION","message":"another Order has this number","field":"number"}}`},
		{name: "cursor", method: "GET", path: orders + "/cursor?limit=1", who: "alice", status: 200, want: `{"data":[{"id":"{{o}}","userId":"{{aliceId}}","number":"A1","total":7,"weight":null,"paid":false,"status":"open","due":"2026-01-31T08:30:00.000Z","extra":{"b":1,"a":[2]},"origin":"web"}],"next_cursor":null,"has_more":false}`},
		{name: "delete denied", method: "DELETE", path: orders + "/{{o}}", who: "bob", status: 403, want: `{"error":{"code":"POLICY_DENIED","message":"you may not delete this Order","hint":"refused by the policy \"own orders\""}}`},
		{name: "delete", method: "DELETE", path: orders + "/{{o}}", who: "alice", status: 200, want: `{"deleted":true}`},
		{name: "delete again", method: "DELETE", path: orders + "/{{o}}", who: "alice", status: 404, want: `{"error":{"code":"NOT_FOUND","message":"no Order with id \"{{o}}\""}}`},
		{name: "read what is gone", method: "GET", path: orders + "/{{o}}", who: "alice", status: 404, want: `{"error":{"code":"NOT_FOUND","message":"no Order with id \"{{o}}\""}}`},
		{name: "change what is gone", method: "PATCH", path: orders + "/{{o}}", who: "alice", body: `{}`, status: 404, want: `{"error":{"code":"NOT_FOUND","message":"no Order with id \"{{o}}\""}}`},
	})
}

func TestBadInput(t *testing.T) {
	w := start(t, shop, api.Limits{MaxBody: 4096}, nil)
	invalid := func(code, message, hint, field string) string {
		out := `{"error":{"code":"` + code + `","message":"` + message + `"`
		if hint != "" {
			out += `,"hint":"` + hint + `"`
		}
		if field != "" {
			out += `,"field":"` + field + `"`
		}
		return out + "}}"
	}
	fields := "fields: id, userId, number, total, weight, paid, status, due, extra, origin"
	post := func(name, body string, status int, want string) scenario {
		return scenario{name: name, method: "POST", path: "/api/entities/Order", who: "alice", body: body, status: status, want: want}
	}
	query := func(name, body, want string) scenario {
		return scenario{name: name, method: "POST", path: "/api/query/Order", who: "alice", body: body, status: 400, want: want}
	}
	w.run([]scenario{
		post("empty body", "", 400, invalid("INVALID_JSON", "the body is empty; a JSON object was expected", "", "")),
		post("not JSON", "{x", 400, invalid("INVALID_JSON", "the body is not JSON: invalid character 'x' looking for beginning of object key string (at byte 2)", "", "")),
		post("truncated", `{"total":1`, 400, invalid("INVALID_JSON", "the body is not JSON: unexpected end of JSON input (at byte 10)", "", "")),
		post("an array", "[1]", 400, invalid("INVALID_JSON", "the body must be a JSON object", "", "")),
		post("a key twice", `{"total":1,"total":2}`, 400, invalid("INVALID_JSON", `the key \"total\" is there twice`, "", "total")),
		post("unknown column", `{"totl":1}`, 400, invalid("INVALID_COLUMN", `Order has no field \"totl\"`, fields, "totl")),
		post("missing fields", `{}`, 400, invalid("MISSING_FIELD", "Order needs the fields userId, number, total", "", "userId")),
		post("int", `{"total":"5"}`, 400, invalid("INVALID_VALUE", "total must be an int (whole number), got a string", "", "total")),
		post("fraction", `{"total":1.5}`, 400, invalid("INVALID_VALUE", "total must be an int: a whole number from -2^63 to 2^63-1, got 1.5", "", "total")),
		post("too large an int", `{"total":9223372036854775808}`, 400, invalid("INVALID_VALUE", "total must be an int: a whole number from -2^63 to 2^63-1, got 9223372036854775808", "", "total")),
		post("float", `{"weight":"heavy"}`, 400, invalid("INVALID_VALUE", "weight must be a float, got a string", "", "weight")),
		post("bool", `{"paid":1}`, 400, invalid("INVALID_VALUE", "paid must be a bool, got a number", "", "paid")),
		post("string", `{"number":{}}`, 400, invalid("INVALID_VALUE", "number must be a string, got an object", "", "number")),
		post("datetime", `{"due":"tomorrow"}`, 400, invalid("INVALID_VALUE", `due must be a datetime in RFC 3339, like 2026-01-31T09:30:00Z, got \"tomorrow\"`, "", "due")),
		post("id", `{"userId":7}`, 400, invalid("INVALID_VALUE", "userId must be an id of User (string), got a number", "", "userId")),
		post("enum", `{"status":"opn"}`, 400, invalid("INVALID_VALUE", "status must be one of: open, closed", "", "status")),
		post("null", `{"total":null}`, 400, invalid("INVALID_VALUE", "total may not be null", "", "total")),
		post("NUL", `{"number":"a\u0000b"}`, 400, invalid("INVALID_VALUE", "number contains the character U+0000, which text cannot hold", "", "number")),
		post("own id that is none", `{"id":"x"}`, 400, invalid("INVALID_VALUE", "id must be a ULID: 26 characters of Crockford's base 32, upper case", "", "id")),
		post("serverOnly", `{"secret":"x"}`, 403, invalid("FIELD_NOT_WRITABLE", "secret is set by the server only", "", "secret")),
		post("too large", `{"number":"`+strings.Repeat("x", 5000)+`"}`, 413, invalid("PAYLOAD_TOO_LARGE", "the body is larger than 4096 bytes", "", "")),
		{name: "unknown entity", method: "GET", path: "/api/entities/Ordr", who: "alice", status: 400, want: invalid("ENTITY_NOT_FOUND", `no entity \"Ordr\"`, `did you mean \"Order\"?`, "")},
		{name: "limit", method: "GET", path: "/api/entities/Order?limit=0", who: "alice", status: 400, want: invalid("INVALID_QUERY", "limit must be a whole number from 1 to 1000", "", "limit")},
		{name: "unknown parameter", method: "GET", path: "/api/entities/Order?lmit=1", who: "alice", status: 400, want: invalid("INVALID_QUERY", `unknown parameter \"lmit\"`, "limit and offset work here; POST /api/query/ENTITY filters", "lmit")},
		{name: "wrong method", method: "PUT", path: "/api/entities/Order/x", who: "alice", status: 405, want: invalid("METHOD_NOT_ALLOWED", "PUT does not work on this path", "allowed: GET, PATCH, DELETE", "")},
		{name: "unknown route", method: "GET", path: "/api/nothing", who: "alice", status: 404, want: invalid("NOT_FOUND", "no route GET /api/nothing", "GET /api/openapi.json lists the routes", "")},
		query("unknown operator", `{"total":{"$gte2":1}}`, invalid("INVALID_QUERY", `total: unknown operator \"$gte2\"`, "operators: $gt, $gte, $lt, $lte, $not, $in, $like", "total")),
		query("unknown key", `{"$oder":{}}`, invalid("INVALID_QUERY", `unknown key \"$oder\"`, "beside fields there are $order, $limit and $offset", "$oder")),
		query("filter on a serverOnly field", `{"secret":"x"}`, invalid("INVALID_COLUMN", `Order has no field \"secret\"`, fields, "secret")),
		query("order by a serverOnly field", `{"$order":{"secret":"asc"}}`, invalid("INVALID_COLUMN", `Order has no field \"secret\"`, fields, "secret")),
		query("like on a number", `{"total":{"$like":"1%"}}`, invalid("INVALID_QUERY", "$like works on text, total is an int (whole number)", "", "total")),
		{name: "lookup by a serverOnly field", method: "GET", path: "/api/lookup/Order/secret/x", who: "admin", status: 400, want: invalid("INVALID_COLUMN", `Order has no field \"secret\"`, fields, "secret")},
		{name: "batch is for the administrator", method: "POST", path: "/api/batch", who: "alice", body: `{}`, status: 403, want: invalid("FORBIDDEN", "only the administrator may do this", "", "")},
		{name: "transact for nobody", method: "POST", path: "/api/transact", body: `[]`, status: 401, want: invalid("AUTH_REQUIRED", "sign in first", "send a token: Authorization: Bearer TOKEN", "")},
		{name: "transact takes an array", method: "POST", path: "/api/transact", who: "admin", body: `{}`, status: 400, want: invalid("INVALID_JSON", "the body must be a JSON array of operations", "", "")},
		{name: "weak password", method: "POST", path: "/api/auth/password/register", body: `{"email":"c@example.com","password":"short"}`, status: 400, want: invalid("WEAK_PASSWORD", "the password must have 10 to 1024 characters", "", "password")},
		{name: "taken e-mail", method: "POST", path: "/api/auth/password/register", body: `{"email":"Alice@Example.com","password":"correct horse"}`, status: 409, want: invalid("EMAIL_TAKEN", "an account with this e-mail address exists", "sign in instead", "email")},
		{name: "wrong password", method: "POST", path: "/api/auth/password/login", body: `{"email":"alice@example.com","password":"wrong horse!"}`, status: 401, want: invalid("INVALID_CREDENTIALS", "e-mail address or password is wrong", "", "")},
		{name: "misspelt key", method: "POST", path: "/api/auth/password/login", body: `{"emial":"a"}`, status: 400, want: invalid("UNKNOWN_KEY", `unknown key \"emial\"`, `did you mean \"email\"?`, "emial")},
		{name: "bad API key", method: "GET", path: "/api/auth/me", who: "pk.a.b", status: 401, want: invalid("INVALID_API_KEY", "the API key is unknown, deleted or expired", "", "")},
		{name: "unknown session is nobody", method: "GET", path: "/api/auth/me", who: "stale", status: 200, want: `{"api_key_id":null,"avatar_url":null,"is_admin":false,"roles":[],"tenant_id":null,"user_id":null}`},
	})
}

func TestServerOnlyValuesStayInside(t *testing.T) {
	w := start(t, shop, api.Limits{}, nil)
	w.run([]scenario{
		{name: "the administrator may set one", method: "POST", path: "/api/entities/Order", who: "admin", body: `{"userId":"{{aliceId}}","number":"S","total":1,"secret":"hush"}`, status: 201, want: `{"id":"#"}`, id: "o"},
		{name: "and a readonly one later", method: "PATCH", path: "/api/entities/Order/{{o}}", who: "admin", body: `{"origin":"moved"}`, status: 200, want: `{"updated":true}`},
		{name: "the owner may not", method: "PATCH", path: "/api/entities/Order/{{o}}", who: "alice", body: `{"origin":"mine"}`, status: 403, want: `{"error":{"code":"FIELD_NOT_WRITABLE","message":"origin is set when the row is created and does not change","field":"origin"}}`},
	})
	for _, who := range []string{"alice", "admin"} {
		for _, path := range []string{"/api/entities/Order", "/api/entities/Order/{{o}}", "/api/entities/Order/cursor", "/api/lookup/Order/number/S", "/api/manifest"} {
			if _, body, _ := w.do("GET", path, who, "", nil); strings.Contains(body, "hush") || who != "admin" && strings.Contains(body, "secret") {
				t.Errorf("%s shows %s: %s", path, who, body)
			}
		}
	}
}

func TestBatchAndTransact(t *testing.T) {
	w := start(t, shop, api.Limits{}, nil)
	insert := func(number string) string {
		return `{"op":"insert","entity":"Order","data":{"userId":"{{aliceId}}","number":"` + number + `","total":1}}`
	}
	w.run([]scenario{
		{name: "batch: each for itself", method: "POST", path: "/api/batch", who: "admin", status: 200,
			body: `{"operations":[` + insert("1") + `,` + insert("1") + `,{"op":"upsert","entity":"Order"},{"op":"delete","entity":"Order","id":"nope"}]}`,
			want: `{"results":[{"op":"insert","id":"#","ok":true},{"op":"insert","ok":false,"error":{"code":"UNIQUE_VIOLATION","message":"another Order has this number","field":"number"}},{"op":"upsert","ok":false,"error":{"code":"INVALID_OPERATION","message":"unknown op \"upsert\"","hint":"ops: insert, update, delete","field":"op"}},{"op":"delete","id":"nope","ok":false,"error":{"code":"NOT_FOUND","message":"no Order with id \"nope\""}}],"succeeded":1,"failed":3}`},
		{name: "transact: none when one fails", method: "POST", path: "/api/transact", who: "admin", status: 400,
			body: `[` + insert("2") + `,` + insert("1") + `]`,
			want: `{"committed":false,"results":[{"op":"insert","id":"#","ok":false,"error":{"code":"ROLLED_BACK","message":"not done: operation 1 failed"}},{"op":"insert","ok":false,"error":{"code":"UNIQUE_VIOLATION","message":"another Order has this number","field":"number"}}]}`},
		{name: "nothing of it is there", method: "POST", path: "/api/query/Order", who: "admin", body: `{"number":"2"}`, status: 200, want: `[]`},
		{name: "transact: all", method: "POST", path: "/api/transact", who: "admin", body: `[` + insert("2") + `,` + insert("3") + `]`, status: 200,
			want: `{"committed":true,"results":[{"op":"insert","id":"#","ok":true},{"op":"insert","id":"#","ok":true}]}`},
		{name: "both are there", method: "POST", path: "/api/query/Order", who: "alice", body: `{"number":{"$in":["2","3"]},"$order":{"number":"asc"},"$limit":1,"$offset":1}`, status: 200,
			want: `[{"id":"#","userId":"#","number":"3","total":1,"weight":null,"paid":false,"status":"open","due":null,"extra":null,"origin":null}]`},
	})
}

func TestSignIn(t *testing.T) {
	w := start(t, shop, api.Limits{}, nil)
	w.run([]scenario{
		{name: "me", method: "GET", path: "/api/auth/me", who: "alice", status: 200, want: `{"api_key_id":null,"avatar_url":null,"is_admin":false,"roles":[],"tenant_id":null,"user_id":"{{aliceId}}"}`},
		{name: "administrator", method: "GET", path: "/api/auth/me", who: "admin", status: 200, want: `{"api_key_id":null,"avatar_url":null,"is_admin":true,"roles":["admin"],"tenant_id":null,"user_id":"__admin__"}`},
		{name: "session", method: "GET", path: "/api/auth/session", who: "alice", status: 200, want: `{"session":{"user_id":"{{aliceId}}","is_admin":false,"roles":[]},"user":{"id":"{{aliceId}}","email":"alice@example.com","displayName":null},"avatar_url":null}`},
		{name: "roles", method: "PUT", path: "/api/auth/users/{{aliceId}}/roles", who: "admin", body: `{"roles":["staff"]}`, status: 200, want: `{"updated":true}`},
		{name: "roles count at once", method: "GET", path: "/api/auth/me", who: "alice", status: 200, want: `{"api_key_id":null,"avatar_url":null,"is_admin":false,"roles":["staff"],"tenant_id":null,"user_id":"{{aliceId}}"}`},
		{name: "sign out", method: "DELETE", path: "/api/auth/session", who: "bob", status: 200, want: `{"revoked":true}`},
		{name: "signed out", method: "GET", path: "/api/auth/session", who: "bob", status: 200, want: `{"session":null,"user":null,"avatar_url":null}`},
	})

	_, body, _ := w.do("POST", "/api/auth/api-keys", "alice", `{"name":"ci"}`, nil)
	var key struct{ ID, Key string }
	if err := json.Unmarshal([]byte(body), &key); err != nil || !strings.HasPrefix(key.Key, "pk."+key.ID+".") {
		t.Fatal(body)
	}
	if _, body, _ := w.do("GET", "/api/auth/me", key.Key, "", nil); !strings.Contains(body, `"api_key_id":"`+key.ID+`"`) || !strings.Contains(body, w.vars["aliceId"]) {
		t.Error(body)
	}
	if _, body, _ := w.do("DELETE", "/api/auth/api-keys/"+key.ID, "alice", "", nil); body != `{"deleted":true}` {
		t.Error(body)
	}
	if status, _, _ := w.do("GET", "/api/auth/me", key.Key, "", nil); status != 401 {
		t.Error("a deleted key still works")
	}

	status, body, headers := w.do("POST", "/api/auth/password/login", "", `{"email":"alice@example.com","password":"correct horse"}`, map[string]string{"Origin": "http://example.com"})
	cookie := headers.Get("Set-Cookie")
	if status != 200 || !strings.HasPrefix(cookie, "shop_session=") || !strings.Contains(cookie, "HttpOnly; Secure; SameSite=Lax") {
		t.Fatalf("%d %s %s", status, body, cookie)
	}
	pair, _, _ := strings.Cut(cookie, ";")
	if _, body, _ := w.do("GET", "/api/auth/me", "", "", map[string]string{"Cookie": pair}); !strings.Contains(body, w.vars["aliceId"]) {
		t.Errorf("the cookie does not sign in: %s", body)
	}
	forged := map[string]string{"Cookie": pair, "Origin": "https://evil.example"}
	if status, body, _ := w.do("DELETE", "/api/auth/sessions", "", "", forged); status != 403 || !strings.Contains(body, "CSRF_REJECTED") {
		t.Errorf("a write from another site: %d %s", status, body)
	}
}

func TestProtection(t *testing.T) {
	w := start(t, shop, api.Limits{MaxInFlight: 1}, map[string]string{"PYLON_CORS_ORIGIN": "https://app.example", "PYLON_METRICS_TOKEN": "scrape"})

	// One request is held in its handler: its body does not come.
	entered, release := make(chan struct{}), make(chan struct{})
	held := make(chan int, 1)
	go func() {
		req := httptest.NewRequest("POST", "/api/entities/Order", &gate{entered: entered, release: release})
		req.Header.Set("Authorization", "Bearer "+adminToken)
		rec := httptest.NewRecorder()
		w.app.ServeHTTP(rec, req)
		held <- rec.Code
	}()
	<-entered
	status, body, headers := w.do("GET", "/api/entities/Order", "alice", "", nil)
	if status != 503 || headers.Get("Retry-After") != "1" || body != `{"error":{"code":"OVERLOADED","message":"the server has too much to do","hint":"try again in a second"}}` {
		t.Errorf("overload: %d %v %s", status, headers, body)
	}
	if status, _, _ := w.do("GET", "/health", "", "", nil); status != 200 {
		t.Errorf("/health under overload: %d", status)
	}
	close(release)
	if status := <-held; status != 400 {
		t.Errorf("the held request ended with %d", status)
	}
	if status, _, _ := w.do("GET", "/api/entities/Order", "alice", "", nil); status != 200 {
		t.Errorf("after the overload: %d", status)
	}

	preflight := map[string]string{"Origin": "https://app.example", "Access-Control-Request-Method": "PATCH"}
	if status, _, h := w.do("OPTIONS", "/api/entities/Order/x", "", "", preflight); status != 204 || h.Get("Access-Control-Allow-Origin") != "https://app.example" || h.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("preflight: %d %v", status, h)
	}
	preflight["Origin"] = "https://evil.example"
	if _, _, h := w.do("OPTIONS", "/api/entities/Order/x", "", "", preflight); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a foreign origin is let in: %v", h)
	}

	_, _, h := w.do("GET", "/api/auth/me", "", "", map[string]string{"X-Request-Id": "mine-1"})
	if h.Get("X-Request-Id") != "mine-1" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" {
		t.Errorf("headers: %v", h)
	}
	if _, _, h := w.do("GET", "/api/auth/me", "", "", map[string]string{"X-Request-Id": "bad id\n"}); !strings.HasPrefix(h.Get("X-Request-Id"), "req_") {
		t.Errorf("a malformed id was kept: %v", h)
	}

	for who, want := range map[string]int{"": 401, "alice": 401, "scrape": 200, "admin": 200} {
		if status, body, _ := w.do("GET", "/metrics", who, "", nil); status != want || want == 200 && !strings.Contains(body, "pylon_http_request_duration_seconds_bucket") {
			t.Errorf("metrics for %q: %d %.80s", who, status, body)
		}
	}
	if status, body, _ := w.do("GET", "/ready", "", "", nil); status != 200 || body != `{"status":"ready"}` {
		t.Errorf("ready: %d %s", status, body)
	}
}

// gate is a body whose first byte waits.
type gate struct {
	entered, release chan struct{}
	once             bool
}

func (g *gate) Read([]byte) (int, error) {
	if !g.once {
		g.once = true
		close(g.entered)
		<-g.release
	}
	return 0, io.EOF
}

func TestTimeLimit(t *testing.T) {
	w := start(t, shop, api.Limits{Timeout: 1}, nil) // a nanosecond
	if status, body, _ := w.do("GET", "/api/entities/Order", "admin", "", nil); status != 503 || body != `{"error":{"code":"TIMEOUT","message":"the request took longer than 1ns"}}` {
		t.Errorf("%d %s", status, body)
	}
}

func TestCompression(t *testing.T) {
	w := start(t, shop, api.Limits{}, nil)
	accept := map[string]string{"Accept-Encoding": "gzip"}
	if _, _, h := w.do("GET", "/api/auth/me", "", "", accept); h.Get("Content-Encoding") != "" {
		t.Error("a small answer is compressed")
	}
	_, body, h := w.do("GET", "/api/openapi.json", "admin", "", accept)
	if h.Get("Content-Encoding") != "gzip" || !bytes.HasPrefix([]byte(body), []byte{0x1f, 0x8b}) {
		t.Errorf("a large answer is not: %v", h)
	}
}

func TestOpenAPI(t *testing.T) {
	w := start(t, shop, api.Limits{}, nil)
	if status, _, _ := w.do("GET", "/api/openapi.json", "alice", "", nil); status != 401 {
		t.Errorf("it is open to everybody: %d", status)
	}
	_, body, _ := w.do("GET", "/api/openapi.json", "admin", "", nil)
	var doc struct {
		OpenAPI    string                                `json:"openapi"`
		Paths      map[string]map[string]json.RawMessage `json:"paths"`
		Components struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Fatal(err, doc.OpenAPI)
	}
	for _, ref := range regexp.MustCompile(`"#/components/schemas/([^"]+)"`).FindAllStringSubmatch(body, -1) {
		if doc.Components.Schemas[ref[1]] == nil {
			t.Errorf("a reference leads to no schema: %s", ref[1])
		}
	}
	for path, methods := range doc.Paths {
		for method := range methods {
			real := regexp.MustCompile(`\{[^}]+\}`).ReplaceAllString(path, "x")
			status, got, _ := w.do(strings.ToUpper(method), real, "admin", "", nil)
			if status == 405 || strings.Contains(got, "no route") {
				t.Errorf("%s %s is described and does not exist: %d %s", method, path, status, got)
			}
		}
	}
	if strings.Contains(body, `"secret"`) {
		t.Error("it names a serverOnly field")
	}
}
