import { mutation, v } from "@pylonsync/functions";
import { cache } from "@pylonsync/sdk";

// Cancels an open order and puts its products back.
export default mutation({
  args: { number: v.string({ max: 40 }) },
  async handler(ctx, { number }) {
    const order = await ctx.db.lookup("Order", "number", number);
    if (!order || order.userId !== ctx.auth.userId) throw ctx.error("NO_ORDER", "you have no such order", { status: 404 });
    if (order.status !== "open") throw ctx.error("NOT_OPEN", `the order is ${order.status}`, { status: 409 });
    for (const { productId, quantity } of order.items as { productId: string; quantity: number }[]) {
      const product = await ctx.db.get("Product", productId);
      if (product) await ctx.db.update("Product", productId, { stock: product.stock + quantity });
    }
    for (const draft of await ctx.db.query("Invoice", { orderId: order.id, status: "draft" })) {
      await ctx.db.delete("Invoice", draft.id);
    }
    await ctx.db.update("Order", order.id, { status: "cancelled" });
    await cache.invalidate("catalogue:");
  },
});
