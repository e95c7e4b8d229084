import { action, v } from "@pylonsync/functions";

// Asks a supplier what is on the way, and tells the caller step by step. An action has
// no transaction: it may wait for others, and calls mutations for what it wants to keep.
export default action({
  auth: "admin",
  args: { url: v.optional(v.string()), sku: v.string() },
  async handler(ctx, { url, sku }) {
    const address = url ?? ctx.env.SUPPLIER_URL;
    if (!address) throw ctx.error("NO_SUPPLIER", "set SUPPLIER_URL, or give a url");
    ctx.stream.write("asking the supplier");
    const answer = await fetch(new URL(`/stock?sku=${encodeURIComponent(sku)}`, address), {
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(5000),
    });
    if (!answer.ok) throw ctx.error("SUPPLIER_FAILED", `the supplier says ${answer.status}`, { status: 503 });
    const { quantity } = await answer.json();
    ctx.stream.writeEvent("quantity", { sku, quantity });
    return ctx.runMutation("stock/add", { sku, quantity });
  },
});
