// URLSearchParams (URL §6.2) and application/x-www-form-urlencoded (URL §5).

import { sync } from "../host.ts";
import { ownKeys, getOwnPropertyDescriptor, scalar } from "./builtin.ts";

type Pair = [string, string];

function decodePart(text: string): string {
  text = text.replaceAll("+", " ");
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    // Not everything after a % is UTF-8: byte by byte then.
    const bytes = new Uint8Array(sync("text.encode", text) as ArrayBuffer);
    let n = 0;
    for (let i = 0; i < bytes.length; i++, n++) {
      const value = bytes[i] === 0x25 && i + 2 < bytes.length ? hex(bytes[i + 1]!) * 16 + hex(bytes[i + 2]!) : NaN;
      if (value >= 0) i += 2;
      bytes[n] = value >= 0 ? value : bytes[i]!;
    }
    return sync("text.decode", bytes.buffer.slice(0, n) as ArrayBuffer);
  }
}

function hex(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  c |= 0x20;
  return c >= 0x61 && c <= 0x66 ? c - 0x57 : NaN;
}

function parse(query: string): Pair[] {
  const list: Pair[] = [];
  for (const part of query.split("&")) {
    if (part === "") continue;
    const eq = part.indexOf("=");
    list.push(eq < 0 ? [decodePart(part), ""] : [decodePart(part.slice(0, eq)), decodePart(part.slice(eq + 1))]);
  }
  return list;
}

function encodePart(text: string): string {
  return encodeURIComponent(text)
    .replaceAll("%20", "+")
    .replace(/[!'()~]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());
}

// follow ties the parameters to a URL: they are its query's, and it hears of changes.
export let follow: (params: URLSearchParams, search: string, changed: (query: string) => void) => void;

export class URLSearchParams {
  #list: Pair[] = [];
  #changed: ((query: string) => void) | undefined;

  constructor(init: any = "") {
    if ((typeof init === "object" && init !== null) || typeof init === "function") {
      const iterate = init[Symbol.iterator];
      if (iterate !== undefined && iterate !== null) {
        for (const pair of init) {
          if (typeof pair !== "object" || pair === null) throw new TypeError("Each parameter must be a pair of name and value");
          const p = [...pair];
          if (p.length !== 2) throw new TypeError("Each parameter must be a pair of name and value");
          this.#list.push([scalar(p[0]), scalar(p[1])]);
        }
        return;
      }
      for (const key of ownKeys(init)) {
        if (!getOwnPropertyDescriptor(init, key)?.enumerable) continue;
        if (typeof key === "symbol") throw new TypeError("A parameter's name must be a string");
        const name = scalar(key);
        const value = scalar(init[key]);
        const there = this.#list.find((p) => p[0] === name);
        if (there) there[1] = value;
        else this.#list.push([name, value]);
      }
      return;
    }
    const text = scalar(init);
    this.#list = parse(text[0] === "?" ? text.slice(1) : text);
  }

  #update(): void {
    this.#changed?.(this.toString());
  }

  get size(): number {
    return this.#list.length;
  }
  append(name: string, value: string): void {
    need(arguments.length, 2);
    this.#list.push([scalar(name), scalar(value)]);
    this.#update();
  }
  delete(name: string, value?: string): void {
    need(arguments.length, 1);
    name = scalar(name);
    const v = value === undefined ? undefined : scalar(value);
    this.#list = this.#list.filter((p) => p[0] !== name || (v !== undefined && p[1] !== v));
    this.#update();
  }
  get(name: string): string | null {
    need(arguments.length, 1);
    name = scalar(name);
    return this.#list.find((p) => p[0] === name)?.[1] ?? null;
  }
  getAll(name: string): string[] {
    need(arguments.length, 1);
    name = scalar(name);
    return this.#list.filter((p) => p[0] === name).map((p) => p[1]);
  }
  has(name: string, value?: string): boolean {
    need(arguments.length, 1);
    name = scalar(name);
    const v = value === undefined ? undefined : scalar(value);
    return this.#list.some((p) => p[0] === name && (v === undefined || p[1] === v));
  }
  set(name: string, value: string): void {
    need(arguments.length, 2);
    name = scalar(name);
    value = scalar(value);
    const first = this.#list.find((p) => p[0] === name);
    if (first) {
      first[1] = value;
      this.#list = this.#list.filter((p) => p === first || p[0] !== name);
    } else this.#list.push([name, value]);
    this.#update();
  }
  sort(): void {
    // By code units, which is what < compares.
    this.#list.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    this.#update();
  }
  toString(): string {
    return this.#list.map((p) => encodePart(p[0]) + "=" + encodePart(p[1])).join("&");
  }
  forEach(callback: (value: string, name: string, params: URLSearchParams) => unknown, self?: unknown): void {
    if (typeof callback !== "function") throw new TypeError("forEach needs a function");
    for (const [name, value] of this) callback.call(self, value, name, this);
  }
  // The iterators are live: they see what is added while they run.
  *entries(): IterableIterator<Pair> {
    for (let i = 0; i < this.#list.length; i++) yield [...this.#list[i]!];
  }
  *keys(): IterableIterator<string> {
    for (let i = 0; i < this.#list.length; i++) yield this.#list[i]![0];
  }
  *values(): IterableIterator<string> {
    for (let i = 0; i < this.#list.length; i++) yield this.#list[i]![1];
  }
  [Symbol.iterator](): IterableIterator<Pair> {
    return this.entries();
  }

  static {
    follow = (params, search, changed) => {
      params.#list = parse(search[0] === "?" ? search.slice(1) : search);
      params.#changed = changed;
    };
  }
}

function need(given: number, wanted: number): void {
  if (given < wanted) throw new TypeError(`${wanted} argument${wanted > 1 ? "s" : ""} required, but only ${given} present`);
}
