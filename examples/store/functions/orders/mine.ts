import { query } from "@pylonsync/functions";

// One's own orders with their invoices, both of the same moment.
export default query(async (ctx) => {
  const mine = { userId: ctx.auth.userId!, $limit: 100 };
  const { Order, Invoice } = await ctx.db.queryGraph({ Order: { ...mine, $order: { placedAt: "desc" } }, Invoice: mine });
  return Order.map((order) => ({ ...order, invoice: Invoice.find((i) => i.orderId === order.id) ?? null }));
});
