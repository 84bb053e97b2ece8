import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { ALGORITHMS, type Algorithm, checksumOf, joinChecksums, multipartType, startChecksum } from './checksums.ts';

async function digest(algorithm: Algorithm, ...pieces: Buffer[]): Promise<string> {
  const digester = startChecksum(algorithm);
  for (const piece of pieces) digester.update(piece);
  return (await digester.digest()).toString('base64');
}

/** The check values of the CRC catalogue, over the nine digits. */
const DIGITS: Record<Algorithm, string> = {
  CRC32: Buffer.from('cbf43926', 'hex').toString('base64'),
  CRC32C: Buffer.from('e3069283', 'hex').toString('base64'),
  CRC64NVME: Buffer.from('ae8b14860a799888', 'hex').toString('base64'),
  SHA1: createHash('sha1').update('123456789').digest('base64'),
  SHA256: createHash('sha256').update('123456789').digest('base64'),
};

test('each algorithm computes its published check value, in one piece or many', async () => {
  for (const algorithm of ALGORITHMS) {
    assert.equal(await digest(algorithm, Buffer.from('123456789')), DIGITS[algorithm], algorithm);
    assert.equal(await digest(algorithm, ...[...'123456789'].map((char) => Buffer.from(char))), DIGITS[algorithm]);
  }
});

test('the CRC of the whole follows from the CRCs of its parts', async () => {
  const lengths = [1, 7, 8, 4096, 5000, 4096, 0, 65_537, 4096];
  const parts = lengths.map((length, at) => Buffer.alloc(length, `part ${at} of some data`));
  for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME'] as const) {
    const known = await Promise.all(
      parts.map(async (part) => ({ checksum: await digest(algorithm, part), size: part.length })),
    );
    const joined = await joinChecksums(algorithm, 'FULL_OBJECT', known);
    assert.deepEqual(joined, { algorithm, type: 'FULL_OBJECT', value: await digest(algorithm, ...parts) }, algorithm);
    known.reverse();
    assert.notEqual((await joinChecksums(algorithm, 'FULL_OBJECT', known)).value, joined.value, 'order counts');
  }
});

test("a composite checksum is one over the parts' digests, with their number", async () => {
  const parts = ['one', 'two'].map((text) => createHash('sha256').update(text).digest());
  const expected = createHash('sha256').update(Buffer.concat(parts)).digest('base64');
  const joined = await joinChecksums(
    'SHA256',
    'COMPOSITE',
    parts.map((part) => ({ checksum: part.toString('base64'), size: 3 })),
  );
  assert.deepEqual(joined, { algorithm: 'SHA256', type: 'COMPOSITE', value: `${expected}-2` });
});

test('algorithms and types go together as at S3', () => {
  assert.equal(multipartType('CRC32', undefined), 'COMPOSITE');
  assert.equal(multipartType('CRC64NVME', undefined), 'FULL_OBJECT');
  assert.equal(multipartType('CRC32C', 'FULL_OBJECT'), 'FULL_OBJECT');
  for (const [algorithm, type] of [
    ['SHA256', 'FULL_OBJECT'],
    ['CRC64NVME', 'COMPOSITE'],
    ['CRC32', 'OTHER'],
  ] as const) {
    assert.throws(() => multipartType(algorithm, type), { name: 'InvalidRequest' });
  }
});

test('a request carries one well-formed checksum, of an algorithm that is verified', () => {
  assert.deepEqual(checksumOf({ ChecksumCRC32: 'AAAAAA==' }), { algorithm: 'CRC32', value: 'AAAAAA==' });
  assert.equal(checksumOf({}), undefined);
  assert.throws(() => checksumOf({ ChecksumCRC32: 'AAAAAA==', ChecksumSHA1: DIGITS.SHA1 }), { name: 'InvalidRequest' });
  assert.throws(() => checksumOf({ ChecksumCRC32: 'AAAA' }), { name: 'InvalidRequest' });
  assert.throws(() => checksumOf({ ChecksumCRC32: 'AAAAAA=' }), { name: 'InvalidRequest' });
  assert.throws(() => checksumOf({ ChecksumXXHASH3: 'AAAAAAAAAAA=' }), { name: 'NotImplemented' });
});
