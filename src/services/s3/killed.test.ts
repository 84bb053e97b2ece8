import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { S3 } from '@aws-sdk/client-s3';
import { cleanUp, temporaryFolder } from '../../../test/harness.ts';
import { startServerProcess } from '../../../test/server-process.ts';
import { bytesOf } from './testing/refusals.ts';

const Bucket = 'ledger';
const ROUNDS = 4;
const WRITERS = 8;
/** Acknowledged calls of a round before the server is killed. */
const ACKNOWLEDGED = 60;

test('kill -9 during writes: what was acknowledged is there, and nothing is torn', async (t) => {
  const server = await startServerProcess(t, join(await temporaryFolder(t), 'slipway'));
  const client = () =>
    new S3({
      endpoint: server.url,
      region: 'us-east-1',
      credentials: server.keys,
      forcePathStyle: true,
      maxAttempts: 1,
    });
  let s3 = client();
  cleanUp(t, () => s3.destroy());
  await s3.createBucket({ Bucket });
  /** What each key may hold: one thing after an answer, two where none came. Zero is "not there". */
  const ledger = new Map<string, Set<number>>();
  let value = 0;
  let acknowledged = 0;

  const write = async (Key: string): Promise<void> => {
    const next = ++value % 7 === 0 ? 0 : value;
    const before = ledger.get(Key) ?? new Set([0]);
    ledger.set(Key, new Set([...before, next]));
    if (next === 0) await s3.deleteObject({ Bucket, Key });
    else if (next % 3 === 0) await writeParts(Key, next);
    else await s3.putObject({ Bucket, Key, Body: bodyOf(next) });
    ledger.set(Key, new Set([next]));
    acknowledged++;
  };
  const writeParts = async (Key: string, next: number): Promise<void> => {
    const { UploadId } = await s3.createMultipartUpload({ Bucket, Key });
    const { ETag } = await s3.uploadPart({ Bucket, Key, UploadId, PartNumber: 1, Body: bodyOf(next) });
    await s3.completeMultipartUpload({ Bucket, Key, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } });
  };

  for (let round = 0; round < ROUNDS; round++) {
    acknowledged = 0;
    let killed: Promise<void> | undefined;
    // Each writer has keys of its own, so the ledger knows the order of their writes.
    const writers = Array.from({ length: WRITERS }, async (_, writer) => {
      for (let turn = 0; killed === undefined; turn++) {
        try {
          await write(`writer-${writer}/${turn % 3}`);
        } catch (error) {
          if (killed === undefined) throw error;
        }
        if (acknowledged >= ACKNOWLEDGED) killed ??= server.kill();
      }
    });
    await Promise.all(writers);
    await killed;
    await server.start();
    s3.destroy();
    s3 = client();
    for (const [Key, possible] of ledger) {
      const found = await valueAt(s3, Key);
      assert.ok(possible.has(found), `${Key} holds ${found}, not one of ${[...possible]}, in round ${round}`);
      ledger.set(Key, new Set([found]));
    }
  }
  assert.ok(ledger.size > WRITERS);
});

/** Bytes that tell their value, and whether they are whole. */
function bodyOf(value: number): Buffer {
  const body = Buffer.alloc(1000 + (value % 5) * 70_000, value % 251);
  body.writeUInt32BE(value);
  body.writeUInt32BE(body.length, 4);
  return body;
}

async function valueAt(s3: S3, Key: string): Promise<number> {
  let body: Buffer;
  try {
    body = await bytesOf(await s3.getObject({ Bucket, Key }));
  } catch (error) {
    assert.equal((error as Error).name, 'NoSuchKey', `${Key}: ${error}`);
    return 0;
  }
  const value = body.readUInt32BE();
  assert.ok(body.equals(bodyOf(value)), `${Key} is torn`);
  return value;
}
