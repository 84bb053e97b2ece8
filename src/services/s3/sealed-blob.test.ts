import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { BlobStore, ByteRange } from '../../kernel/store/blobs.ts';
import { FRAME_BYTES, seal, unseal } from './sealed-blob.ts';

async function joined(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* pieces(data: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

/** A blob store that holds one blob, handed out in pieces of an odd size. */
function holding(sealed: Buffer): BlobStore {
  const get = async (_key: string, range: ByteRange) =>
    Readable.from(pieces(sealed.subarray(range.start, range.end + 1), 50_001));
  return { get } as unknown as BlobStore;
}

const key = randomBytes(32);

test('sealed data comes back, whole and in any range', async () => {
  for (const size of [1, 100, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3 * FRAME_BYTES + 77, 12 * FRAME_BYTES]) {
    const data = randomBytes(size);
    const sealed = await joined(seal(pieces(data, 10_000), key));
    const blobs = holding(sealed);
    const ends = [0, 1, size >> 1, FRAME_BYTES - 1, FRAME_BYTES, size - 1].filter((at) => at >= 0 && at < size);
    for (const start of ends) {
      for (const end of ends.filter((at) => at >= start)) {
        const read = await joined(unseal(blobs, { blob: 'b', key, size }, { start, end }));
        assert.ok(read.equals(data.subarray(start, end + 1)), `${start}-${end} of ${size}`);
      }
    }
    assert.equal(sealed.indexOf(data.subarray(0, Math.min(size, 32))), size < 32 ? sealed.indexOf(data) : -1);
  }
});

test('A5: every flipped byte is an error, never data', async () => {
  const size = FRAME_BYTES + 500;
  const data = randomBytes(size);
  const sealed = await joined(seal(pieces(data, 7000), key));
  const frameEnd = FRAME_BYTES + 16;
  for (let flip = 0; flip < 200; flip++) {
    const at = flip < 40 ? frameEnd - 20 + flip : Math.floor((sealed.length * flip) / 200);
    const damaged = Buffer.from(sealed);
    damaged[at]! ^= 1 << (flip % 8);
    const range = at < frameEnd ? { start: 0, end: 10 } : { start: size - 10, end: size - 1 };
    const reading = joined(unseal(holding(damaged), { blob: 'b', key, size }, range));
    await assert.rejects(reading, { name: 'DamagedBlobError' }, `byte ${at}`);
  }
});

test('A5: truncated, lengthened, reordered and foreign data is an error', async () => {
  const size = 2 * FRAME_BYTES;
  const sealed = await joined(seal(pieces(randomBytes(size), 9000), key));
  const other = await joined(seal(pieces(randomBytes(size), 9000), randomBytes(32)));
  const half = sealed.length / 2;
  const swapped = Buffer.concat([sealed.subarray(half), sealed.subarray(0, half)]);
  for (const [name, bytes] of Object.entries({
    'cut at a frame': sealed.subarray(0, half),
    'cut inside a frame': sealed.subarray(0, sealed.length - 1),
    empty: Buffer.alloc(0),
    swapped,
    other,
  })) {
    const reading = joined(unseal(holding(bytes), { blob: 'b', key, size }, { start: 0, end: size - 1 }));
    await assert.rejects(reading, { name: 'DamagedBlobError' }, name);
  }
});
