// console (Console §1), to the host's log.

import { sync } from "../host.ts";
import { isArray, isView, keys, stringifyJSON } from "./builtin.ts";
import { inspect, type Options } from "./inspect.ts";
import { performance } from "./performance.ts";

type Level = "debug" | "info" | "warn" | "error";

const maxLength = 8192;
const maxLines = 1000;
const normal: Options = { depth: 2, budget: maxLength };

let lines = 0;
let indent = "";

function write(level: Level, text: string): void {
  if (lines >= maxLines) {
    if (lines++ === maxLines) sync("console", "warn", `more than ${maxLines} lines in one call: the rest is dropped`);
    return;
  }
  lines++;
  if (indent !== "") text = indent + text.replaceAll("\n", "\n" + indent);
  if (text.length > maxLength) text = text.slice(0, maxLength) + `... ${text.length - maxLength} more characters`;
  sync("console", level, text);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : inspect(value, normal);
}

// format is the Formatter (Console §2.2.1), with Node's results.
function format(args: unknown[]): string {
  const out: string[] = [];
  let i = 0;
  if (typeof args[0] === "string") {
    i = 1;
    const first = args[0].length > 2 * maxLength ? args[0].slice(0, 2 * maxLength) : args[0];
    out.push(
      args.length === 1
        ? first
        : first.replace(/%([sdifjoOc%])/g, (all, kind: string) => {
            if (kind === "%") return "%";
            return i < args.length ? formatted(kind, args[i++]) : all;
          }),
    );
  }
  for (; i < args.length && i < 1000; i++) out.push(text(args[i]));
  return out.join(" ");
}

function formatted(kind: string, value: any): string {
  switch (kind) {
    case "s":
      return typeof value === "string" ? value : inspect(value, { depth: 0, budget: maxLength });
    case "d":
      return typeof value === "bigint" ? `${value}n` : typeof value === "object" || typeof value === "symbol" ? "NaN" : `${Number(value)}`;
    case "i":
      return typeof value === "bigint" ? `${value}n` : typeof value === "object" || typeof value === "symbol" ? "NaN" : `${parseInt(value, 10)}`;
    case "f":
      return typeof value === "symbol" ? "NaN" : `${parseFloat(value)}`;
    case "j":
      try {
        return stringifyJSON(value) ?? "undefined";
      } catch {
        return "[Circular]";
      }
    case "c":
      return ""; // a style
    default:
      return inspect(value, { depth: 4, budget: maxLength });
  }
}

const counts = new Map<string, number>();
const timers = new Map<string, number>();

function since(label: string): string | undefined {
  const began = timers.get(label);
  if (began === undefined) {
    write("warn", `Timer '${label}' does not exist`);
    return undefined;
  }
  return `${label}: ${(performance.now() - began).toFixed(3)}ms`;
}

// table is a column for each property and a line for each row, as plain text.
function table(data: any, columns?: string[]): string {
  const rows: [string, any][] = isArray(data) || (isView(data) && !(data instanceof DataView))
    ? Array.from((data as any).slice(0, 200), (v, i) => [`${i}`, v])
    : keys(data).slice(0, 200).map((k) => [k, data[k]]);
  const isRow = (v: unknown): v is object => typeof v === "object" && v !== null;
  const names = columns ?? [...new Set(rows.flatMap(([, v]) => (isRow(v) ? keys(v) : [])))].slice(0, 50);
  const plain = rows.some(([, v]) => !isRow(v));
  const cell = (v: unknown) => inspect(v, { depth: 0, budget: 200 });
  const lines = [["(index)", ...names, ...(plain ? ["Values"] : [])]];
  for (const [index, v] of rows) {
    const cells = names.map((n) => (isRow(v) && Object.hasOwn(v, n) ? cell((v as any)[n]) : ""));
    lines.push([index, ...cells, ...(plain ? [isRow(v) ? "" : cell(v)] : [])]);
  }
  const widths = lines[0]!.map((_, c) => Math.max(...lines.map((l) => l[c]!.length)));
  const line = (l: string[]) => l.map((c, i) => c.padEnd(widths[i]!)).join(" | ").trimEnd();
  const rule = widths.map((w) => "-".repeat(w)).join("-+-");
  return [line(lines[0]!), rule, ...lines.slice(1).map(line)].join("\n");
}

export const console = {
  log: (...args: unknown[]) => write("info", format(args)),
  info: (...args: unknown[]) => write("info", format(args)),
  debug: (...args: unknown[]) => write("debug", format(args)),
  warn: (...args: unknown[]) => write("warn", format(args)),
  error: (...args: unknown[]) => write("error", format(args)),
  trace: (...args: unknown[]) => {
    const at = `${new Error().stack ?? ""}`.split("\n").slice(1).join("\n").trimEnd();
    write("debug", `Trace${args.length > 0 ? ": " + format(args) : ""}\n${at}`);
  },
  assert: (condition?: unknown, ...args: unknown[]) => {
    if (condition) return;
    if (typeof args[0] === "string") args[0] = `Assertion failed: ${args[0]}`;
    else args.unshift("Assertion failed");
    write("error", format(args));
  },
  count: (label: unknown = "default") => {
    const l = `${label as any}`;
    const n = (counts.get(l) ?? 0) + 1;
    counts.set(l, n);
    write("info", `${l}: ${n}`);
  },
  countReset: (label: unknown = "default") => {
    if (!counts.delete(`${label as any}`)) write("warn", `Count for '${label as any}' does not exist`);
  },
  time: (label: unknown = "default") => {
    const l = `${label as any}`;
    if (timers.has(l)) write("warn", `Timer '${l}' already exists`);
    else timers.set(l, performance.now());
  },
  timeLog: (label: unknown = "default", ...args: unknown[]) => {
    const t = since(`${label as any}`);
    if (t !== undefined) write("info", [t, ...args.map(text)].join(" "));
  },
  timeEnd: (label: unknown = "default") => {
    const t = since(`${label as any}`);
    if (t !== undefined) write("info", t);
    timers.delete(`${label as any}`);
  },
  dir: (value: unknown, options: { depth?: number | null } = {}) => {
    const depth = options?.depth === null ? 20 : Math.min(20, Number(options?.depth ?? 2));
    write("info", inspect(value, { depth, budget: maxLength }));
  },
  table: (data: unknown, columns?: string[]) => {
    write("info", typeof data === "object" && data !== null ? table(data, columns) : format([data]));
  },
  group: (...args: unknown[]) => {
    if (args.length > 0) write("info", format(args));
    if (indent.length < 40) indent += "  ";
  },
  groupCollapsed: (...args: unknown[]) => console.group(...args),
  groupEnd: () => {
    indent = indent.slice(2);
  },
};
