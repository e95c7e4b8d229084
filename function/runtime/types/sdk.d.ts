// What app.ts declares an app with, and what plugins give to functions. This file comes
// with Pylon and is written anew by `pylon dev` and `pylon codegen`.

declare module "@pylonsync/sdk" {
  export const MANIFEST_VERSION: 1;

  // ------------------------------------------------------------------- entities

  export interface FieldBuilder {
    /** May be null. */
    optional(): FieldBuilder;
    /** No two rows have the same value. */
    unique(): FieldBuilder;
    /** Never leaves the server. */
    serverOnly(): FieldBuilder;
    /** Set with a new row, and not changed by clients afterwards. */
    readonly(): FieldBuilder;
    /** The value of new rows that leave the field out. */
    default(value: unknown): FieldBuilder;
    /** The time of the write, for new rows that leave the field out. */
    defaultNow(): FieldBuilder;
    /** Accepted for the original's sake, without effect. */
    crdt(setting: unknown): FieldBuilder;
  }

  export const field: {
    string(): FieldBuilder;
    int(): FieldBuilder;
    float(): FieldBuilder;
    /** The same as float. */
    number(): FieldBuilder;
    bool(): FieldBuilder;
    /** The same as bool. */
    boolean(): FieldBuilder;
    datetime(): FieldBuilder;
    richtext(): FieldBuilder;
    json(): FieldBuilder;
    /** The id of another entity's row. */
    id(entity: string): FieldBuilder;
    /** Text that is one of these. */
    enum(values: readonly string[]): FieldBuilder;
  };

  export interface IndexDefinition {
    name?: string;
    fields: string[];
    unique?: boolean;
  }
  export interface RelationDefinition {
    name: string;
    target: string;
    field: string;
    many?: boolean;
  }
  export interface EntityOptions {
    indexes?: IndexDefinition[];
    relations?: RelationDefinition[];
    search?: { text?: string[]; facets?: string[]; sortable?: string[]; language?: string };
    crdt?: boolean;
  }
  export interface EntityDefinition extends EntityOptions {
    name: string;
    fields: Record<string, FieldBuilder>;
  }
  export function entity(name: string, fields: Record<string, FieldBuilder>, options?: EntityOptions): EntityDefinition;
  export function index(definition: IndexDefinition): IndexDefinition;
  export function relation(definition: RelationDefinition): RelationDefinition;

  // ------------------------------------------------------------------- policies

  /** Expressions over auth, data and existing. An action on an entity without one is denied. */
  export interface PolicyDefinition {
    name: string;
    entity?: string;
    action?: string;
    allow?: string;
    allowRead?: string;
    allowInsert?: string;
    allowUpdate?: string;
    allowDelete?: string;
    allowWrite?: string;
  }
  export function policy(definition: PolicyDefinition): PolicyDefinition;

  // -------------------------------------------------------------------- plugins

  /** The configs of plugins, by name; .pylon/types/plugins.d.ts fills it in. */
  export interface PluginConfigs {}
  type ConfigOf<N extends string> = N extends keyof PluginConfigs ? PluginConfigs[N] : Record<string, unknown>;
  type PluginName = (keyof PluginConfigs & string) | (string & {});

  export interface PluginDefinition<N extends string = string> {
    name: N;
    config?: ConfigOf<N>;
    entities?: EntityDefinition[];
  }
  /** Switches a plugin on, or completes its entry in pylon.manifest.json. Functions in the config are called by the plugin. */
  export function definePlugin<const N extends PluginName>(name: N, config?: ConfigOf<N>): PluginDefinition;
  export function definePlugin<const N extends PluginName>(definition: PluginDefinition<N>): PluginDefinition;

  // ------------------------------------------------------------------------ app

  export interface InputField {
    name: string;
    type: string;
    optional?: boolean;
  }
  export interface RouteDefinition {
    path: string;
    mode: "static" | "server" | "live";
    query?: string;
    auth?: "public" | "user";
  }
  export interface CronDefinition {
    name: string;
    /** Five fields: minute, hour, day, month, weekday. */
    schedule: string;
    function: string;
    args?: unknown;
  }
  /** Accepted for the original's sake; functions declare themselves. */
  export function query(name: string, options?: { input?: InputField[] }): { name: string; input?: InputField[] };
  /** Accepted for the original's sake; functions declare themselves. */
  export function action(name: string, options?: { input?: InputField[] }): { name: string; input?: InputField[] };
  /** Accepted for the original's sake, without effect. */
  export function defineRoute(route: RouteDefinition): RouteDefinition;
  /** A function that runs on a schedule. */
  export function cron(definition: CronDefinition): CronDefinition;

  export interface AuthConfig {
    user?: { entity?: string; expose?: string[]; hide?: string[]; adminField?: string };
    session?: { expiresIn?: number; cookieCache?: { enabled?: boolean; maxAge?: number; claims?: string[] } };
    org?: { entity?: string; memberEntity?: string; inviteEntity?: string; disabled?: boolean };
    trustedOrigins?: string[];
  }
  interface ManifestAuth {
    user?: object;
    session?: object;
    org?: object;
    trusted_origins?: string[];
  }
  export function auth(config?: AuthConfig): ManifestAuth;

  export interface Manifest {
    manifest_version: number;
    name?: string;
    version?: string;
    entities?: object[];
    policies?: object[];
    plugins?: object[];
    [more: string]: unknown;
  }
  /** The app's declaration, to be the default export of app.ts. */
  export function buildManifest(options: {
    name?: string;
    version?: string;
    entities?: EntityDefinition[];
    policies?: PolicyDefinition[];
    plugins?: PluginDefinition[];
    auth?: ManifestAuth;
    requiredEnv?: string[];
    crons?: CronDefinition[];
    routes?: RouteDefinition[];
    queries?: object[];
    actions?: object[];
    llm?: object;
    connections?: object[];
    fonts?: object[];
  }): Manifest;

  export function entitiesToManifest(entities: EntityDefinition[]): object[];
  export function policiesToManifest(policies: PolicyDefinition[]): object[];
  export function routesToManifest(routes: RouteDefinition[]): object[];
  export function queriesToManifest(queries: object[]): object[];
  export function actionsToManifest(actions: object[]): object[];
}
