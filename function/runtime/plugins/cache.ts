// cache, from @pylonsync/sdk: the plugins cache and cache_client.
//
// Values are any JSON, and each get makes a new one: changing it changes nothing in the
// cache. A miss is null, so null itself is not worth keeping.
import { op } from "../host";
import { forgetLoader, jsonOf, registerLoader } from "../loaders";

interface Life {
  ttl_secs?: number;
  stale_secs?: number;
}

const lifeKeys = ["ttl_secs", "stale_secs"];

// lifeOf takes the options of set and wrap; a misspelt one would be a surprise later.
function lifeOf(what: string, life: unknown, keys: string[]): Life {
  if (life === undefined) return {};
  if (typeof life !== "object" || life === null) throw new TypeError(`${what}: the options are an object like { ttl_secs: 60 }`);
  for (const key of Object.keys(life)) {
    if (!keys.includes(key)) throw new TypeError(`${what}: unknown option ${JSON.stringify(key)}; there is ${keys.join(" and ")}`);
  }
  return life;
}

function text(what: string, x: unknown): string {
  if (typeof x !== "string") throw new TypeError(`${what} must be a string`);
  return x;
}

export const cache = Object.freeze({
  get: async (key: string): Promise<any> => op("cache.get", { key: text("cache.get: the key", key) }),

  getMany: async (keys: string[]): Promise<any[]> => {
    if (!Array.isArray(keys)) throw new TypeError("cache.getMany: the keys must be an array of strings");
    return op("cache.getMany", { keys: keys.map((key) => text("cache.getMany: a key", key)) });
  },

  set: async (key: string, value: unknown, life?: Life): Promise<void> => {
    text("cache.set: the key", key);
    jsonOf(value, "cache.set");
    await op("cache.set", { key, value, ...lifeOf("cache.set", life, ["ttl_secs"]) });
  },

  delete: async (key: string): Promise<void> => {
    await op("cache.delete", { key: text("cache.delete: the key", key) });
  },

  invalidate: async (prefix: string): Promise<void> => {
    await op("cache.invalidate", { prefix: text("cache.invalidate: the prefix", prefix) });
  },

  // In a transaction the host leaves the loading to the handler: nobody else may see
  // what is not committed.
  wrap: async (key: string, load: () => unknown, life?: Life): Promise<any> => {
    text("cache.wrap: the key", key);
    if (typeof load !== "function") throw new TypeError("cache.wrap: the loader must be a function");
    const options = lifeOf("cache.wrap", life, lifeKeys);
    const loader = registerLoader(load);
    const answer = await op("cache.wrap", { key, loader, ...options });
    if (!answer.load) return answer.value;
    forgetLoader(loader);
    const value = JSON.parse(jsonOf(await load(), "the loader"));
    await op("cache.set", { key, value, ttl_secs: options.ttl_secs });
    return value;
  },
});
