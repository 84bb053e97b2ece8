import { PackIndex } from './pack-index.ts';

/** Repositories whose indexes have more in all are asked through git. */
const MAX_REPOSITORY_BYTES = 512 * 1024;
const MAX_TOTAL_BYTES = 8 * 1024 * 1024;

/**
 * Indexes of small packs, of all repositories together, in memory: they tell that an object is new without asking a process.
 * A pack never changes, so what is kept is never outdated.
 */
export class KnownIndexes {
  /** By pack, in order of use, the longest unused first. */
  readonly #kept = new Map<string, PackIndex>();
  #bytes = 0;

  /** Keeps the index of a pack that became part of a repository. */
  keep(packId: string, index: PackIndex): void {
    if (index.bytes.length > MAX_REPOSITORY_BYTES || this.#kept.has(packId)) return;
    this.#kept.set(packId, index);
    this.#bytes += index.bytes.length;
    for (const [oldest, { bytes }] of this.#kept) {
      if (this.#bytes <= MAX_TOTAL_BYTES) return;
      this.#kept.delete(oldest);
      this.#bytes -= bytes.length;
    }
  }

  /**
   * The indexes of all packs of a repository.
   * @param pathOf tells where the cache has the index of a pack
   * @returns null where there is too much of them, or one cannot be read
   */
  async all(
    packs: readonly { id: string; objects: number }[],
    pathOf: (packId: string) => string,
  ): Promise<PackIndex[] | null> {
    const bytes = packs.reduce((sum, { objects }) => sum + PackIndex.bytesFor(objects), 0);
    if (bytes > MAX_REPOSITORY_BYTES) return null;
    try {
      return await Promise.all(packs.map(({ id }) => this.#find(id, pathOf(id))));
    } catch (error) {
      // The cache was deleted, or has moved on.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return null;
    }
  }

  async #find(packId: string, path: string): Promise<PackIndex> {
    const known = this.#kept.get(packId);
    if (known !== undefined) {
      this.#kept.delete(packId);
      this.#kept.set(packId, known);
      return known;
    }
    const index = await PackIndex.read(path);
    this.keep(packId, index);
    return index;
  }
}
