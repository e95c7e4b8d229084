// Loaders: functions of a handler that the host runs when it needs a value. The host
// knows them by number.
import { HostError, sync } from "./host";

type Loader = () => unknown;

const loaders = new Map<number, Loader>();
let last = 0;

export function registerLoader(load: Loader): number {
  loaders.set(++last, load);
  return last;
}

export const forgetLoader = (loader: number): void => void loaders.delete(loader);

const text = (e: any, key: string): string | undefined => (typeof e[key] === "string" || typeof e[key] === "number" ? e[key] : undefined);

// runLoader is called by the host; what the loader made goes back as JSON.
export function runLoader(loader: number): void {
  void (async () => {
    try {
      const load = loaders.get(loader);
      if (load === undefined) throw new Error("the loader is gone");
      sync("loaded", loader, true, jsonOf(await load(), "the loader"));
    } catch (e: any) {
      const told: Record<string, unknown> =
        e instanceof Error
          ? Object.fromEntries(["name", "message", "stack", "code", "hint", "field", "status"].map((key) => [key, text(e, key)]))
          : { message: String(e) };
      told.stated = e instanceof HostError;
      sync("loaded", loader, false, JSON.stringify(told));
    }
  })();
}

// jsonOf is a value as JSON. JSON has no undefined: what would be lost is refused.
export function jsonOf(value: unknown, from: string): string {
  const json = JSON.stringify(value);
  if (json === undefined) throw new TypeError(`${from} gave ${typeof value}, which cannot be kept; use null for nothing`);
  return json;
}
