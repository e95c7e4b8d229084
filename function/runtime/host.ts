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

interface Waiting {
  resolve(value: any): void;
  reject(error: any): void;
}

const waiting = new Map<number, Waiting>();
let last = 0;

export interface Started {
  id: number;
  // The host's answer: what its JSON means, and the bytes that came with it.
  answer: Promise<{ value: any; body?: ArrayBuffer }>;
}

// start begins an operation of the host; cancel gives up on it.
export function start(name: string, args?: unknown, body?: ArrayBuffer): Started {
  const id = ++last;
  const answer = new Promise<any>((resolve, reject) => waiting.set(id, { resolve, reject }));
  host("op", id, name, args === undefined ? "null" : JSON.stringify(args), body);
  return { id, answer };
}

export function cancel(id: number): void {
  if (waiting.has(id)) host("cancel", id);
}

// op is start for those who want the value only and never cancel.
export async function op(name: string, args?: unknown): Promise<any> {
  return (await start(name, args).answer).value;
}

// settle is called by the host with the answer to an operation.
export function settle(id: number, ok: boolean, json: string | undefined, body?: ArrayBuffer): void {
  const w = waiting.get(id);
  if (!w) return;
  waiting.delete(id);
  const value = json === undefined ? undefined : JSON.parse(json);
  if (ok) w.resolve({ value, body });
  else w.reject(new HostError(value.code, value.message, value));
}
