declare module "@pylonsync/sdk" {
  /** How long a value is kept, in seconds. */
  export interface CacheLife {
    /** The cache's default when left out. */
    ttl_secs?: number;
  }

  /** Values kept for a while. They are any JSON; each get makes a new one. */
  export const cache: {
    /** The value under the key, or null for a miss. */
    get<T = any>(key: string): Promise<T | null>;
    /** The values under the keys, in their order, with null for a miss. */
    getMany<T = any>(keys: string[]): Promise<(T | null)[]>;
    /** In a mutation it takes effect with the commit. */
    set(key: string, value: unknown, life?: CacheLife): Promise<void>;
    delete(key: string): Promise<void>;
    /** Drops every key that starts with the prefix; "" clears the cache. */
    invalidate(prefix: string): Promise<void>;
    /**
     * The value under the key or, when there is none, what load makes of it. Callers that
     * miss the same key at the same time share one load. With stale_secs, a value that is
     * so much too old is served at once, and loaded anew in the background.
     */
    wrap<T>(key: string, load: () => T | Promise<T>, life?: CacheLife & { stale_secs?: number }): Promise<T>;
  };
}
