// The body of a request or response (Fetch §5.3). It is there as a whole, so there is
// no stream of it: `body` is null, and the methods answer at once.

import { isBufferSource, copyBytes } from "./buffersource.ts";
import { parseJSON, scalar } from "./builtin.ts";
import { decode, encode, withoutBOM } from "./encoding.ts";
import { URLSearchParams } from "./urlsearchparams.ts";

// Content is a body's data: text until somebody wants bytes, and the other way round.
export type Content = string | ArrayBuffer | null;

// extract is "extract a body" (Fetch §5.2): its data and the media type they imply.
export function extract(init: unknown): { content: Content; type: string | null } {
  if (init === null || init === undefined) return { content: null, type: null };
  if (isBufferSource(init)) return { content: copyBytes(init, "The body"), type: null };
  if (init instanceof URLSearchParams) {
    return { content: init.toString(), type: "application/x-www-form-urlencoded;charset=UTF-8" };
  }
  const text = scalar(init);
  // The standard would send this text. Nobody ever meant it.
  if (typeof init === "object" && text.startsWith("[object ")) {
    throw new TypeError(
      `A body must be a string, ArrayBuffer, typed array or URLSearchParams, not ${text}; JSON.stringify makes an object a string`,
    );
  }
  return { content: text, type: "text/plain;charset=UTF-8" };
}

export function bytesOf(content: Content): ArrayBuffer | undefined {
  return typeof content === "string" ? encode(content) : (content ?? undefined);
}

// contentOf is the data for a copy, take for whoever has them instead of this body. They
// must not have been read.
export let contentOf: (body: Body) => Content;
export let take: (body: Body) => Content;
export let give: (body: Body, content: Content) => void;

export class Body {
  #content: Content;
  #used = false;

  constructor(content: Content) {
    this.#content = content;
  }

  get body(): null {
    return null;
  }
  get bodyUsed(): boolean {
    return this.#used;
  }

  #consume(): Content {
    if (this.#used) throw new TypeError("The body was read already");
    this.#used = this.#content !== null;
    return this.#content;
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const content = this.#consume();
    if (content === null) return new ArrayBuffer(0);
    return typeof content === "string" ? encode(content) : content.slice(0);
  }
  async bytes(): Promise<Uint8Array> {
    return new Uint8Array(await this.arrayBuffer());
  }
  async text(): Promise<string> {
    const content = this.#consume();
    if (content === null) return "";
    return typeof content === "string" ? withoutBOM(content) : decode(content);
  }
  async json(): Promise<any> {
    return parseJSON(await this.text());
  }

  static {
    contentOf = (body) => {
      if (body.#used) throw new TypeError("The body was read already");
      return body.#content;
    };
    take = (body) => body.#consume();
    give = (body, content) => {
      body.#content = content;
    };
  }
}
