// fetch (Fetch §5.6). The host sends, follows redirects and reads the whole response.

import { cancel, HostError, start } from "../host.ts";
import { onAbort } from "./abort.ts";
import { bytesOf, take } from "./body.ts";
import { listOf, ofList } from "./headers.ts";
import { Request, type RequestInit } from "./request.ts";
import { received, type Response } from "./response.ts";
import { URL } from "./url.ts";

// More than this at once wait for their turn.
const atOnce = 32;
let running = 0;
const queue: (() => void)[] = [];

// The ways in which a fetch fails; other errors of the host are not about the network
// and reach the handler as they are.
const failures = new Set(["BLOCKED", "DNS", "REFUSED", "TIMEOUT", "TLS", "TOO_LARGE", "REDIRECT", "ABORTED", "NETWORK"]);

function failed(error: unknown): unknown {
  if (!(error instanceof HostError) || !failures.has(error.code)) return error;
  const cause = Object.assign(new Error(error.message), { code: error.code });
  return Object.assign(new TypeError(`fetch failed: ${error.message}`), { cause });
}

function turn(): Promise<void> {
  if (running < atOnce) {
    running++;
    return Promise.resolve();
  }
  return new Promise((resolve) => queue.push(resolve));
}

function done(): void {
  const next = queue.shift();
  if (next) next();
  else running--;
}

export async function fetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  const request = new Request(input, init);
  const { signal } = request;
  signal.throwIfAborted();
  const content = take(request);

  return new Promise<Response>((resolve, reject) => {
    let operation: number | undefined;
    let over = false;
    const forget = onAbort(signal, () => {
      over = true;
      if (operation !== undefined) cancel(operation);
      reject(signal.reason);
    });
    const send = async () => {
      await turn();
      try {
        if (over) return;
        const args = {
          url: request.url,
          method: request.method,
          headers: listOf(request.headers),
          redirect: request.redirect,
        };
        const started = start("fetch", args, bytesOf(content));
        operation = started.id;
        const { value, body } = await started.answer;
        resolve(
          received(body && body.byteLength > 0 ? body : null, {
            type: "basic",
            status: value.status,
            statusText: value.statusText,
            url: value.url,
            redirected: value.redirected,
            headers: ofList(value.headers, "immutable"),
          }),
        );
      } finally {
        forget();
        done();
      }
    };
    send().catch((error) => reject(failed(error)));
  });
}
