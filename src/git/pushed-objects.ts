import { hash } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import { isGitFailure } from './failure.ts';
import { type ObjectType, objectIdOf, parseCommit, parseTree } from './object-format.ts';
import type { ObjectContents, ObjectSource } from './object-source.ts';
import { ObjectWriter } from './object-writer.ts';
import type { PackIndex } from './pack-index.ts';
import { applyDelta, readEntryHeader, TYPES } from './pack-reader.ts';

/** Beyond these git is as fast, and nobody else waits meanwhile. */
const MAX_OBJECTS = 100;
const MAX_TOTAL_BYTES = 64 * 1024;
/** What differences are based on, and folders of earlier commits. */
const MAX_BASE_BYTES = 256 * 1024;
const HEADER_BYTES = 12;
const CHECKSUM_BYTES = 20;

/** Thrown where this is not the place to tell what is wrong, or whether anything is. */
class NotPlain extends Error {}

/**
 * Takes the objects out of a small pack, in memory, and tells of each folder which folders of the repository it was made from.
 * Nothing is judged here but the form of the pack.
 * @param pack the whole pack (gitformat-pack), which may be thin
 * @param source the repository's objects
 * @returns null for a pack that is large, or unusual, or broken: git decides about it then
 */
export async function readPushedObjects(pack: Buffer, source: ObjectSource): Promise<ObjectWriter | null> {
  try {
    const writer = await new PackParser(pack, source).read();
    await new Origins(writer, source).find();
    return writer;
  } catch (error) {
    // What no object can be made of, what makes no sense as an object, and a reader that has died under the question.
    const isOdd = error instanceof NotPlain || error instanceof RangeError || isZlibError(error);
    if (isOdd || isGitFailure(error)) return null;
    throw error;
  }
}

function isZlibError(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code?.startsWith('Z_') === true || code === 'ERR_BUFFER_TOO_LARGE';
}

class PackParser {
  readonly #pack: Buffer;
  readonly #source: ObjectSource;
  readonly #writer = new ObjectWriter();
  /** By where their entries begin. */
  readonly #parsed = new Map<number, ObjectContents>();
  #bytes = 0;

  constructor(pack: Buffer, source: ObjectSource) {
    this.#pack = pack;
    this.#source = source;
  }

  async read(): Promise<ObjectWriter> {
    const end = this.#pack.length - CHECKSUM_BYTES;
    const isPack = end >= HEADER_BYTES && this.#pack.toString('latin1', 0, 4) === 'PACK';
    if (!isPack || this.#pack.readUInt32BE(4) !== 2 || this.#pack.length > MAX_TOTAL_BYTES) throw new NotPlain();
    const count = this.#pack.readUInt32BE(8);
    if (count > MAX_OBJECTS || !this.#hasItsChecksum(end)) throw new NotPlain();
    let at = HEADER_BYTES;
    for (let entry = 0; entry < count; entry++) at = await this.#entry(at, end);
    // One object twice is nothing that git's clients send.
    if (at !== end || this.#writer.objects.size !== count) throw new NotPlain();
    return this.#writer;
  }

  #hasItsChecksum(end: number): boolean {
    return hash('sha1', this.#pack.subarray(0, end), 'hex') === this.#pack.toString('hex', end);
  }

  /** @returns where the next one begins */
  async #entry(at: number, end: number): Promise<number> {
    const { type, size, length, base } = readEntryHeader(this.#pack, at);
    const { data, next } = this.#inflate(at + length, end, size);
    const object = base === null ? wholeObject(TYPES[type], data) : await this.#rebuilt(at, base, data);
    this.#count(object.size);
    this.#parsed.set(at, object);
    const packed = base === null ? this.#pack.subarray(at, next) : undefined;
    this.#writer.add(object.type, object.body, [], packed);
    return next;
  }

  #inflate(at: number, end: number, size: number): { data: Buffer; next: number } {
    // Also of a difference, which is hardly longer than what it makes.
    this.#count(size);
    const options = { info: true, maxOutputLength: Math.max(size, 1) };
    const { buffer, engine } = inflateSync(this.#pack.subarray(at, end), options) as unknown as Inflated;
    if (buffer.length !== size) throw new NotPlain();
    return { data: buffer, next: at + engine.bytesWritten };
  }

  async #rebuilt(at: number, base: number | string, delta: Buffer): Promise<ObjectContents> {
    const found = typeof base === 'number' ? this.#parsed.get(at - base) : await this.#baseOf(base);
    if (found === undefined) throw new NotPlain();
    const body = applyDelta(found.body, delta, MAX_TOTAL_BYTES);
    return { type: found.type, size: body.length, body };
  }

  /** What a thin pack leaves out. git looks whether it is what its id says, too. */
  async #baseOf(id: string): Promise<ObjectContents> {
    const own = this.#writer.objects.get(id);
    if (own !== undefined) return { type: own.type, size: own.body.length, body: Buffer.from(own.body) };
    const found = await contentsUpTo(this.#source, id, MAX_BASE_BYTES);
    if (found === null || objectIdOf(found.type, found.body) !== id) throw new NotPlain();
    return found;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > 2 * MAX_TOTAL_BYTES) throw new NotPlain();
  }
}

/** What zlib answers where `info` is set. */
interface Inflated {
  buffer: Buffer;
  /** `bytesWritten` is what it has taken of its input. */
  engine: { bytesWritten: number };
}

function wholeObject(type: ObjectType | undefined, body: Buffer): ObjectContents {
  if (type === undefined) throw new NotPlain();
  return { type, size: body.length, body };
}

/** Asks for the size first: git would read a huge object before we could decline it. */
async function contentsUpTo(source: ObjectSource, id: string, capBytes: number): Promise<ObjectContents | null> {
  const info = await source.info(id);
  return info === null || info.size > capBytes ? null : source.contents(id, capBytes);
}

/**
 * False where the repository has other bytes under the id of one of the objects, or cannot tell.
 * @param indexes of all packs of the repository, where they are at hand
 */
export async function areNew(
  writer: ObjectWriter,
  source: ObjectSource,
  indexes: readonly PackIndex[] | null,
): Promise<boolean> {
  const looks = [...writer.objects].map(async ([id, { type, body }]) => {
    if (indexes?.every((index) => index.findOffset(id) === null) === true) return true;
    const info = await source.info(id);
    if (info === null) return true;
    if (info.type !== type || info.size !== body.length) return false;
    return (await source.contents(id, body.length))?.body.equals(body) === true;
  });
  const answers = await Promise.allSettled(looks);
  return answers.every((answer) => answer.status === 'fulfilled' && answer.value);
}

/**
 * Finds, for each new folder, the folders that stand at its place in the commits which the new ones build on: most of its
 * entries are theirs.
 */
class Origins {
  readonly #writer: ObjectWriter;
  readonly #source: ObjectSource;
  readonly #roots = new Map<string, readonly string[]>();
  readonly #seen = new Set<string>();

  constructor(writer: ObjectWriter, source: ObjectSource) {
    this.#writer = writer;
    this.#source = source;
  }

  async find(): Promise<void> {
    for (const [id, { type, body }] of this.#writer.objects) {
      if (type !== 'commit') continue;
      const { tree } = parseCommit(Buffer.from(body));
      await this.#folder(tree, await this.#rootsBefore(id));
    }
  }

  /** Folders of the repository that the nearest commits of it have, on the way back from a new commit. */
  async #rootsBefore(commitId: string): Promise<readonly string[]> {
    const known = this.#roots.get(commitId);
    if (known !== undefined) return known;
    // Where a commit leads to itself nothing is found, and git will say what it thinks of it.
    this.#roots.set(commitId, []);
    const { parents } = parseCommit(Buffer.from(this.#writer.objects.get(commitId)!.body));
    const roots = new Set<string>();
    for (const parent of parents) {
      if (this.#writer.has(parent)) for (const root of await this.#rootsBefore(parent)) roots.add(root);
      else {
        const found = await contentsUpTo(this.#source, parent, MAX_TOTAL_BYTES);
        if (found?.type === 'commit') roots.add(parseCommit(found.body).tree);
      }
    }
    this.#roots.set(commitId, [...roots]);
    return [...roots];
  }

  /** Each new folder once, wherever it stands: a tree that holds itself a thousand times is looked at in a moment. */
  async #folder(id: string, before: readonly string[]): Promise<void> {
    const folder = this.#writer.objects.get(id);
    if (folder?.type !== 'tree' || this.#seen.has(id)) return;
    this.#seen.add(id);
    const origins = new Map<string, Map<string, string>>();
    for (const origin of before) {
      const folders = await this.#foldersIn(origin);
      if (folders !== null) origins.set(origin, folders);
    }
    this.#writer.add('tree', folder.body, [...origins.keys()], folder.packed);
    for (const { mode, rawName, id: below } of parseTree(Buffer.from(folder.body))) {
      if (mode !== '40000' || !this.#writer.has(below)) continue;
      const name = rawName.toString('latin1');
      await this.#folder(
        below,
        [...origins.values()].flatMap((folders) => folders.get(name) ?? []),
      );
    }
  }

  /** Ids of the folders in a folder of the repository; null where it is too large to be looked at here. */
  async #foldersIn(id: string): Promise<Map<string, string> | null> {
    if (this.#writer.has(id)) return null;
    const found = await contentsUpTo(this.#source, id, MAX_BASE_BYTES);
    if (found?.type !== 'tree') return null;
    const folders = parseTree(found.body).filter(({ mode }) => mode === '40000');
    return new Map(folders.map(({ rawName, id: folderId }) => [rawName.toString('latin1'), folderId]));
  }
}
