// Headers (Fetch §5.1).

import { getOwnPropertyDescriptor, ownKeys } from "./builtin.ts";

type Pair = [string, string];

// Guards of Fetch §5.1: a request's headers leave out those of the connection, a
// response's from the network cannot be changed.
export type Guard = "none" | "request" | "immutable";

// The headers that the host sets itself (of Fetch §2.2.2, forbidden request-header).
// The standard's others protect a browser's user (cookie, origin, referer, sec-…); a
// server speaks for itself and may set them.
const forbidden = new Set([
  "accept-encoding",
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function nameOf(name: unknown): string {
  const text = `${name as any}`;
  if (!token.test(text)) throw new TypeError(`${quote(text)} is not a header's name`);
  return text.toLowerCase();
}

function valueOf(name: string, value: unknown): string {
  const text = `${value as any}`.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
  // The value itself may be a secret.
  if (/[\0\n\r]/.test(text)) throw new TypeError(`The value of the header ${name} holds a line break or a zero byte`);
  if (/[^\0-\xff]/.test(text)) throw new TypeError(`The value of the header ${name} holds characters above U+00FF`);
  return text;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? text.slice(0, 40) + "…" : text);
}

export let setGuard: (headers: Headers, guard: Guard) => void;
export let listOf: (headers: Headers) => Pair[];
export let ofList: (list: Pair[], guard: Guard) => Headers;

export class Headers {
  #list: Pair[] = []; // names in lower case, in the order they came
  #guard: Guard = "none";

  constructor(init?: any) {
    if (init === undefined) return;
    this.#fill(init);
  }

  #fill(init: any): void {
    if ((typeof init !== "object" && typeof init !== "function") || init === null) {
      throw new TypeError("Headers are made from an object, from pairs or from Headers");
    }
    const iterate = init[Symbol.iterator];
    if (iterate !== undefined && iterate !== null) {
      for (const pair of init) {
        if (typeof pair !== "object" || pair === null) throw new TypeError("Each header must be a pair of name and value");
        const p = [...pair];
        if (p.length !== 2) throw new TypeError("Each header must be a pair of name and value");
        this.append(p[0], p[1]);
      }
      return;
    }
    for (const key of ownKeys(init)) {
      if (!getOwnPropertyDescriptor(init, key)?.enumerable) continue;
      if (typeof key === "symbol") throw new TypeError("A header's name must be a string");
      this.append(key, init[key]);
    }
  }

  // #may reports whether the header may be changed.
  #may(name: string): boolean {
    if (this.#guard === "immutable") throw new TypeError("These headers cannot be changed");
    return this.#guard !== "request" || !forbidden.has(name);
  }

  append(name: string, value: string): void {
    const n = nameOf(name);
    const v = valueOf(n, value);
    if (this.#may(n)) this.#list.push([n, v]);
  }
  delete(name: string): void {
    const n = nameOf(name);
    if (this.#may(n)) this.#list = this.#list.filter((p) => p[0] !== n);
  }
  get(name: string): string | null {
    const n = nameOf(name);
    let found: string | null = null;
    for (const p of this.#list) if (p[0] === n) found = found === null ? p[1] : found + ", " + p[1];
    return found;
  }
  getSetCookie(): string[] {
    return this.#list.filter((p) => p[0] === "set-cookie").map((p) => p[1]);
  }
  has(name: string): boolean {
    const n = nameOf(name);
    return this.#list.some((p) => p[0] === n);
  }
  set(name: string, value: string): void {
    const n = nameOf(name);
    const v = valueOf(n, value);
    if (!this.#may(n)) return;
    const first = this.#list.find((p) => p[0] === n);
    if (first) {
      first[1] = v;
      this.#list = this.#list.filter((p) => p === first || p[0] !== n);
    } else this.#list.push([n, v]);
  }

  // #sorted is "sort and combine" (Fetch §2.2.2): cookies stay apart.
  #sorted(): Pair[] {
    const combined = new Map<string, string[]>();
    for (const [name, value] of this.#list) {
      const there = combined.get(name);
      if (there) there.push(value);
      else combined.set(name, [value]);
    }
    const out: Pair[] = [];
    for (const name of [...combined.keys()].sort()) {
      const values = combined.get(name)!;
      if (name === "set-cookie") for (const v of values) out.push([name, v]);
      else out.push([name, values.join(", ")]);
    }
    return out;
  }

  forEach(callback: (value: string, name: string, headers: Headers) => unknown, self?: unknown): void {
    if (typeof callback !== "function") throw new TypeError("forEach needs a function");
    for (const [name, value] of this) callback.call(self, value, name, this);
  }
  *entries(): IterableIterator<Pair> {
    yield* this.#sorted();
  }
  *keys(): IterableIterator<string> {
    for (const [name] of this.entries()) yield name;
  }
  *values(): IterableIterator<string> {
    for (const [, value] of this.entries()) yield value;
  }
  [Symbol.iterator](): IterableIterator<Pair> {
    return this.entries();
  }

  static {
    setGuard = (headers, guard) => {
      headers.#guard = guard;
      if (guard === "request") headers.#list = headers.#list.filter((p) => !forbidden.has(p[0]));
    };
    listOf = (headers) => headers.#list;
    ofList = (list, guard) => {
      const headers = new Headers();
      headers.#list = list;
      headers.#guard = guard;
      return headers;
    };
  }
}
