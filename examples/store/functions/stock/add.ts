import { mutation, v } from "@pylonsync/functions";

export default mutation({
  auth: "internal",
  args: { sku: v.string(), quantity: v.int({ min: 0 }) },
  async handler(ctx, { sku, quantity }) {
    const product = await ctx.db.lookup("Product", "sku", sku);
    if (!product) throw ctx.error("UNKNOWN_PRODUCT", `there is no product ${sku}`, { status: 404 });
    await ctx.db.update("Product", product.id, { stock: product.stock + quantity });
    return { stock: product.stock + quantity };
  },
});
