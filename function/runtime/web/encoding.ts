// TextEncoder and TextDecoder (Encoding §7), for UTF-8.

import { sync } from "../host.ts";
import { scalar } from "./builtin.ts";
import { copyBytes, type BufferSource } from "./buffersource.ts";

const utf8 = new Set(["unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "utf-8", "utf8", "x-unicode20utf8"]);

export function encode(text: string): ArrayBuffer {
  return sync("text.encode", text);
}

// decode is "UTF-8 decode" (Encoding §6): a byte order mark is dropped.
export function decode(bytes: ArrayBuffer): string {
  return withoutBOM(sync("text.decode", bytes));
}

export function withoutBOM(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

export class TextEncoder {
  get encoding(): string {
    return "utf-8";
  }

  encode(input: string = ""): Uint8Array {
    return new Uint8Array(encode(scalar(input)));
  }

  encodeInto(source: string, destination: Uint8Array): { read: number; written: number } {
    if (!(destination instanceof Uint8Array)) throw new TypeError("encodeInto needs a Uint8Array");
    const text = scalar(source);
    let bytes = new Uint8Array(encode(text));
    if (bytes.length <= destination.length) {
      destination.set(bytes);
      return { read: text.length, written: bytes.length };
    }
    let written = destination.length;
    while (written > 0 && (bytes[written]! & 0xc0) === 0x80) written--; // not within a character
    bytes = bytes.subarray(0, written);
    destination.set(bytes);
    return { read: (sync("text.decode", copyBytes(bytes, "")) as string).length, written };
  }
}

interface DecoderOptions {
  fatal?: boolean;
  ignoreBOM?: boolean;
}

export class TextDecoder {
  #fatal: boolean;
  #ignoreBOM: boolean;
  #held = new Uint8Array(0); // the beginning of a character whose rest has not come yet
  #begun = false; // something of the stream was answered, so no byte order mark follows

  constructor(label: string = "utf-8", options: DecoderOptions = {}) {
    const name = `${label}`.replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, "").toLowerCase();
    if (!utf8.has(name)) throw new RangeError(`TextDecoder knows utf-8 only, not "${label}"`);
    this.#fatal = !!options?.fatal;
    this.#ignoreBOM = !!options?.ignoreBOM;
  }

  get encoding(): string {
    return "utf-8";
  }
  get fatal(): boolean {
    return this.#fatal;
  }
  get ignoreBOM(): boolean {
    return this.#ignoreBOM;
  }

  decode(input?: BufferSource, options: { stream?: boolean } = {}): string {
    const stream = !!options?.stream;
    let buffer = input === undefined ? new ArrayBuffer(0) : copyBytes(input, "The input");
    if (this.#held.length > 0) {
      const joined = new Uint8Array(this.#held.length + buffer.byteLength);
      joined.set(this.#held);
      joined.set(new Uint8Array(buffer), this.#held.length);
      buffer = joined.buffer;
    }
    const begun = this.#begun;
    this.#held = new Uint8Array(0);
    this.#begun = false;
    let held = this.#held;
    if (stream) {
      const n = unfinished(new Uint8Array(buffer));
      held = new Uint8Array(buffer.slice(buffer.byteLength - n));
      buffer = buffer.slice(0, buffer.byteLength - n);
    }
    const text = sync("text.decode", buffer, this.#fatal) as string | undefined;
    if (text === undefined) throw new TypeError("The encoded data was not valid UTF-8");
    if (stream) {
      this.#held = held;
      this.#begun = begun || text.length > 0;
    }
    return begun || this.#ignoreBOM ? text : withoutBOM(text);
  }
}

// unfinished counts the bytes at the end that begin a character and lack its rest.
function unfinished(b: Uint8Array): number {
  const end = b.length;
  for (let n = 1; n <= 3 && n <= end; n++) {
    const c = b[end - n]!;
    if ((c & 0xc0) === 0x80) continue;
    const length = c >= 0xf0 && c <= 0xf4 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 1;
    if (length <= n) return 0;
    // The second byte is narrower after some first ones (Encoding §8.1.1).
    const second = n > 1 ? b[end - n + 1]! : 0;
    if (n > 1) {
      if ((c === 0xe0 && second < 0xa0) || (c === 0xed && second > 0x9f)) return 0;
      if ((c === 0xf0 && second < 0x90) || (c === 0xf4 && second > 0x8f)) return 0;
    }
    return n;
  }
  return 0;
}
