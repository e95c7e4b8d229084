package function

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pylon-go/pylon/store"
)

func TestQueriesAndMutations(t *testing.T) {
	a := newApp(t, map[string]string{
		"add":    `export default mutation({ handler: async (ctx, args) => ctx.db.insert("Item", args) })`,
		"get":    `export default query({ handler: (ctx, { id }) => ctx.db.get("Item", id) })`,
		"lookup": `export default query({ handler: async (ctx, { title }) => (await ctx.db.lookup("Item", "title", title))?.count ?? null })`,
		"many": `export default mutation({ handler: async (ctx) => {
			const ids = [];
			for (const title of ["a", "b", "c"]) ids.push(await ctx.db.insert("Item", { title, count: ids.length }));
			await ctx.db.update("Item", ids[0], { count: 10 });
			await ctx.db.delete("Item", ids[2]);
			const page = await ctx.db.paginate("Item", { limit: 1 });
			const graph = await ctx.db.queryGraph({ Item: { count: { $gte: 1 }, $order: { count: "desc" } }, Other: {} });
			return [(await ctx.db.list("Item")).length, await ctx.db.count("Item", { count: { $gt: 5 } }), page.data.length, page.has_more,
				(await ctx.db.query("Item", { title: "b" }))[0].count, graph.Item.map(i => i.title).join(), graph.Other.length, await ctx.db.get("Item", "nothing")];
		} })`,
		"nothing": `export default query({ handler: () => {} })`,
		"auth":    `export default query({ handler: (ctx) => [ctx.auth, ctx.requestId] })`,
	})
	id, err := a.call("add", `{"title":"x","count":3,"secret":"s"}`)
	if err != nil {
		t.Fatal(err)
	}
	a.ok("get", `{"id":`+id+`}`, `{"id":`+id+`,"title":"x","count":3}`)
	a.ok("lookup", `{"title":"x"}`, "3")
	a.ok("lookup", `{"title":"y"}`, "null")
	a.ok("nothing", "", "null")
	a.ok("auth", "", `[{"userId":"alice","tenantId":null,"email":null,"isAdmin":false,"roles":[]},"req1"]`)
	a.fails("add", `{"title":"x"}`, "UNIQUE_VIOLATION")
	a.fails("add", `{"titel":"x"}`, "INVALID_COLUMN")
	a.fails("add", `{}`, "MISSING_FIELD")
	a.fails("get", `{"id":5}`, "INVALID_DB_CALL")
	a.fails("get", `{`, "INVALID_JSON")
	if e := a.fails("gett", `{}`, "FN_NOT_FOUND"); !strings.Contains(e.Hint, `"get"`) {
		t.Error(e.Hint)
	}
	if _, err := a.call("many", ""); err != nil {
		t.Error(err)
	}
}

func TestServerOnlyFieldsDoNotLeaveByAccident(t *testing.T) {
	a := newApp(t, map[string]string{
		"add":    `export default mutation({ handler: (ctx, args) => ctx.db.insert("Item", { title: "x", secret: "s3cret" }) })`,
		"row":    `export default query({ handler: async (ctx) => (await ctx.db.list("Item"))[0] })`,
		"spread": `export default query({ handler: async (ctx) => ({ ...(await ctx.db.lookup("Item", "secret", "s3cret")), more: 1 }) })`,
		"named":  `export default query({ handler: async (ctx) => (await ctx.db.query("Item", { secret: { $like: "s3%" } }))[0].secret })`,
	})
	if _, err := a.call("add", ""); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"row", "spread"} {
		if got, err := a.call(name, ""); err != nil || strings.Contains(got, "s3cret") || !strings.Contains(got, `"title":"x"`) {
			t.Error(name, got, err)
		}
	}
	a.ok("named", "", `"s3cret"`)
}

func TestAMutationIsOneTransaction(t *testing.T) {
	a := newApp(t, map[string]string{
		"count": `export default query({ handler: (ctx) => ctx.db.count("Item") })`,
		"throws": `export default mutation({ handler: async (ctx) => {
			await ctx.db.insert("Item", { title: "a" });
			if (await ctx.db.count("Item") !== 1) throw new Error("own write not seen");
			throw ctx.error("OUT_OF_STOCK", "none left", { status: 409, hint: "come back", field: "count" });
		} })`,
		"caught": `export default mutation({ handler: async (ctx) => {
			await ctx.db.insert("Item", { title: "a" });
			try { await ctx.db.insert("Item", { title: "b", count: "many" }) } catch (e) { return e.code }
		} })`,
		"duplicate": `export default mutation({ handler: async (ctx) => {
			await ctx.db.insert("Item", { title: "c" });
			try { await ctx.db.insert("Item", { title: "c" }); await ctx.db.count("Item") } catch (e) { return e.code }
		} })`,
		"unawaited":     `export default mutation({ handler: (ctx) => { ctx.db.insert("Item", { title: "d" }); return 1 } })`,
		"unawaitedBad":  `export default mutation({ handler: async (ctx) => { await ctx.db.insert("Item", { title: "e" }); ctx.db.insert("Item", { titel: "e" }); return 1 } })`,
		"unawaitedKept": `export default mutation({ handler: async (ctx) => { await ctx.db.count("Item"); Promise.resolve().then(() => ctx.db.insert("Item", { title: "f" })); return 1 } })`,
	})
	e := a.fails("throws", "", "OUT_OF_STOCK")
	if e.Kind != store.Conflict || e.Hint != "come back" || e.Field != "count" || e.Message != "none left" {
		t.Errorf("%+v", e)
	}
	a.ok("count", "", "0")
	a.ok("caught", "", `"INVALID_VALUE"`)
	a.ok("count", "", "1")
	a.fails("duplicate", "", "UNIQUE_VIOLATION") // the database gave up on it
	a.ok("count", "", "1")
	a.ok("unawaited", "", "1")
	a.ok("count", "", "2")
	a.fails("unawaitedBad", "", "UNHANDLED_REJECTION")
	a.ok("count", "", "2")
	a.ok("unawaitedKept", "", "1")
	a.ok("count", "", "3")
}

func TestWhoMayCall(t *testing.T) {
	a := newApp(t, map[string]string{
		"open":   `export default query({ auth: "public", handler: () => 1 })`,
		"user":   `export default query({ handler: () => 1 })`,
		"admin":  `export default query({ auth: "admin", handler: () => 1 })`,
		"inside": `export default query({ auth: "internal", handler: () => 1 })`,
		"outer":  `export default action({ auth: "public", handler: (ctx) => ctx.runQuery("inside") })`,
	})
	for _, c := range []struct {
		actor store.Actor
		codes string // of open, user, admin, inside, outer
	}{
		{store.Actor{Type: store.ActorAnonymous}, "ok AUTH_REQUIRED AUTH_REQUIRED FN_NOT_FOUND ok"},
		{alice, "ok ok FORBIDDEN FN_NOT_FOUND ok"},
		{store.Actor{Type: store.ActorAdmin, ID: "__admin__", Admin: true}, "ok ok ok ok ok"},
	} {
		var got []string
		for _, name := range []string{"open", "user", "admin", "inside", "outer"} {
			_, err := a.Call(store.WithActor(t.Context(), c.actor), Request{Name: name})
			if err == nil {
				got = append(got, "ok")
			} else if e := asVisible(err); e != nil {
				got = append(got, e.Code)
			} else {
				t.Errorf("%s for %s: %v", name, c.actor.Type, err)
			}
		}
		if strings.Join(got, " ") != c.codes {
			t.Errorf("%s: %s, want %s", c.actor.Type, strings.Join(got, " "), c.codes)
		}
	}
}

func TestCallsOfFunctionsByFunctions(t *testing.T) {
	a := newApp(t, map[string]string{
		"add":   `export default mutation({ auth: "internal", handler: (ctx, a) => ctx.db.insert("Item", a) })`,
		"count": `export default query({ handler: (ctx) => ctx.db.count("Item") })`,
		"act": `export default action({ handler: async (ctx) => {
			await Promise.all(["a", "b", "c"].map(title => ctx.runMutation("add", { title })));
			let code; try { await ctx.runMutation("add", { title: "a" }) } catch (e) { code = e.code }
			let wrong; try { await ctx.runQuery("add", {}) } catch (e) { wrong = e.code }
			return [await ctx.runQuery("count"), code, wrong, ctx.db === undefined];
		} })`,
		"broken":  `export default mutation({ auth: "internal", handler: () => null.x })`,
		"calls":   `export default action({ handler: (ctx) => ctx.runMutation("broken") })`,
		"forever": `export default action({ handler: (ctx) => ctx.runAction("forever") })`,
	})
	a.ok("act", "", `[3,"UNIQUE_VIOLATION","WRONG_FUNCTION_TYPE",true]`)
	a.fails("forever", "", "FN_TOO_DEEP")
	if e := a.fails("calls", "", "FN_FAILED"); e.Kind != 0 {
		t.Errorf("another function's failure is blamed on the caller: %d", e.Kind)
	}
}

func TestNothingIsSharedBetweenCalls(t *testing.T) {
	a := newApp(t, map[string]string{
		"count": `let n = 0; export default query({ handler: () => { globalThis.m = (globalThis.m ?? 0) + 1; return ++n + globalThis.m } })`,
		"evil":  `export default query({ handler: () => { Object.prototype.isAdmin = true; Array.prototype.map = null; JSON.stringify = () => "{}"; return 1 } })`,
		"good":  `export default query({ handler: () => [({}).isAdmin === undefined, [1].map(x => x + 1)] })`,
	})
	for range 5 {
		a.ok("count", "", "2")
		a.call("evil", "")
		a.ok("good", "", "[true,[2]]")
	}
}

func TestHandlersThatMisbehave(t *testing.T) {
	a := newApp(t, map[string]string{
		"loop":      `export default query({ handler: () => { for (;;) {} } })`,
		"loopTx":    `export default mutation({ handler: async (ctx) => { await ctx.db.insert("Item", { title: "x" }); for (;;) {} } })`,
		"native":    `export default query({ handler: () => new Array(4e9).join("x") })`,
		"hog":       `export default query({ handler: () => { const a = []; for (;;) a.push(new Array(1000).fill(1)) } })`,
		"deep":      `export default query({ handler: function f() { return f() + 1 } })`,
		"never":     `export default query({ handler: () => new Promise(() => {}) })`,
		"text":      `export default query({ handler: () => { throw "just text" } })`,
		"object":    `export default query({ handler: () => { throw { a: 1 } } })`,
		"nothing":   `export default query({ handler: () => { throw undefined } })`,
		"trap":      `export default query({ handler: () => { throw { toJSON() { throw 1 }, toString() { throw 2 } } } })`,
		"getter":    `export default query({ handler: () => { const e = new Error("x"); Object.defineProperty(e, "message", { get() { throw 1 } }); throw e } })`,
		"huge":      `export default query({ handler: () => "x".repeat(11 << 20) })`,
		"circular":  `export default query({ handler: () => { const a = {}; a.a = a; return a } })`,
		"bigint":    `export default query({ handler: () => 1n })`,
		"function":  `export default query({ handler: () => () => 1 })`,
		"plain":     `export default query({ handler: () => { null.x } })`,
		"floating":  `export default query({ handler: () => { Promise.reject(new Error("lost")); return 1 } })`,
		"flood":     `export default action({ handler: async (ctx) => { for (let i = 0; i < 20000; i++) ctx.runQuery("good"); } })`,
		"regex":     `export default query({ handler: () => /^(?=(a+)+$)/.test("a".repeat(50) + "b") })`,
		"unhelpful": `export default query({ handler: () => { throw Object.assign(new Error("x"), { code: "ENOENT", status: 200 }) } })`,
		"good":      `export default query({ handler: () => 1 })`,
		"count":     `export default query({ handler: (ctx) => ctx.db.count("Item") })`,
	}, func(c *Config) { c.Limits = Limits{Time: 5 * time.Second, Transaction: 300 * time.Millisecond} })
	cases := map[string]string{
		"loop": "FN_TIMEOUT", "loopTx": "FN_TIMEOUT", "hog": "FN_OUT_OF_MEMORY|FN_TIMEOUT", "deep": "FN_FAILED", "never": "FN_NEVER_SETTLED",
		"text": "FN_FAILED", "object": "FN_FAILED", "nothing": "FN_FAILED", "trap": "FN_FAILED", "getter": "FN_FAILED", "huge": "RESULT_TOO_LARGE",
		"circular": "INVALID_RESULT", "bigint": "INVALID_RESULT", "plain": "FN_FAILED", "floating": "UNHANDLED_REJECTION", "flood": "FN_FAILED|UNHANDLED_REJECTION|TOO_MANY_OPERATIONS",
		"regex": "FN_TIMEOUT", "unhelpful": "FN_FAILED",
	}
	if raceEnabled { // the engine is many times slower under the detector
		delete(cases, "flood")
		delete(cases, "huge")
	} else {
		cases["native"] = "FN_TIMEOUT" // Kill is a race by design
	}
	var wg sync.WaitGroup
	for name, codes := range cases {
		wg.Go(func() {
			got, err := a.call(name, "")
			e := asVisible(err)
			if e == nil || !strings.Contains("|"+codes+"|", "|"+e.Code+"|") {
				t.Errorf("%s is %.100s, %v; want %s", name, got, err, codes)
			}
		})
	}
	wg.Wait()
	a.ok("good", "", "1")
	a.ok("count", "", "0")
	a.ok("function", "", "null")
}

func TestProductionSaysLess(t *testing.T) {
	a := newApp(t, map[string]string{"bad": `export default query({ handler: () => { throw new Error("password is hunter2") } })`}, func(c *Config) { c.Dev = false })
	if e := a.fails("bad", "", "FN_FAILED"); strings.Contains(e.Message+e.Hint, "hunter2") || !strings.Contains(e.Hint, "req1") {
		t.Error(e)
	}
}

// Mutations that read what others change at the same time: none is lost, and what a
// handler did before its first database call is not done again.
func TestConflicts(t *testing.T) {
	var fetched atomic.Int64
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		w.Write([]byte("1"))
	}))
	t.Cleanup(source.Close)
	a := newApp(t, map[string]string{
		"add":   `export default mutation({ handler: (ctx) => ctx.db.insert("Item", { title: "x" }) })`,
		"count": `export default query({ handler: async (ctx) => (await ctx.db.list("Item"))[0].count })`,
		"more": `export default mutation({ handler: async (ctx, { url }) => {
			let steps = 0;
			const by = Number(await (await fetch(url)).text());
			steps++;
			const item = (await ctx.db.list("Item"))[0];
			await ctx.db.update("Item", item.id, { count: item.count + by });
			ctx.stream.write("once");
			return ++steps;
		} })`,
	})
	if _, err := a.call("add", ""); err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				var s stream
				calls.Add(1)
				got, err := a.Call(store.WithActor(t.Context(), alice), Request{Name: "more", Args: []byte(`{"url":"` + source.URL + `"}`), Stream: &s})
				if e := asVisible(err); e != nil && e.Code == "TRANSACTION_CONFLICT" {
					continue // after so many tries it is the caller's turn
				}
				if err != nil || string(got) != "2" || len(s) != 1 {
					t.Errorf("%s, %v, %v", got, err, s)
				}
				return
			}
		})
	}
	wg.Wait()
	a.ok("count", "", "8")
	if calls.Load() != fetched.Load() {
		t.Errorf("%d calls fetched %d times", calls.Load(), fetched.Load())
	}
}

// Calls that wait for a place do not keep those who have one from going on.
func TestPlacesAndTurns(t *testing.T) {
	gate := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-gate }))
	t.Cleanup(slow.Close)
	a := newApp(t, map[string]string{
		"slow":  `export default action({ handler: async (ctx, { url }) => (await fetch(url)).status })`,
		"empty": `export default query({ handler: () => 1 })`,
	}, func(c *Config) { c.Limits = Limits{Concurrent: 1, Time: 20 * time.Second} })
	var wg sync.WaitGroup
	wg.Go(func() { a.ok("slow", `{"url":"`+slow.URL+`"}`, "200") })
	until(t, func() bool { return len(a.program.Load().pool.places) == 1 && len(a.turns) == 0 })
	var begun atomic.Int64
	n := 4 * cap(a.turns)
	for range n {
		wg.Go(func() { begun.Add(1); a.ok("empty", "", "1") })
	}
	until(t, func() bool { return begun.Load() == int64(n) })
	time.Sleep(20 * time.Millisecond) // nothing tells where they wait; too early would only show less
	close(gate)
	wg.Wait()
}

func TestManyConcurrentCalls(t *testing.T) {
	a := newApp(t, map[string]string{
		"add": `export default mutation({ handler: async (ctx, { n }) => { await ctx.db.insert("Item", { title: "t" + n, count: n }); return n } })`,
		"sum": `export default query({ handler: async (ctx) => (await ctx.db.query("Item", { $limit: 10 })).length })`,
	})
	n := 10_000
	if testing.Short() || raceEnabled || a.shared {
		n = 500
	}
	var wg sync.WaitGroup
	var failed atomic.Int64
	for i := range n {
		wg.Go(func() {
			name, args, want := "add", fmt.Sprintf(`{"n":%d}`, i), fmt.Sprint(i)
			if i%2 == 1 {
				name, args, want = "sum", "", ""
			}
			if got, err := a.call(name, args); err != nil || want != "" && got != want {
				if failed.Add(1) < 5 {
					t.Error(name, got, err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(a.program.Load().pool.idle); got > keepIdle {
		t.Errorf("%d engines are kept", got)
	}
}
