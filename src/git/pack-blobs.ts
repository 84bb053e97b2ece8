import { Readable } from 'node:stream';
import type { BlobStore } from '../kernel/store/blobs.ts';
import { giveBack } from './flow.ts';
import { seal, sealBytes, unseal } from './sealed-stream.ts';
import type { PackRecord, RepositoryTruth } from './truth.ts';

/** The two files of a pack. */
export type PackPart = 'pack' | 'idx';

/** The bytes of record of one repository's packs: blobs, encrypted with its data key. */
export class PackBlobs {
  readonly #blobs: BlobStore;
  readonly #truth: RepositoryTruth;

  constructor(blobs: BlobStore, truth: RepositoryTruth) {
    this.#blobs = blobs;
    this.#truth = truth;
  }

  /** Seals and stores; durable when it resolves. @throws {GitFailure} `key-refused` while the data key may not be used */
  async put(packId: string, part: PackPart, body: AsyncIterable<Uint8Array> | Uint8Array): Promise<void> {
    // A stream may break before it is read: it is told when it is, but an 'error' that nobody hears would end the process.
    if (body instanceof Readable) body.on('error', () => undefined);
    const name = this.#name(packId, part);
    const sealing = { dataKey: await this.#truth.dataKey(), name };
    await this.#blobs.put(name, body instanceof Uint8Array ? sealBytes(body, sealing) : onceOnly(seal(body, sealing)));
  }

  /**
   * The plain bytes, verified as they come; they count only when the end has come without an error.
   * @throws BlobNotFoundError when it was swapped away meanwhile, {GitFailure} `integrity`, `key-refused`
   */
  async get({ id, sealed }: PackRecord, part: PackPart): Promise<AsyncIterable<Uint8Array>> {
    const name = this.#name(id, part);
    const dataKey = sealed ? await this.#truth.dataKey() : null;
    const stored = await this.#blobs.get(name);
    return dataKey === null ? stored : unseal(stored, { dataKey, name });
  }

  /** Deletes both files of each pack; missing ones are fine. */
  async delete(packIds: Iterable<string>): Promise<void> {
    for (const packId of packIds) {
      await this.#blobs.delete(this.#name(packId, 'idx'));
      await this.#blobs.delete(this.#name(packId, 'pack'));
    }
  }

  /** Ids of all packs that have a file here, owned or not. */
  async ids(): Promise<Set<string>> {
    const ids = new Set<string>();
    for await (const key of this.#blobs.list(`git/${this.#truth.id}`)) {
      const packId = /\/([0-9a-f]{32})\.(?:pack|idx)$/.exec(key)?.[1];
      if (packId !== undefined) ids.add(packId);
    }
    return ids;
  }

  #name(packId: string, part: PackPart): string {
    return `git/${this.#truth.id}/${packId}.${part}`;
  }
}

/** Gives each piece back when the next one is asked for: the store has written it by then. */
async function* onceOnly(source: AsyncIterable<Buffer<ArrayBuffer>>): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    yield piece;
    giveBack(piece);
  }
}
