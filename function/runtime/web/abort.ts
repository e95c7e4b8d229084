// AbortController and AbortSignal (DOM §3).

import { DOMException, illegal, isArray } from "./builtin.ts";
import { Event, EventTarget } from "./event.ts";
import { clearTimeout, setTimeout } from "./timer.ts";

const ours = Symbol();

let abort: (signal: AbortSignal, reason: unknown) => void;

// onAbort runs the algorithm when the signal is aborted, before its event, and answers
// how to forget it again.
export let onAbort: (signal: AbortSignal, algorithm: () => void) => () => void;

type Handler = ((this: AbortSignal, event: Event) => unknown) | null;

export class AbortSignal extends EventTarget {
  #aborted = false;
  #reason: unknown = undefined;
  #algorithms = new Set<() => void>();
  #handler: Handler = null;

  constructor(token?: symbol) {
    if (token !== ours) throw illegal();
    super();
  }

  static abort(reason?: unknown): AbortSignal {
    const signal = new AbortSignal(ours);
    signal.#aborted = true;
    signal.#reason = reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason;
    return signal;
  }

  static timeout(milliseconds: number): AbortSignal {
    const ms = Math.trunc(Number(milliseconds));
    // WebIDL's [EnforceRange] unsigned long long.
    if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) throw new TypeError("The timeout must be a number of milliseconds");
    const signal = new AbortSignal(ours);
    const timer = setTimeout(() => abort(signal, new DOMException("The operation timed out", "TimeoutError")), ms);
    onAbort(signal, () => clearTimeout(timer));
    return signal;
  }

  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const all = isArray(signals) ? signals : [...signals];
    for (const s of all) if (!(s instanceof AbortSignal)) throw new TypeError("AbortSignal.any needs signals");
    const signal = new AbortSignal(ours);
    const first = all.find((s) => s.#aborted);
    if (first) {
      signal.#aborted = true;
      signal.#reason = first.#reason;
      return signal;
    }
    for (const s of all) onAbort(s, () => abort(signal, s.#reason));
    return signal;
  }

  get aborted(): boolean {
    return this.#aborted;
  }
  get reason(): unknown {
    return this.#reason;
  }
  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason;
  }

  get onabort(): Handler {
    return this.#handler;
  }
  set onabort(handler: Handler) {
    if (this.#handler === null) this.addEventListener("abort", (event) => this.#handler?.call(this, event));
    this.#handler = typeof handler === "function" ? handler : null;
  }

  static {
    abort = (signal, reason) => {
      if (signal.#aborted) return;
      signal.#aborted = true;
      signal.#reason = reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason;
      const algorithms = signal.#algorithms;
      signal.#algorithms = new Set();
      for (const a of algorithms) a();
      signal.dispatchEvent(new Event("abort"));
    };
    onAbort = (signal, algorithm) => {
      signal.#algorithms.add(algorithm);
      return () => signal.#algorithms.delete(algorithm);
    };
  }
}

export class AbortController {
  #signal = new AbortSignal(ours);
  get signal(): AbortSignal {
    return this.#signal;
  }
  abort(reason?: unknown): void {
    abort(this.#signal, reason);
  }
}

// follower is a signal that is aborted with another one (Fetch §5.4, new Request).
export function follower(signal: AbortSignal | null): AbortSignal {
  return AbortSignal.any(signal ? [signal] : []);
}
