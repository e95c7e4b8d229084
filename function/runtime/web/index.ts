// Puts the web platform's globals in place, as far as they are there: see README.md.

import { AbortController, AbortSignal } from "./abort.ts";
import { defineProperty } from "./builtin.ts";
import { structuredClone } from "./clone.ts";
import { console } from "./console.ts";
import { Crypto, crypto, CryptoKey, SubtleCrypto } from "./crypto.ts";
import { TextDecoder, TextEncoder } from "./encoding.ts";
import { Event, EventTarget } from "./event.ts";
import { fetch } from "./fetch.ts";
import { Headers } from "./headers.ts";
import { Performance, performance } from "./performance.ts";
import { process } from "./process.ts";
import { random } from "./random.ts";
import { Request } from "./request.ts";
import { Response } from "./response.ts";
import { clearInterval, clearTimeout, setInterval, setTimeout } from "./timer.ts";
import { URL } from "./url.ts";
import { URLSearchParams } from "./urlsearchparams.ts";

const interfaces: Record<string, new (...args: any) => object> = {
  AbortController, AbortSignal, Crypto, CryptoKey, Event, EventTarget, Headers, Performance, Request, Response,
  SubtleCrypto, TextDecoder, TextEncoder, URL, URLSearchParams,
};
const functions: Record<string, (...args: any[]) => unknown> = {
  clearInterval, clearTimeout, fetch, setInterval, setTimeout, structuredClone,
};
const objects: Record<string, object> = { console, crypto, performance, process };

function install(target: object, name: string | symbol, value: unknown, writable = true): void {
  defineProperty(target, name, { value, writable, enumerable: false, configurable: true });
}

for (const [name, Interface] of Object.entries(interfaces)) {
  install(Interface, "name", name, false); // whatever a minifier made of it
  install(Interface.prototype, Symbol.toStringTag, name, false);
  install(globalThis, name, Interface);
}
for (const [name, f] of Object.entries(functions)) {
  install(f, "name", name, false);
  install(globalThis, name, f);
}
for (const [name, object] of Object.entries(objects)) install(globalThis, name, object);
install(console, Symbol.toStringTag, "console", false);
install(random, "name", "random", false);
install(Math, "random", random);
