import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { GitFailure } from './failure.ts';

const INDEX_MAGIC = 0xff744f63;
const FANOUT_AT = 8;
const IDS_AT = FANOUT_AT + 256 * 4;
const ID_BYTES = 20;
/** Offsets with the top bit set are places in a further table of 8-byte offsets. */
const LARGE_OFFSET = 0x80000000;
/** Deflate cannot shrink further than about 1:1032, so a smaller entry cannot hold a larger object. */
const MAX_DEFLATE_RATIO = 1_032;
/** A pack ends with its own checksum. */
const TRAILER_BYTES = 20;
const MAX_HEADER_BYTES = 12;
const TYPE_BITS = 0x70;
const COMMIT_BITS = 0x10;

/** Where an object lies in a pack, and the CRC-32 of its entry there. */
export interface IndexedEntry {
  id: string;
  offset: number;
  crc: number;
}

/** A pack's version 2 index (gitformat-pack). */
export class PackIndex {
  /** The file as it is. */
  readonly bytes: Buffer;
  /** Number of objects in the pack. */
  readonly count: number;

  private constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.count = bytes.readUInt32BE(IDS_AT - 4);
  }

  /** @throws {GitFailure} `pack-refused` when the file is no such index. */
  static async read(path: string): Promise<PackIndex> {
    const bytes = await readFile(path);
    if (bytes.length < IDS_AT || bytes.readUInt32BE(0) !== INDEX_MAGIC || bytes.readUInt32BE(4) !== 2) {
      throw new GitFailure('pack-refused', 'the pack index is not of version 2');
    }
    return new PackIndex(bytes);
  }

  /**
   * The index of a pack that was made here, as git would write it.
   * @param entries each object once; offsets below 2 GiB
   * @param packChecksum what the pack ends with
   */
  static of(entries: readonly IndexedEntry[], packChecksum: Uint8Array): PackIndex {
    const sorted = entries.map((entry) => ({ ...entry, raw: Buffer.from(entry.id, 'hex') }));
    sorted.sort((a, b) => Buffer.compare(a.raw, b.raw));
    const crcsAt = IDS_AT + sorted.length * ID_BYTES;
    const bytes = Buffer.alloc(crcsAt + sorted.length * 8 + 2 * ID_BYTES);
    bytes.writeUInt32BE(INDEX_MAGIC, 0);
    bytes.writeUInt32BE(2, 4);
    for (const [at, { raw, offset, crc }] of sorted.entries()) {
      bytes.set(raw, IDS_AT + at * ID_BYTES);
      bytes.writeUInt32BE(crc, crcsAt + at * 4);
      bytes.writeUInt32BE(offset, crcsAt + (sorted.length + at) * 4);
      bytes.writeUInt32BE(at + 1, FANOUT_AT + raw[0]! * 4);
    }
    // Each place counts the ids up to its byte; where none begins with it, those before.
    for (let first = 1; first < 256; first++) {
      const before = bytes.readUInt32BE(FANOUT_AT + (first - 1) * 4);
      const at = FANOUT_AT + first * 4;
      bytes.writeUInt32BE(Math.max(before, bytes.readUInt32BE(at)), at);
    }
    const trailerAt = bytes.length - 2 * ID_BYTES;
    bytes.set(packChecksum, trailerAt);
    bytes.set(
      createHash('sha1')
        .update(bytes.subarray(0, trailerAt + ID_BYTES))
        .digest(),
      trailerAt + ID_BYTES,
    );
    return new PackIndex(bytes);
  }

  /** Bytes of an index of so many objects whose pack has less than 2 GiB. */
  static bytesFor(objects: number): number {
    return IDS_AT + objects * (ID_BYTES + 8) + 2 * ID_BYTES;
  }

  /** Where the object's entry begins in the pack; null when it is not there. */
  findOffset(id: string): number | null {
    const wanted = Buffer.from(id, 'hex');
    if (wanted.length !== ID_BYTES) return null;
    const first = wanted[0]!;
    let low = first === 0 ? 0 : this.bytes.readUInt32BE(FANOUT_AT + (first - 1) * 4);
    let high = this.bytes.readUInt32BE(FANOUT_AT + first * 4);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = IDS_AT + middle * ID_BYTES;
      const order = wanted.compare(this.bytes, at, at + ID_BYTES);
      if (order === 0) return this.#offset(middle);
      if (order < 0) high = middle;
      else low = middle + 1;
    }
    return null;
  }

  /** The ids of all objects, ascending. */
  *ids(): Generator<string> {
    for (let at = IDS_AT; at < IDS_AT + this.count * ID_BYTES; at += ID_BYTES) {
      yield this.bytes.toString('hex', at, at + ID_BYTES);
    }
  }

  /** Where all entries begin, ascending. */
  offsets(): Float64Array {
    return Float64Array.from({ length: this.count }, (_, entry) => this.#offset(entry)).sort();
  }

  #offset(entry: number): number {
    const table = IDS_AT + this.count * (ID_BYTES + 4);
    const offset = this.bytes.readUInt32BE(table + entry * 4);
    if (offset < LARGE_OFFSET) return offset;
    return Number(this.bytes.readBigUInt64BE(table + this.count * 4 + (offset - LARGE_OFFSET) * 8));
  }
}

/**
 * True when an object that is stored whole declares more than `capBytes`. Only entries long enough to hold such an
 * object are looked at, and only commits where `type` says so. Objects stored as differences are bounded by the memory that git gets to rebuild them.
 */
export async function holdsObjectLargerThan(
  packPath: string,
  packBytes: number,
  index: PackIndex,
  capBytes: number,
  type?: 'commit',
): Promise<boolean> {
  const least = capBytes / MAX_DEFLATE_RATIO;
  if (packBytes < least) return false;
  const offsets = index.offsets();
  const file = await open(packPath, 'r');
  try {
    for (const [entry, offset] of offsets.entries()) {
      const end = offsets[entry + 1] ?? packBytes - TRAILER_BYTES;
      if (end - offset < least) continue;
      const { buffer } = await file.read(Buffer.alloc(MAX_HEADER_BYTES), 0, MAX_HEADER_BYTES, offset);
      if (type === 'commit' && (buffer[0]! & TYPE_BITS) !== COMMIT_BITS) continue;
      if (declaredSize(buffer) > capBytes) return true;
    }
    return false;
  } finally {
    await file.close();
  }
}

/** The size in an entry's header: four bits, then seven bits a byte while the top bit is set. */
function declaredSize(header: Buffer): number {
  let size = header[0]! & 0x0f;
  let factor = 16;
  for (let at = 0; (header[at]! & 0x80) !== 0 && at + 1 < header.length; at += 1) {
    size += (header[at + 1]! & 0x7f) * factor;
    factor *= 128;
  }
  return size;
}
