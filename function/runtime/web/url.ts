// URL (URL §6.1). The host parses; the components come back in one text, a line each,
// since none of them can hold a line break.

import { sync } from "../host.ts";
import { scalar } from "./builtin.ts";
import { follow, URLSearchParams } from "./urlsearchparams.ts";

const HREF = 0;
const ORIGIN = 1;
const PROTOCOL = 2;
const USERNAME = 3;
const PASSWORD = 4;
const HOST = 5;
const HOSTNAME = 6;
const PORT = 7;
const PATHNAME = 8;
const SEARCH = 9;
const HASH = 10;

function parse(url: unknown, base: unknown): string[] | null {
  const text = scalar(url);
  const parts = sync("url.parse", text, base === undefined ? undefined : scalar(base)) as string | undefined;
  return parts === undefined ? null : parts.split("\n");
}

let fromParts: (parts: string[]) => URL;

export class URL {
  #parts: string[];
  #params: URLSearchParams | undefined;

  constructor(url: string | URL, base?: string | URL) {
    if (arguments.length === 0) throw new TypeError("URL needs a text");
    const parts = parse(url, base);
    if (!parts) throw new TypeError("Invalid URL");
    this.#parts = parts;
  }

  static canParse(url: string | URL, base?: string | URL): boolean {
    return parse(url, base) !== null;
  }
  static parse(url: string | URL, base?: string | URL): URL | null {
    const parts = parse(url, base);
    return parts && fromParts(parts);
  }

  #set(part: string, value: unknown): void {
    this.#parts = (sync("url.set", this.#parts[HREF]!, part, scalar(value)) as string).split("\n");
  }
  #setSearch(value: unknown): void {
    this.#set("search", value);
    if (this.#params) follow(this.#params, this.#parts[SEARCH]!, (query) => this.#set("search", query));
  }

  get href(): string {
    return this.#parts[HREF]!;
  }
  set href(value: string) {
    const parts = parse(value, undefined);
    if (!parts) throw new TypeError("Invalid URL");
    this.#parts = parts;
    if (this.#params) follow(this.#params, parts[SEARCH]!, (query) => this.#set("search", query));
  }
  get origin(): string {
    return this.#parts[ORIGIN]!;
  }
  get protocol(): string {
    return this.#parts[PROTOCOL]!;
  }
  set protocol(value: string) {
    this.#set("protocol", value);
  }
  get username(): string {
    return this.#parts[USERNAME]!;
  }
  set username(value: string) {
    this.#set("username", value);
  }
  get password(): string {
    return this.#parts[PASSWORD]!;
  }
  set password(value: string) {
    this.#set("password", value);
  }
  get host(): string {
    return this.#parts[HOST]!;
  }
  set host(value: string) {
    this.#set("host", value);
  }
  get hostname(): string {
    return this.#parts[HOSTNAME]!;
  }
  set hostname(value: string) {
    this.#set("hostname", value);
  }
  get port(): string {
    return this.#parts[PORT]!;
  }
  set port(value: string) {
    this.#set("port", value);
  }
  get pathname(): string {
    return this.#parts[PATHNAME]!;
  }
  set pathname(value: string) {
    this.#set("pathname", value);
  }
  get search(): string {
    return this.#parts[SEARCH]!;
  }
  set search(value: string) {
    this.#setSearch(value);
  }
  get searchParams(): URLSearchParams {
    if (!this.#params) {
      this.#params = new URLSearchParams();
      follow(this.#params, this.#parts[SEARCH]!, (query) => this.#set("search", query));
    }
    return this.#params;
  }
  get hash(): string {
    return this.#parts[HASH]!;
  }
  set hash(value: string) {
    this.#set("hash", value);
  }
  toString(): string {
    return this.#parts[HREF]!;
  }
  toJSON(): string {
    return this.#parts[HREF]!;
  }

  static {
    fromParts = (parts) => {
      const url = new URL("x:");
      url.#parts = parts;
      return url;
    };
  }
}
