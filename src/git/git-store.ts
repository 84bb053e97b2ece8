import { mkdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import type { Ids } from '../kernel/ids.ts';
import type { BlobStore } from '../kernel/store/blobs.ts';
import { AnswerCache, KEPT_ADVERTISEMENTS } from './answer-cache.ts';
import { AnswerFiles } from './answer-files.ts';
import type { Collection } from './collect.ts';
import { isGitFailure } from './failure.ts';
import { GitProcesses } from './git-process.ts';
import { KnownIndexes } from './known-indexes.ts';
import { ObjectCache } from './object-cache.ts';
import { Repository } from './repository.ts';
import { Mutex, Slots } from './slots.ts';
import type { GitSurroundings } from './surroundings.ts';
import type { RepositoryTruth, StateChange } from './truth.ts';
import { maintain } from './upkeep.ts';
import { type GitVersion, readGitVersion } from './version.ts';

/** Repositories that keep their state in memory and a reader process. */
const MAX_AWAKE_REPOSITORIES = 64;
/** Packs indexed at once, so that hostile ones leave processor time for the others. */
const MAX_SMALL_UNPACKS = 4;
const MAX_LARGE_UNPACKS = 8;
const UPLOADS_PER_CPU = 16;
/** Room that stays free for packs that are being pushed. */
const SPARE_BYTES = 256 * 1024 ** 2;
/** From a change to the upkeep after it. */
const UPKEEP_DELAY_MS = 5_000;

/** Every repository that this node serves, over one cache folder. One process per folder. */
export class GitStore {
  readonly surroundings: GitSurroundings;
  /**
   * One object per repository for the life of the process: its turns guard the files in the cache. In order of use, the
   * longest unused first.
   */
  readonly #repositories = new Map<string, Repository>();
  /** Those in use or lately used, the longest unused first. */
  readonly #awake = new Set<Repository>();
  readonly #upkeep = new Mutex();
  /** Repositories that wait for their upkeep. */
  readonly #due = new Map<Repository, { cancel(): void }>();
  readonly #program: string;
  #isClosed = false;

  /**
   * @param options.folder the cache: on memory-backed storage where there is room; may be deleted at any moment.
   * @param options.report is told about failures of upkeep in the background.
   * @param options.collected is told what was taken out of a repository.
   * @param options.program git's name or path.
   */
  constructor(options: {
    folder: string;
    blobs: BlobStore;
    clock: Clock;
    ids: Ids;
    report(error: unknown): void;
    collected?(collection: Collection): void;
    program?: string;
  }) {
    const { clock, ids } = options;
    this.#program = options.program ?? 'git';
    this.surroundings = {
      folder: options.folder,
      blobs: options.blobs,
      clock,
      ids,
      answers: new AnswerCache(),
      advertisements: new AnswerCache(KEPT_ADVERTISEMENTS),
      indexes: new KnownIndexes(),
      objects: new ObjectCache(),
      answerFiles: new AnswerFiles(join(options.folder, 'answers'), ids),
      report: options.report,
      collected: (collection) => options.collected?.(collection),
      changed: (repository) => this.#scheduleUpkeep(repository),
      makeRoom: (bytes, user) => this.#makeRoom(bytes, user),
      newPackId: () => clock.now().getTime().toString(16).padStart(12, '0') + ids.bytes(10).toString('hex'),
      git: new GitProcesses({ clock, home: join(options.folder, 'home'), program: this.#program }),
      uploads: new Slots(availableParallelism() * UPLOADS_PER_CPU),
      smallUnpacks: new Slots(MAX_SMALL_UNPACKS),
      largeUnpacks: new Slots(MAX_LARGE_UNPACKS),
    };
  }

  /**
   * Makes the folders, removes what a killed process has left in quarantine, and drops a cache that has seen a power
   * cut: its files are never synced.
   * @returns what to make of the installed git; the caller refuses to start or warns.
   */
  async open(): Promise<GitVersion> {
    const { folder } = this.surroundings;
    await mkdir(folder, { recursive: true });
    const bootPath = join(folder, 'boot');
    const boot = await readBootId(this.surroundings);
    if ((await readIfThere(bootPath)) !== boot)
      await rm(join(folder, 'repositories'), { recursive: true, force: true });
    await rm(join(folder, 'quarantine'), { recursive: true, force: true });
    for (const name of ['home', 'hooks', 'quarantine', 'repositories']) {
      await mkdir(join(folder, name), { recursive: true });
    }
    await this.surroundings.answerFiles.open();
    await writeFile(bootPath, boot);
    return readGitVersion(this.#program);
  }

  /** The repository of that truth. The same object for the same id. */
  repository(truth: RepositoryTruth): Repository {
    let repository = this.#repositories.get(truth.id);
    if (repository === undefined) {
      repository = new Repository(truth, this.surroundings);
    }
    this.#repositories.delete(truth.id);
    this.#repositories.set(truth.id, repository);
    this.#awake.delete(repository);
    this.#awake.add(repository);
    if (this.#awake.size > MAX_AWAKE_REPOSITORIES) this.#rest();
    return repository;
  }

  /** Has the repository of that id, where it is in use here, take over what a transaction has changed. */
  note(repositoryId: string, change: StateChange): void {
    this.#repositories.get(repositoryId)?.note(change);
  }

  /** Forgets a deleted repository and removes its cache. Its blobs are the caller's to delete. */
  async remove(truth: RepositoryTruth): Promise<void> {
    const repository = this.repository(truth);
    this.#repositories.delete(truth.id);
    this.#awake.delete(repository);
    this.#due.get(repository)?.cancel();
    this.#due.delete(repository);
    this.surroundings.answers.forgetRepository(truth.id);
    this.surroundings.advertisements.forgetRepository(truth.id);
    this.surroundings.objects.forget(`${truth.id}.`);
    await this.surroundings.answerFiles.forgetRepository(truth.id);
    await repository.removeCache();
  }

  /** Folds packs, writes bitmaps, sweeps. Runs by itself a while after changes; one repository at a time. */
  async maintain(repository: Repository, options: { mostPacks?: number } = {}): Promise<void> {
    await this.#upkeep.run(() => maintain(repository, options));
  }

  /** Ends every git process. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#due.values()) timer.cancel();
    await Promise.all([...this.#awake].map((repository) => repository.close()));
    await this.surroundings.git.close();
  }

  /** Waits until the pushes have calmed down, so that upkeep takes no time from what they start. */
  #scheduleUpkeep(repository: Repository): void {
    if (this.#due.has(repository) || this.#isClosed) return;
    const run = () => {
      this.#due.delete(repository);
      this.maintain(repository).catch((error) => {
        // Without its key a repository waits for its next use.
        if (!this.#isClosed && !isGitFailure(error, 'key-refused')) this.surroundings.report(error);
      });
    };
    this.#due.set(repository, this.surroundings.clock.after(UPKEEP_DELAY_MS, run));
  }

  async #makeRoom(bytes: number, user: Repository): Promise<void> {
    const { folder } = this.surroundings;
    for (const repository of this.#repositories.values()) {
      const { bavail, bsize } = await statfs(folder);
      if (bavail * bsize >= bytes + SPARE_BYTES) return;
      if (repository !== user && !repository.busy) await repository.removeCache();
    }
  }

  #rest(): void {
    for (const repository of this.#awake) {
      if (this.#awake.size <= MAX_AWAKE_REPOSITORIES) return;
      if (repository.busy) continue;
      this.#awake.delete(repository);
      repository.close().catch(this.surroundings.report);
    }
  }
}

/** Something that changes with every boot; where the system has no such thing, with every start of ours. */
async function readBootId(surroundings: GitSurroundings): Promise<string> {
  const kernels = await readIfThere('/proc/sys/kernel/random/boot_id');
  return kernels ?? surroundings.ids.uuid();
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
