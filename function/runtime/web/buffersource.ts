import { isView } from "./builtin.ts";

// BufferSource of WebIDL: an ArrayBuffer or a view of one.
export type BufferSource = ArrayBuffer | ArrayBufferView;

export function isBufferSource(value: unknown): value is BufferSource {
  return value instanceof ArrayBuffer || isView(value);
}

// copyBytes is "get a copy of the bytes held by the buffer source" (WebIDL §3.2.26): of
// one that was transferred, none.
export function copyBytes(source: unknown, what: string): ArrayBuffer {
  const buffer: any = isView(source) ? source.buffer : source;
  if (buffer instanceof ArrayBuffer && (buffer as any).detached) return new ArrayBuffer(0);
  if (source instanceof ArrayBuffer) return source.slice(0);
  if (isView(source) && source.buffer instanceof ArrayBuffer) {
    return source.buffer.slice(source.byteOffset, source.byteOffset + source.byteLength);
  }
  throw new TypeError(`${what} must be an ArrayBuffer or a view of one`);
}
