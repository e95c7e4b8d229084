// @pylonsync/sdk: what app.ts declares an app with, and what plugins give to functions.
// Its types, as editors see them, are in types/sdk.d.ts.
import { callbacks, entries, pluginToManifest } from "./entries";
import { actionsToManifest, defined, entitiesToManifest, movePlace, placeOf, policiesToManifest, queriesToManifest, routesToManifest } from "./builders";

export { callbacks, definePlugin } from "./entries";
export { cache } from "./plugins/cache";
export {
  action, actionsToManifest, auth, cron, defineRoute, entitiesToManifest, entity, field, index, policiesToManifest, policy, queriesToManifest, query,
  relation, routesToManifest,
} from "./builders";

export const MANIFEST_VERSION = 1;

const built = new WeakSet<object>();
let last: any;

// buildManifest puts an app's declaration together. What it does not know is left to
// the check of the manifest, which names the nearest key.
export function buildManifest(options: any): any {
  const { entities, policies, plugins, routes, queries, actions, ...more } = options;
  const some = (list: any[] | undefined, convert: (list: any[]) => object[]) => (list && list.length > 0 ? convert(list) : undefined);
  last = defined({
    manifest_version: MANIFEST_VERSION,
    ...more,
    entities: some(entities, entitiesToManifest),
    policies: some(policies, policiesToManifest),
    plugins: some(plugins, (list) => list.map(pluginToManifest)),
    routes: some(routes, routesToManifest),
    queries: some(queries, queriesToManifest),
    actions: some(actions, actionsToManifest),
  });
  built.add(last);
  return last;
}

// A manifest that did not come from buildManifest, made equal to one that did.
function normalized(manifest: any): any {
  if (built.has(manifest)) return manifest;
  const lists: Record<string, (list: any[]) => object[]> = { entities: entitiesToManifest, plugins: (list) => list.map(pluginToManifest) };
  return Object.fromEntries(Object.entries(manifest).map(([key, value]) => [key, key in lists && Array.isArray(value) ? lists[key](value) : value]));
}

function parsed(printed: string[]): any {
  for (const text of printed.toReversed()) {
    try {
      const value = JSON.parse(text);
      if (typeof value === "object" && value !== null && "manifest_version" in value) return value;
    } catch {
      // some other line
    }
  }
  return undefined;
}

// declaration is what app.ts declares: its default export, or else the last manifest
// that it built, or else the one that it printed; and the plugins it defined besides.
// places are the stack traces of where things were declared, by path.
export function declaration(exported: any, printed: string[]): { manifest: any; places: Record<string, string>; callbacks: string[] } {
  if (exported !== undefined && (typeof exported !== "object" || exported === null || Array.isArray(exported))) {
    throw new TypeError("the default export of app.ts must be a manifest, such as buildManifest makes");
  }
  const manifest = { ...normalized(exported ?? last ?? parsed(printed) ?? {}) };
  const named = new Set((manifest.plugins ?? []).map((p: any) => p?.name));
  const besides = entries.filter((e) => !named.has(e.name));
  if (besides.length > 0) manifest.plugins = [...(manifest.plugins ?? []), ...besides.map(pluginToManifest)];
  const added = entries.flatMap((e) => entitiesToManifest((e.entities ?? []) as any[]).map((x) => (placeOf(x) ? x : movePlace(e, x))));
  if (added.length > 0) manifest.entities = [...(manifest.entities ?? []), ...added];
  return { manifest, places: placesIn(manifest), callbacks: [...callbacks.keys()] };
}

function placesIn(manifest: any): Record<string, string> {
  const places: Record<string, string> = {};
  for (const key of Object.keys(manifest)) {
    if (!Array.isArray(manifest[key])) continue;
    manifest[key].forEach((x: any, i: number) => {
      const at = typeof x === "object" && x !== null ? placeOf(x) : undefined;
      if (at !== undefined) places[`${key}[${i}]`] = at;
    });
  }
  return places;
}
