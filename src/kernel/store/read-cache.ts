import type { Clock } from '../clock.ts';

interface Entry<V> {
  readonly value: V;
  readonly loadedAtMs: number;
}

/**
 * Keeps what was read from the database for a while. `clear` takes effect at once, also for reads that are under way:
 * what they bring is used by whoever waits for it, but not kept.
 */
export class ReadCache<V> {
  readonly #clock: Clock;
  readonly #maxAgeMs: number;
  readonly #maxEntries: number;
  #entries = new Map<string, Entry<V>>();
  #loading = new Map<string, Promise<V | undefined>>();

  /** @param maxAgeMs how long another node's change may stay unseen */
  constructor(clock: Clock, options: { maxAgeMs: number; maxEntries: number }) {
    this.#clock = clock;
    this.#maxAgeMs = options.maxAgeMs;
    this.#maxEntries = options.maxEntries;
  }

  /** The value of a key, from the cache or by `load`; concurrent reads of one key load once. `undefined` is not kept. */
  get(key: string, load: () => Promise<V | undefined>): V | undefined | Promise<V | undefined> {
    return this.recent(key) ?? this.#loading.get(key) ?? this.#load(key, load);
  }

  /** What is kept for a key and not too old, without looking it up. */
  recent(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || this.#clock.monotonicMs() - entry.loadedAtMs >= this.#maxAgeMs) return undefined;
    return entry.value;
  }

  /** What is kept for a key, however old, without looking it up. */
  kept(key: string): V | undefined {
    return this.#entries.get(key)?.value;
  }

  #load(key: string, load: () => Promise<V | undefined>): Promise<V | undefined> {
    const entries = this.#entries;
    const loading = this.#loading;
    const startedAtMs = this.#clock.monotonicMs();
    const result = load().then(
      (value) => {
        loading.delete(key);
        if (value !== undefined) {
          entries.delete(key);
          if (entries.size >= this.#maxEntries) entries.delete(entries.keys().next().value!);
          // After a `clear` these are no longer the cache's own maps, so a stale value ends here.
          entries.set(key, { value, loadedAtMs: startedAtMs });
        }
        return value;
      },
      (error) => {
        loading.delete(key);
        throw error;
      },
    );
    loading.set(key, result);
    return result;
  }

  clear(): void {
    this.#entries = new Map();
    this.#loading = new Map();
  }
}
