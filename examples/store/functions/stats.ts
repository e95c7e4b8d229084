import { query } from "@pylonsync/functions";

export default query({
  auth: "admin",
  handler: async (ctx) => ({
    products: await ctx.db.count("Product", { published: true }),
    organisations: (await ctx.db.list("Organisation", { limit: 100 })).map((o) => o.name),
  }),
});
