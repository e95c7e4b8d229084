import { mutation } from "@pylonsync/functions";

// Every night, by the manifest's crons: drafts that nobody finished within a month go.
export default mutation({
  auth: "internal",
  async handler(ctx) {
    const monthAgo = new Date(Date.now() - 30 * 24 * 3600 * 1000).toISOString();
    const old = await ctx.db.query("Invoice", { status: "draft", createdAt: { $lt: monthAgo }, $limit: 500 });
    for (const { id } of old) await ctx.db.delete("Invoice", id);
    return { deleted: old.length };
  },
});
