import { GitFailure } from './failure.ts';
import type { ObjectContents, ObjectInfo, ObjectSource } from './object-source.ts';

/** Commits, folders and most source files; larger objects are read anew. */
export const MAX_KEPT_OBJECT_BYTES = 64 * 1024;
const MAX_TOTAL_BYTES = 32 * 1024 * 1024;
/** What an object takes in memory beside its bytes: its key, its place in the map. */
const OVERHEAD_BYTES = 300;

/**
 * Small objects that were read or made lately, of all repositories together, so that looking at the same commits and folders
 * again asks no process. An object's id says what it is, so what is kept is never outdated; it only must not be found any
 * more once a collection has taken it out of the repository, which is why each count of collections has a scope of its own.
 */
export class ObjectCache {
  /** In order of use, the longest unused first. */
  readonly #kept = new Map<string, ObjectContents>();
  readonly #maxTotalBytes: number;
  #bytes = 0;

  constructor(maxTotalBytes = MAX_TOTAL_BYTES) {
    this.#maxTotalBytes = maxTotalBytes;
  }

  find(scope: string, id: string): ObjectContents | undefined {
    const key = `${scope} ${id}`;
    const found = this.#kept.get(key);
    if (found === undefined) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, found);
    return found;
  }

  /** Keeps a copy of a small object; larger ones are passed over. */
  keep(scope: string, id: string, { type, size, body }: ObjectContents): void {
    const key = `${scope} ${id}`;
    if (size > MAX_KEPT_OBJECT_BYTES || this.#kept.has(key)) return;
    // What git has answered lies in a larger buffer, which shall not stay with it.
    const copy = Buffer.allocUnsafeSlow(size);
    copy.set(body);
    this.#kept.set(key, { type, size, body: copy });
    this.#bytes += size + OVERHEAD_BYTES;
    for (const [oldest, contents] of this.#kept) {
      if (this.#bytes <= this.#maxTotalBytes) return;
      this.#drop(oldest, contents);
    }
  }

  /** Drops all objects of a scope, or of several that begin alike. */
  forget(beginning: string): void {
    for (const [key, contents] of this.#kept) if (key.startsWith(beginning)) this.#drop(key, contents);
  }

  #drop(key: string, { size }: ObjectContents): void {
    this.#kept.delete(key);
    this.#bytes -= size + OVERHEAD_BYTES;
  }
}

/** Answers from the cache, and asks another source for what is not there. */
export class CachedObjects implements ObjectSource {
  readonly #cache: ObjectCache;
  readonly #scope: string;
  readonly #open: () => ObjectSource;
  #beneath: ObjectSource | undefined;

  /** @param beneath gives the other source; asked once, and only when it is needed. */
  constructor(cache: ObjectCache, scope: string, beneath: () => ObjectSource) {
    this.#cache = cache;
    this.#scope = scope;
    this.#open = beneath;
  }

  get dead(): boolean {
    return this.#beneath?.dead ?? false;
  }

  async info(id: string): Promise<ObjectInfo | null> {
    const kept = this.#cache.find(this.#scope, id);
    return kept === undefined ? this.#source().info(id) : { type: kept.type, size: kept.size };
  }

  async contents(id: string, capBytes: number): Promise<ObjectContents | null> {
    const kept = this.#cache.find(this.#scope, id);
    if (kept === undefined) {
      const found = await this.#source().contents(id, capBytes);
      if (found !== null) this.#cache.keep(this.#scope, id, found);
      return found;
    }
    if (kept.size > capBytes) throw new GitFailure('object-too-large', `the object is larger than ${capBytes} bytes`);
    return kept;
  }

  #source(): ObjectSource {
    this.#beneath ??= this.#open();
    return this.#beneath;
  }
}
