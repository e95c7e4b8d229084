// Holding values against validators. Everything that is wrong is told at once, up to a
// limit. How deep it looks is up to the validator: what v.any takes is not walked.
import { meant } from "./nearest";
import { isValidator, type Validator } from "./validators";

export interface Problem {
  // The way to the value, such as items[2].qty; empty for the value as a whole.
  path: string;
  message: string;
}

const maxProblems = 10;

// Ids that the store makes are ULIDs; guests, administrators and systems before this
// one have others.
const id = /^[A-Za-z0-9_-]{1,64}$/;
const datetime = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

// missing stands for a value that is not there, or is to be left out.
const missing = Symbol("missing");

const own = (o: object, key: string): boolean => Object.prototype.hasOwnProperty.call(o, key);

// put sets a key whatever it is called; "__proto__" is one like others.
function put(o: object, key: string, value: unknown): void {
  Object.defineProperty(o, key, { value, enumerable: true, writable: true, configurable: true });
}

const isObject = (x: unknown): x is Record<string, unknown> =>
  typeof x === "object" && x !== null && !Array.isArray(x) && !(x instanceof Date);

function shown(x: unknown): string {
  switch (typeof x) {
    case "string":
      return JSON.stringify(x.length > 40 ? x.slice(0, 40) + "…" : x);
    case "number":
    case "boolean":
      return String(x);
    case "object":
      return x === null ? "null" : Array.isArray(x) ? "an array" : x instanceof Date ? "a Date" : "an object";
    default:
      return `a ${typeof x}`;
  }
}

const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`;

function bounds(size: { min?: number; max?: number }, word?: string): string {
  const n = (x: number) => (word ? plural(x, word) : String(x));
  if (size.min !== undefined && size.max !== undefined) return size.min === size.max ? n(size.min) : `${size.min} to ${n(size.max)}`;
  return size.min !== undefined ? `${word ? "at least" : "from"} ${n(size.min)}` : `${word ? "at most" : "to"} ${n(size.max!)}`;
}

const outside = (n: number, size: { min?: number; max?: number }): boolean => n < (size.min ?? -Infinity) || n > (size.max ?? Infinity);

// characters counts as JSON Schema does, and stops where it does not matter any more.
function characters(s: string, most: number): number {
  let n = 0;
  for (const _ of s) if (++n > most) break;
  return n;
}

function isDatetime(s: string): boolean {
  const m = datetime.exec(s);
  if (!m) return false;
  const [year, month, day, hour, minute, second] = m.slice(1, 7).map(Number);
  const days = month === 2 ? (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
  return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= days && hour < 24 && minute < 60 && second < 60;
}

// what a value must be, in words.
export function wanted(x: Validator): string {
  switch (x.kind) {
    case "string":
    case "richtext":
      return "a string";
    case "number":
      return "a number";
    case "int":
      return "a whole number";
    case "bool":
      return "true or false";
    case "datetime":
      return "a time like 2026-01-31T09:30:00Z";
    case "id":
      return `the id of a ${x.entity}`;
    case "null":
      return "null";
    case "literal":
      return JSON.stringify(x.value);
    case "array":
      return "an array";
    case "object":
    case "record":
      return "an object";
    case "union":
      return alternatives(x.members.map(wanted));
    case "optional":
      return wanted(x.inner);
    case "any":
      return "any value";
  }
}

function alternatives(list: string[]): string {
  const all = [...new Set(list)];
  return all.length === 1 ? all[0] : `${all.slice(0, -1).join(", ")} or ${all[all.length - 1]}`;
}

class Check {
  problems: Problem[] = [];

  get full(): boolean {
    return this.problems.length >= maxProblems;
  }

  wrong(path: string, what: string): typeof missing {
    if (!this.full) this.problems.push({ path, message: `${path === "" ? "the value" : path} ${what}` });
    return missing;
  }

  // not says that the value is another than it must be.
  not(path: string, want: string, value: unknown): typeof missing {
    return this.wrong(path, value === undefined ? "is missing" : `must be ${want}, is ${shown(value)}`);
  }

  // check is the value as the handler gets it; missing when it is wrong or left out.
  check(x: Validator, value: unknown, path: string): unknown {
    switch (x.kind) {
      case "any":
        return value === undefined ? this.not(path, wanted(x), value) : value;
      case "optional":
        return value === undefined || (value === null && !takesNull(x.inner)) ? missing : this.check(x.inner, value, path);
      case "literal":
        return value === x.value ? value : this.not(path, wanted(x), value);
      case "null":
        return value === null ? value : this.not(path, wanted(x), value);
      case "bool":
        return typeof value === "boolean" ? value : this.not(path, wanted(x), value);
      case "richtext":
        return typeof value === "string" ? value : this.not(path, wanted(x), value);
      case "string":
        if (typeof value !== "string") return this.not(path, wanted(x), value);
        if (outside(characters(value, x.max ?? x.min ?? 0), x)) return this.wrong(path, `must have ${bounds(x, "character")}`);
        if (x.pattern && !x.pattern.test(value)) return this.wrong(path, `must match ${x.pattern}, is ${shown(value)}`);
        return value;
      case "number":
      case "int":
        if (typeof value !== "number" || !(x.kind === "int" ? Number.isSafeInteger(value) : Number.isFinite(value))) return this.not(path, wanted(x), value);
        return outside(value, x) ? this.wrong(path, `must be ${wanted(x)} ${bounds(x)}, is ${value}`) : value;
      case "datetime":
        if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
        return typeof value === "string" && isDatetime(value) ? value : this.not(path, wanted(x), value);
      case "id":
        return typeof value === "string" && id.test(value) ? value : this.not(path, wanted(x), value);
      case "array":
        return this.array(x, value, path);
      case "object":
        return this.object(x, value, path);
      case "record":
        return this.record(x, value, path);
      case "union":
        return this.union(x, value, path);
    }
  }

  array(x: Validator & { kind: "array" }, value: unknown, path: string): unknown {
    if (!Array.isArray(value)) return this.not(path, wanted(x), value);
    if (outside(value.length, x)) return this.wrong(path, `must have ${bounds(x, "element")}, has ${value.length}`);
    const out: unknown[] = [];
    for (let i = 0; i < value.length && !this.full; i++) out.push(this.check(x.items, value[i], `${path}[${i}]`));
    return out;
  }

  object(x: Validator & { kind: "object" }, value: unknown, path: string): unknown {
    if (!isObject(value)) return this.not(path, wanted(x), value);
    const out = {};
    for (const [key, field] of x.fields) {
      const got = this.check(field, own(value, key) ? value[key] : undefined, join(path, key));
      if (got !== missing) put(out, key, got);
    }
    for (const key of Object.keys(value)) {
      if (this.full) break;
      if (!x.fields.has(key) && value[key] !== undefined) {
        this.wrong(join(path, key), `is not known${meant(key, [...x.fields.keys()].filter((k) => !own(value, k)))}`);
      }
    }
    return out;
  }

  record(x: Validator & { kind: "record" }, value: unknown, path: string): unknown {
    if (!isObject(value)) return this.not(path, wanted(x), value);
    const out = {};
    for (const key of Object.keys(value)) {
      if (this.full) break;
      put(out, key, this.check(x.values, value[key], join(path, key)));
    }
    return out;
  }

  union(x: Validator & { kind: "union" }, value: unknown, path: string): unknown {
    let nearest: Problem[] | undefined;
    for (const member of x.members) {
      const alone = new Check();
      const got = alone.check(member, value, path);
      if (alone.problems.length === 0) return got;
      if (alike(member, value) && (nearest === undefined || alone.problems.length < nearest.length)) nearest = alone.problems;
    }
    // The one that was meant, which is the one with the fewest problems, can say more.
    if (value === undefined || nearest === undefined) return this.not(path, wanted(x), value);
    this.problems.push(...nearest.slice(0, maxProblems - this.problems.length));
    return missing;
  }
}

const takesNull = (x: Validator): boolean => x.kind === "null" || x.kind === "any" || (x.kind === "literal" && x.value === null) || (x.kind === "union" && x.members.some(takesNull));

// alike reports whether a value has the type of what is wanted, and the tags of an object.
function alike(x: Validator, value: unknown): boolean {
  switch (x.kind) {
    case "string":
    case "richtext":
    case "id":
    case "datetime":
      return typeof value === "string";
    case "number":
    case "int":
      return typeof value === "number";
    case "array":
      return Array.isArray(value);
    case "record":
      return isObject(value);
    case "object":
      return isObject(value) && [...x.fields].every(([key, field]) => field.kind !== "literal" || (own(value, key) && value[key] === field.value));
    default:
      return false;
  }
}

const join = (path: string, key: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(key) ? (path === "" ? key : `${path}.${key}`) : `${path}[${shown(key)}]`;

// validate answers the value as the handler gets it, or what is wrong with it.
export function validate(validator: Validator, value: unknown): { value: any; problems?: undefined } | { problems: Problem[]; value?: undefined } {
  if (!isValidator(validator)) throw new TypeError("validate needs a validator");
  const c = new Check();
  const got = c.check(validator, value, "");
  if (c.problems.length > 0) return { problems: c.problems };
  return { value: got === missing ? undefined : got };
}
