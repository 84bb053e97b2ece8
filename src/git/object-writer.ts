import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { deflate, deflateSync } from 'node:zlib';
import { type ObjectType, objectIdOf } from './object-format.ts';
import type { ObjectSource } from './object-source.ts';

const deflateAsync = promisify(deflate);
const TYPE_NUMBERS: Readonly<Record<ObjectType, number>> = { commit: 1, tree: 2, blob: 3, tag: 4 };
/** Smaller bodies are deflated sooner than they would be handed to another thread. */
const DEFLATED_HERE_BYTES = 16 * 1024;

/** An object that is new. */
export interface NewObject {
  type: ObjectType;
  body: Uint8Array;
  /** Of a tree: those of the repository that its other entries come from. */
  from: readonly string[];
  /** Its entry in the pack that it came with. */
  packed?: Buffer | undefined;
}

/** Collects new objects in memory and writes them as one pack. */
export class ObjectWriter {
  readonly #objects = new Map<string, NewObject>();

  /**
   * Adds an object and answers its id; the same object twice is kept once.
   * @param from trees of the repository that a tree was made from
   * @param packed its entry in a pack, where it has come in one
   */
  add(type: ObjectType, body: Uint8Array, from: readonly string[] = [], packed?: Buffer): string {
    const id = objectIdOf(type, body);
    this.#objects.set(id, { type, body, from, packed });
    return id;
  }

  /** All objects by their ids. */
  get objects(): ReadonlyMap<string, NewObject> {
    return this.#objects;
  }

  /** Of all objects together. */
  get bytes(): number {
    let sum = 0;
    for (const { body } of this.#objects.values()) sum += body.length;
    return sum;
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
    const header = packHeader(this.#objects.size);
    hash.update(header);
    yield header;
    for (const object of this.#objects.values()) {
      const piece = await packEntry(object);
      hash.update(piece);
      yield piece;
    }
    yield hash.digest();
  }
}

/** What a pack begins with. */
export function packHeader(objects: number): Buffer {
  const header = Buffer.alloc(12);
  header.write('PACK', 'latin1');
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(objects, 8);
  return header;
}

/** An object as it stands in a pack. */
export async function packEntry({ type, body, packed }: Omit<NewObject, 'from'>): Promise<Buffer> {
  if (packed !== undefined) return packed;
  // Room for what cannot be shrunk: by default each small piece would get 16 KiB.
  const chunkSize = body.length + (body.length >> 10) + 64;
  const deflated = body.length <= DEFLATED_HERE_BYTES ? deflateSync(body, { chunkSize }) : await deflateAsync(body);
  return Buffer.concat([entryHeader(type, body.length), deflated]);
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
