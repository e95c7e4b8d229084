// entity, field, policy and the like: what an app declares, as the manifest has it.

// placed remembers where something was declared, so that problems can point there.
const places = new WeakMap<object, string>();

export function placed<T extends object>(declared: T): T {
  places.set(declared, new Error().stack ?? "");
  return declared;
}

export const placeOf = (declared: object): string | undefined => places.get(declared);

export function movePlace<T extends object>(from: object, to: T): T {
  const at = places.get(from);
  if (at !== undefined) places.set(to, at);
  return to;
}

interface FieldDefinition {
  type: string;
  optional?: boolean;
  unique?: boolean;
  serverOnly?: boolean;
  readonly?: boolean;
  default?: unknown;
  enumValues?: readonly string[];
  crdt?: unknown;
}

export interface FieldBuilder {
  readonly _def: FieldDefinition;
  optional(): FieldBuilder;
  unique(): FieldBuilder;
  serverOnly(): FieldBuilder;
  readonly(): FieldBuilder;
  default(value: unknown): FieldBuilder;
  defaultNow(): FieldBuilder;
  crdt(setting: unknown): FieldBuilder;
}

function built(def: FieldDefinition): FieldBuilder {
  const but = (more: Partial<FieldDefinition>) => () => built({ ...def, ...more });
  return Object.freeze({
    _def: Object.freeze(def),
    optional: but({ optional: true }),
    unique: but({ unique: true }),
    serverOnly: but({ serverOnly: true }),
    readonly: but({ readonly: true }),
    default: (value: unknown) => built({ ...def, default: value instanceof Date ? value.toISOString() : value }),
    defaultNow: but({ default: "now" }),
    crdt: (crdt: unknown) => built({ ...def, crdt }),
  });
}

const float = (): FieldBuilder => built({ type: "float" });
const bool = (): FieldBuilder => built({ type: "bool" });

export const field = Object.freeze({
  string: (): FieldBuilder => built({ type: "string" }),
  int: (): FieldBuilder => built({ type: "int" }),
  float,
  number: float,
  bool,
  boolean: bool,
  datetime: (): FieldBuilder => built({ type: "datetime" }),
  richtext: (): FieldBuilder => built({ type: "richtext" }),
  json: (): FieldBuilder => built({ type: "json" }),
  id: (entity: string): FieldBuilder => built({ type: `id(${entity})` }),
  enum: (values: readonly string[]): FieldBuilder => built({ type: "string", enumValues: [...values] }),
});

interface EntityOptions {
  indexes?: object[];
  relations?: object[];
  [more: string]: unknown;
}

export interface EntityDefinition extends EntityOptions {
  name: string;
  fields: Record<string, FieldBuilder>;
}

export function entity(name: string, fields: Record<string, FieldBuilder>, options: EntityOptions = {}): EntityDefinition {
  return placed({ name, fields, ...options });
}

export const policy = <T extends object>(definition: T): T => placed({ ...definition });
export const relation = <T extends object>(definition: T): T => definition;
export const index = <T extends object>(definition: T): T => definition;
export const defineRoute = <T extends object>(definition: T): T => definition;
export const query = (name: string, options: object = {}): object => ({ name, ...options });
export const action = (name: string, options: object = {}): object => ({ name, ...options });
// cron declares a periodic run of a function; buildManifest takes a list of them.
export const cron = <T extends object>(definition: T): T => placed({ ...definition });

// auth takes the names of the TypeScript side and gives those of the manifest.
export function auth(config: any = {}): object {
  const { trustedOrigins, user, session, org, ...more } = config;
  const renamed = (from: any, names: Record<string, string>) =>
    from && Object.fromEntries(Object.entries(from).map(([key, value]) => [names[key] ?? key, value]));
  return defined({
    ...more,
    user: renamed(user, { adminField: "admin_field" }),
    session: renamed(session && { ...session, cookieCache: renamed(session.cookieCache, { maxAge: "max_age" }) }, { expiresIn: "expires_in", cookieCache: "cookie_cache" }),
    org: renamed(org, { memberEntity: "member_entity", inviteEntity: "invite_entity" }),
    trusted_origins: trustedOrigins,
  });
}

// defined leaves out what is undefined.
export function defined(o: object): any {
  return Object.fromEntries(Object.entries(o).filter(([, value]) => value !== undefined));
}

function fieldToManifest(entity: string, name: string, builder: any): object {
  if (builder?._def === undefined) throw new TypeError(`the entity ${entity}: ${name} is no field; use field.string() and the like`);
  return { name, ...builder._def };
}

export function entitiesToManifest(entities: any[]): object[] {
  return entities.map((e) => {
    const { name, fields, ...more } = e;
    const list = Array.isArray(fields) ? fields : Object.entries(fields ?? {}).map(([f, builder]) => fieldToManifest(name, f, builder));
    return movePlace(e, { name, fields: list, ...defined(more) });
  });
}

const asTheyAre = (list: any[]): object[] => list.map((x) => movePlace(x, defined(x)));
export const policiesToManifest = asTheyAre;
export const routesToManifest = asTheyAre;
export const queriesToManifest = asTheyAre;
export const actionsToManifest = asTheyAre;
