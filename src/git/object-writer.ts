import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import { type ObjectType, objectIdOf } from './object-format.ts';
import type { ObjectSource } from './object-source.ts';

const deflateAsync = promisify(deflate);
const TYPE_NUMBERS: Readonly<Record<ObjectType, number>> = { commit: 1, tree: 2, blob: 3, tag: 4 };

/** Collects new objects in memory and writes them as one pack, which then takes the same road as a pushed one. */
export class ObjectWriter {
  readonly #objects = new Map<string, { type: ObjectType; body: Uint8Array }>();

  /** Adds an object and answers its id; the same object twice is kept once. */
  add(type: ObjectType, body: Uint8Array): string {
    const id = objectIdOf(type, body);
    this.#objects.set(id, { type, body });
    return id;
  }

  /** True for an object that was added. */
  has(id: string): boolean {
    return this.#objects.has(id);
  }

  /** Bytes of the largest object of a type; 0 without any. */
  largest(type: ObjectType): number {
    let most = 0;
    for (const object of this.#objects.values()) if (object.type === type) most = Math.max(most, object.body.length);
    return most;
  }

  /** Knows these objects and, behind them, those of another source. */
  over(beneath: ObjectSource): ObjectSource {
    const own = (id: string) => {
      const object = this.#objects.get(id);
      if (object === undefined) return null;
      return { type: object.type, size: object.body.length, body: Buffer.from(object.body) };
    };
    return {
      get dead() {
        return beneath.dead;
      },
      info: async (id) => own(id) ?? beneath.info(id),
      contents: async (id, capBytes) => own(id) ?? beneath.contents(id, capBytes),
    };
  }

  /** The pack (gitformat-pack), piece by piece. */
  async *pack(): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha1');
    const header = Buffer.alloc(12);
    header.write('PACK', 'latin1');
    header.writeUInt32BE(2, 4);
    header.writeUInt32BE(this.#objects.size, 8);
    hash.update(header);
    yield header;
    for (const { type, body } of this.#objects.values()) {
      const piece = Buffer.concat([entryHeader(type, body.length), await deflateAsync(body)]);
      hash.update(piece);
      yield piece;
    }
    yield hash.digest();
  }
}

/** Type and size: four bits of the size in the first byte, then seven a byte, least first. */
function entryHeader(type: ObjectType, size: number): Buffer {
  const bytes = [(TYPE_NUMBERS[type] << 4) | (size & 15)];
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes[bytes.length - 1]! |= 0x80;
    bytes.push(rest & 0x7f);
  }
  return Buffer.from(bytes);
}
