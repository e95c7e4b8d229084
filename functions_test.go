package pylon_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/store/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// served is an app behind a real HTTP server.
type served struct {
	t   *testing.T
	app *pylon.App
	url string
}

// serveApp runs the app in dir on an engine of the test's.
func serveApp(t *testing.T, dir string, env map[string]string, change ...func(*pylon.Options)) *served {
	t.Helper()
	o := pylon.Options{Dir: dir, Dev: true, AdminToken: "admin-token", Logger: slog.New(slog.DiscardHandler),
		Getenv: enginetest.New(t).Getenv(func(name string) string { return env[name] })}
	for _, f := range change {
		f(&o)
	}
	app, err := pylon.New(t.Context(), o)
	must(t, err)
	server := httptest.NewServer(app)
	t.Cleanup(func() {
		server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		must(t, app.Stop(ctx))
	})
	return &served{t, app, server.URL}
}

// do sends a request and answers status and body.
func (s *served) do(method, path, token, body string, header ...string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	must(s.t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	must(s.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(s.t, err)
	return resp.StatusCode, string(b)
}

// want calls a function and holds the answer against a status and a part of the body.
func (s *served) want(status int, part, name, token, args string) string {
	s.t.Helper()
	got, body := s.do("POST", "/api/fn/"+name, token, args)
	if got != status || !strings.Contains(body, part) {
		s.t.Errorf("%s %s: %d %s; want %d and %s", name, args, got, body, status, part)
	}
	return body
}

func field(t *testing.T, body, name string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return fmt.Sprint(m[name])
}

// copyStore is a copy of examples/store, so that its folder stays clean.
func copyStore(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS("examples/store")))
	return dir
}

// The functions of examples/store use all that a handler gets.
func TestTheStoresFunctions(t *testing.T) {
	supplier := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/stock" || r.URL.Query().Get("sku") != "cup & saucer" || r.Header.Get("Accept") != "application/json" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		io.WriteString(w, `{"quantity":7}`)
	}))
	t.Cleanup(supplier.Close)
	s := serveApp(t, copyStore(t), map[string]string{"SUPPLIER_URL": supplier.URL, "CARRIER_SECRET": "carrier"})
	admin := "admin-token"
	status, body := s.do("POST", "/api/auth/password/register", "", `{"email":"ada@example.com","password":"correct horse battery"}`)
	if status != 200 {
		t.Fatal(body)
	}
	ada, adaID := field(t, body, "token"), field(t, body, "user_id")
	_, body = s.do("POST", "/api/entities/Product", admin, `{"sku":"cup & saucer","title":"Cup","priceCents":500,"stock":3,"published":true}`)
	cup := field(t, body, "id")

	s.want(200, `"stock":3`, "catalogue", "", "")
	s.want(401, "AUTH_REQUIRED", "orders/place", "", "")
	s.want(400, `"message":"items is missing`, "orders/place", ada, "")
	s.want(400, "items[0].quantity must be", "orders/place", ada, `{"items":[{"productId":"`+cup+`","quantity":0}]}`)
	s.want(404, "UNKNOWN_PRODUCT", "orders/place", ada, `{"items":[{"productId":"nothing","quantity":1}]}`)
	placed := s.want(200, `"totalCents":1000`, "orders/place", ada, `{"items":[{"productId":"`+cup+`","quantity":2}]}`)
	s.want(409, `only 1 of Cup`, "orders/place", ada, `{"items":[{"productId":"`+cup+`","quantity":2}]}`)
	s.want(200, `"stock":1`, "catalogue", "", "") // not from the cache: the order dropped it
	s.want(404, "FN_NOT_FOUND", "orders/invoice", ada, `{"orderId":"`+field(t, placed, "orderId")+`"}`)

	// What a function writes is on the record, in the name of who called it.
	if _, body := s.do("POST", "/api/query/AuditLog", admin, `{"entity":"Order","operation":"insert"}`); !strings.Contains(body, `"actorId":"`+adaID+`"`) || !strings.Contains(body, field(t, placed, "orderId")) {
		t.Error(body)
	}

	// The invoice is the scheduler's work.
	var order struct {
		Number  string
		UserID  string
		Status  string
		Invoice *struct{ AmountCents int }
	}
	eventually(t, func() bool {
		var orders []json.RawMessage
		must(t, json.Unmarshal([]byte(s.want(200, "[", "orders/mine", ada, "")), &orders))
		if len(orders) != 1 {
			t.Fatalf("%d orders", len(orders))
		}
		must(t, json.Unmarshal(orders[0], &order))
		return order.Invoice != nil
	})
	if order.Invoice.AmountCents != 1000 || order.UserID != adaID || order.Status != "open" {
		t.Errorf("%+v", order)
	}

	// A stream of events.
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/api/fn/restock", strings.NewReader(`{"sku":"cup & saucer"}`))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+admin)
	r.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	var lines []string
	for scan := bufio.NewScanner(resp.Body); scan.Scan(); {
		lines = append(lines, scan.Text())
	}
	want := `data: asking the supplier||event: quantity|data: {"sku":"cup & saucer","quantity":7}||event: result|data: {"stock":8}|`
	if got := strings.Join(lines, "|"); got != want || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("streamed %s", got)
	}
	s.want(403, "FORBIDDEN", "restock", ada, `{"sku":"x"}`)
	s.want(503, "SUPPLIER_FAILED", "restock", admin, `{"sku":"other"}`)

	// A signed request of a carrier.
	message := `{"number":"` + order.Number + `"}`
	mac := hmac.New(sha256.New, []byte("carrier"))
	mac.Write([]byte(message))
	signature := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, c := range []struct {
		path, signature, body string
		status                int
	}{
		{"shipped", "AAAA", message, 401},
		{"shipped", signature, message + " ", 401},
		{"shipped", signature, message, 200},
		{"shipped", signature, message, 200},
		{"orders/mine", signature, message, 400},
		{"orders/ship", signature, message, 404},
		{"nothing", signature, message, 404},
	} {
		if got, body := s.do("POST", "/api/webhooks/"+c.path, "", c.body, "X-Carrier-Signature", c.signature); got != c.status {
			t.Errorf("%s: %d %s", c.path, got, body)
		}
	}
	s.want(409, "the order is shipped", "orders/cancel", ada, message)
	s.want(404, "NO_ORDER", "orders/cancel", ada, `{"number":"A-none"}`)
	second := s.want(200, "orderId", "orders/place", ada, `{"items":[{"productId":"`+cup+`","quantity":1}]}`)
	_, body = s.do("GET", "/api/entities/Order/"+field(t, second, "orderId"), ada, "")
	s.want(200, "null", "orders/cancel", ada, `{"number":"`+field(t, body, "number")+`"}`)
	s.want(200, `"stock":8`, "catalogue", "", "")

	planned := s.want(200, `"id":`, "reminders", ada, `{"at":"2999-01-01T00:00:00Z","note":"tea"}`)
	s.want(200, `"cancelled":true`, "reminders", ada, `{"cancel":"`+field(t, planned, "id")+`"}`)
	s.want(200, `"cancelled":false`, "reminders", ada, `{"cancel":"`+field(t, planned, "id")+`"}`)
	s.want(200, `"deleted":0`, "cleanup", admin, "")

	s.want(200, `"now":{"products":1,"organisations":[],"by":"req_`, "report", admin, "")
	s.want(200, `"last":{"products":1,"organisations":[],"by":"req_`, "report", admin, "")
	s.want(403, "FORBIDDEN", "report", ada, "")

	if got, body := s.do("GET", "/api/fn", ada, ""); got != 403 {
		t.Errorf("%d %s", got, body)
	}
	_, body = s.do("GET", "/api/fn", admin, "")
	if strings.Count(body, `"name":`) < 12 || !strings.Contains(body, `"minItems":1`) {
		t.Error(body)
	}
	if _, body = s.do("GET", "/api/openapi.json", "", ""); !strings.Contains(body, `"/api/fn/orders/place":{"post":`) || strings.Contains(body, "/api/fn/cleanup") {
		t.Error(body)
	}
	if _, body = s.do("GET", "/api/fn/traces", admin, ""); !strings.Contains(body, `"function":"orders/invoice","type":"mutation","actor":"system"`) || !strings.Contains(body, "invoiced") {
		t.Error(body)
	}
}

func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}

// appOf writes an app of functions.
func appOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(text), 0o644))
	}
	return dir
}

const counterManifest = `{ "manifest_version": 1, "name": "counter", "entities": [{ "name": "Item", "fields": [{ "name": "n", "type": "int" }] }] }`

const imports = `import { query, mutation, action } from "@pylonsync/functions"; import { cache } from "@pylonsync/sdk";` + "\n"

func TestTheCacheInFunctions(t *testing.T) {
	s := serveApp(t, appOf(t, map[string]string{
		"pylon.manifest.json": counterManifest,
		"functions/set.ts":    imports + `export default mutation({ auth: "public", handler: async (ctx, { n, fail }) => { await ctx.db.insert("Item", { n }); await cache.set("k", n); await cache.invalidate("sum"); if (fail) throw ctx.error("NO") ; return cache.get("k") } })`,
		"functions/get.ts":    imports + `export default query({ auth: "public", handler: () => cache.get("k") })`,
		"functions/sum.ts":    imports + `export default query({ auth: "public", handler: (ctx) => cache.wrap("sum", async () => (await ctx.db.list("Item")).reduce((s, i) => s + i.n, 0), { ttl_secs: 60 }) })`,
		"functions/sumTx.ts":  imports + `export default query({ auth: "public", handler: async (ctx) => { await ctx.db.count("Item"); return cache.wrap("sum", async () => (await ctx.db.list("Item")).length * 1000, { ttl_secs: 60 }) } })`,
		"functions/many.ts":   imports + `export default action({ auth: "public", handler: async () => { await cache.set("a", { x: 1 }); await cache.set("b", null); await cache.set("ab", [1]); const got = await cache.getMany(["a", "none", "ab"]); await cache.delete("a"); await cache.invalidate("a"); return [got, await cache.getMany(["a", "ab"])] } })`,
		"functions/bad.ts":    imports + `export default action({ auth: "public", handler: async (ctx, { what }) => { if (what === "undefined") await cache.set("k", undefined); if (what === "big") await cache.set("k", "x".repeat(2e6)); if (what === "ttl") await cache.set("k", 1, { ttl_secs: -1 }); if (what === "key") await cache.get("k".repeat(2000)); if (what === "loader") await cache.wrap("w", () => { throw ctx.error("LOADER", "no") }); } })`,
	}), nil)
	s.want(200, "null", "get", "", "")
	s.want(200, "5", "set", "", `{"n":5}`)
	s.want(200, "5", "get", "", "")
	s.want(200, "5", "sum", "", "")
	s.want(400, "NO", "set", "", `{"n":7,"fail":true}`)
	s.want(200, "5", "get", "", "") // the set of the rolled back mutation never was
	s.want(200, "5", "sum", "", "") // nor its invalidation
	s.want(200, "2", "set", "", `{"n":2}`)
	s.want(200, "2000", "sumTx", "", "") // loaded for itself within its transaction
	s.want(200, "2000", "sum", "", "")
	s.want(200, `[[{"x":1},null,[1]],[null,null]]`, "many", "", "")
	for what, code := range map[string]string{"undefined": "FN_FAILED", "big": "CACHE_VALUE_TOO_LARGE", "ttl": "INVALID_CACHE_CALL", "key": "CACHE_KEY_TOO_LARGE", "loader": "LOADER"} {
		if _, body := s.do("POST", "/api/fn/bad", "", `{"what":"`+what+`"}`); !strings.Contains(body, code) {
			t.Errorf("%s: %s", what, body)
		}
	}
}

// Many calls that miss the same key load once, and a value past its time is served
// while one call renews it.
func TestWrapIsSingleFlight(t *testing.T) {
	var mu sync.Mutex
	loads, gate := 0, make(chan struct{})
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		loads++
		n := loads
		mu.Unlock()
		<-gate
		fmt.Fprint(w, n)
	}))
	t.Cleanup(source.Close)
	s := serveApp(t, appOf(t, map[string]string{
		"pylon.manifest.json": counterManifest,
		"functions/load.ts":   imports + `export default query({ auth: "public", handler: (ctx) => cache.wrap("k", async () => Number(await (await fetch(ctx.env.SOURCE)).text()) + (await ctx.db.count("Item")) * 100, { ttl_secs: 0.05, stale_secs: 60 }) })`,
	}), map[string]string{"SOURCE": source.URL})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { s.want(200, "1", "load", "", "") })
	}
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return loads == 1 })
	close(gate)
	wg.Wait()
	eventually(t, func() bool { // stale: the old value at once, the new one soon
		_, body := s.do("POST", "/api/fn/load", "", "")
		return body == "2" || body == "3" || body == "4"
	})
	mu.Lock()
	defer mu.Unlock()
	if loads > 4 {
		t.Errorf("%d loads", loads)
	}
}

// A call that ends while it loads does not leave those waiting who came after it.
func TestALoaderWhoseCallEnds(t *testing.T) {
	asked, gate := make(chan struct{}, 10), make(chan struct{})
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		if r.URL.Path == "/never" {
			<-r.Context().Done()
			return
		}
		<-gate
		io.WriteString(w, "7")
	}))
	t.Cleanup(source.Close)
	s := serveApp(t, appOf(t, map[string]string{
		"pylon.manifest.json": counterManifest,
		"functions/lead.ts":   imports + `export default action({ auth: "public", handler: async (ctx) => { cache.wrap("k", async () => (await fetch(ctx.env.SOURCE + "/never")).text()).catch(() => {}); await fetch(ctx.env.SOURCE + "/gate"); throw ctx.error("GONE") } })`,
		"functions/follow.ts": imports + `export default query({ auth: "public", handler: (ctx) => cache.wrap("k", async () => "own") })`,
	}), map[string]string{"SOURCE": source.URL})
	var wg sync.WaitGroup
	wg.Go(func() { s.want(400, "GONE", "lead", "", "") })
	<-asked
	<-asked // the loader is at work, and the handler waits for something else
	for range 5 {
		wg.Go(func() { s.want(200, `"own"`, "follow", "", "") })
	}
	eventually(t, func() bool {
		_, body := s.do("GET", "/metrics", "admin-token", "")
		return strings.Contains(body, "pylon_function_engines 6")
	})
	began := time.Now()
	close(gate)
	wg.Wait()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("they waited %s", took)
	}
}

func TestReloadingFunctions(t *testing.T) {
	dir := appOf(t, map[string]string{
		"pylon.manifest.json": counterManifest,
		"functions/one.ts":    imports + `export default query({ auth: "public", handler: () => 1 })`,
	})
	s := serveApp(t, dir, nil)
	s.want(200, "1", "one", "", "")
	write := func(text string) {
		must(t, os.WriteFile(filepath.Join(dir, "functions/one.ts"), []byte(text), 0o644))
	}
	write(imports + `export default query({ auth: "public", handler: () => 2 })`)
	must(t, s.app.ReloadFunctions())
	s.want(200, "2", "one", "", "")
	for text, part := range map[string]string{
		`export default query({`:                "one.ts:1",
		`export const x = 1`:                    "NOT_A_FUNCTION",
		`throw new Error("at load")`:            "at load",
		`for (;;) {}`:                           "LOAD_TIMEOUT",
		`import x from "nowhere"; export { x }`: "nowhere",
		imports + `await cache.get("k"); export default query(() => 1)`: "await",
		imports + `cache.get("k"); export default query(() => 1)`:       "while a module is loaded",
		imports + `export default query({ handlers: () => 1 })`:         "handler",
	} {
		write(text)
		if err := s.app.ReloadFunctions(); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v; want something with %q", text, err, part)
		}
		s.want(200, "2", "one", "", "")
		if part == "LOAD_TIMEOUT" {
			continue // once is long enough
		}
		if _, err := pylon.Check(dir, func(string) string { return "" }); err == nil {
			t.Errorf("%s: pylon check says nothing", text)
		}
	}
}
