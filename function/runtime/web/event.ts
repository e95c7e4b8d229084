// Event and EventTarget (DOM §2), without a tree: an event is delivered to its target
// and goes nowhere from there.

import { DOMException, report } from "./builtin.ts";

interface EventInit {
  bubbles?: boolean;
  cancelable?: boolean;
  composed?: boolean;
}

type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };

let deliver: (event: Event, target: EventTarget, to: () => void) => boolean;
let stopped: (event: Event) => boolean;

export class Event {
  static readonly NONE = 0;
  static readonly CAPTURING_PHASE = 1;
  static readonly AT_TARGET = 2;
  static readonly BUBBLING_PHASE = 3;

  readonly type: string;
  readonly bubbles: boolean;
  readonly cancelable: boolean;
  readonly composed: boolean;
  readonly isTrusted = false;
  #target: EventTarget | null = null;
  #delivering = false;
  #stopped = false;
  #canceled = false;

  constructor(type: string, init: EventInit = {}) {
    if (arguments.length === 0) throw new TypeError("Event needs a type");
    this.type = `${type}`;
    this.bubbles = !!init?.bubbles;
    this.cancelable = !!init?.cancelable;
    this.composed = !!init?.composed;
  }

  get target(): EventTarget | null {
    return this.#target;
  }
  get srcElement(): EventTarget | null {
    return this.#target;
  }
  get currentTarget(): EventTarget | null {
    return this.#delivering ? this.#target : null;
  }
  get eventPhase(): number {
    return this.#delivering ? Event.AT_TARGET : Event.NONE;
  }
  get defaultPrevented(): boolean {
    return this.#canceled;
  }
  preventDefault(): void {
    if (this.cancelable) this.#canceled = true;
  }
  stopPropagation(): void {}
  stopImmediatePropagation(): void {
    this.#stopped = true;
  }
  composedPath(): EventTarget[] {
    return this.#delivering ? [this.#target!] : [];
  }

  static {
    stopped = (event) => event.#stopped;
    deliver = (event, target, to) => {
      if (event.#delivering) throw new DOMException("The event is being dispatched already", "InvalidStateError");
      event.#target = target;
      event.#delivering = true;
      try {
        to();
      } finally {
        event.#delivering = false;
        event.#stopped = false;
      }
      return !event.#canceled;
    };
  }
}

interface Registered {
  type: string;
  callback: Listener;
  capture: boolean;
  once: boolean;
  removed: boolean;
}

interface ListenerOptions {
  capture?: boolean;
  once?: boolean;
  passive?: boolean;
  signal?: { readonly aborted: boolean } & EventTarget;
}

export class EventTarget {
  #listeners: Registered[] = [];

  addEventListener(type: string, callback: Listener | null, options: boolean | ListenerOptions = {}): void {
    const o: ListenerOptions = typeof options === "object" && options !== null ? options : { capture: !!options };
    if (callback === null || callback === undefined) return;
    if (typeof callback !== "function" && typeof callback !== "object") {
      throw new TypeError("The listener must be a function or an object");
    }
    type = `${type}`;
    const capture = !!o.capture;
    if (o.signal?.aborted) return;
    if (this.#listeners.some((l) => l.type === type && l.callback === callback && l.capture === capture)) return;
    this.#listeners.push({ type, callback, capture, once: !!o.once, removed: false });
    o.signal?.addEventListener("abort", () => this.removeEventListener(type, callback, capture), { once: true });
  }

  removeEventListener(type: string, callback: Listener | null, options: boolean | { capture?: boolean } = {}): void {
    const capture = typeof options === "object" && options !== null ? !!options.capture : !!options;
    type = `${type}`;
    const i = this.#listeners.findIndex((l) => l.type === type && l.callback === callback && l.capture === capture);
    if (i < 0) return;
    this.#listeners[i]!.removed = true;
    this.#listeners.splice(i, 1);
  }

  dispatchEvent(event: Event): boolean {
    if (!(event instanceof Event)) throw new TypeError("dispatchEvent needs an Event");
    return deliver(event, this, () => {
      // A listener may add and remove others: those added now are not called any more.
      for (const l of [...this.#listeners]) {
        if (l.removed || l.type !== event.type) continue;
        if (l.once) this.removeEventListener(l.type, l.callback, l.capture);
        try {
          if (typeof l.callback === "function") l.callback.call(this, event);
          else l.callback.handleEvent(event);
        } catch (error) {
          report(error);
        }
        if (stopped(event)) break;
      }
    });
  }
}
