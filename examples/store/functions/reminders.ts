import { mutation, v } from "@pylonsync/functions";

// Plans a reminder, or takes one back.
export default mutation({
  args: v.union(v.object({ at: v.datetime(), note: v.string() }), v.object({ cancel: v.string() })),
  async handler(ctx, args) {
    if ("cancel" in args) return { cancelled: await ctx.scheduler.cancel(args.cancel) };
    return { id: await ctx.scheduler.runAt(args.at, "remind", { userId: ctx.auth.userId, note: args.note }) };
  },
});
