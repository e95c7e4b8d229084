// How a call runs in the guest: the host starts it, the handler gets its context, and
// what becomes of it goes back to the host.
import { KIND, describe, validate } from "./functions";
import { HostError, ask, op, settle, sync } from "./host";
import { runLoader } from "./loaders";
import { callbacks } from "./sdk";

interface Definition {
  [KIND]: "query" | "mutation" | "action";
  args?: any;
  auth: string;
  handler(ctx: any, args: any): unknown;
}

const functions = new Map<string, Definition>();

// register takes the app's modules, by the names of their functions.
export function register(modules: [name: string, file: string, module: any][]): void {
  for (const [name, file, module] of modules) {
    const definition = module.default;
    if (definition === null || typeof definition !== "object" || !(KIND in definition)) {
      throw new Error(`NOT_A_FUNCTION ${file}`);
    }
    functions.set(name, definition);
  }
}

// What the host tells about a call.
interface Info {
  auth: { userId: string | null; isAdmin: boolean; tenantId: string | null; email: string | null; roles: string[] };
  requestId: string;
  request?: { method: string; path: string; query: Record<string, string>; headers: Record<string, string> };
}

const env = new Proxy(Object.create(null), {
  get: (_, name) => (typeof name === "string" ? sync("env", name) : undefined),
  has: (_, name) => typeof name === "string" && sync("env", name) !== undefined,
  set: () => false,
});

function error(code: string, message?: string, more?: { status?: number; hint?: string; field?: string }): HostError {
  return new HostError(String(code), message === undefined ? String(code) : String(message), more);
}

// A row's serverOnly fields can be read by name, but are left out when the row is
// copied, spread or turned into JSON, so that returning a row does not give them away.
function row(raw: any): any {
  const hidden = raw?.$server;
  if (hidden === undefined) return raw;
  delete raw.$server;
  for (const name in hidden) {
    Object.defineProperty(raw, name, { value: hidden[name], enumerable: false, writable: true, configurable: true });
  }
  return raw;
}

const rows = (list: any[]): any[] => list.map(row);

function page(raw: any): any {
  rows(raw.data);
  return raw;
}

function graph(raw: any): any {
  for (const entity in raw) rows(raw[entity]);
  return raw;
}

const json = (value: unknown): string | undefined => (value === undefined ? undefined : JSON.stringify(value));

class Reader {
  get(entity: string, id: string) {
    return ask(row, "db.get", entity, id);
  }
  lookup(entity: string, field: string, value: unknown) {
    return ask(row, "db.lookup", entity, field, json(value));
  }
  list(entity: string, options?: object) {
    return ask(rows, "db.list", entity, undefined, json(options));
  }
  query(entity: string, filter?: object) {
    return ask(rows, "db.query", entity, undefined, json(filter));
  }
  queryGraph(queries: Record<string, object>) {
    return ask(graph, "db.graph", undefined, undefined, json(queries));
  }
  paginate(entity: string, options?: object) {
    return ask(page, "db.paginate", entity, undefined, json(options));
  }
  count(entity: string, filter?: object) {
    return ask(undefined, "db.count", entity, undefined, json(filter));
  }
}

class Writer extends Reader {
  insert(entity: string, data: object) {
    return ask(undefined, "db.insert", entity, undefined, json(data));
  }
  update(entity: string, id: string, data: object) {
    return ask(undefined, "db.update", entity, id, json(data));
  }
  delete(entity: string, id: string) {
    return ask(undefined, "db.delete", entity, id);
  }
}

const reader = new Reader();
const writer = new Writer();

const when = (at: Date | string | number): string => new Date(at).toISOString();

const scheduler = {
  runAfter: (ms: number, name: string, args?: unknown) => op("schedule", { name, args: args ?? {}, after: Number(ms) }),
  runAt: (at: Date | string | number, name: string, args?: unknown) => op("schedule", { name, args: args ?? {}, at: when(at) }),
  cancel: (id: string) => op("schedule.cancel", { id }),
};

const stream = {
  write: (data: unknown) => void sync("stream", "message", typeof data === "string" ? data : JSON.stringify(data)),
  writeEvent: (event: string, data: unknown) => void sync("stream", String(event), typeof data === "string" ? data : JSON.stringify(data)),
};

const runQuery = (name: string, args?: unknown) => op("run", { type: "query", name, args: args ?? {} });
const runMutation = (name: string, args?: unknown) => op("run", { type: "mutation", name, args: args ?? {} });
const runAction = (name: string, args?: unknown) => op("run", { type: "action", name, args: args ?? {} });

function context(kind: Definition[typeof KIND], info: Info, body?: ArrayBuffer): object {
  const { auth, requestId } = info;
  switch (kind) {
    case "query":
      return { auth, env, error, requestId, db: reader };
    case "mutation":
      return { auth, env, error, requestId, db: writer, scheduler, stream };
    case "action":
      return { auth, env, error, requestId, runQuery, runMutation, runAction, scheduler, stream, request: info.request && request(info.request, body) };
  }
}

// An HTTP request as an action sees it: the body as it came, for signatures.
function request(head: NonNullable<Info["request"]>, body: ArrayBuffer = new ArrayBuffer(0)) {
  return {
    ...head,
    body,
    text: async () => new TextDecoder().decode(body),
    json: async () => JSON.parse(new TextDecoder().decode(body)),
  };
}

function done(result: unknown): void {
  let json: string | undefined;
  try {
    json = JSON.stringify(result);
  } catch (e) {
    throw new HostError("INVALID_RESULT", `the result cannot be turned into JSON: ${message(e)}`);
  }
  sync("done", true, json);
}

const message = (e: unknown): string => (e instanceof Error ? e.message : String(e));

// failed tells the host what was thrown, whatever it was.
function failed(e: any): void {
  const told: Record<string, unknown> = {};
  try {
    if (e instanceof Error) {
      for (const key of ["name", "message", "stack", "code", "hint", "field", "status"]) {
        const value = (e as any)[key];
        if (typeof value === "string" || typeof value === "number") told[key] = value;
      }
      told.stated = e instanceof HostError;
    } else {
      told.message = typeof e === "object" && e !== null ? JSON.stringify(e) : String(e);
    }
  } catch {
    told.message = "something that cannot be shown was thrown";
  }
  sync("done", false, JSON.stringify(told));
}

async function run(definition: Definition, info: Info, args: unknown, body?: ArrayBuffer): Promise<void> {
  try {
    if (definition.args !== undefined) {
      const checked: any = validate(definition.args, args);
      if (checked.problems) {
        const text = checked.problems.map((p: any) => p.message).join("; ");
        throw new HostError("INVALID_ARGS", text, { field: checked.problems[0].path || undefined });
      }
      args = checked.value;
    }
    done(await definition.handler(context(definition[KIND], info, body), args));
  } catch (e) {
    failed(e);
  }
}

(globalThis as any).__guest = {
  start(name: string, args: string, info: string, body?: ArrayBuffer) {
    void run(functions.get(name)!, JSON.parse(info), JSON.parse(args), body);
  },
  settle,
  load: runLoader,
  // A callback given in app.ts: a function that is not one of the folder's.
  callback(key: string, args: string) {
    void (async () => {
      try {
        done(await callbacks.get(key)!(...JSON.parse(args)));
      } catch (e) {
        failed(e);
      }
    })();
  },
  describe() {
    const list = [...functions].map(([name, d]) => ({ name, type: d[KIND], auth: d.auth, args: d.args === undefined ? null : describe(d.args) }));
    sync("described", JSON.stringify(list));
  },
};
