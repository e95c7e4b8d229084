// definePlugin: an entry of the manifest's plugins. Functions in its config become
// callbacks, which the plugin calls by their keys.
import { nearest } from "./nearest";
import { movePlace, placed } from "./builders";

// callbacks are the functions given to plugins, by the keys that the manifest has.
export const callbacks = new Map<string, (...args: any[]) => unknown>();

// entries are what definePlugin made, in order.
export const entries: PluginEntry[] = [];

export interface PluginEntry {
  name: string;
  config?: unknown;
  entities?: unknown[];
}

// converted are entries as the manifest has them.
const converted = new WeakMap<object, object>();

const maxDepth = 50;

// plain is a config as JSON; functions become {"$callback": key, "path": [...]}.
function plain(value: any, plugin: string, path: string[]): any {
  const at = () => [plugin, ...path].join(".");
  if (path.length > maxDepth) throw new TypeError(`definePlugin: ${at().slice(0, 80)}… is nested too deep, or contains itself`);
  switch (typeof value) {
    case "function":
      return callback(value, plugin, path);
    case "string":
    case "boolean":
      return value;
    case "number":
      if (Number.isFinite(value)) return value;
      break;
    case "object":
      if (value === null) return value;
      if (value instanceof Date) return value.toISOString();
      if (Array.isArray(value)) return value.map((x, i) => plain(x, plugin, [...path, String(i)]));
      if (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null) {
        const out: Record<string, unknown> = {};
        for (const key of Object.keys(value)) {
          if (value[key] !== undefined) out[key] = plain(value[key], plugin, [...path, key]);
        }
        return out;
      }
  }
  throw new TypeError(`definePlugin: ${at()} must be JSON or a function, is ${typeof value === "object" ? `a ${value.constructor?.name ?? "strange object"}` : String(value)}`);
}

function callback(f: any, plugin: string, path: string[]): object {
  const name = [plugin, ...path].join(".");
  let key = name; // keys may contain dots, so two paths may look alike
  for (let n = 2; callbacks.has(key); n++) key = `${name}#${n}`;
  callbacks.set(key, f);
  return { $callback: key, path };
}

const known = ["name", "config", "entities"];

export function definePlugin(first: unknown, config?: unknown): PluginEntry {
  const entry: any = typeof first === "string" ? { name: first, config } : first;
  if (typeof entry !== "object" || entry === null || typeof entry.name !== "string") {
    throw new TypeError("definePlugin needs a name and a config: definePlugin(name, config) or definePlugin({ name, config })");
  }
  if (entries.some((e) => e.name === entry.name)) throw new Error(`the plugin ${entry.name} is defined twice`);
  const made: PluginEntry = placed({ ...entry });
  pluginToManifest(made);
  entries.push(made);
  return made;
}

// pluginToManifest is an entry as the manifest has it.
export function pluginToManifest(entry: any): object {
  const done = converted.get(entry);
  if (done) return done;
  for (const key of Object.keys(entry)) {
    if (known.includes(key) || entry[key] === undefined) continue;
    if (key === "hooks") throw new TypeError(`definePlugin: ${entry.name}: hooks in TypeScript are not run; settings belong into config`);
    const near = nearest(key, known);
    throw new TypeError(`definePlugin: ${entry.name}: unknown key ${JSON.stringify(key)}${near ? ` (did you mean ${JSON.stringify(near)}?)` : "; settings belong into config"}`);
  }
  const out: Record<string, unknown> = { name: entry.name };
  if (entry.config !== undefined) out.config = plain(entry.config, entry.name, []);
  converted.set(entry, movePlace(entry, out));
  return out;
}
