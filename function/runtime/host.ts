// The bridge to the host. Everything a handler asks for goes through here: sync for
// what is answered at once, op for what takes time. No other module touches __host.

type Plain = string | number | boolean | ArrayBuffer | null | undefined;

const host = (globalThis as any).__host as (...args: Plain[]) => any;
delete (globalThis as any).__host;

// sync asks the host for something that it answers at once.
export function sync(name: string, ...args: Plain[]): any {
  return host(name, ...args);
}

// HostError is an error that the host answers with. Its code, hint and field go to
// the client as they are when nobody catches it.
export class HostError extends Error {
  code: string;
  hint?: string;
  field?: string;
  status?: number;
  constructor(code: string, message: string, more: { hint?: string; field?: string; status?: number } = {}) {
    super(message);
    this.name = "PylonError";
    this.code = code;
    if (more.hint !== undefined) this.hint = more.hint;
    if (more.field !== undefined) this.field = more.field;
    if (more.status !== undefined) this.status = more.status;
  }
}

// What waits for the host's answer. An answer is made of the meaning of its JSON and
// the bytes that came with it.
interface Waiting {
  resolve(value: any): void;
  reject(error: any): void;
  meaning: ((value: any, body?: ArrayBuffer) => any) | undefined;
}

const waiting = new Map<number, Waiting>();
let last = 0;

// ask begins an operation of the host. Its arguments go over as they are; meaning makes
// of the answer what the promise becomes. One promise an operation, and no object for
// its arguments: a database call costs some microseconds, and this is part of it.
export function ask(meaning: Waiting["meaning"], name: string, a?: Plain, b?: Plain, c?: Plain): Promise<any> {
  const id = ++last;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject, meaning });
    host("op", id, name, a, b, c);
  });
}

export interface Started {
  id: number;
  answer: Promise<{ value: any; body?: ArrayBuffer }>;
}

const both = (value: any, body?: ArrayBuffer) => ({ value, body });

// start is ask for those who may give up with cancel, or send bytes.
export function start(name: string, args?: unknown, body?: ArrayBuffer): Started {
  const answer = ask(both, name, args === undefined ? "null" : JSON.stringify(args), body);
  return { id: last, answer };
}

export function cancel(id: number): void {
  if (waiting.has(id)) host("cancel", id);
}

// op is ask for arguments that are an object.
export function op(name: string, args?: unknown): Promise<any> {
  return ask(undefined, name, args === undefined ? "null" : JSON.stringify(args));
}

// settle is called by the host with the answer to an operation.
export function settle(id: number, ok: boolean, json: string | undefined, body?: ArrayBuffer): void {
  const w = waiting.get(id);
  if (w === undefined) return;
  waiting.delete(id);
  const value = json === undefined ? undefined : JSON.parse(json);
  if (!ok) w.reject(new HostError(value.code, value.message, value));
  else w.resolve(w.meaning === undefined ? value : w.meaning(value, body));
}
