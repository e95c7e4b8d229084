import { action } from "@pylonsync/functions";

// POST /api/webhooks/shipped: the carrier says that an order is on its way. It signs the
// body, so the body is needed as it came.
export default action({
  auth: "public",
  async handler(ctx) {
    const secret = ctx.env.CARRIER_SECRET;
    if (!secret) throw ctx.error("NOT_CONFIGURED", "CARRIER_SECRET is not set", { status: 503 });
    const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    const signature = Uint8Array.from(atob(ctx.request!.headers["x-carrier-signature"] ?? ""), (c) => c.charCodeAt(0));
    if (!(await crypto.subtle.verify("HMAC", key, signature, ctx.request!.body))) {
      throw ctx.error("BAD_SIGNATURE", "the signature does not fit the body", { status: 401 });
    }
    const { number } = await ctx.request!.json();
    return ctx.runMutation("orders/ship", { number });
  },
});
