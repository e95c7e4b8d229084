// What the engine itself has, taken once: code that runs later may have changed the
// globals, and the runtime should keep working as long as it can.

export interface DOMException extends Error {
  readonly code: number;
}

export const DOMException = (globalThis as any).DOMException as {
  new (message?: string, name?: string): DOMException;
};

export const queueMicrotask = (globalThis as any).queueMicrotask as (callback: () => void) => void;

export const {
  create,
  defineProperty,
  entries,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  is,
  keys,
} = Object;

export const { ownKeys } = Reflect;
export const { isArray } = Array;
export const { isView } = ArrayBuffer;
export const { parse: parseJSON, stringify: stringifyJSON } = JSON;

// scalar is the conversion to USVString (WebIDL): half surrogate pairs become U+FFFD.
export function scalar(value: unknown): string {
  return (`${value as any}` as any).toWellFormed();
}

// report is for errors of callbacks that nobody waits for: they end the call.
export function report(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

// illegal is what constructors that only the runtime may use throw.
export function illegal(): TypeError {
  return new TypeError("Illegal constructor");
}
