import { query, v } from "@pylonsync/functions";
import { cache } from "@pylonsync/sdk";

// The published products, cached for a minute. Writers drop what begins with "catalogue:".
export default query({
  auth: "public",
  args: { after: v.optional(v.string()), limit: v.optional(v.int({ min: 1, max: 100 })) },
  handler: (ctx, { after, limit }) =>
    cache.wrap(
      `catalogue:${after ?? ""}:${limit ?? 20}`,
      () => ctx.db.paginate("Product", { after, limit, filter: { published: true } }),
      { ttl_secs: 60, stale_secs: 600 },
    ),
});
