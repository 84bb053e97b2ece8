import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BlobNotFoundError } from '../kernel/store/blobs.ts';
import { CacheFiles, namesIn } from './cache-files.ts';
import { CatFile } from './cat-file.ts';
import { CachedObjects } from './object-cache.ts';
import type { ObjectSource } from './object-source.ts';
import type { ObjectWriter } from './object-writer.ts';
import { ObjectReader } from './objects.ts';
import { PackBlobs } from './pack-blobs.ts';
import { Mutex } from './slots.ts';
import type { GitSurroundings } from './surroundings.ts';
import {
  changedState,
  type PackRecord,
  type RepositoryState,
  type RepositoryTruth,
  type StateChange,
} from './truth.ts';

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
/** How often work is begun again whose cache was deleted under it. */
export const MAX_TRIES = 8;

/**
 * The files of the repository as of one count of collections. Objects that were taken out of the repository may be in the
 * folder of an older count, for those who read there, but never in the present one: what is checked against it holds.
 */
interface Folder {
  collections: number;
  files: CacheFiles;
  reader: CatFile | null;
}

/**
 * One repository on this node: the truth elsewhere, a bare repository in the cache folder here. The cache is brought
 * up to date when it is used, and may vanish at any moment.
 */
export class Repository {
  readonly truth: RepositoryTruth;
  readonly surroundings: GitSurroundings;
  /** Where the packs of record are. */
  readonly packs: PackBlobs;
  #folder: Folder;
  /** Folders of older counts that somebody still reads in. */
  readonly #formerFolders = new Set<Folder>();
  readonly #turn = new Mutex();
  /** With the folder that each holds; undefined until it is brought up to date. */
  readonly #leases = new Map<Lease, Folder | undefined>();
  /** Packs that the truth has dropped, each with the leases that may still read them. */
  readonly #retired = new Map<string, Set<Lease>>();
  /** Packs whose files are just being moved here by the push that brought them. */
  readonly #arriving = new Map<string, Promise<void>>();
  readonly #afterwork = new Set<Promise<void>>();
  #present = new Set<string>();
  /** Packs of the list that the files were last brought up to: what a newer list does not name any more has been dropped. */
  #listed: ReadonlySet<string> = new Set();
  /** Objects that the bitmaps in the cache covered when they were written; 0 without bitmaps. */
  bitmapObjects = 0;
  /** Counts packs whose files were removed here. */
  removals = 0;
  #known: RepositoryState | undefined;
  #syncedGeneration = -1;
  /** What the references in the files are of. They are written when a git is to see them: ten thousand take their time. */
  #refsGeneration = -1;
  #losses = 0;
  #readerTimer: { cancel(): void } | null = null;

  constructor(truth: RepositoryTruth, surroundings: GitSurroundings) {
    if (!/^[A-Za-z0-9-]{1,64}$/.test(truth.id)) throw new Error('a repository id must be opaque');
    this.truth = truth;
    this.surroundings = surroundings;
    this.packs = new PackBlobs(surroundings.blobs, truth);
    this.#folder = this.#folderOf(0);
  }

  get #files(): CacheFiles {
    return this.#folder.files;
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

  /** Takes over what a transaction of this node has changed, so that nothing is read anew where nobody else has changed anything. */
  note(change: StateChange): void {
    if (this.#known?.generation === change.generation - 1) this.#known = changedState(this.#known, change);
  }

  /**
   * Brings the cache up to date and holds it. The caller must release the lease. Objects in the cache are plain, so the
   * key is asked for even where nothing is to be opened.
   * @param needs.refs false where whatever reads the files goes by ids of objects alone
   * @throws {GitFailure} `key-refused`, `integrity`
   */
  async lease(needs: { refs: boolean } = { refs: true }): Promise<Lease> {
    const [state] = await Promise.all([this.state(), this.truth.dataKey()]);
    const lease: Lease = {
      gitDir: this.gitDir,
      state,
      objects: new ObjectReader(() => this.#objects(lease)),
      source: () => this.#objects(lease),
      release: () => this.#release(lease),
    };
    // Held before the files are looked at, so that nothing retires under our hands.
    this.#leases.set(lease, undefined);
    try {
      const broughtTo = await this.#bringUpTo(lease.state, needs.refs);
      this.#leases.set(lease, this.#folder);
      return Object.assign(lease, { state: broughtTo, gitDir: this.gitDir });
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  /** Runs `work` with the cache held and up to date. @param needs as for {@link lease} */
  async read<T>(work: (lease: Lease) => Promise<T>, needs?: { refs: boolean }): Promise<T> {
    const lease = await this.lease(needs);
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

  /** Counts how often files were found missing; for {@link hasLostSince}. */
  get losses(): number {
    return this.#losses;
  }

  /**
   * True when files of the cache have gone since then: what failed meanwhile, or found nothing, is worth another try.
   * @param losses {@link losses} of before.
   */
  async hasLostSince(losses: number): Promise<boolean> {
    if (this.#losses !== losses || !(await this.#files.exists())) return true;
    const expected = (this.#known?.packs ?? []).filter(({ id }) => this.#present.has(id));
    const found = await this.#files.presentPacks(expected);
    // A pack may be folded into another one while we look.
    return this.#losses !== losses || expected.some(({ id }) => this.#present.has(id) && !found.has(id));
  }

  /**
   * Runs the transaction that adds a pack and moves the pack's files into the cache, so that it need not be read back.
   * @param lease that the pack was checked against; held until the pack is `adopted`.
   * @param accepted tells from the transaction's result whether the pack has become part of the repository.
   * @returns `adopted` settles when the files are no longer where they were; nobody need wait for that to answer.
   */
  async publish<T>(
    lease: Lease,
    pack: { record: PackRecord; files: { pack: string; index: string } },
    transact: () => Promise<T>,
    accepted: (result: T) => boolean,
  ): Promise<{ result: T; adopted: Promise<void> }> {
    const settled = Promise.withResolvers<void>();
    this.#arriving.set(pack.record.id, settled.promise);
    let adopted: Promise<void> = Promise.resolve();
    try {
      const result = await transact();
      if (accepted(result)) adopted = this.#adopt(lease, pack);
      return { result, adopted };
    } finally {
      const end = () => {
        this.#arriving.delete(pack.record.id);
        settled.resolve();
      };
      adopted.then(end, end);
    }
  }

  /** Keeps objects at hand that were made here and belong to the repository now. */
  remember(lease: Lease, { objects }: ObjectWriter): void {
    const scope = this.#scopeOf(this.#leases.get(lease) ?? this.#folder);
    for (const [id, { type, body }] of objects) {
      this.surroundings.objects.keep(scope, id, { type, size: body.length, body: Buffer.from(body) });
    }
  }

  /** Waits until files that nobody reads any more are gone. */
  async settled(): Promise<void> {
    await this.#turn.run(async () => undefined);
  }

  /** Takes note of work on the files that goes on after the answer to whoever asked for it: closing waits for it. */
  goesOn(work: Promise<void>): void {
    const done = work.finally(() => this.#afterwork.delete(done));
    this.#afterwork.add(done);
  }

  /** Ends the reader and forgets the cache's state; the files stay. */
  async close(): Promise<void> {
    await Promise.all(this.#afterwork);
    await this.#closeReader();
    this.#known = undefined;
    this.#syncedGeneration = -1;
  }

  /** Deletes the cache of a repository that is deleted. */
  async removeCache(): Promise<void> {
    await this.close();
    await this.#turn.run(() => this.#removeFolders(() => true));
  }

  async #isUpTo({ generation }: RepositoryState, refs: boolean): Promise<boolean> {
    const have = refs ? Math.min(this.#refsGeneration, this.#syncedGeneration) : this.#syncedGeneration;
    return have >= generation && (await this.#files.exists());
  }

  async #bringUpTo(state: RepositoryState, refs: boolean): Promise<RepositoryState> {
    if (await this.#isUpTo(state, refs)) return state;
    return this.#turn.run(async () => {
      let wanted = state;
      for (let tries = 1; ; tries++) {
        if (await this.#isUpTo(wanted, refs)) return wanted;
        // A list from before a collection would bring back what was taken out.
        if (wanted.collections < this.#folder.collections) wanted = await this.state();
        try {
          await this.#sync(wanted, refs);
          return wanted;
        } catch (error) {
          const isDeleted = (error as NodeJS.ErrnoException).code === 'ENOENT';
          // Another node has folded packs together after we read the list: the new list has what is needed.
          const newer = error instanceof BlobNotFoundError ? await this.state() : wanted;
          if (newer.generation === wanted.generation && !(isDeleted && tries < MAX_TRIES)) throw error;
          if (isDeleted) this.suspect();
          wanted = newer;
        }
      }
    });
  }

  async #sync(state: RepositoryState, refs: boolean): Promise<void> {
    if (state.collections > this.#folder.collections) return this.#moveOn(state);
    if (!(await this.#isUpTo(state, false))) await this.#syncPacks(state);
    if (!refs || this.#refsGeneration >= state.generation) return;
    await this.#files.writeRefs(state);
    this.#refsGeneration = state.generation;
  }

  async #syncPacks(state: RepositoryState): Promise<void> {
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
    this.#syncedGeneration = state.generation;
    // A pack that no list has named yet was brought by a push after this list was read: it stays.
    const dropped = [...this.#listed].filter((packId) => !wanted.has(packId) && this.#present.has(packId));
    this.#listed = wanted;
    for (const packId of dropped) await this.#retire(packId);
    this.surroundings.changed(this);
  }

  /**
   * Makes a folder that has only what the list names, after objects were taken out of the repository, and has everybody
   * use it from now on. Those who read in the old one keep it until they have ended.
   */
  async #moveOn(state: RepositoryState): Promise<void> {
    const next = this.#folderOf(state.collections);
    const wanted = new Set(state.packs.map(({ id }) => id));
    await next.files.create();
    await next.files.sweep((id) => wanted.has(id));
    const present = await next.files.presentPacks(state.packs);
    const missing = state.packs.filter(({ id }) => !present.has(id));
    await this.surroundings.makeRoom(sizeOf(missing), this);
    for (const pack of missing) {
      await this.#arriving.get(pack.id);
      const isHere = this.#syncedGeneration >= 0 && this.#present.has(pack.id);
      if (!isHere || !(await next.files.linkPack(pack.id, this.#files))) await next.files.fetchPack(pack);
    }
    await next.files.writeRefs(state);
    // From here to the end of the change nothing is awaited: nobody gets half of it.
    const former = this.#folder;
    this.#folder = next;
    this.#formerFolders.add(former);
    this.#present = new Set(wanted);
    this.#listed = wanted;
    this.#retired.clear();
    this.#readerTimer?.cancel();
    this.#readerTimer = null;
    this.bitmapObjects = 0;
    this.#syncedGeneration = state.generation;
    this.#refsGeneration = state.generation;
    await this.#leave(former);
    // What a killed process has left, too.
    const held = new Set([next, ...this.#formerFolders].map(({ files }) => files.gitDir));
    await this.#removeFolders((gitDir) => !held.has(gitDir));
    this.surroundings.changed(this);
  }

  /** Removes the folder of an older count once nobody reads in it. Answers made from it go, too. */
  async #leave(folder: Folder): Promise<void> {
    if ([...this.#leases.values()].includes(folder) || !this.#formerFolders.delete(folder)) return;
    folder.reader?.closeWhenIdle();
    const { answers, answerFiles, objects } = this.surroundings;
    objects.forget(`${this.#scopeOf(folder)} `);
    answers.forgetRepository(this.id);
    await answerFiles.forgetRepository(this.id);
    await folder.files.removeAll();
  }

  #folderOf(collections: number): Folder {
    const { folder, ids } = this.surroundings;
    const name = collections === 0 ? this.id : `${this.id}.${collections}`;
    const files = new CacheFiles({
      gitDir: join(folder, 'repositories', name),
      hooksFolder: join(folder, 'hooks'),
      blobs: this.packs,
      ids,
    });
    return { collections, files, reader: null };
  }

  /** Deletes those of this repository's folders, of whatever count, that `isUnwanted` names. */
  async #removeFolders(isUnwanted: (gitDir: string) => boolean): Promise<void> {
    const above = join(this.surroundings.folder, 'repositories');
    for (const name of await namesIn(above)) {
      const isOurs = name === this.id || (name.startsWith(`${this.id}.`) && /^\.\d+$/.test(name.slice(this.id.length)));
      if (!isOurs || !isUnwanted(join(above, name))) continue;
      await rm(join(above, name), { recursive: true, force: true });
    }
  }

  /** Looks at what a former process, or a careless hand, has left in the folder. */
  async #survey(state: RepositoryState): Promise<void> {
    this.#replaceReader();
    this.#refsGeneration = -1;
    const isThere = await this.#files.exists();
    if (!isThere) this.bitmapObjects = 0;
    await this.#files.create();
    // A pack that came after this list was read may be in use already.
    const known = this.#present;
    this.#present = await this.#files.presentPacks(state.packs);
    if (!isThere || state.packs.some(({ id }) => known.has(id) && !this.#present.has(id))) this.#losses += 1;
    const isWanted = (id: string) =>
      this.#present.has(id) || known.has(id) || this.#arriving.has(id) || this.#retired.has(id);
    if (await this.#files.sweep(isWanted)) this.bitmapObjects = 0;
  }

  async #adopt(lease: Lease, pack: { record: PackRecord; files: { pack: string; index: string } }): Promise<void> {
    try {
      // It belongs where it was checked. If everybody has moved on, they have read the list that says what became of it.
      const folder = this.#leases.get(lease) ?? this.#folder;
      await folder.files.adoptPack(pack.record.id, pack.files);
      if (folder === this.#folder) this.#present.add(pack.record.id);
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
    if (this.#leases.size > 0) this.#retired.set(packId, new Set(this.#leases.keys()));
    else await this.#removePack(packId);
  }

  #release(lease: Lease): void {
    const folder = this.#leases.get(lease);
    if (!this.#leases.delete(lease)) return;
    if (folder !== undefined && folder !== this.#folder) {
      this.#turn.run(() => this.#leave(folder)).catch(this.surroundings.report);
    }
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
    this.removals += 1;
    await this.#files.removePack(packId);
    if (this.bitmapObjects > 0) this.surroundings.changed(this);
    this.bitmapObjects = 0;
  }

  /** Questions from now on go to a new process; the old one, which holds old packs open, ends after its last answer. */
  #replaceReader(): void {
    const old = this.#folder.reader;
    this.#folder.reader = null;
    old?.closeWhenIdle();
  }

  /** Each count of collections has objects of its own: what was taken out is not found in the next one. */
  #scopeOf({ collections }: Folder): string {
    return `${this.id}.${collections}`;
  }

  #objects(lease: Lease): ObjectSource {
    const folder = this.#leases.get(lease) ?? this.#folder;
    return new CachedObjects(this.surroundings.objects, this.#scopeOf(folder), () => this.#catFile(folder));
  }

  #catFile(folder: Folder): CatFile {
    if (folder.reader === null || folder.reader.dead) {
      folder.reader = new CatFile(this.surroundings.git, folder.files.gitDir);
    }
    // In a folder of an older count it ends with the last lease.
    if (this.#readerTimer === null && folder === this.#folder) this.#watchReader();
    return folder.reader;
  }

  /** Ends the reader after a while without questions. */
  #watchReader(): void {
    const idle = this.#folder.reader;
    this.#readerTimer = this.surroundings.clock.after(IDLE_READER_MS, () => {
      this.#readerTimer = null;
      if (this.#leases.size > 0 || idle?.working) this.#watchReader();
      else this.#replaceReader();
    });
  }

  async #closeReader(): Promise<void> {
    this.#readerTimer?.cancel();
    this.#readerTimer = null;
    for (const folder of [this.#folder, ...this.#formerFolders]) {
      const { reader } = folder;
      folder.reader = null;
      await reader?.close();
    }
  }
}

/** Bytes that packs take in the cache; an index has 32 bytes an object. */
function sizeOf(packs: readonly PackRecord[]): number {
  return packs.reduce((sum, { bytes, objects }) => sum + bytes + 32 * objects, 0);
}
