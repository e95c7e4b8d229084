// v, the validators of arguments. A validator is plain frozen data; validate.ts holds
// values against it and schema.ts describes it.

const VALIDATOR = Symbol.for("pylon.validator");

interface Size {
  min?: number;
  max?: number;
}

export type Shape =
  | ({ kind: "string"; pattern?: RegExp } & Size)
  | ({ kind: "number" } & Size)
  | ({ kind: "int" } & Size)
  | { kind: "bool" }
  | { kind: "datetime" }
  | { kind: "richtext" }
  | { kind: "id"; entity: string }
  | { kind: "null" }
  | { kind: "any" }
  | { kind: "literal"; value: string | number | boolean | null }
  | ({ kind: "array"; items: Validator } & Size)
  | { kind: "object"; fields: ReadonlyMap<string, Validator> }
  | { kind: "record"; values: Validator }
  | { kind: "union"; members: readonly Validator[] }
  | { kind: "optional"; inner: Validator };

export type Validator = Shape & { readonly [VALIDATOR]: true };

export function isValidator(x: unknown): x is Validator {
  return typeof x === "object" && x !== null && (x as any)[VALIDATOR] === true;
}

const make = (shape: Shape): Validator => Object.freeze({ ...shape, [VALIDATOR]: true as const });

// sized takes the bounds of a validator out of its options.
function sized(name: string, options: any, whole: boolean, extra: string[] = []): Size & { pattern?: unknown } {
  if (options === undefined) return {};
  if (typeof options !== "object" || options === null) throw new TypeError(`${name}: the options must be an object like { min: 1 }`);
  const size: any = {};
  for (const key of Object.keys(options)) {
    const value = options[key];
    if (value === undefined) continue;
    if (key !== "min" && key !== "max" && !extra.includes(key)) throw new TypeError(`${name}: unknown option ${JSON.stringify(key)}; there are ${["min", "max", ...extra].join(", ")}`);
    if ((key === "min" || key === "max") && !(whole ? Number.isSafeInteger(value) : Number.isFinite(value))) {
      throw new TypeError(`${name}: ${key} must be a ${whole ? "whole " : ""}number`);
    }
    size[key] = value;
  }
  if (size.min > size.max) throw new TypeError(`${name}: min is greater than max`);
  return size;
}

function needed(name: string, x: unknown): Validator {
  if (!isValidator(x)) throw new TypeError(`${name} needs a validator, such as v.string()`);
  return x;
}

// whole is needed, but not for what may be left out: an element of an array is there.
function whole(name: string, x: unknown): Validator {
  if (needed(name, x).kind === "optional") throw new TypeError(`${name}: v.optional belongs to the keys of v.object; use v.nullable`);
  return x as Validator;
}

function pattern(p: unknown): RegExp | undefined {
  if (p === undefined) return undefined;
  if (p instanceof RegExp) return new RegExp(p.source, p.flags.replace(/[gy]/g, ""));
  if (typeof p === "string") return new RegExp(p, "u");
  throw new TypeError("v.string: pattern must be a regular expression");
}

// fieldsOf takes the fields of v.object, or of args.
export function objectOf(fields: unknown, name = "v.object"): Validator {
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) throw new TypeError(`${name} must be an object of validators`);
  for (const [key, x] of Object.entries(fields)) {
    if (!isValidator(x)) throw new TypeError(`${name}: ${key} is no validator; use v.string() and the like`);
  }
  return make({ kind: "object", fields: new Map(Object.entries(fields)) });
}

const bool = (): Validator => make({ kind: "bool" });
const number = (options?: Size): Validator => make({ kind: "number", ...(sized("v.number", options, false) as Size) });

export const v = Object.freeze({
  string: (options?: Size & { pattern?: RegExp | string }): Validator =>
    make({ kind: "string", ...(sized("v.string", options, true, ["pattern"]) as Size), pattern: pattern(options?.pattern) }),
  number,
  float: number,
  int: (options?: Size): Validator => make({ kind: "int", ...(sized("v.int", options, true) as Size) }),
  boolean: bool,
  bool,
  datetime: (): Validator => make({ kind: "datetime" }),
  richtext: (): Validator => make({ kind: "richtext" }),
  id: (entity: string): Validator => {
    if (typeof entity !== "string" || entity === "") throw new TypeError('v.id needs the name of an entity, such as v.id("User")');
    return make({ kind: "id", entity });
  },
  null: (): Validator => make({ kind: "null" }),
  any: (): Validator => make({ kind: "any" }),
  array: (items: Validator, options?: Size): Validator => make({ kind: "array", items: whole("v.array", items), ...(sized("v.array", options, true) as Size) }),
  object: (fields: Record<string, Validator>): Validator => objectOf(fields),
  record: (...of: Validator[]): Validator => {
    if (of.length === 2 && needed("v.record", of[0]).kind !== "string") throw new TypeError("v.record: keys are strings");
    return make({ kind: "record", values: whole("v.record", of[of.length - 1]) });
  },
  optional: (inner: Validator): Validator => (needed("v.optional", inner).kind === "optional" ? inner : make({ kind: "optional", inner })),
  nullable: (inner: Validator): Validator => make({ kind: "union", members: [whole("v.nullable", inner), make({ kind: "null" })] }),
  union: (...members: any[]): Validator => {
    const list: unknown[] = members.length === 1 && Array.isArray(members[0]) ? members[0] : members;
    if (list.length === 0) throw new TypeError("v.union needs validators");
    return make({ kind: "union", members: list.map((m) => whole("v.union", m)) });
  },
  literal: (value: string | number | boolean | null): Validator => {
    if (value !== null && !["string", "number", "boolean"].includes(typeof value)) throw new TypeError("v.literal needs a string, a number, a boolean or null");
    return make({ kind: "literal", value });
  },
});
