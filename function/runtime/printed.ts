// What app.ts prints: the original's app.ts printed its manifest. A line may be longer
// than those that go to the log.
export const printed: string[] = [];

const console = (globalThis as any).console;
const log = console.log;

console.log = (...args: unknown[]) => {
  if (args.length === 1 && typeof args[0] === "string") printed.push(args[0]);
  log(...args);
};
