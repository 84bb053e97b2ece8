import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer, type TestServer } from '../../../test/harness.ts';
import { systemClock } from '../../kernel/clock.ts';
import { eventually } from '../../kernel/testing/eventually.ts';
import { abortAbandoned, collectGarbage, sweepOrphans } from './garbage.ts';
import { bytesOf, refused, textOf } from './testing/refusals.ts';

const Bucket = 'tidy';
let years = 0;
/** Everything is older than this, what was put off until after the last time too. */
const later = () => new Date(Date.now() + ++years * 365 * 24 * 60 * 60_000);

async function blobCount(server: TestServer): Promise<number> {
  const folder = join(server.config.data, 'blobs', 's3');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).length;
}

/** Removes all that is garbage by now, without the grace that other nodes' readers get. */
async function collect(server: TestServer): Promise<number> {
  await collectGarbage(server.kernel.serviceContext('s3.amazonaws.com'), later());
  return blobCount(server);
}

test('data goes when its last row has gone', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket });
  const ctx = server.kernel.serviceContext('s3.amazonaws.com');
  const put = (Key: string, Body: string | Buffer) => s3.putObject({ Bucket, Key, Body });

  await t.test('overwritten, deleted, and deleted with its bucket', async () => {
    await put('a', 'one');
    assert.equal(await collect(server), 1);
    await put('a', 'two');
    assert.equal(await collect(server), 1);
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'a' })), 'two');
    await s3.deleteObject({ Bucket, Key: 'a' });
    assert.equal(await collect(server), 0);
  });

  await t.test('by itself, and at once where one process knows all readers', async () => {
    if (server.kernel.database.kind === 'postgres') return; // other nodes' readers get their time
    await put('b', 'one');
    await s3.deleteObject({ Bucket, Key: 'b' });
    await eventually(async () => (await blobCount(server)) === 0);
  });

  await t.test('but not while a version keeps it', async () => {
    await s3.createBucket({ Bucket: 'history' });
    await s3.putBucketVersioning({ Bucket: 'history', VersioningConfiguration: { Status: 'Enabled' } });
    const { VersionId } = await s3.putObject({ Bucket: 'history', Key: 'k', Body: 'one' });
    await s3.putObject({ Bucket: 'history', Key: 'k', Body: 'two' });
    await s3.deleteObject({ Bucket: 'history', Key: 'k' });
    assert.equal(await collect(server), 2);
    await s3.deleteObject({ Bucket: 'history', Key: 'k', VersionId });
    assert.equal(await collect(server), 1);
  });

  await t.test('parts: replaced, left out, aborted, and of an object that goes', async () => {
    const before = await blobCount(server);
    const begin = async (Key: string) => (await s3.createMultipartUpload({ Bucket, Key })).UploadId!;
    const UploadId = await begin('m');
    const part = async (PartNumber: number, Body: string) => ({
      PartNumber,
      ETag: (await s3.uploadPart({ Bucket, Key: 'm', UploadId, PartNumber, Body })).ETag,
    });
    await part(1, 'first');
    const kept = await part(1, 'second');
    await part(2, 'left out');
    assert.equal(await collect(server), before + 2);
    await s3.completeMultipartUpload({ Bucket, Key: 'm', UploadId, MultipartUpload: { Parts: [kept] } });
    assert.equal(await collect(server), before + 1);
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'm' })), 'second');
    await s3.deleteObject({ Bucket, Key: 'm' });
    assert.equal(await collect(server), before);
    const aborted = await begin('n');
    await s3.uploadPart({ Bucket, Key: 'n', UploadId: aborted, PartNumber: 1, Body: 'x' });
    await s3.abortMultipartUpload({ Bucket, Key: 'n', UploadId: aborted });
    assert.equal(await collect(server), before);
  });

  await t.test('a read that has begun ends well, whatever happens to the object', async () => {
    const before = await collect(server);
    const Body = randomBytes(8 * 1024 * 1024);
    await put('read', Body);
    const reading = await s3.getObject({ Bucket, Key: 'read' });
    await s3.deleteObject({ Bucket, Key: 'read' });
    assert.equal(await collect(server), before + 1, 'it is being read');
    assert.ok((await bytesOf(reading)).equals(Body));
    // The server lets go of it a moment after the client has the last byte.
    await eventually(async () => (await collect(server)) === before);
  });

  await t.test('what a killed server left is swept, and nothing else', async () => {
    await put('kept', 'kept');
    const stray = `s3/ab/${Date.now().toString(36)}-${ctx.ids.uuid()}`;
    await ctx.blobs.put(stray, Buffer.from('never became a row'));
    await ctx.blobs.put('s3/ab/not-one-of-ours', Buffer.from('x'));
    const count = await collect(server);
    assert.equal(await sweepOrphans(ctx, new Date(Date.now() - 60_000)), 0, 'too young: its upload may still run');
    assert.equal(await sweepOrphans(ctx, later()), 1);
    assert.equal(await collect(server), count - 1);
    await assert.rejects(ctx.blobs.size(stray), { name: 'BlobNotFoundError' });
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'kept' })), 'kept');
    assert.equal(await sweepOrphans(ctx, later()), 0);
  });

  await t.test('A3: abandoned uploads are aborted, with their parts', async () => {
    const before = await blobCount(server);
    const uploads = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const { UploadId } = await s3.createMultipartUpload({ Bucket, Key: `left-${at}` });
        await s3.uploadPart({ Bucket, Key: `left-${at}`, UploadId, PartNumber: 1, Body: 'x' });
        return UploadId!;
      }),
    );
    await abortAbandoned(ctx, new Date(Date.now() - 60_000));
    assert.equal((await s3.listMultipartUploads({ Bucket })).Uploads?.length, 20);
    await abortAbandoned(ctx, later());
    assert.equal((await s3.listMultipartUploads({ Bucket })).Uploads, undefined);
    assert.equal(await collect(server), before);
    await refused(s3.listParts({ Bucket, Key: 'left-0', UploadId: uploads[0]! }), 'NoSuchUpload', 404);
  });
});

test('an upload that a sweep took for abandoned is refused, and never acknowledged without its data', async (t) => {
  let shiftMs = 0;
  const clock = { ...systemClock, now: () => new Date(systemClock.now().getTime() + shiftMs) };
  const server = await startServer(t, { clock });
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket });
  const { UploadId } = await s3.createMultipartUpload({ Bucket, Key: 'm' });
  const ctx = server.kernel.serviceContext('s3.amazonaws.com');
  const { put } = ctx.blobs;
  let stores = 0;
  // The clock is put forward while data is stored for the first time, and a sweep comes between the data and its row.
  const late = async (...given: Parameters<typeof put>) => {
    const stored = await put.apply(ctx.blobs, given);
    stores += 1;
    if (stores > 1) return stored;
    shiftMs += 25 * 60 * 60_000;
    await sweepOrphans(ctx, new Date(ctx.now().getTime() - 24 * 60 * 60_000));
    await collectGarbage(ctx, ctx.now());
    return stored;
  };
  const mocked = t.mock.method(ctx.blobs, 'put', late);
  const again = async <T>(call: () => Promise<T>): Promise<T> => {
    stores = 0;
    await refused(call(), 'RequestTimeout', 400);
    shiftMs = 0;
    return call();
  };
  await again(() => s3.putObject({ Bucket, Key: 'k', Body: 'kept' }));
  assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'k' })), 'kept');
  const part = { Bucket, Key: 'm', UploadId: UploadId!, PartNumber: 1 };
  const { ETag } = await again(() => s3.uploadPart({ ...part, Body: 'part' }));
  mocked.mock.restore();
  await s3.completeMultipartUpload({ ...part, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } });
  assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'm' })), 'part');
});
