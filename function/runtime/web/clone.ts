// structuredClone (HTML §2.7).

import { AbortController } from "./abort.ts";
import { Body } from "./body.ts";
import { create, defineProperty, DOMException, isArray, isView, keys } from "./builtin.ts";
import { Crypto, CryptoKey, SubtleCrypto } from "./crypto.ts";
import { TextDecoder, TextEncoder } from "./encoding.ts";
import { Event, EventTarget } from "./event.ts";
import { Headers } from "./headers.ts";
import { URL } from "./url.ts";
import { URLSearchParams } from "./urlsearchparams.ts";

function cannot(what: string): DOMException {
  return new DOMException(`${what} cannot be cloned`, "DataCloneError");
}

// Objects with something inside that properties do not show.
const opaque: (new (...args: any) => object)[] = [
  Promise, WeakMap, WeakSet, WeakRef, FinalizationRegistry, SharedArrayBuffer,
  AbortController, Body, Crypto, CryptoKey, SubtleCrypto, Event, EventTarget, Headers, TextDecoder, TextEncoder, URL,
  URLSearchParams,
];

const errors: Record<string, new (message?: string) => Error> = {
  Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError,
};

// Each copies one kind of object; undefined says that it only looks like one, since
// its prototype can be anybody's.
function special(value: object, clone: (v: unknown) => unknown, remember: (copy: object) => void): object | undefined {
  try {
    if (value instanceof Date) return new Date(Date.prototype.getTime.call(value));
    if (value instanceof RegExp) return new RegExp(value.source, value.flags);
    if (value instanceof Boolean) return Object(Boolean.prototype.valueOf.call(value));
    if (value instanceof Number) return Object(Number.prototype.valueOf.call(value));
    if (value instanceof String) return Object(String.prototype.valueOf.call(value));
    if (value instanceof BigInt) return Object(BigInt.prototype.valueOf.call(value));
    if (value instanceof ArrayBuffer) return ArrayBuffer.prototype.slice.call(value, 0);
  } catch (error) {
    if ((value as any).detached === true) throw cannot("A detached ArrayBuffer");
    return undefined;
  }
  if (isView(value)) {
    const buffer = clone(value.buffer) as ArrayBuffer;
    if (value instanceof DataView) return new DataView(buffer, value.byteOffset, value.byteLength);
    const Type = typed[(value as any)[Symbol.toStringTag]]!;
    return new Type(buffer, value.byteOffset, (value as any).length);
  }
  if (value instanceof Map && isMap(value)) {
    const copy = new Map();
    remember(copy);
    for (const [k, v] of [...Map.prototype.entries.call(value)]) copy.set(clone(k), clone(v));
    return copy;
  }
  if (value instanceof Set && isSet(value)) {
    const copy = new Set();
    remember(copy);
    for (const v of [...Set.prototype.values.call(value)]) copy.add(clone(v));
    return copy;
  }
  if (value instanceof DOMException) return new DOMException(value.message, value.name);
  if (value instanceof Error) {
    const name = `${value.name}`;
    const copy = new (errors[name] ?? Error)();
    remember(copy);
    for (const key of ["message", "stack", "cause"] as const) {
      const own = Object.getOwnPropertyDescriptor(value, key);
      if (own === undefined && key !== "stack") continue;
      const part = key === "cause" ? clone(own!.value) : `${(value as any)[key]}`;
      defineProperty(copy, key, { value: part, writable: true, enumerable: false, configurable: true });
    }
    return copy;
  }
  return undefined;
}

const typed: Record<string, new (buffer: ArrayBuffer, offset: number, length: number) => object> = create(null);
for (const name of [
  "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array",
  "BigInt64Array", "BigUint64Array", "Float16Array", "Float32Array", "Float64Array",
]) {
  typed[name] = (globalThis as any)[name];
}

const mapSize = Object.getOwnPropertyDescriptor(Map.prototype, "size")!.get!;
const setSize = Object.getOwnPropertyDescriptor(Set.prototype, "size")!.get!;

function isMap(value: object): boolean {
  return has(mapSize, value);
}
function isSet(value: object): boolean {
  return has(setSize, value);
}
function has(size: () => number, value: object): boolean {
  try {
    size.call(value);
    return true;
  } catch {
    return false;
  }
}

function copyOf(root: unknown): unknown {
  const copies = new Map<object, object>();

  const clone = (value: unknown): unknown => {
    if (typeof value === "symbol") throw cannot("A symbol");
    if (typeof value === "function") throw cannot(value.name ? `The function ${value.name}` : "A function");
    if (typeof value !== "object" || value === null) return value;
    const there = copies.get(value);
    if (there) return there;
    const remember = (copy: object) => copies.set(value, copy);

    const one = special(value, clone, remember);
    if (one) {
      remember(one);
      return one;
    }
    for (const Class of opaque) if (value instanceof Class) throw cannot(`An object of the class ${Class.name}`);

    const copy: any = isArray(value) ? new Array(value.length) : {};
    remember(copy);
    for (const key of keys(value)) {
      const part = clone((value as any)[key]);
      // Not an assignment: "__proto__" is a name like any other here.
      defineProperty(copy, key, { value: part, writable: true, enumerable: true, configurable: true });
    }
    return copy;
  };
  return clone(root);
}

export function structuredClone(value: unknown, options: { transfer?: Iterable<unknown> } = {}): unknown {
  if (arguments.length === 0) throw new TypeError("structuredClone needs a value");
  const transfer = options?.transfer === undefined ? [] : [...options.transfer];
  transfer.forEach((t: any, i) => {
    if (!(t instanceof ArrayBuffer)) throw new DOMException("Only an ArrayBuffer can be transferred", "DataCloneError");
    if ((t as any).detached || transfer.indexOf(t) !== i) {
      throw new DOMException("The ArrayBuffer was transferred already", "DataCloneError");
    }
  });
  const copy = copyOf(value);
  // The copy has the data; all that is left of a transfer is that the original loses them.
  for (const t of transfer) (t as any).transfer();
  return copy;
}
