import { action } from "@pylonsync/functions";
import { cache } from "@pylonsync/sdk";

// What changed since the last report. The one before last is kept for a day, for comparison.
export default action({
  auth: "admin",
  async handler(ctx) {
    const now = { ...(await ctx.runQuery("stats")), by: ctx.requestId };
    const [last, beforeLast] = await cache.getMany(["report:last", "report:before"]);
    if (last) await cache.set("report:before", last, { ttl_secs: 24 * 3600 });
    await cache.set("report:last", now);
    if (last?.products === now.products) await ctx.runAction("remind", { userId: "staff", note: "nothing was published" });
    return { now, last: await cache.get("report:before"), beforeLast };
  },
});
