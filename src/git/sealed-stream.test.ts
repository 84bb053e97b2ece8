import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { isGitFailure } from './failure.ts';
import { FRAME_BYTES, seal, sealBytes, unseal } from './sealed-stream.ts';

const sealing = { dataKey: randomBytes(32), name: 'git/r1/a.pack' };
const HEADER_BYTES = 40;
const SEALED_FRAME_BYTES = FRAME_BYTES + 16;

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function whole(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(stream));
}

const open = (bytes: Uint8Array, as = sealing, size = 256 * 1024) => whole(unseal(pieces(bytes, size), as));
const damaged = (error: unknown) => isGitFailure(error, 'integrity');

test('what is sealed opens again, whatever its length and however the streams are cut', async () => {
  const sizes = [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 2 * FRAME_BYTES, 5 * FRAME_BYTES + 77];
  for (const size of sizes) {
    const plain = randomBytes(size);
    for (const cut of [1_000, FRAME_BYTES, FRAME_BYTES + 5, 1_000_000]) {
      const sealed = await whole(seal(pieces(plain, cut), sealing));
      assert.equal(sealed.length, HEADER_BYTES + size + 16 * Math.max(Math.ceil(size / FRAME_BYTES), 1));
      assert.deepEqual(await open(sealed, sealing, cut), plain);
    }
    assert.deepEqual(await open(sealBytes(plain, sealing)), plain);
  }
});

test('the same bytes are sealed differently each time', () => {
  const plain = Buffer.from('canary canary canary');
  const [one, two] = [sealBytes(plain, sealing), sealBytes(plain, sealing)];
  assert.notDeepEqual(one.subarray(HEADER_BYTES), two.subarray(HEADER_BYTES));
  assert.equal(one.includes('canary'), false);
});

test('any bit that is flipped is found, and nothing of its frame is handed out', async () => {
  const sealed = sealBytes(randomBytes(2 * FRAME_BYTES + 500), sealing);
  const property = fc.asyncProperty(fc.nat(sealed.length - 1), fc.nat(7), async (at, bit) => {
    const flipped = Buffer.from(sealed);
    flipped[at]! ^= 1 << bit;
    await assert.rejects(open(flipped), damaged);
  });
  await fc.assert(property, { numRuns: 60 });
});

test('a blob that was cut off, even between two frames, or that has more at its end, is damaged', async () => {
  const sealed = sealBytes(randomBytes(3 * FRAME_BYTES), sealing);
  const lengths = [0, 5, HEADER_BYTES, HEADER_BYTES + SEALED_FRAME_BYTES, sealed.length - 1];
  for (const length of [...lengths, HEADER_BYTES + 2 * SEALED_FRAME_BYTES]) {
    await assert.rejects(open(sealed.subarray(0, length)), damaged, `${length} bytes`);
  }
  await assert.rejects(open(Buffer.concat([sealed, Buffer.alloc(1)])), damaged);
  await assert.rejects(open(Buffer.concat([sealed, sealed.subarray(-SEALED_FRAME_BYTES)])), damaged);
});

test('frames cannot change places, within a blob or between two of the same key', async () => {
  const [one, two] = [randomBytes(3 * FRAME_BYTES), randomBytes(3 * FRAME_BYTES)].map((b) => sealBytes(b, sealing));
  const frame = (bytes: Buffer, number: number) =>
    bytes.subarray(HEADER_BYTES + number * SEALED_FRAME_BYTES, HEADER_BYTES + (number + 1) * SEALED_FRAME_BYTES);
  const header = one!.subarray(0, HEADER_BYTES);
  const swapped = Buffer.concat([header, frame(one!, 1), frame(one!, 0), frame(one!, 2)]);
  const mixed = Buffer.concat([header, frame(one!, 0), frame(two!, 1), frame(one!, 2)]);
  for (const bytes of [swapped, mixed]) await assert.rejects(open(bytes), damaged);
});

test('a blob opens under its own name and key only, and plain bytes are none', async () => {
  const sealed = sealBytes(Buffer.from('x'), sealing);
  await assert.rejects(open(sealed, { ...sealing, name: 'git/r1/b.pack' }), damaged);
  await assert.rejects(open(sealed, { ...sealing, dataKey: randomBytes(32) }), damaged);
  await assert.rejects(
    open(Buffer.from('PACK, which a former version has written, or somebody has put here')),
    damaged,
  );
});
