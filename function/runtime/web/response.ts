// Response (Fetch §5.5).

import { Body, type Content, contentOf, extract } from "./body.ts";
import { scalar, stringifyJSON } from "./builtin.ts";
import { Headers, listOf, ofList, setGuard } from "./headers.ts";
import { URL } from "./url.ts";

export interface ResponseInit {
  status?: number;
  statusText?: string;
  headers?: any;
}

interface Received {
  type: "basic" | "error";
  status: number;
  statusText: string;
  url: string;
  redirected: boolean;
  headers: Headers;
}

// received is a response that no constructor can make: one from the network, an error.
export let received: (content: Content, from: Received) => Response;

function noBody(status: number): boolean {
  return status === 101 || status === 103 || status === 204 || status === 205 || status === 304;
}

export class Response extends Body {
  #type: "default" | "basic" | "error" = "default";
  #status: number;
  #statusText: string;
  #url = "";
  #redirected = false;
  #headers: Headers;

  constructor(body: unknown = null, init: ResponseInit = {}) {
    init ??= {};
    const status = init.status === undefined ? 200 : Math.trunc(Number(init.status));
    if (!(status >= 200 && status <= 599)) throw new RangeError("A response's status is between 200 and 599");
    const statusText = init.statusText === undefined ? "" : `${init.statusText}`;
    if (/[^\t\x20-\x7e\x80-\xff]/.test(statusText)) throw new TypeError("The status text is not valid");
    const headers = new Headers(init.headers);
    const { content, type } = extract(body);
    if (content !== null) {
      if (noBody(status)) throw new TypeError(`A response with the status ${status} cannot have a body`);
      if (type !== null && !headers.has("content-type")) headers.append("content-type", type);
    }
    super(content);
    this.#status = status;
    this.#statusText = statusText;
    this.#headers = headers;
  }

  static error(): Response {
    const headers = ofList([], "immutable");
    return received(null, { type: "error", status: 0, statusText: "", url: "", redirected: false, headers });
  }
  static redirect(url: string | URL, status: number = 302): Response {
    const to = URL.parse(scalar(url));
    if (!to) throw new TypeError("The URL to redirect to is not valid");
    if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError(`${status} is not the status of a redirect`);
    const response = new Response(null, { status, headers: { location: to.href } });
    setGuard(response.#headers, "immutable");
    return response;
  }
  static json(data: unknown, init: ResponseInit = {}): Response {
    const text = stringifyJSON(data);
    if (text === undefined) throw new TypeError("The value has no JSON");
    const response = new Response(text, init);
    if (new Headers(init?.headers).has("content-type")) return response;
    response.#headers.set("content-type", "application/json");
    return response;
  }

  get type(): string {
    return this.#type;
  }
  get url(): string {
    return this.#url;
  }
  get redirected(): boolean {
    return this.#redirected;
  }
  get status(): number {
    return this.#status;
  }
  get ok(): boolean {
    return this.#status >= 200 && this.#status <= 299;
  }
  get statusText(): string {
    return this.#statusText;
  }
  get headers(): Headers {
    return this.#headers;
  }
  clone(): Response {
    const copy = received(contentOf(this), {
      type: "basic",
      status: this.#status,
      statusText: this.#statusText,
      url: this.#url,
      redirected: this.#redirected,
      headers: ofList(listOf(this.#headers).map(([n, v]) => [n, v]), this.#type === "default" ? "none" : "immutable"),
    });
    copy.#type = this.#type;
    return copy;
  }

  static {
    received = (content, from) => {
      const full = new Response(content);
      full.#type = from.type;
      full.#status = from.status;
      full.#statusText = from.statusText;
      full.#url = from.url;
      full.#redirected = from.redirected;
      full.#headers = from.headers;
      return full;
    };
  }
}
