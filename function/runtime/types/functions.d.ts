// What functions/*.ts are made with. This file comes with Pylon and is written anew by
// `pylon dev` and `pylon codegen`.

declare module "@pylonsync/functions" {
  // ------------------------------------------------------------------ entities

  /** The app's entities; .pylon/types/entities.d.ts fills it in. */
  export interface Entities {}

  /** The name of one of the app's entities. */
  export type EntityName = [keyof Entities] extends [never] ? string : keyof Entities & string;
  type Part<E, P extends string> = E extends keyof Entities ? (Entities[E] extends Record<P, infer R> ? R : never) : Record<string, any>;
  /** A row as it is read. */
  export type Row<E extends EntityName> = Part<E, "row">;
  /** What a new row needs: fields that are optional or have a default may be left out. */
  export type Insert<E extends EntityName> = Part<E, "insert">;
  /** What an update may change. */
  export type Patch<E extends EntityName> = Part<E, "patch">;

  type Comparison<T> = {
    $gt?: NonNullable<T>; $gte?: NonNullable<T>; $lt?: NonNullable<T>; $lte?: NonNullable<T>;
    $not?: T; $in?: readonly T[]; $like?: string;
  };
  /** Fields to compare, with order and page. */
  export type Filter<E extends EntityName> = { [F in keyof Row<E>]?: Row<E>[F] | Comparison<Row<E>[F]> } & {
    $order?: { [F in keyof Row<E>]?: "asc" | "desc" };
    /** Rows at most, up to 1000. */
    $limit?: number;
    $offset?: number;
  };

  // ------------------------------------------------------------------ database

  export interface DbReader {
    /** The row with that id, or null. */
    get<E extends EntityName>(entity: E, id: string): Promise<Row<E> | null>;
    /** The first row whose field has that value, or null. */
    lookup<E extends EntityName, F extends keyof Row<E> & string>(entity: E, field: F, value: Row<E>[F]): Promise<Row<E> | null>;
    /** Rows in the order of their ids, 1000 at most. */
    list<E extends EntityName>(entity: E, options?: { limit?: number; offset?: number }): Promise<Row<E>[]>;
    /** Rows that a filter finds. */
    query<E extends EntityName>(entity: E, filter?: Filter<E>): Promise<Row<E>[]>;
    /** Several queries at once. */
    queryGraph<Q extends { [E in EntityName]?: Filter<E> }>(queries: Q): Promise<{ [E in keyof Q & EntityName]: Row<E>[] }>;
    /** A page of rows in the order of their ids; give next_cursor as `after` for the next one. */
    paginate<E extends EntityName>(
      entity: E,
      options?: { after?: string | null; limit?: number; filter?: Filter<E> },
    ): Promise<{ data: Row<E>[]; next_cursor: string | null; has_more: boolean }>;
    /** How many rows a filter finds. */
    count<E extends EntityName>(entity: E, filter?: Filter<E>): Promise<number>;
  }

  export interface DbWriter extends DbReader {
    /** Adds a row and answers its id. */
    insert<E extends EntityName>(entity: E, row: Insert<E>): Promise<string>;
    /** Changes fields of a row; an error when there is none with that id. */
    update<E extends EntityName>(entity: E, id: string, change: Patch<E>): Promise<true>;
    /** Deletes a row; an error when there is none with that id. */
    delete<E extends EntityName>(entity: E, id: string): Promise<true>;
  }

  // ------------------------------------------------------------------- context

  export interface AuthInfo {
    /** The caller's id, null for an anonymous one. */
    readonly userId: string | null;
    readonly isAdmin: boolean;
    /** The organisation the caller has chosen. */
    readonly tenantId: string | null;
    readonly email: string | null;
    readonly roles: string[];
  }

  export interface Scheduler {
    /** Runs a function after so many milliseconds. In a mutation it is scheduled by the commit. */
    runAfter(ms: number, name: string, args?: unknown): Promise<string>;
    /** Runs a function at a time. */
    runAt(at: Date | string | number, name: string, args?: unknown): Promise<string>;
    /** Takes back what runAfter or runAt scheduled. */
    cancel(id: string): Promise<unknown>;
  }

  export interface Stream {
    /** Sends text, or JSON, to a caller that accepts text/event-stream. */
    write(data: unknown): void;
    writeEvent(event: string, data: unknown): void;
  }

  /** An error that the caller gets as it is. */
  export interface PylonError extends Error {
    code: string;
    hint?: string;
    field?: string;
    status?: number;
  }

  interface Ctx {
    readonly auth: AuthInfo;
    /** Variables of the environment. */
    readonly env: { readonly [name: string]: string | undefined };
    readonly requestId: string;
    /** Makes an error for the caller: `throw ctx.error("SOLD_OUT", "none left")`. */
    error(code: string, message?: string, more?: { status?: number; hint?: string; field?: string }): PylonError;
  }

  /** A query reads, from one snapshot of the database. */
  export interface QueryCtx extends Ctx {
    readonly db: DbReader;
  }

  /** A mutation is one transaction: all of it happens, or nothing. */
  export interface MutationCtx extends Ctx {
    readonly db: DbWriter;
    readonly scheduler: Scheduler;
    readonly stream: Stream;
  }

  /** An action calls queries, mutations and the outside; it has no transaction. */
  export interface ActionCtx extends Ctx {
    runQuery<T = any>(name: string, args?: unknown): Promise<T>;
    runMutation<T = any>(name: string, args?: unknown): Promise<T>;
    runAction<T = any>(name: string, args?: unknown): Promise<T>;
    readonly scheduler: Scheduler;
    readonly stream: Stream;
    /** The HTTP request, when the action was called by one to a route of its own. */
    readonly request?: ActionRequest;
  }

  export interface ActionRequest {
    readonly method: string;
    readonly path: string;
    readonly query: Record<string, string>;
    /** By their names in lower case. */
    readonly headers: Record<string, string>;
    /** The body as it came, for signatures. */
    readonly body: ArrayBuffer;
    text(): Promise<string>;
    json(): Promise<any>;
  }

  // ---------------------------------------------------------------- validators

  const type: unique symbol;
  /** Checks a value and gives it a type. */
  export interface Validator<T> {
    readonly [type]: T;
  }
  /** A key that may be left out; null counts as left out. */
  export interface OptionalValidator<T> extends Validator<T> {
    readonly kind: "optional";
  }
  type Fields = Record<string, Validator<any>>;
  type Flat<T> = { [K in keyof T]: T[K] } & {};
  type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends OptionalValidator<any> ? K : never }[keyof F];
  type ObjectOf<F extends Fields> = Flat<
    { [K in Exclude<keyof F, OptionalKeys<F>>]: Infer<F[K]> } & { [K in OptionalKeys<F>]?: Infer<F[K]> }
  >;
  /** The type that a validator, or an object of them, gives. */
  export type Infer<V> = V extends Validator<infer T> ? T : V extends Fields ? ObjectOf<V> : never;

  interface Size {
    min?: number;
    max?: number;
  }

  export const v: {
    /** Text; min and max count characters, the pattern finds anywhere unless it has ^ and $. */
    string(options?: Size & { pattern?: RegExp | string }): Validator<string>;
    number(options?: Size): Validator<number>;
    /** The same as number. */
    float(options?: Size): Validator<number>;
    /** A whole number that is exact: up to 2^53. */
    int(options?: Size): Validator<number>;
    boolean(): Validator<boolean>;
    /** The same as boolean. */
    bool(): Validator<boolean>;
    /** A time in RFC 3339, like 2026-01-31T09:30:00Z; the handler gets it as a string. */
    datetime(): Validator<string>;
    richtext(): Validator<string>;
    /** An id: 1 to 64 letters, digits, "_" and "-". Whether there is such a row is not checked. */
    id<E extends EntityName>(entity: E): Validator<string>;
    null(): Validator<null>;
    /** Any JSON. */
    any(): Validator<any>;
    array<T>(items: Validator<T>, options?: Size): Validator<T[]>;
    /** Exactly these keys. */
    object<F extends Fields>(fields: F): Validator<ObjectOf<F>>;
    /** Any keys, with values of one kind. */
    record<T>(values: Validator<T>): Validator<Record<string, T>>;
    record<T>(keys: Validator<string>, values: Validator<T>): Validator<Record<string, T>>;
    /** The key may be left out. */
    optional<T>(inner: Validator<T>): OptionalValidator<T>;
    nullable<T>(inner: Validator<T>): Validator<T | null>;
    union<V extends readonly Validator<any>[]>(...members: V): Validator<Infer<V[number]>>;
    literal<const T extends string | number | boolean | null>(value: T): Validator<T>;
  };

  // ----------------------------------------------------------------- functions

  /** Who may call: anybody, anybody signed in (the default), the administrator, or only other functions. */
  export type FnAuth = "public" | "user" | "admin" | "internal";

  /** What query, mutation and action make, to be the default export of a file in functions/. */
  export interface FnDefinition<Kind extends "query" | "mutation" | "action" = any, Args = any, Result = any> {
    readonly kind?: Kind;
    readonly auth: FnAuth;
    handler(ctx: any, args: Args): Result | Promise<Result>;
  }

  type ArgsOf<A> = A extends Validator<infer T> ? T : A extends Fields ? ObjectOf<A> : any;
  interface Given<C, A, R> {
    /** What the arguments must be; anything when left out. */
    args?: A;
    auth?: FnAuth;
    /** The same as auth: "internal". */
    internal?: boolean;
    handler(ctx: C, args: ArgsOf<A>): R | Promise<R>;
  }
  type Make<Kind extends "query" | "mutation" | "action", C> = {
    <A extends Fields | Validator<any> | undefined = undefined, R = unknown>(definition: Given<C, A, R>): FnDefinition<Kind, ArgsOf<A>, R>;
    <R>(handler: (ctx: C, args: any) => R | Promise<R>): FnDefinition<Kind, any, R>;
  };

  /** Reads, from one snapshot of the database. */
  export const query: Make<"query", QueryCtx>;
  /** Reads and writes in one transaction. */
  export const mutation: Make<"mutation", MutationCtx>;
  /** Calls queries, mutations and the outside. */
  export const action: Make<"action", ActionCtx>;

  /** Holds a value against a validator, as is done with arguments. */
  export function validate<T>(
    validator: Validator<T>,
    value: unknown,
  ): { value: T; problems?: undefined } | { problems: { path: string; message: string }[]; value?: undefined };
}
