// Timers (HTML §8.7). The host waits; the callbacks run here.

import { cancel, start } from "../host.ts";
import { report } from "./builtin.ts";

const running = new Map<number, number>(); // a timer's id → the operation that waits for it
let last = 0;

// delay is what HTML's "long" makes of a number, without its negative half.
function delay(ms: unknown): number {
  const n = Math.trunc(Number(ms));
  return n > 0 ? Math.min(n, 0x7fffffff) : 0;
}

function wait(id: number, ms: number, then: () => void): void {
  const { id: operation, answer } = start("timer", { ms });
  running.set(id, operation);
  answer.then(
    () => {
      if (running.get(id) === operation) then();
    },
    (error) => {
      // A cancelled timer says so; whatever else goes wrong is the handler's to know.
      if (running.get(id) === operation) report(error);
    },
  );
}

function callback(handler: unknown): (...args: any[]) => unknown {
  if (typeof handler !== "function") throw new TypeError("The timer's handler must be a function");
  return handler as (...args: any[]) => unknown;
}

function run(handler: (...args: any[]) => unknown, args: any[]): void {
  try {
    handler(...args);
  } catch (error) {
    report(error);
  }
}

export function setTimeout(handler: (...args: any[]) => unknown, ms: number = 0, ...args: any[]): number {
  const f = callback(handler);
  const id = ++last;
  wait(id, delay(ms), () => {
    running.delete(id);
    run(f, args);
  });
  return id;
}

export function setInterval(handler: (...args: any[]) => unknown, ms: number = 0, ...args: any[]): number {
  const f = callback(handler);
  const id = ++last;
  const every = Math.max(1, delay(ms));
  const next = () =>
    wait(id, every, () => {
      run(f, args);
      if (running.has(id)) next();
    });
  next();
  return id;
}

export function clearTimeout(id?: number): void {
  const operation = running.get(id as number);
  if (operation === undefined) return;
  running.delete(id as number);
  cancel(operation);
}

export function clearInterval(id?: number): void {
  clearTimeout(id);
}
