// Request (Fetch §5.4), as far as a server has one: no mode, credentials, cache, referrer.

import { AbortSignal, follower } from "./abort.ts";
import { Body, type Content, contentOf, extract, give, take } from "./body.ts";
import { scalar } from "./builtin.ts";
import { Headers, listOf, ofList, setGuard } from "./headers.ts";
import { URL } from "./url.ts";

export type Redirect = "follow" | "error" | "manual";

export interface RequestInit {
  method?: string;
  headers?: any;
  body?: unknown;
  redirect?: Redirect;
  signal?: AbortSignal | null;
  integrity?: string;
}

// methodOf validates and normalises (Fetch §2.2.1).
function methodOf(method: unknown): string {
  const text = `${method as any}`;
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text)) throw new TypeError("The method is not valid");
  const upper = text.toUpperCase();
  if (upper === "CONNECT" || upper === "TRACE" || upper === "TRACK") throw new TypeError(`The method ${upper} is forbidden`);
  return ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"].includes(upper) ? upper : text;
}

export class Request extends Body {
  #method: string;
  #url: string;
  #headers: Headers;
  #redirect: Redirect;
  #signal: AbortSignal;

  constructor(input: string | URL | Request, init: RequestInit = {}) {
    if (arguments.length === 0) throw new TypeError("Request needs a URL");
    init ??= {};
    const from = input instanceof Request ? input : undefined;

    let url: string;
    if (from) url = from.#url;
    else {
      const parsed = URL.parse(scalar(input));
      if (!parsed) throw new TypeError("The request's URL is not valid");
      if (parsed.username !== "" || parsed.password !== "") {
        throw new TypeError("A request's URL must not hold credentials; use the authorization header");
      }
      url = parsed.href;
    }

    const method = init.method !== undefined ? methodOf(init.method) : from ? from.#method : "GET";
    const redirect = init.redirect !== undefined ? `${init.redirect}` : from ? from.#redirect : "follow";
    if (redirect !== "follow" && redirect !== "error" && redirect !== "manual") {
      throw new TypeError('redirect must be "follow", "error" or "manual"');
    }
    if (init.integrity) throw new TypeError("Subresource integrity is not supported");
    const signal = init.signal !== undefined ? init.signal : from ? from.#signal : null;
    if (signal !== null && !(signal instanceof AbortSignal)) throw new TypeError("signal must be an AbortSignal");

    const headers = new Headers(init.headers !== undefined ? init.headers : from ? from.#headers : undefined);
    setGuard(headers, "request");

    let content: Content = null;
    if (init.body !== null && init.body !== undefined) {
      const body = extract(init.body);
      content = body.content;
      if (body.type !== null && !headers.has("content-type")) headers.append("content-type", body.type);
    } else if (from) content = contentOf(from);
    if (content !== null && (method === "GET" || method === "HEAD")) {
      throw new TypeError("A request with the method GET or HEAD cannot have a body");
    }

    super(content);
    if (from && content !== null && (init.body === null || init.body === undefined)) take(from);
    this.#method = method;
    this.#url = url;
    this.#headers = headers;
    this.#redirect = redirect;
    this.#signal = follower(signal);
  }

  get method(): string {
    return this.#method;
  }
  get url(): string {
    return this.#url;
  }
  get headers(): Headers {
    return this.#headers;
  }
  get redirect(): Redirect {
    return this.#redirect;
  }
  get signal(): AbortSignal {
    return this.#signal;
  }
  get duplex(): string {
    return "half";
  }
  clone(): Request {
    const content = contentOf(this);
    const copy = new Request(this.#url, { method: this.#method, redirect: this.#redirect, signal: this.#signal });
    copy.#headers = ofList(listOf(this.#headers).map(([n, v]) => [n, v]), "request");
    give(copy, content);
    return copy;
  }
}
