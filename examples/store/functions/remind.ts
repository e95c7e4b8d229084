import { action, v } from "@pylonsync/functions";

export default action({
  auth: "internal",
  args: { userId: v.id("User"), note: v.string() },
  handler: (_ctx, { userId, note }) => console.info(`reminder for ${userId}: ${note}`),
});
