import { mutation, v } from "@pylonsync/functions";

export default mutation({
  auth: "internal",
  args: { number: v.string() },
  async handler(ctx, { number }) {
    const order = await ctx.db.lookup("Order", "number", number);
    if (!order) throw ctx.error("NO_ORDER", `there is no order ${number}`, { status: 404 });
    if (order.status === "shipped") return; // carriers say things twice
    await ctx.db.update("Order", order.id, { status: "shipped" });
  },
});
