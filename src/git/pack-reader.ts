import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, inflate } from 'node:zlib';
import { GitFailure } from './failure.ts';
import type { ObjectType } from './object-format.ts';
import type { ObjectContents, ObjectInfo, ObjectSource } from './object-source.ts';
import type { PackIndex } from './pack-index.ts';

const inflateAsync = promisify(inflate);

/** What is stored whole. */
export const TYPES: Readonly<Record<number, ObjectType>> = { 1: 'commit', 2: 'tree', 3: 'blob', 4: 'tag' };
const OFFSET_DELTA = 6;
const REFERENCE_DELTA = 7;
/** Longer chains than git makes. */
const MAX_CHAIN = 4_096;
const ID_BYTES = 20;
/** Enough for nearly every commit, and for the header of anything. */
const FIRST_READ_BYTES = 4_096;
/** What deflate needs beyond the data it shrinks, and an entry's header. */
const OVERHEAD_BYTES = 256;

/** The bytes of a pack, in memory or in a file. */
export interface PackBytesSource {
  /** Fewer than asked for at the end. */
  read(offset: number, length: number): Promise<Buffer>;
}

/** A pack in memory. */
export function packInMemory(pack: Buffer): PackBytesSource {
  return { read: async (offset, length) => pack.subarray(offset, offset + length) };
}

/** A pack in an open file. */
export function packInFile(file: FileHandle): PackBytesSource {
  return {
    async read(offset, length) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    },
  };
}

/** One entry's header, read. */
interface Entry {
  type: number;
  /** Of the data once inflated: the object, or the difference. */
  size: number;
  dataAt: number;
  /** Where the entry begins that a difference is based on. */
  baseAt: number;
  /** The first bytes of the data, as far as they were read with the header. */
  begin: Buffer;
}

/**
 * Reads a few objects out of one pack (gitformat-pack), so that a push needs no second process. The pack was checked by
 * git before; what is not in it is asked of `others`.
 */
export class PackReader implements ObjectSource {
  readonly #pack: PackBytesSource;
  readonly #index: PackIndex;
  readonly #others: () => ObjectSource;
  readonly dead = false;

  /** @param others answers for objects that are not in the pack. */
  constructor(pack: PackBytesSource, index: PackIndex, others: () => ObjectSource) {
    this.#pack = pack;
    this.#index = index;
    this.#others = others;
  }

  async info(id: string): Promise<ObjectInfo | null> {
    const offset = this.#index.findOffset(id);
    if (offset === null) return this.#others().info(id);
    const entry = await this.#entry(offset);
    const type = TYPES[entry.type];
    if (type !== undefined) return { type, size: entry.size };
    const { body, ...whole } = await this.#object(offset, Number.MAX_SAFE_INTEGER, 0);
    return { type: whole.type, size: body.length };
  }

  async contents(id: string, capBytes: number): Promise<ObjectContents | null> {
    const offset = this.#index.findOffset(id);
    if (offset === null) return this.#others().contents(id, capBytes);
    return this.#object(offset, capBytes, 0);
  }

  async #object(offset: number, capBytes: number, depth: number): Promise<ObjectContents> {
    if (depth > MAX_CHAIN) throw new GitFailure('pack-refused', 'a chain of differences is too long');
    const entry = await this.#entry(offset);
    if (entry.size > capBytes) throw new GitFailure('object-too-large', `the object is larger than ${capBytes} bytes`);
    const data = await this.#inflate(entry);
    const type = TYPES[entry.type];
    if (type !== undefined) return { type, size: data.length, body: data };
    const base = await this.#object(entry.baseAt, capBytes, depth + 1);
    const body = applyDelta(base.body, data, capBytes);
    return { type: base.type, size: body.length, body };
  }

  /** Inflates what came with the header, and reads more only where that is not all. */
  async #inflate({ size, dataAt, begin }: Entry): Promise<Buffer> {
    const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: Math.max(size, 1) };
    const data = await inflateAsync(begin, options);
    if (data.length === size) return data;
    // Deflated data is never much longer than what it holds.
    const whole = await inflateAsync(await this.#pack.read(dataAt, size + (size >> 10) + OVERHEAD_BYTES), options);
    if (whole.length !== size) throw new GitFailure('pack-refused', 'an object is shorter than it should be');
    return whole;
  }

  async #entry(offset: number): Promise<Entry> {
    const pack = await this.#pack.read(offset, FIRST_READ_BYTES);
    const entry = this.#header(pack, offset);
    return { ...entry, begin: pack.subarray(entry.dataAt - offset) };
  }

  #header(pack: Buffer, offset: number): Omit<Entry, 'begin'> {
    const { type, size, length, base } = readEntryHeader(pack, 0);
    const dataAt = offset + length;
    if (base === null) return { type, size, dataAt, baseAt: 0 };
    const baseAt = typeof base === 'number' ? offset - base : this.#index.findOffset(base);
    if (baseAt === null) throw new GitFailure('pack-refused', 'a difference has no base');
    return { type, size, dataAt, baseAt };
  }
}

/** What stands before the data of an entry (gitformat-pack). */
export interface EntryHeader {
  /** One of {@link TYPES}; others are differences. */
  type: number;
  /** Of the data once inflated: the object, or the difference. */
  size: number;
  /** Bytes of the header. */
  length: number;
  /** What a difference is based on: an entry so many bytes before this one, or an object by its id. Null for an object. */
  base: number | string | null;
}

/** Reads what begins an entry. @throws RangeError where the bytes end before */
export function readEntryHeader(pack: Buffer, offset: number): EntryHeader {
  let at = offset;
  let byte = pack.readUInt8(at++);
  const type = (byte >> 4) & 7;
  let size = byte & 15;
  for (let factor = 16; (byte & 0x80) !== 0; factor *= 128) {
    byte = pack.readUInt8(at++);
    size += (byte & 0x7f) * factor;
  }
  if (type === OFFSET_DELTA) {
    byte = pack.readUInt8(at++);
    let back = byte & 0x7f;
    while ((byte & 0x80) !== 0) {
      byte = pack.readUInt8(at++);
      back = (back + 1) * 128 + (byte & 0x7f);
    }
    return { type, size, length: at - offset, base: back };
  }
  if (type !== REFERENCE_DELTA) return { type, size, length: at - offset, base: null };
  const id = pack.subarray(at, at + ID_BYTES);
  if (id.length < ID_BYTES) throw new RangeError('the entry is cut off');
  return { type, size, length: at + ID_BYTES - offset, base: id.toString('hex') };
}

/**
 * Rebuilds an object from its base and a difference.
 * @throws {GitFailure} `object-too-large`, or `pack-refused` when the difference does not fit its base.
 */
export function applyDelta(base: Buffer, delta: Buffer, capBytes: number): Buffer {
  const reader = { bytes: delta, at: 0 };
  const baseSize = readSize(reader);
  const resultSize = readSize(reader);
  if (baseSize !== base.length) throw new GitFailure('pack-refused', 'a difference does not fit its base');
  if (resultSize > capBytes) throw new GitFailure('object-too-large', `the object is larger than ${capBytes} bytes`);
  const result = Buffer.alloc(resultSize);
  let filled = 0;
  while (reader.at < delta.length) {
    const code = nextByte(reader);
    const piece = (code & 0x80) !== 0 ? copied(base, reader, code) : delta.subarray(reader.at, (reader.at += code));
    if (code === 0 || filled + piece.length > resultSize) break;
    filled += piece.copy(result, filled);
  }
  if (filled !== resultSize) throw new GitFailure('pack-refused', 'a difference does not fit its base');
  return result;
}

/** A copy instruction: the code's bits say which bytes of offset and size follow. */
function copied(base: Buffer, reader: { bytes: Buffer; at: number }, code: number): Buffer {
  let offset = 0;
  let size = 0;
  for (let bit = 0; bit < 4; bit += 1) {
    if ((code & (1 << bit)) !== 0) offset += nextByte(reader) * 256 ** bit;
  }
  for (let bit = 0; bit < 3; bit += 1) {
    if ((code & (16 << bit)) !== 0) size += nextByte(reader) * 256 ** bit;
  }
  return base.subarray(offset, offset + (size === 0 ? 0x10000 : size));
}

function nextByte(reader: { bytes: Buffer; at: number }): number {
  const byte = reader.bytes[reader.at];
  if (byte === undefined) throw new GitFailure('pack-refused', 'a difference is cut off');
  reader.at += 1;
  return byte;
}

function readSize(reader: { bytes: Buffer; at: number }): number {
  let size = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = nextByte(reader);
    size += (byte & 0x7f) * factor;
    if ((byte & 0x80) === 0) return size;
  }
}
