import { join } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import type { Ids } from '../kernel/ids.ts';
import { BlobNotFoundError, type BlobStore } from '../kernel/store/blobs.ts';
import type { AnswerCache } from './answer-cache.ts';
import type { AnswerFiles } from './answer-files.ts';
import { CacheFiles } from './cache-files.ts';
import { CatFile } from './cat-file.ts';
import type { GitProcesses } from './git-process.ts';
import type { ObjectSource } from './object-source.ts';
import { ObjectReader } from './objects.ts';
import { PackBlobs } from './pack-blobs.ts';
import { Mutex, type Slots } from './slots.ts';
import type { PackRecord, RepositoryState, RepositoryTruth } from './truth.ts';

/** What every repository of this node shares. */
export interface GitSurroundings {
  blobs: BlobStore;
  clock: Clock;
  ids: Ids;
  git: GitProcesses;
  /** Folder of the cache; holds `repositories/`, `quarantine/`, `hooks/`. */
  folder: string;
  /** Streams to clients. */
  uploads: Slots;
  /** Packs being indexed: the costliest thing that a client can ask for. Small ones are here whole before their turn. */
  smallUnpacks: Slots;
  /** Packs indexed while they come, at the client's speed. */
  largeUnpacks: Slots;
  readonly answers: AnswerCache;
  readonly answerFiles: AnswerFiles;
  /** Told about failures that no request can be told about. */
  report(error: unknown): void;
  /** Told that a repository has changed here and may need upkeep. */
  changed(repository: Repository): void;
  /** Lets go of caches of repositories that nobody uses until there is so much room. */
  makeRoom(bytes: number, user: Repository): Promise<void>;
  /** An id as {@link PackRecord.id} wants it. */
  newPackId(): string;
}

/** The cache, held still: no pack that the holder may read is deleted before {@link release}. */
export interface Lease {
  readonly gitDir: string;
  /** At least as new as this is what the files hold. */
  readonly state: RepositoryState;
  readonly objects: ObjectReader;
  /** What {@link objects} reads from, for those who put a pack before it. */
  source(): ObjectSource;
  release(): void;
}

const IDLE_READER_MS = 60_000;

/**
 * One repository on this node: the truth elsewhere, a bare repository in the cache folder here. The cache is brought
 * up to date when it is used, and may vanish at any moment.
 */
export class Repository {
  readonly truth: RepositoryTruth;
  readonly surroundings: GitSurroundings;
  /** Where the packs of record are. */
  readonly packs: PackBlobs;
  readonly #files: CacheFiles;
  readonly #turn = new Mutex();
  readonly #leases = new Set<Lease>();
  /** Packs that the truth has dropped, each with the leases that may still read them. */
  readonly #retired = new Map<string, Set<Lease>>();
  /** Packs whose files are just being moved here by the push that brought them. */
  readonly #arriving = new Map<string, Promise<void>>();
  #present = new Set<string>();
  /** Packs of the list that the files were last brought up to: what a newer list does not name any more has been dropped. */
  #listed: ReadonlySet<string> = new Set();
  /** Objects that the bitmaps in the cache covered when they were written; 0 without bitmaps. */
  bitmapObjects = 0;
  #known: RepositoryState | undefined;
  #syncedGeneration = -1;
  #reader: CatFile | null = null;
  #readerTimer: { cancel(): void } | null = null;

  constructor(truth: RepositoryTruth, surroundings: GitSurroundings) {
    if (!/^[A-Za-z0-9-]{1,64}$/.test(truth.id)) throw new Error('a repository id must be opaque');
    this.truth = truth;
    this.surroundings = surroundings;
    this.packs = new PackBlobs(surroundings.blobs, truth);
    this.#files = new CacheFiles({
      gitDir: join(surroundings.folder, 'repositories', truth.id),
      hooksFolder: join(surroundings.folder, 'hooks'),
      blobs: this.packs,
      ids: surroundings.ids,
    });
  }

  get id(): string {
    return this.truth.id;
  }

  get gitDir(): string {
    return this.#files.gitDir;
  }

  /** Where the cache keeps a pack's index. */
  indexPath(packId: string): string {
    return this.#files.indexPath(packId);
  }

  /** True while somebody reads or pushes. */
  get busy(): boolean {
    return this.#leases.size > 0 || this.#arriving.size > 0;
  }

  /** References and packs as of now; needs no cache. */
  async state(): Promise<RepositoryState> {
    const loaded = await this.truth.load(this.#known);
    if (this.#known === undefined || loaded.generation > this.#known.generation) this.#known = loaded;
    return loaded;
  }

  /**
   * Brings the cache up to date and holds it. The caller must release the lease. Objects in the cache are plain, so the
   * key is asked for even where nothing is to be opened.
   * @throws {GitFailure} `key-refused`, `integrity`
   */
  async lease(): Promise<Lease> {
    const [state] = await Promise.all([this.state(), this.truth.dataKey()]);
    const lease: Lease = {
      gitDir: this.gitDir,
      state,
      objects: new ObjectReader(() => this.#catFile()),
      source: () => this.#catFile(),
      release: () => this.#release(lease),
    };
    // Held before the files are looked at, so that nothing retires under our hands.
    this.#leases.add(lease);
    try {
      return Object.assign(lease, { state: await this.#bringUpTo(lease.state) });
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  /** Runs `work` with the cache held and up to date. */
  async read<T>(work: (lease: Lease) => Promise<T>): Promise<T> {
    const lease = await this.lease();
    try {
      return await work(lease);
    } finally {
      lease.release();
    }
  }

  /** Tells that git failed in a way that a damaged cache would explain: the next lease looks at every file. */
  suspect(): void {
    this.#syncedGeneration = -1;
  }

  /**
   * Runs the transaction that adds a pack and moves the pack's files into the cache, so that it need not be read back.
   * @param accepted tells from the transaction's result whether the pack has become part of the repository.
   */
  async publish<T>(
    pack: { record: PackRecord; files: { pack: string; index: string } },
    transact: () => Promise<T>,
    accepted: (result: T) => boolean,
  ): Promise<T> {
    const settled = Promise.withResolvers<void>();
    this.#arriving.set(pack.record.id, settled.promise);
    try {
      const result = await transact();
      if (accepted(result)) await this.#adopt(pack);
      return result;
    } finally {
      this.#arriving.delete(pack.record.id);
      settled.resolve();
    }
  }

  /** Waits until files that nobody reads any more are gone. */
  async settled(): Promise<void> {
    await this.#turn.run(async () => undefined);
  }

  /** Ends the reader and forgets the cache's state; the files stay. */
  async close(): Promise<void> {
    await this.#closeReader();
    this.#known = undefined;
    this.#syncedGeneration = -1;
  }

  /** Deletes the cache of a repository that is deleted. */
  async removeCache(): Promise<void> {
    await this.close();
    await this.#turn.run(() => this.#files.removeAll());
  }

  async #bringUpTo(state: RepositoryState): Promise<RepositoryState> {
    if (this.#syncedGeneration >= state.generation && (await this.#files.exists())) return state;
    return this.#turn.run(async () => {
      if (this.#syncedGeneration >= state.generation && (await this.#files.exists())) return state;
      try {
        await this.#sync(state);
        return state;
      } catch (error) {
        // Another node has folded packs together after we read the list: the new list has what is needed.
        const newer = error instanceof BlobNotFoundError ? await this.state() : state;
        if (newer.generation === state.generation) throw error;
        await this.#sync(newer);
        return newer;
      }
    });
  }

  async #sync(state: RepositoryState): Promise<void> {
    if (this.#syncedGeneration < 0 || !(await this.#files.exists())) await this.#survey(state);
    const wanted = new Set(state.packs.map((pack) => pack.id));
    const missing = state.packs.filter(({ id }) => !this.#present.has(id) && !this.#retired.has(id));
    if (missing.length > 0) await this.surroundings.makeRoom(sizeOf(missing), this);
    for (const pack of state.packs) {
      await this.#arriving.get(pack.id);
      if (this.#retired.delete(pack.id)) this.#present.add(pack.id); // its files are still there
      if (!this.#present.has(pack.id)) await this.#files.fetchPack(pack);
      this.#present.add(pack.id);
    }
    await this.#files.writeRefs(state);
    this.#syncedGeneration = state.generation;
    // A pack that no list has named yet was brought by a push after this list was read: it stays.
    const dropped = [...this.#listed].filter((packId) => !wanted.has(packId) && this.#present.has(packId));
    this.#listed = wanted;
    for (const packId of dropped) await this.#retire(packId);
    this.surroundings.changed(this);
  }

  /** Looks at what a former process, or a careless hand, has left in the folder. */
  async #survey(state: RepositoryState): Promise<void> {
    this.#replaceReader();
    if (!(await this.#files.exists())) this.bitmapObjects = 0;
    await this.#files.create();
    // A pack that came after this list was read may be in use already.
    const known = this.#present;
    this.#present = await this.#files.presentPacks(state.packs);
    const isWanted = (id: string) =>
      this.#present.has(id) || known.has(id) || this.#arriving.has(id) || this.#retired.has(id);
    if (await this.#files.sweep(isWanted)) this.bitmapObjects = 0;
  }

  async #adopt(pack: { record: PackRecord; files: { pack: string; index: string } }): Promise<void> {
    try {
      await this.#files.adoptPack(pack.record.id, pack.files);
      this.#present.add(pack.record.id);
      this.surroundings.changed(this);
    } catch (error) {
      // The cache folder was deleted meanwhile. Nothing is lost: the next lease brings the pack from the blobs.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.suspect();
    }
  }

  /** Removes a pack once everybody who may be reading it has gone. */
  async #retire(packId: string): Promise<void> {
    this.#present.delete(packId);
    this.#replaceReader();
    if (this.#leases.size > 0) this.#retired.set(packId, new Set(this.#leases));
    else await this.#removePack(packId);
  }

  #release(lease: Lease): void {
    if (!this.#leases.delete(lease)) return;
    for (const [packId, readers] of this.#retired) {
      readers.delete(lease);
      if (readers.size > 0) continue;
      this.#retired.delete(packId);
      this.#turn.run(() => this.#removePack(packId)).catch(this.surroundings.report);
    }
  }

  async #removePack(packId: string): Promise<void> {
    // Named again meanwhile, by a list that was read before the one that dropped it.
    if (this.#present.has(packId)) return;
    await this.#files.removePack(packId);
    if (this.bitmapObjects > 0) this.surroundings.changed(this);
    this.bitmapObjects = 0;
  }

  /** Questions from now on go to a new process; the old one, which holds old packs open, ends after its last answer. */
  #replaceReader(): void {
    const old = this.#reader;
    this.#reader = null;
    old?.closeWhenIdle();
  }

  #catFile(): CatFile {
    if (this.#reader === null || this.#reader.dead) {
      this.#reader = new CatFile(this.surroundings.git, this.gitDir);
    }
    if (this.#readerTimer === null) this.#watchReader();
    return this.#reader;
  }

  /** Ends the reader after a while without questions. */
  #watchReader(): void {
    const idle = this.#reader;
    this.#readerTimer = this.surroundings.clock.after(IDLE_READER_MS, () => {
      this.#readerTimer = null;
      if (this.#leases.size > 0 || idle?.working) this.#watchReader();
      else this.#replaceReader();
    });
  }

  async #closeReader(): Promise<void> {
    this.#readerTimer?.cancel();
    this.#readerTimer = null;
    const reader = this.#reader;
    this.#reader = null;
    await reader?.close();
  }
}

/** Bytes that packs take in the cache; an index has 32 bytes an object. */
function sizeOf(packs: readonly PackRecord[]): number {
  return packs.reduce((sum, { bytes, objects }) => sum + bytes + 32 * objects, 0);
}
