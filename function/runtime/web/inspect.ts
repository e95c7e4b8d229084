// How values look in the log: like in Node's, within a budget. Nothing of the value's
// own code runs, but for the getters of its class name.

import { getOwnPropertyDescriptor, getPrototypeOf, is, isArray, isView, ownKeys } from "./builtin.ts";
import { Headers } from "./headers.ts";
import { URL } from "./url.ts";
import { URLSearchParams } from "./urlsearchparams.ts";

export interface Options {
  depth: number;
  // budget is how many characters there may be, roughly: what is over is left out.
  budget: number;
}

const maxItems = 100;
const lineLength = 76;

interface State {
  depth: number;
  left: number;
  seen: object[];
  circular: Set<object>;
}

export function inspect(value: unknown, options: Options): string {
  return show(value, { depth: options.depth, left: options.budget, seen: [], circular: new Set() }, 0);
}

function quoted(text: string): string {
  const q = !text.includes("'") ? "'" : !text.includes('"') ? '"' : !text.includes("`") ? "`" : "'";
  const body = text.replace(/[\\\x00-\x1f\x7f]/g, escaped);
  return q + (q === "'" ? body.replaceAll("'", "\\'") : body) + q;
}

function escaped(c: string): string {
  const short = "\\\\\nn\tt\rr\bb\ff\vv";
  const i = short.indexOf(c);
  return "\\" + (i >= 0 ? short[i + 1] : "x" + c.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase());
}

function primitive(value: unknown, s: State): string {
  switch (typeof value) {
    case "string": {
      const room = Math.max(16, s.left);
      return value.length > room ? quoted(value.slice(0, room)) + `... ${value.length - room} more characters` : quoted(value);
    }
    case "number":
      return is(value, -0) ? "-0" : `${value}`;
    case "bigint":
      return `${value}n`;
    case "symbol":
      return value.toString();
    default:
      return `${value as any}`;
  }
}

// className is the name of the constructor, null for an object without prototype.
function className(value: object): string | null {
  for (let o: object | null = value; o !== null; o = getPrototypeOf(o)) {
    const own = getOwnPropertyDescriptor(o, "constructor");
    if (own && typeof own.value === "function" && own.value.name) return `${own.value.name}`;
  }
  return null;
}

function keyText(key: string | symbol): string {
  if (typeof key === "symbol") return `[${key.toString()}]`;
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? key : quoted(key);
}

function show(value: unknown, s: State, indent: number): string {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) {
    const text = primitive(value, s);
    s.left -= text.length;
    return text;
  }
  if (s.seen.includes(value)) {
    s.circular.add(value);
    return "[Circular *1]";
  }
  let name: string | null;
  try {
    name = className(value);
  } catch {
    return "[Proxy]"; // one that throws or was revoked
  }
  if (s.left <= 0) return "...";
  if (s.seen.length > s.depth) return isArray(value) ? "[Array]" : `[${name ?? "Object: null prototype"}]`;

  s.seen.push(value);
  let text: string;
  try {
    text = object(value, name, s, indent);
  } catch {
    text = `[${name ?? "Object"}]`; // a proxy can throw at anything
  }
  s.seen.pop();
  s.left -= 4;
  return s.circular.has(value) ? `<ref *1> ${text}` : text;
}

function object(value: object, name: string | null, s: State, indent: number): string {
  const items: string[] = [];
  let prefix = name === null ? "[Object: null prototype] " : name === "Object" ? "" : `${name} `;
  let open = "{";
  let close = "}";
  let skip = (_: string | symbol) => false;
  const inner = indent + 2;
  const list = (all: Iterable<unknown>, size: number, one: (v: any) => string) => {
    let n = 0;
    for (const v of all) {
      if (n === maxItems || s.left <= 0) break;
      items.push(one(v));
      n++;
    }
    if (size > n) items.push(`... ${size - n} more item${size - n > 1 ? "s" : ""}`);
  };

  if (typeof value === "function") {
    const isClass = /^class\b/.test(Function.prototype.toString.call(value));
    prefix = isClass ? `[class ${value.name || "(anonymous)"}]` : `[${name}${value.name ? ": " + value.name : " (anonymous)"}]`;
    if (ownKeys(value).every((k) => !getOwnPropertyDescriptor(value, k)!.enumerable)) return prefix;
    prefix += " ";
  } else if (isArray(value)) {
    prefix = name === "Array" ? "" : `${name}(${value.length}) `;
    [open, close] = ["[", "]"];
    skip = (key) => typeof key === "string" && /^(0|[1-9]\d*)$/.test(key);
    let holes = 0;
    const flush = () => {
      if (holes > 0) items.push(`<${holes} empty item${holes > 1 ? "s" : ""}>`);
      holes = 0;
    };
    let i = 0;
    for (; i < value.length && items.length < maxItems && s.left > 0 && holes < 1e6; i++) {
      if (!Object.hasOwn(value, i)) holes++;
      else {
        flush();
        items.push(property(value, `${i}`, s, inner));
      }
    }
    if (i < value.length && holes > 0) holes += value.length - i;
    else if (i < value.length) items.push(`... ${value.length - i} more item${value.length - i > 1 ? "s" : ""}`);
    flush();
  } else if (value instanceof Error) {
    const stack = typeof value.stack === "string" ? value.stack : "";
    const head = `${value.name}${value.message ? ": " + value.message : ""}`;
    // The engine's stack has the places only; its head is the error's own text.
    prefix = stack.startsWith(head) ? stack : head + (stack ? "\n" + stack.replace(/\s+$/, "") : "");
    prefix = prefix.replaceAll("\n", "\n" + " ".repeat(indent));
    skip = (key) => key === "stack" || key === "message" || key === "name";
    if (Object.hasOwn(value, "cause")) items.push(`[cause]: ${property(value, "cause", s, inner)}`);
    const rest = ownKeys(value).filter((k) => !skip(k) && k !== "cause" && getOwnPropertyDescriptor(value, k)!.enumerable);
    s.left -= prefix.length;
    if (items.length + rest.length === 0) return stack ? prefix : `[${prefix}]`;
    prefix += " ";
  } else if (value instanceof Map) {
    prefix = `${name}(${value.size}) `;
    list(Map.prototype.entries.call(value), value.size, ([k, v]) => `${show(k, s, inner)} => ${show(v, s, inner)}`);
  } else if (value instanceof Set) {
    prefix = `${name}(${value.size}) `;
    list(Set.prototype.values.call(value), value.size, (v) => show(v, s, inner));
  } else if (value instanceof Date) {
    const time = Date.prototype.getTime.call(value);
    return Number.isNaN(time) ? "Invalid Date" : new Date(time).toISOString();
  } else if (value instanceof RegExp) return RegExp.prototype.toString.call(value);
  else if (value instanceof ArrayBuffer) {
    const bytes = new Uint8Array(value);
    items.push(`<${[...bytes.subarray(0, 50)].map((b) => b.toString(16).padStart(2, "0")).join(" ")}${bytes.length > 50 ? ` ... ${bytes.length - 50} more bytes` : ""}>`);
    items.push(`byteLength: ${bytes.length}`);
  } else if (isView(value) && !(value instanceof DataView)) {
    const view = value as unknown as ArrayLike<unknown> & Iterable<unknown>;
    prefix = `${name}(${view.length}) `;
    [open, close] = ["[", "]"];
    skip = (key) => typeof key === "string" && /^\d+$/.test(key);
    list(view, view.length, (v) => show(v, s, inner));
  } else if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet) items.push("...");
  else if (value instanceof Headers || value instanceof URLSearchParams) {
    list([...value], 0, ([k, v]) => `${quoted(k)} => ${show(v, s, inner)}`);
  } else if (value instanceof URL) return `URL { href: ${quoted(value.href)} }`;
  else if (value instanceof Number || value instanceof String || value instanceof Boolean) {
    prefix = `[${name}: ${primitive(value.valueOf(), s)}]`;
    skip = (key) => value instanceof String && typeof key === "string" && /^\d+$/.test(key);
    if (ownKeys(value).every((k) => skip(k) || !getOwnPropertyDescriptor(value, k)!.enumerable)) return prefix;
    prefix += " ";
  }

  let shown = 0;
  for (const key of ownKeys(value)) {
    if (skip(key) || !getOwnPropertyDescriptor(value, key)?.enumerable) continue;
    if (shown++ === maxItems || s.left <= 0) {
      items.push("...");
      break;
    }
    const k = keyText(key);
    s.left -= k.length + 2;
    items.push(`${k}: ${property(value, key, s, inner)}`);
  }
  return joined(prefix, open, close, items, indent);
}

// property is the text of a value without running the getter that may stand for it.
function property(value: object, key: string | symbol, s: State, indent: number): string {
  const own = getOwnPropertyDescriptor(value, key)!;
  if (own.get && own.set) return "[Getter/Setter]";
  if (own.get) return "[Getter]";
  if (own.set) return "[Setter]";
  return show(own.value, s, indent);
}

function joined(prefix: string, open: string, close: string, items: string[], indent: number): string {
  if (items.length === 0) return `${prefix}${open}${close}`;
  const length = items.reduce((n, i) => n + i.length + 2, prefix.length + indent);
  if (length <= lineLength && !items.some((i) => i.includes("\n"))) return `${prefix}${open} ${items.join(", ")} ${close}`;
  const pad = "\n" + " ".repeat(indent + 2);
  // Short ones share lines: a hundred numbers are not a hundred lines.
  if (open === "[" && items.length > 6 && items.every((i) => i.length <= 16)) {
    const lines: string[] = [];
    for (const item of items) {
      const last = lines.length - 1;
      if (last >= 0 && lines[last]!.length + item.length + 2 <= lineLength - indent) lines[last] += `, ${item}`;
      else lines.push(item);
    }
    return `${prefix}${open}${pad}${lines.join("," + pad)}\n${" ".repeat(indent)}${close}`;
  }
  return `${prefix}${open}${pad}${items.join("," + pad)}\n${" ".repeat(indent)}${close}`;
}
