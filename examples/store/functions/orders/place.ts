import { mutation, v } from "@pylonsync/functions";
import { cache } from "@pylonsync/sdk";
import { total } from "../_lib/money";

// Places an order: reads the products, takes them from the stock and writes the order in
// one transaction. The webhook of the order, the invoice to come and the cache follow
// the transaction: all of it, or nothing.
export default mutation({
  args: {
    items: v.array(v.object({ productId: v.id("Product"), quantity: v.int({ min: 1, max: 100 }) }), { min: 1, max: 50 }),
  },
  async handler(ctx, { items }) {
    const lines = [];
    for (const { productId, quantity } of items) {
      const product = await ctx.db.get("Product", productId);
      if (!product?.published) throw ctx.error("UNKNOWN_PRODUCT", `there is no product ${productId}`, { status: 404 });
      if (product.stock < quantity) {
        throw ctx.error("OUT_OF_STOCK", `only ${product.stock} of ${product.title} are left`, { status: 409, field: "items" });
      }
      await ctx.db.update("Product", productId, { stock: product.stock - quantity });
      lines.push({ productId, title: product.title, priceCents: product.priceCents, quantity });
    }
    const orderId = await ctx.db.insert("Order", {
      userId: ctx.auth.userId!,
      number: `A-${crypto.randomUUID().slice(0, 8)}`,
      items: lines,
      totalCents: total(lines),
    });
    ctx.stream.writeEvent("placed", { orderId });
    await ctx.scheduler.runAfter(0, "orders/invoice", { orderId });
    await cache.invalidate("catalogue:");
    return { orderId, totalCents: total(lines) };
  },
});
