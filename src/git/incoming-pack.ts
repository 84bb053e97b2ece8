import { createReadStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { CatFile } from './cat-file.ts';
import { GitFailure } from './failure.ts';
import type { GitChild, GitEnd, GitLimits } from './git-process.ts';
import type { ObjectSource } from './object-source.ts';
import { ObjectReader } from './objects.ts';
import { countPackObjects, holdsObjectLargerThan } from './pack-index.ts';
import { PackReader } from './pack-reader.ts';
import type { Lease, Repository } from './repository.ts';
import { type PackRecord, packBlobKeys } from './truth.ts';

/** Limits of one push; AWS names 2 GB for a file, and no repository needs more in one go. */
export interface PackLimits {
  maxPackBytes: number;
  maxObjectBytes: number;
}

export const DEFAULT_PACK_LIMITS: PackLimits = { maxPackBytes: 2 * 1024 ** 3, maxObjectBytes: 2 * 1024 ** 3 };

const PROCESS_LIMITS: GitLimits = { wallMs: 2 * 3_600_000, cpuSeconds: 3_600, memoryBytes: 3 * 1024 ** 3 };
/**
 * Processor time that a pack may cost: this much at once, and more with every byte received. Real packs stay ten times
 * below; a few megabytes that unfold to gigabytes do not.
 */
const CPU_BASE_MS = 5_000;
const BYTES_PER_CPU_MS = 500;
const CPU_CHECK_MS = 1_000;
/** A pack that may be held in memory. */
const SMALL_PACK_BYTES = 1024 * 1024;

/**
 * A pack in quarantine: indexed and checked by git in a folder of its own, unseen by everyone else until the truth
 * knows it.
 *
 * `--strict` makes git check every object's form and that each object named by another one is in the pack or in the
 * repository already. Packs never lose objects, and each one has passed this check, so by induction a pack that
 * passes has everything that any of its objects leads to; that is the connectivity check, without a walk.
 */
export class IncomingPack {
  readonly record: PackRecord;
  readonly files: { pack: string; index: string };
  /** Reads the pack together with what the repository has already. */
  readonly objects: ObjectReader;
  /** Makes other git commands see the pack. */
  readonly env: Record<string, string>;
  readonly #repository: Repository;
  readonly #quarantine: Quarantine;

  private constructor(repository: Repository, quarantine: Quarantine, record: PackRecord, reads: () => ObjectSource) {
    this.#repository = repository;
    this.#quarantine = quarantine;
    this.record = record;
    this.files = quarantine.files;
    this.env = quarantine.env;
    this.objects = new ObjectReader(reads);
  }

  /**
   * Reads a pack to its end, indexes and checks it.
   * @throws {GitFailure} `pack-refused`, `pack-too-large`, `stopped`, `busy`. The source is read to its end even then, up
   * to the limit, so that the client hears the answer.
   */
  static async receive(
    repository: Repository,
    lease: Lease,
    source: AsyncIterable<Uint8Array>,
    options: { limits: PackLimits; signal?: AbortSignal | undefined },
  ): Promise<IncomingPack> {
    const { unpacks } = repository.surroundings;
    const release = await unpacks.take(options.signal);
    const quarantine = new Quarantine(repository, lease);
    try {
      await quarantine.create();
      await index(repository, quarantine, source, options);
      const { size } = await stat(quarantine.files.pack);
      const objects = await countPackObjects(quarantine.files.index);
      if (await holdsObjectLargerThan({ ...quarantine.files, bytes: size }, options.limits.maxObjectBytes)) {
        throw new GitFailure('pack-too-large', `a file is larger than ${options.limits.maxObjectBytes} bytes`);
      }
      const record = { id: quarantine.packId, objects, bytes: size };
      return new IncomingPack(repository, quarantine, record, await quarantine.openSource(lease, size));
    } catch (error) {
      await quarantine.remove();
      throw error;
    } finally {
      release();
    }
  }

  /** Writes pack and index to the blobs; both are durable when it resolves. */
  async store(): Promise<void> {
    const keys = packBlobKeys(this.#repository.id, this.record.id);
    const { blobs } = this.#repository.surroundings;
    await Promise.all([
      blobs.put(keys.pack, createReadStream(this.files.pack, { highWaterMark: 1024 * 1024 })),
      blobs.put(keys.index, createReadStream(this.files.index, { highWaterMark: 1024 * 1024 })),
    ]);
  }

  /** Deletes the blobs of a pack that no reference has taken. */
  async unstore(): Promise<void> {
    const keys = packBlobKeys(this.#repository.id, this.record.id);
    await this.#repository.surroundings.blobs.delete(keys.index);
    await this.#repository.surroundings.blobs.delete(keys.pack);
  }

  /** Removes the quarantine folder; the files may have moved to the cache before. */
  async remove(): Promise<void> {
    await this.#quarantine.remove();
  }
}

class Quarantine {
  readonly packId: string;
  readonly folder: string;
  readonly files: { pack: string; index: string };
  readonly env: Record<string, string>;
  readonly #repository: Repository;
  #catFile: CatFile | null = null;

  constructor(repository: Repository, lease: Lease) {
    this.#repository = repository;
    const { ids, folder, newPackId } = repository.surroundings;
    this.packId = newPackId();
    this.folder = join(folder, 'quarantine', ids.uuid());
    const stem = join(this.folder, 'pack', `pack-${this.packId}`);
    this.files = { pack: `${stem}.pack`, index: `${stem}.idx` };
    this.env = {
      GIT_OBJECT_DIRECTORY: this.folder,
      // Quoted, because a colon in a folder's name would end the path.
      GIT_ALTERNATE_OBJECT_DIRECTORIES: JSON.stringify(join(lease.gitDir, 'objects')),
    };
  }

  async create(): Promise<void> {
    await mkdir(join(this.folder, 'pack'), { recursive: true });
  }

  /** Small packs are read here; for larger ones git is started at the first question. */
  async openSource(lease: Lease, packBytes: number): Promise<() => ObjectSource> {
    if (packBytes > SMALL_PACK_BYTES) return () => this.#liveCatFile();
    const reader = await PackReader.open(this.files, lease.source);
    return () => reader;
  }

  #liveCatFile(): CatFile {
    if (this.#catFile === null || this.#catFile.dead) {
      this.#catFile = new CatFile(this.#repository.surroundings.git, this.#repository.gitDir, this.env);
    }
    return this.#catFile;
  }

  async remove(): Promise<void> {
    await this.#catFile?.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function index(
  repository: Repository,
  quarantine: Quarantine,
  source: AsyncIterable<Uint8Array>,
  options: { limits: PackLimits; signal?: AbortSignal | undefined },
): Promise<void> {
  const { maxPackBytes } = options.limits;
  const child = repository.surroundings.git.spawn(
    ['index-pack', '--stdin', '--fix-thin', '--strict', `--max-input-size=${maxPackBytes}`, quarantine.files.pack],
    {
      gitDir: repository.gitDir,
      env: quarantine.env,
      limits: PROCESS_LIMITS,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
  );
  child.stdout.resume();
  const budget = watchCost(repository, child);
  try {
    await feed(source, child.stdin, maxPackBytes, budget);
    const end = await child.ended;
    if (end.status !== 0) throw refusalOf(end, budget.spent, repository.surroundings.folder);
  } finally {
    budget.cancel();
    child.kill();
    await child.ended;
  }
}

/** Passes the pack on to git. Bytes that come after git has given up are read and dropped. */
async function feed(
  source: AsyncIterable<Uint8Array>,
  stdin: Writable,
  maxBytes: number,
  budget: { received: number },
): Promise<void> {
  for await (const chunk of source) {
    budget.received += chunk.length;
    if (budget.received > maxBytes) throw new GitFailure('pack-too-large', `the pack is larger than ${maxBytes} bytes`);
    if (!stdin.destroyed && !stdin.write(chunk)) await drained(stdin);
  }
  if (!stdin.destroyed) stdin.end();
}

function drained(stdin: Writable): Promise<void> {
  if (stdin.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      stdin.off('drain', done);
      stdin.off('close', done);
      resolve();
    };
    stdin.on('drain', done);
    stdin.on('close', done);
  });
}

/** Kills an index-pack that uses more processor time than its input can justify. */
function watchCost(repository: Repository, child: GitChild): { received: number; spent: boolean; cancel(): void } {
  const { clock } = repository.surroundings;
  const budget = { received: 0, spent: false, cancel: () => timer.cancel() };
  const check = async () => {
    const used = await child.cpuMs();
    if (used !== null && used > CPU_BASE_MS + budget.received / BYTES_PER_CPU_MS) {
      budget.spent = true;
      child.kill();
    } else if (used !== null) timer = clock.after(CPU_CHECK_MS, check);
  };
  let timer = clock.after(CPU_CHECK_MS, check);
  return budget;
}

function refusalOf(end: GitEnd, tooCostly: boolean, folder: string): GitFailure {
  if (tooCostly) return new GitFailure('pack-too-large', 'the pack costs too much to unpack');
  if (end.stopped !== null) return new GitFailure('stopped', 'unpacking was stopped');
  const detail = end.stderr.replaceAll(folder, '...');
  const fatal = /^(?:fatal|error): (.*)$/m.exec(detail.split('\n').reverse().join('\n'))?.[1];
  return new GitFailure('pack-refused', fatal ?? 'index-pack abnormal exit', { detail });
}
