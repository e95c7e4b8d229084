import { mutation, v } from "@pylonsync/functions";

// Writes the invoice of an order. The scheduler calls it, once for each order, whatever
// crashes in between.
export default mutation({
  auth: "internal",
  args: { orderId: v.id("Order") },
  async handler(ctx, { orderId }) {
    const order = await ctx.db.get("Order", orderId);
    if (!order) throw ctx.error("NO_ORDER", `there is no order ${orderId}`, { status: 404 });
    const invoiceId = await ctx.db.insert("Invoice", { userId: order.userId, orderId, amountCents: order.totalCents, status: "open" });
    console.log("invoiced", { orderId, invoiceId });
    return invoiceId;
  },
});
