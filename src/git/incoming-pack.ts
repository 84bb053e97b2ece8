import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { GitFailure } from './failure.ts';
import { writable } from './flow.ts';
import type { HeldBody } from './held-body.ts';
import { makePack } from './made-pack.ts';
import type { ObjectWriter } from './object-writer.ts';
import { ObjectReader } from './objects.ts';
import type { PackBlobs } from './pack-blobs.ts';
import { holdsObjectLargerThan, PackIndex } from './pack-index.ts';
import { type PackBytesSource, PackReader, packInFile, packInMemory } from './pack-reader.ts';
import type { PathLimits } from './path-limits.ts';
import { areNew, readPushedObjects } from './pushed-objects.ts';
import { Quarantine } from './quarantine.ts';
import type { Lease, Repository } from './repository.ts';
import { areSound } from './sound-objects.ts';
import type { PackRecord } from './truth.ts';

/** Limits of one push; AWS names 2 GB for a file, and no repository needs more in one go. */
export interface PackLimits extends PathLimits {
  maxPackBytes: number;
  maxObjectBytes: number;
  /** Of one commit: people, dates, parents and message. Null has no limit of its own. */
  maxCommitBytes: number | null;
  /** Processor time that any pack may cost; more comes with every byte of it. */
  cpuBaseMs: number;
}

export const DEFAULT_PACK_LIMITS: PackLimits = {
  maxPackBytes: 2 * 1024 ** 3,
  maxObjectBytes: 2 * 1024 ** 3,
  maxCommitBytes: null,
  maxPathCharacters: null,
  maxFolders: null,
  cpuBaseMs: 5_000,
};

/** A pack that is held in memory: it is read whole before a process is started for it. */
export const SMALL_PACK_BYTES = 1024 * 1024;
const READ_CHUNK_BYTES = 1024 * 1024;

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
  /** Makes other git commands see the pack. */
  readonly env: Record<string, string>;
  /** Reads the pack together with what the repository has already. */
  readonly objects: ObjectReader;
  /** Its objects, where they are in memory. */
  readonly made: ObjectWriter | null;
  readonly #repository: Repository;
  readonly #quarantine: Quarantine;
  readonly #bytes: PackBytes;
  #adopted: Promise<void> = Promise.resolve();

  private constructor(
    repository: Repository,
    lease: Lease,
    quarantine: Quarantine,
    bytes: PackBytes,
    made: ObjectWriter | null = null,
  ) {
    this.#repository = repository;
    this.#quarantine = quarantine;
    this.#bytes = bytes;
    this.record = { id: quarantine.packId, objects: bytes.index.count, bytes: bytes.size, sealed: true };
    this.files = quarantine.files;
    this.env = quarantine.env;
    this.made = made;
    const packed = new PackReader(bytes.source, bytes.index, lease.source);
    this.objects = new ObjectReader(() => made?.over(lease.source()) ?? packed);
  }

  /**
   * Reads a pack to its end, indexes and checks it. A small one takes its turn when it is here whole, so that a slow
   * client does not keep others waiting.
   * @param body read as far as {@link SMALL_PACK_BYTES}.
   * @throws {GitFailure} `pack-refused`, `pack-too-large`, `stopped`, `busy`. The source is read to its end even then, up
   * to the limit, so that the client hears the answer.
   */
  static async receive(
    repository: Repository,
    lease: Lease,
    body: HeldBody,
    options: { limits: PackLimits; signal?: AbortSignal | undefined },
  ): Promise<IncomingPack> {
    const plain = body.isWhole ? await IncomingPack.#takePlain(repository, lease, body.held, options.limits) : null;
    if (plain !== null) return plain;
    const { smallUnpacks, largeUnpacks } = repository.surroundings;
    const release = await (body.isWhole ? smallUnpacks : largeUnpacks).take(options.signal);
    const quarantine = new Quarantine(repository, lease);
    const early = body.isWhole ? null : new EarlyBlob(repository, quarantine.packId);
    try {
      const bytes = await receiveBytes(quarantine, body, early, options);
      return new IncomingPack(repository, lease, quarantine, bytes);
    } catch (error) {
      await early?.discard();
      await quarantine.remove();
      throw error;
    } finally {
      release();
    }
  }

  /** A small pack with which nothing can be wrong, and null for all others. */
  static async #takePlain(
    repository: Repository,
    lease: Lease,
    pack: Buffer,
    limits: PackLimits,
  ): Promise<IncomingPack | null> {
    const writer = await readPushedObjects(pack, lease.source());
    if (writer === null || writer.largest('blob') > limits.maxObjectBytes) return null;
    const indexes = await repository.surroundings.indexes.all(lease.state.packs, (packId) =>
      repository.indexPath(packId),
    );
    const [made, isNew] = await Promise.all([
      IncomingPack.make(repository, lease, writer, limits),
      areNew(writer, lease.source(), indexes),
    ]);
    if (isNew) return made;
    await made?.remove();
    return null;
  }

  /**
   * Packs objects that were made here. Where nothing can be wrong with them, no process is started.
   * @returns null where git has to look at them, or they are many; they take the road of a pushed pack then.
   */
  static async make(
    repository: Repository,
    lease: Lease,
    writer: ObjectWriter,
    { maxPackBytes, maxCommitBytes }: PackLimits,
  ): Promise<IncomingPack | null> {
    const isTooMuch =
      writer.bytes > Math.min(SMALL_PACK_BYTES, maxPackBytes) ||
      (maxCommitBytes !== null && writer.largest('commit') > maxCommitBytes);
    if (isTooMuch || !(await areSound(writer, lease.objects))) return null;
    const { pack, index } = await makePack(writer);
    const quarantine = new Quarantine(repository, lease);
    const placed = quarantine.place(pack, index.bytes);
    // Whoever needs the files looks at it; until then a failure is no unhandled one.
    placed.catch(() => undefined);
    const bytes = { size: pack.length, index, pack, file: null, source: packInMemory(pack), early: null, placed };
    return new IncomingPack(repository, lease, quarantine, bytes, writer);
  }

  /** Resolves when {@link files} are there, for other git commands to see. */
  async placed(): Promise<void> {
    await this.#bytes.placed;
  }

  /** Writes pack and index to the blobs; both are durable when it resolves. */
  async store(): Promise<void> {
    const { id } = this.record;
    const { packs } = this.#repository;
    const { pack, early, index } = this.#bytes;
    const puts = [this.placed(), packs.put(id, 'idx', index.bytes)];
    if (pack !== null) puts.push(packs.put(id, 'pack', pack));
    else if (early !== null) puts.push(early.finish());
    else puts.push(packs.put(id, 'pack', createReadStream(this.files.pack, { highWaterMark: READ_CHUNK_BYTES })));
    await Promise.all(puts);
  }

  /** Deletes the blobs of a pack that no reference has taken. */
  async unstore(): Promise<void> {
    await this.#repository.packs.delete([this.record.id]);
  }

  /** Keeps at hand what has come, once it belongs to the repository. */
  remember(lease: Lease): void {
    if (this.made === null) return;
    this.#repository.remember(lease, this.made);
    this.#repository.surroundings.indexes.keep(this.record.id, this.#bytes.index);
  }

  /** @param adopted settles when the files have moved to the cache. */
  keepUntil(adopted: Promise<void>): void {
    this.#adopted = adopted;
    // It is told by whoever removes what is left.
    adopted.catch(() => undefined);
  }

  /** Removes the quarantine folder, after the files have moved to the cache or need not. @throws what kept them from it */
  async remove(): Promise<void> {
    await this.#bytes.file?.close();
    await this.placed().catch(() => undefined);
    await this.#adopted.finally(() => this.#quarantine.remove());
  }
}

/** A pack as git has left it. */
interface PackBytes {
  size: number;
  index: PackIndex;
  /** The pack itself where it is small. */
  pack: Buffer | null;
  /** Opened where it is not. */
  file: FileHandle | null;
  source: PackBytesSource;
  /** The blob that is being written since the first bytes came, where it has the same bytes. */
  early: EarlyBlob | null;
  /** Settles when the files are in the quarantine. */
  placed: Promise<void>;
}

async function receiveBytes(
  quarantine: Quarantine,
  body: HeldBody,
  early: EarlyBlob | null,
  { limits, signal }: { limits: PackLimits; signal?: AbortSignal | undefined },
): Promise<PackBytes> {
  const { maxPackBytes, maxObjectBytes, maxCommitBytes, cpuBaseMs } = limits;
  const tee = early === null ? {} : { tee: early };
  const received = await quarantine.indexPack(body.all(), { maxPackBytes, cpuBaseMs, signal, ...tee });
  const { size } = await stat(quarantine.files.pack);
  const index = await PackIndex.read(quarantine.files.index);
  const path = quarantine.files.pack;
  if (maxCommitBytes !== null && (await holdsObjectLargerThan(path, size, index, maxCommitBytes, 'commit'))) {
    throw new GitFailure('pack-too-large', `the metadata of a commit is larger than ${maxCommitBytes} bytes`);
  }
  if (await holdsObjectLargerThan(path, size, index, maxObjectBytes)) {
    throw new GitFailure('pack-too-large', `a file is larger than ${maxObjectBytes} bytes`);
  }
  // git appends the objects that a thin pack left out; a pack of the same size is the same pack.
  const isAsItCame = received === size && size > SMALL_PACK_BYTES;
  if (!isAsItCame) await early?.discard();
  const kept = { size, index, early: isAsItCame ? early : null, placed: Promise.resolve() };
  if (size > SMALL_PACK_BYTES) {
    const file = await open(quarantine.files.pack, 'r');
    return { ...kept, pack: null, file, source: packInFile(file) };
  }
  const pack = await readFile(quarantine.files.pack);
  return { ...kept, pack, file: null, source: packInMemory(pack) };
}

/**
 * Writes a large pack to its blob while git still reads and checks it, so that it is durable by the time that git has
 * made up its mind. A blob that no row names is nothing: if git says no, it is deleted, or swept later.
 */
class EarlyBlob {
  readonly #stream = new PassThrough({ highWaterMark: 4 * READ_CHUNK_BYTES });
  readonly #packs: PackBlobs;
  readonly #packId: string;
  readonly #put: Promise<void>;

  constructor(repository: Repository, packId: string) {
    this.#packs = repository.packs;
    this.#packId = packId;
    this.#put = this.#packs.put(packId, 'pack', this.#stream);
    // Whoever finishes or discards looks at it; until then a failure is no unhandled one.
    this.#put.catch(() => this.#stream.destroy());
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#stream.destroyed) return;
    this.#stream.write(chunk);
    await writable(this.#stream);
  }

  end(): void {
    this.#stream.end();
  }

  /** Resolves when the blob is durable. */
  async finish(): Promise<void> {
    await this.#put;
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    this.#stream.destroy(new Error('the pack is not kept as it came'));
    await Promise.allSettled([this.#put]);
    await this.#packs.delete([this.#packId]);
  }
}
