// crypto (Web Cryptography API): random values, digests and HMAC.

import { sync } from "../host.ts";
import { copyBytes, type BufferSource } from "./buffersource.ts";
import { DOMException, illegal, isView } from "./builtin.ts";

const ours = Symbol();

// Block sizes in bits: a generated HMAC key has that length (WebCrypto §29.4).
const hashes: Record<string, number> = { "SHA-1": 512, "SHA-256": 512, "SHA-384": 1024, "SHA-512": 1024 };

function unsupported(what: string): DOMException {
  return new DOMException(
    `${what} is not supported: there are digest with SHA-1, SHA-256, SHA-384 and SHA-512, and HMAC with raw keys (importKey, exportKey, generateKey, sign, verify)`,
    "NotSupportedError",
  );
}

function nameOf(algorithm: any): string {
  const name = typeof algorithm === "object" && algorithm !== null ? algorithm.name : algorithm;
  if (name === undefined) throw new TypeError("The algorithm has no name");
  return `${name}`.toUpperCase();
}

function hashOf(algorithm: unknown): string {
  const name = nameOf(algorithm);
  if (!Object.hasOwn(hashes, name)) throw unsupported(`The hash ${name}`);
  return name;
}

function hmac(algorithm: unknown): void {
  const name = nameOf(algorithm);
  if (name !== "HMAC") throw unsupported(`The algorithm ${name}`);
}

function raw(format: unknown): void {
  if (format !== "raw") throw unsupported(`The key format ${format as any}`);
}

type Usage = "sign" | "verify";

function usagesOf(usages: unknown): Usage[] {
  const all = [...(usages as Iterable<unknown>)].map((u) => `${u as any}`);
  for (const u of all) {
    if (u !== "sign" && u !== "verify") throw new DOMException(`An HMAC key cannot be used to ${u}`, "SyntaxError");
  }
  if (all.length === 0) throw new DOMException("The key has no usages", "SyntaxError");
  return (["sign", "verify"] as const).filter((u) => all.includes(u));
}

let secretOf: (key: CryptoKey) => ArrayBuffer;

interface KeyData {
  hash: string;
  extractable: boolean;
  usages: Usage[];
  secret: ArrayBuffer;
}

export class CryptoKey {
  #data: KeyData;

  constructor(token?: symbol, data?: KeyData) {
    if (token !== ours) throw illegal();
    this.#data = data!;
  }
  get type(): string {
    this.#data;
    return "secret";
  }
  get extractable(): boolean {
    return this.#data.extractable;
  }
  get algorithm(): { name: string; hash: { name: string }; length: number } {
    return { name: "HMAC", hash: { name: this.#data.hash }, length: this.#data.secret.byteLength * 8 };
  }
  get usages(): string[] {
    return [...this.#data.usages];
  }

  static {
    secretOf = (key) => key.#data.secret;
  }
}

function usable(key: unknown, usage: Usage): CryptoKey {
  if (!(key instanceof CryptoKey)) throw new TypeError("The key is no CryptoKey");
  if (!key.usages.includes(usage)) throw new DOMException(`The key's usages do not include ${usage}`, "InvalidAccessError");
  return key;
}

export class SubtleCrypto {
  constructor(token?: symbol) {
    if (token !== ours) throw illegal();
  }

  async digest(algorithm: unknown, data: BufferSource): Promise<ArrayBuffer> {
    return sync("digest", hashOf(algorithm), copyBytes(data, "The data"));
  }

  async importKey(format: string, data: BufferSource, algorithm: any, extractable: boolean, usages: string[]): Promise<CryptoKey> {
    hmac(algorithm);
    raw(format);
    const secret = copyBytes(data, "The key");
    const hash = hashOf(algorithm.hash);
    const uses = usagesOf(usages);
    if (secret.byteLength === 0) throw new DOMException("The key is empty", "DataError");
    if (algorithm.length !== undefined && Number(algorithm.length) !== secret.byteLength * 8) {
      throw new DOMException("The key's length is not that of its data", "DataError");
    }
    return new CryptoKey(ours, { hash, extractable: !!extractable, usages: uses, secret });
  }

  async exportKey(format: string, key: CryptoKey): Promise<ArrayBuffer> {
    if (!(key instanceof CryptoKey)) throw new TypeError("The key is no CryptoKey");
    raw(format);
    if (!key.extractable) throw new DOMException("The key is not extractable", "InvalidAccessError");
    return secretOf(key).slice(0);
  }

  async generateKey(algorithm: any, extractable: boolean, usages: string[]): Promise<CryptoKey> {
    hmac(algorithm);
    const hash = hashOf(algorithm.hash);
    const bits = algorithm.length === undefined ? hashes[hash]! : Number(algorithm.length);
    if (!(bits > 0 && bits <= 65536 * 8 && bits % 8 === 0)) {
      throw new DOMException("The key's length must be a whole number of bytes, at most 65536", "OperationError");
    }
    const uses = usagesOf(usages);
    return new CryptoKey(ours, { hash, extractable: !!extractable, usages: uses, secret: sync("random.bytes", bits / 8) });
  }

  async sign(algorithm: unknown, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer> {
    hmac(algorithm);
    const k = usable(key, "sign");
    return sync("hmac", k.algorithm.hash.name, secretOf(k), copyBytes(data, "The data"));
  }

  async verify(algorithm: unknown, key: CryptoKey, signature: BufferSource, data: BufferSource): Promise<boolean> {
    hmac(algorithm);
    const k = usable(key, "verify");
    return sync("hmac.verify", k.algorithm.hash.name, secretOf(k), copyBytes(signature, "The signature"), copyBytes(data, "The data"));
  }

  async encrypt(): Promise<never> {
    throw unsupported("encrypt");
  }
  async decrypt(): Promise<never> {
    throw unsupported("decrypt");
  }
  async deriveBits(): Promise<never> {
    throw unsupported("deriveBits");
  }
  async deriveKey(): Promise<never> {
    throw unsupported("deriveKey");
  }
  async wrapKey(): Promise<never> {
    throw unsupported("wrapKey");
  }
  async unwrapKey(): Promise<never> {
    throw unsupported("unwrapKey");
  }
}

const subtle = new SubtleCrypto(ours);

export class Crypto {
  constructor(token?: symbol) {
    if (token !== ours) throw illegal();
  }
  get subtle(): SubtleCrypto {
    return subtle;
  }
  getRandomValues<T extends ArrayBufferView>(array: T): T {
    if (!isView(array) || array instanceof DataView || /^Float/.test((array as any)[Symbol.toStringTag])) {
      throw new DOMException("getRandomValues fills typed arrays of integers", "TypeMismatchError");
    }
    if (array.byteLength > 65536) throw new DOMException("getRandomValues gives at most 65536 bytes at once", "QuotaExceededError");
    const into = new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
    into.set(new Uint8Array(sync("random.bytes", array.byteLength) as ArrayBuffer));
    return array;
  }
  randomUUID(): string {
    return sync("uuid");
  }
}

export const crypto = new Crypto(ours);
