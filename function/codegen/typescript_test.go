package codegen_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pylon-go/pylon/function/codegen"
)

// What must compile.
var right = map[string]string{
	"functions/place.ts": `import { mutation, v, type Infer, type MutationCtx } from "@pylonsync/functions";
import { cache } from "@pylonsync/sdk";
const Line = v.object({ sku: v.string({ min: 1 }), qty: v.int({ min: 1 }), note: v.optional(v.string()) });
type Line = Infer<typeof Line>;
const total = (lines: Line[]): number => lines.reduce((n, l) => n + l.qty, 0);
async function helper(ctx: MutationCtx, userId: string) { return ctx.db.get("User", userId); }
export default mutation({
  args: { lines: v.array(Line, { max: 10 }), status: v.union(v.literal("open"), v.literal("paid")), due: v.nullable(v.datetime()), tags: v.record(v.bool()) },
  auth: "user",
  async handler(ctx, args) {
    const status: "open" | "paid" = args.status;
    const note: string | undefined = args.lines[0]?.note;
    const due: string | null = args.due;
    const tag: boolean | undefined = args.tags.x;
    if (!ctx.auth.userId) throw ctx.error("NOBODY", "sign in", { status: 401 });
    const user = await helper(ctx, ctx.auth.userId);
    const hash: string | null | undefined = user?.passwordHash;
    const id: string = await ctx.db.insert("Order", { userId: ctx.auth.userId, paid: false, status, due: new Date(), total: total(args.lines), more: { note, due, tag, hash } });
    await ctx.db.update("Order", id, { status: "paid", due: null });
    const rows = await ctx.db.query("Order", { status: { $in: ["open"] }, total: { $gte: 3 }, paid: true, $order: { at: "desc" }, $limit: 5 });
    const first: number | undefined = rows[0]?.total;
    const page = await ctx.db.paginate("Order", { limit: 10 });
    const graph = await ctx.db.queryGraph({ Order: { paid: true }, AuditLog: {} });
    graph.AuditLog[0]?.operation.toUpperCase();
    await ctx.scheduler.runAfter(1000, "mail", { id });
    ctx.stream.write(page.data.length);
    await cache.set("k", rows, { ttl_secs: 3 });
    const n = await cache.wrap("n", async () => (await ctx.db.count("Order")) + (first ?? 0), { ttl_secs: 60, stale_secs: 5 });
    return { id, n: n.toFixed(0) };
  },
});
`,
	"functions/mail.ts": `import { action, v } from "@pylonsync/functions";
export default action({
  args: v.object({ id: v.id("Order") }),
  internal: true,
  handler: async (ctx, { id }) => {
    const order = await ctx.runQuery<{ total: number } | null>("order", { id });
    const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(ctx.env.SECRET ?? ""), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(id)));
    const url = new URL("https://example.com/x");
    url.searchParams.set("mac", btoa(String.fromCharCode(...mac)));
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(order), signal: AbortSignal.timeout(500) });
    if (!response.ok) throw ctx.error("MAIL_FAILED", response.statusText);
    for (const [name, value] of response.headers) console.log(name, value);
    const timer = setTimeout((n: number) => console.log(n, performance.now()), 10, 1);
    clearTimeout(timer);
    return structuredClone((await response.json()) as { sent: boolean }).sent;
  },
});
`,
	"functions/short.ts": `import { query } from "@pylonsync/functions";
export default query(async (ctx, args) => ({ n: await ctx.db.count("User"), args, at: new Date().toISOString() }));
`,
	"app.ts": `import { auth, buildManifest, cron, definePlugin, entity, field, index, policy } from "@pylonsync/sdk";
definePlugin({ name: "waiter", config: { wait_secs: 3, templates: { a: { subject: "x" } } } });
definePlugin("somebody_elses", { on: { "invoice.paid": async (ctx: unknown, event: unknown) => [ctx, event] } });
export default buildManifest({
  name: "t", version: "1",
  entities: [entity("Item", { title: field.string().unique(), kind: field.enum(["a"]).default("a"), owner: field.id("User").optional().serverOnly(), at: field.datetime().defaultNow().readonly() }, { indexes: [index({ fields: ["title"] })] })],
  policies: [policy({ name: "p", entity: "Item", allowRead: "true" })],
  plugins: [definePlugin("bare")],
  auth: auth({ session: { expiresIn: 3600 }, trustedOrigins: ["https://example.com"] }),
  crons: [cron({ name: "nightly", schedule: "0 3 * * *", function: "short" })],
});
`,
}

// What must not compile: the body of a handler, or a module, and what the compiler says.
var wrong = []struct{ code, want string }{
	{`q: ctx.db.insert("User", { email: "x" })`, `TS2339: Property 'insert' does not exist on type 'DbReader'.`},
	{`q: ctx.scheduler`, `TS2339: Property 'scheduler' does not exist on type 'QueryCtx'.`},
	{`m: ctx.runQuery("x")`, `TS2339: Property 'runQuery' does not exist on type 'MutationCtx'.`},
	{`a: ctx.db`, `TS2339: Property 'db' does not exist on type 'ActionCtx'.`},
	{`q: ctx.db.get("Ordr", "x")`, `TS2345: Argument of type '"Ordr"' is not assignable to parameter of type '"AuditLog" | "Order" | "User"'.`},
	{`q: ctx.db.query("Order", { totl: 3 })`, `TS2561: Object literal may only specify known properties, but 'totl' does not exist in type`},
	{`q: ctx.db.query("Order", { total: "3" })`, `TS2322: Type 'string' is not assignable to type 'number | Comparison<number> | undefined'.`},
	{`q: ctx.db.lookup("User", "mail", "x")`, `TS2345: Argument of type '"mail"' is not assignable to parameter of type '"email" | "id" | "passwordHash"'.`},
	{`q: (await ctx.db.get("User", "x"))!.mail`, `TS2551: Property 'mail' does not exist on type 'UserRow'. Did you mean 'email'?`},
	{`q: (await ctx.db.get("User", "x")).email`, `TS2531: Object is possibly 'null'.`},
	{`m: ctx.db.insert("Order", { userId: "x" })`, `TS2741: Property 'paid' is missing in type '{ userId: string; }' but required in type 'OrderInsert'.`},
	{`m: ctx.db.insert("Order", { userId: "x", paid: true, status: "lost" })`, `TS2322: Type '"lost"' is not assignable to type '"open" | "paid" | undefined'.`},
	{`m: ctx.db.update("Order", "x", { totla: 1 })`, `TS2561: Object literal may only specify known properties, but 'totla' does not exist in type 'OrderPatch'. Did you mean to write 'total'?`},
	{`m: ctx.db.insert("AuditLog", { operation: "x" })`, `TS2345: Argument of type '{ operation: string; }' is not assignable to parameter of type 'never'.`},
	{`q: args.nn`, `TS2339: Property 'nn' does not exist on type '{ n: number; s?: string | undefined; }'.`},
	{`q: args.s.length`, `TS18048: 'args.s' is possibly 'undefined'.`},
	{`q: args.n.length`, `TS2339: Property 'length' does not exist on type 'number'.`},
	{`q: window`, `TS2304: Cannot find name 'window'.`},
	{`q: process.exit()`, `TS2339: Property 'exit' does not exist on type`},
	{`q: new Blob([])`, `TS2304: Cannot find name 'Blob'.`},
	{`export default query({ args: { x: v.id("Nothing") }, handler() {} })`, `TS2345: Argument of type '"Nothing"' is not assignable to parameter of type '"AuditLog" | "Order" | "User"'.`},
	{`export default query({ auth: "admn", handler() {} })`, `TS2769: No overload matches this call.`},
	{`export default query({ args: {} })`, `TS2769: No overload matches this call.`},
	{`definePlugin("waiter", { wait_sec: 3 }); export {}`, `'wait_sec' does not exist in type`},
	{`definePlugin("waiter", { wait_secs: "3" }); export {}`, `TS2322: Type 'string' is not assignable to type 'number'.`},
	{`import { readFile } from "node:fs"; readFile`, `Cannot find name 'node:fs'`},
	{`entity("X", { a: "string" }); export {}`, `TS2322: Type 'string' is not assignable to type 'FieldBuilder'.`},
	{`cache.set("k", 1, { ttl: 3 }); export {}`, `TS2353: Object literal may only specify known properties, and 'ttl' does not exist in type 'CacheLife'.`},
}

// compiler is the TypeScript compiler's command.
func compiler(t *testing.T) []string {
	t.Helper()
	node, err := exec.LookPath("node")
	tsc, wrong := filepath.Abs("../../.cache/node/node_modules/typescript/bin/tsc")
	if wrong != nil {
		t.Fatal(wrong)
	}
	if err == nil {
		_, err = os.Stat(tsc)
	}
	if err != nil {
		t.Skipf("SKIPPED: the declarations are not compiled: %v (scripts/services installs the compiler)", err)
	}
	return []string{node, tsc}
}

var diagnostic = regexp.MustCompile(`(?m)^([^\s(]+)\(\d+,\d+\): error (TS\d+: .*)$`)

func TestTheCompilerAgrees(t *testing.T) {
	tsc := compiler(t)
	dir := t.TempDir()
	if _, err := codegen.Write(codegen.Options{Dir: dir, Schema: testSchema(t), ManifestSchema: manifestSchema()}); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range right {
		write(name, text)
	}
	const imports = `import { query, mutation, action, v } from "@pylonsync/functions"; import { cache, definePlugin, entity } from "@pylonsync/sdk";` + "\n"
	for i, w := range wrong {
		code := w.code
		if kind, body, ok := strings.Cut(code, ": "); ok && len(kind) == 1 {
			code = fmt.Sprintf("export default %s({ args: { n: v.int(), s: v.optional(v.string()) }, handler: async (ctx, args) => { return %s } })",
				map[string]string{"q": "query", "m": "mutation", "a": "action"}[kind], body)
		}
		write(fmt.Sprintf("functions/wrong%d.ts", i), imports+code)
	}
	// The library's own checks: our declarations must be right by themselves.
	out, err := exec.CommandContext(t.Context(), tsc[0], tsc[1], "-p", dir, "--pretty", "false", "--skipLibCheck", "false").CombinedOutput()
	if err == nil {
		t.Fatal("nothing was wrong")
	}
	said := map[string][]string{}
	for _, m := range diagnostic.FindAllStringSubmatch(string(out), -1) {
		name, err := filepath.Rel(dir, filepath.Join(dir, filepath.Base(m[1])))
		if err != nil {
			t.Fatal(err)
		}
		said[name] = append(said[name], m[2])
	}
	for i, w := range wrong {
		name := fmt.Sprintf("wrong%d.ts", i)
		if got := strings.Join(said[name], "\n"); !strings.Contains(got, w.want) {
			t.Errorf("%s\ngot  %s\nwant %s", w.code, got, w.want)
		}
		delete(said, name)
	}
	if len(said) > 0 {
		t.Errorf("what is right does not compile: %v\n%s", said, out)
	}
}
