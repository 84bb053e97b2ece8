import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { GitFailure } from './failure.ts';
import type { ObjectContents, ObjectInfo, ObjectSource } from './object-source.ts';
import type { PackIndex } from './pack-index.ts';

const inflateAsync = promisify(inflate);

const TYPES = { 1: 'commit', 2: 'tree', 3: 'blob', 4: 'tag' } as const;
const OFFSET_DELTA = 6;
const REFERENCE_DELTA = 7;
/** Longer chains than git makes; beyond it git itself is asked. */
const MAX_CHAIN = 100;

/** One entry's header, read. */
interface Entry {
  type: number;
  size: number;
  dataAt: number;
  /** Where the entry begins that a difference is based on. */
  baseAt: number;
}

/**
 * Reads objects out of one small pack in memory (gitformat-pack), so that a push of a few commits needs no second
 * process. The pack was checked by git before; what is not in it is asked of `others`.
 */
export class PackReader implements ObjectSource {
  readonly #pack: Buffer;
  readonly #index: PackIndex;
  readonly #others: () => ObjectSource;
  readonly dead = false;

  /** @param others answers for objects that are not in the pack. */
  constructor(pack: Buffer, index: PackIndex, others: () => ObjectSource) {
    this.#pack = pack;
    this.#index = index;
    this.#others = others;
  }

  async info(id: string): Promise<ObjectInfo | null> {
    const offset = this.#index.findOffset(id);
    if (offset === null) return this.#others().info(id);
    const { type, body } = await this.#object(offset, Number.MAX_SAFE_INTEGER, 0);
    return { type, size: body.length };
  }

  async contents(id: string, capBytes: number): Promise<ObjectContents | null> {
    const offset = this.#index.findOffset(id);
    if (offset === null) return this.#others().contents(id, capBytes);
    return this.#object(offset, capBytes, 0);
  }

  async #object(offset: number, capBytes: number, depth: number): Promise<ObjectContents> {
    if (depth > MAX_CHAIN) throw new GitFailure('pack-refused', 'a chain of differences is too long');
    const entry = this.#entry(offset);
    if (entry.size > capBytes) throw new GitFailure('object-too-large', `the object is larger than ${capBytes} bytes`);
    const data = await inflateAsync(this.#pack.subarray(entry.dataAt), { maxOutputLength: Math.max(entry.size, 1) });
    const type = TYPES[entry.type as keyof typeof TYPES];
    if (type !== undefined) return { type, size: data.length, body: data };
    const base = await this.#object(entry.baseAt, capBytes, depth + 1);
    const body = applyDelta(base.body, data, capBytes);
    return { type: base.type, size: body.length, body };
  }

  #entry(offset: number): Entry {
    const pack = this.#pack;
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
      return { type, size, dataAt: at, baseAt: offset - back };
    }
    if (type === REFERENCE_DELTA) {
      const baseAt = this.#index.findOffset(pack.toString('hex', at, at + 20));
      if (baseAt === null) throw new GitFailure('pack-refused', 'a difference has no base');
      return { type, size, dataAt: at + 20, baseAt };
    }
    return { type, size, dataAt: at, baseAt: 0 };
  }
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
    const code = delta.readUInt8(reader.at++);
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
    if ((code & (1 << bit)) !== 0) offset += reader.bytes.readUInt8(reader.at++) * 256 ** bit;
  }
  for (let bit = 0; bit < 3; bit += 1) {
    if ((code & (16 << bit)) !== 0) size += reader.bytes.readUInt8(reader.at++) * 256 ** bit;
  }
  return base.subarray(offset, offset + (size === 0 ? 0x10000 : size));
}

function readSize(reader: { bytes: Buffer; at: number }): number {
  let size = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = reader.bytes.readUInt8(reader.at++);
    size += (byte & 0x7f) * factor;
    if ((byte & 0x80) === 0) return size;
  }
}
