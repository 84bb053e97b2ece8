import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { CompletedPart } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { startServer } from '../../../test/harness.ts';
import { startChecksum } from './checksums.ts';
import { bytesOf, refused } from './testing/refusals.ts';

const MIB = 1024 * 1024;
const md5 = (data: Buffer) => createHash('md5').update(data).digest();

test('A3: multipart uploads', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const Bucket = 'parts';
  await s3.createBucket({ Bucket });
  const begin = async (Key: string, more: object = {}) =>
    (await s3.createMultipartUpload({ Bucket, Key, ...more })).UploadId!;
  const upload = async (Key: string, UploadId: string, PartNumber: number, Body: Buffer): Promise<CompletedPart> => {
    const { ETag } = await s3.uploadPart({ Bucket, Key, UploadId, PartNumber, Body });
    return { PartNumber, ETag };
  };
  const complete = (Key: string, UploadId: string, Parts: CompletedPart[], more: object = {}) =>
    s3.completeMultipartUpload({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ...more });

  await t.test('become one object, with any range of it', async () => {
    const Key = 'whole';
    const data = [randomBytes(5 * MIB), randomBytes(5 * MIB + 12_345), randomBytes(77)];
    const UploadId = await begin(Key, { ContentType: 'text/x', Metadata: { a: '1' }, Tagging: 't=1' });
    const parts: CompletedPart[] = [];
    // Numbers have gaps, and parts come in any order.
    for (const [at, number] of [10_000, 7, 3].entries()) parts.push(await upload(Key, UploadId, number, data[2 - at]!));
    parts.reverse();
    const done = await complete(Key, UploadId, parts);
    const etag = `"${createHash('md5')
      .update(Buffer.concat(data.map(md5)))
      .digest('hex')}-3"`;
    assert.equal(done.ETag, etag);
    const whole = Buffer.concat(data);
    const got = await s3.getObject({ Bucket, Key });
    assert.ok((await bytesOf(got)).equals(whole));
    assert.deepEqual([got.ETag, got.ContentType, got.Metadata, got.TagCount], [etag, 'text/x', { a: '1' }, 1]);
    for (const [start, end] of [
      [0, 0],
      [5 * MIB - 1, 5 * MIB],
      [5 * MIB - 100, whole.length - 10],
      [whole.length - 1, whole.length - 1],
    ] as const) {
      const part = await s3.getObject({ Bucket, Key, Range: `bytes=${start}-${end}` });
      assert.ok((await bytesOf(part)).equals(whole.subarray(start, end + 1)), `${start}-${end}`);
    }
    const second = await s3.getObject({ Bucket, Key, PartNumber: 2 });
    assert.equal(second.PartsCount, 3);
    assert.ok((await bytesOf(second)).equals(data[1]!));
    await refused(s3.getObject({ Bucket, Key, PartNumber: 4 }), 'InvalidPartNumber', 416);
    const attributes = await s3.getObjectAttributes({ Bucket, Key, ObjectAttributes: ['ObjectParts', 'ObjectSize'] });
    assert.equal(attributes.ObjectParts?.TotalPartsCount, 3);
    assert.equal(attributes.ObjectSize, whole.length);
  });

  await t.test('are copied to one object without parts', async () => {
    const whole = await bytesOf(await s3.getObject({ Bucket, Key: 'whole' }));
    const { CopyObjectResult } = await s3.copyObject({ Bucket, Key: 'copied', CopySource: `${Bucket}/whole` });
    assert.equal(CopyObjectResult?.ETag, `"${md5(whole).toString('hex')}"`);
    assert.ok((await bytesOf(await s3.getObject({ Bucket, Key: 'copied' }))).equals(whole));
  });

  await t.test('take parts from other objects', async () => {
    const whole = await bytesOf(await s3.getObject({ Bucket, Key: 'whole' }));
    const Key = 'assembled';
    const UploadId = await begin(Key);
    const CopySource = `${Bucket}/whole`;
    const first = await s3.uploadPartCopy({ Bucket, Key, UploadId, PartNumber: 1, CopySource });
    const second = await s3.uploadPartCopy({
      Bucket,
      Key,
      UploadId,
      PartNumber: 2,
      CopySource,
      CopySourceRange: 'bytes=100-199',
    });
    const part = { Bucket, Key, UploadId, PartNumber: 3, CopySource };
    await refused(s3.uploadPartCopy({ ...part, CopySourceRange: `bytes=0-${whole.length}` }), 'InvalidArgument', 400);
    await refused(s3.uploadPartCopy({ ...part, CopySourceIfMatch: '"other"' }), 'PreconditionFailed', 412);
    await complete(Key, UploadId, [
      { PartNumber: 1, ETag: first.CopyPartResult!.ETag },
      { PartNumber: 2, ETag: second.CopyPartResult!.ETag },
    ]);
    const got = await bytesOf(await s3.getObject({ Bucket, Key }));
    assert.ok(got.equals(Buffer.concat([whole, whole.subarray(100, 200)])));
  });

  await t.test('the last upload of a part counts', async () => {
    const Key = 'replaced';
    const UploadId = await begin(Key);
    const stale = await upload(Key, UploadId, 1, Buffer.from('first'));
    const fresh = await upload(Key, UploadId, 1, Buffer.from('second'));
    await refused(complete(Key, UploadId, [stale]), 'InvalidPart', 400);
    await complete(Key, UploadId, [fresh]);
    assert.equal((await bytesOf(await s3.getObject({ Bucket, Key }))).toString(), 'second');
  });

  await t.test('what is wrong with a list of parts', async () => {
    const Key = 'wrong';
    const UploadId = await begin(Key);
    const [one, two] = [
      await upload(Key, UploadId, 1, Buffer.from('small')),
      await upload(Key, UploadId, 2, Buffer.from('last')),
    ];
    await refused(complete(Key, UploadId, []), 'MalformedXML', 400);
    await refused(complete(Key, UploadId, [one, two]), 'EntityTooSmall', 400);
    await refused(complete(Key, UploadId, [two, one]), 'InvalidPartOrder', 400);
    await refused(complete(Key, UploadId, [one, one]), 'InvalidPartOrder', 400);
    await refused(complete(Key, UploadId, [{ PartNumber: 3, ETag: one.ETag }]), 'InvalidPart', 400);
    await refused(complete(Key, UploadId, [{ PartNumber: 1, ETag: '"beef"' }]), 'InvalidPart', 400);
    await refused(complete(Key, UploadId, [one], { MpuObjectSize: 6 }), 'InvalidRequest', 400);
    await refused(complete('other-key', UploadId, [one]), 'NoSuchUpload', 404);
    for (const PartNumber of [0, 10_001]) {
      const part = s3.uploadPart({ Bucket, Key, UploadId, PartNumber, Body: 'x' });
      await refused(part, 'InvalidArgument', 400);
    }
    await refused(s3.uploadPart({ Bucket, Key, UploadId: 'no', PartNumber: 1, Body: 'x' }), 'NoSuchUpload', 404);
    await refused(s3.uploadPart({ Bucket, Key: 'k2', UploadId, PartNumber: 1, Body: 'x' }), 'NoSuchUpload', 404);
    await refused(s3.headObject({ Bucket, Key }), 'NotFound', 404);
    // The upload stood all of that.
    await complete(Key, UploadId, [one], { MpuObjectSize: 5 });
  });

  await t.test(
    'complete twice: the same answer; complete otherwise, or abort, after that: no such upload',
    async () => {
      const Key = 'twice';
      const UploadId = await begin(Key);
      const part = await upload(Key, UploadId, 1, Buffer.from('data'));
      const [first, second] = [await complete(Key, UploadId, [part]), await complete(Key, UploadId, [part])];
      assert.equal(first.ETag, second.ETag);
      await refused(complete(Key, UploadId, [{ ...part, ETag: '"beef"' }]), 'NoSuchUpload', 404);
      await refused(s3.abortMultipartUpload({ Bucket, Key, UploadId }), 'NoSuchUpload', 404);
      await refused(s3.listParts({ Bucket, Key, UploadId }), 'NoSuchUpload', 404);
      assert.equal((await s3.headObject({ Bucket, Key })).ContentLength, 4);
    },
  );

  await t.test('complete against abort: one wins, and the object is whole or not there', async () => {
    for (let round = 0; round < 8; round++) {
      const Key = `duel-${round}`;
      const UploadId = await begin(Key);
      const part = await upload(Key, UploadId, 1, Buffer.from('data'));
      const [completed, aborted] = await Promise.allSettled([
        complete(Key, UploadId, [part]),
        s3.abortMultipartUpload({ Bucket, Key, UploadId }),
      ]);
      assert.notEqual(completed.status, aborted.status, Key);
      if (completed.status === 'fulfilled') {
        assert.equal((await bytesOf(await s3.getObject({ Bucket, Key }))).toString(), 'data');
      } else await refused(s3.headObject({ Bucket, Key }), 'NotFound', 404);
    }
  });

  await t.test('a part replaced while the upload is completed is never mixed in', async () => {
    for (let round = 0; round < 8; round++) {
      const Key = `swap-${round}`;
      const UploadId = await begin(Key);
      const part = await upload(Key, UploadId, 1, Buffer.from('old'));
      const [completed] = await Promise.allSettled([
        complete(Key, UploadId, [part]),
        upload(Key, UploadId, 1, Buffer.from('new')),
      ]);
      if (completed.status === 'rejected') {
        assert.match((completed.reason as Error).name, /^(InvalidPart|OperationAborted)$/);
        continue;
      }
      const got = await s3.getObject({ Bucket, Key });
      assert.equal((await bytesOf(got)).toString(), 'old');
      assert.equal(
        got.ETag,
        `"${createHash('md5')
          .update(md5(Buffer.from('old')))
          .digest('hex')}-1"`,
      );
    }
  });

  await t.test('conditional completion: one of many', async () => {
    const Key = 'guarded';
    const uploads = await Promise.all(Array.from({ length: 6 }, () => begin(Key)));
    const parts = await Promise.all(uploads.map((id, at) => upload(Key, id, 1, Buffer.from(`by ${at}`))));
    const outcomes = await Promise.allSettled(
      uploads.map((id, at) => complete(Key, id, [parts[at]!], { IfNoneMatch: '*' })),
    );
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  });

  await t.test('aborted ones are gone', async () => {
    const Key = 'aborted';
    const UploadId = await begin(Key);
    await upload(Key, UploadId, 1, Buffer.from('data'));
    await s3.abortMultipartUpload({ Bucket, Key, UploadId });
    await refused(s3.listParts({ Bucket, Key, UploadId }), 'NoSuchUpload', 404);
    await refused(s3.abortMultipartUpload({ Bucket, Key, UploadId }), 'NoSuchUpload', 404);
  });

  await t.test('are listed, with their parts', async () => {
    const ids: string[] = [];
    for (const Key of ['list/a', 'list/a', 'list/b', 'list/c/d']) ids.push(await begin(Key));
    const all = await s3.listMultipartUploads({ Bucket, Prefix: 'list/' });
    assert.deepEqual(
      all.Uploads?.map(({ Key, UploadId }) => [Key, UploadId]),
      [
        ['list/a', ids[0]],
        ['list/a', ids[1]],
        ['list/b', ids[2]],
        ['list/c/d', ids[3]],
      ],
    );
    const grouped = await s3.listMultipartUploads({ Bucket, Prefix: 'list/', Delimiter: '/' });
    assert.deepEqual(grouped.CommonPrefixes, [{ Prefix: 'list/c/' }]);
    const first = await s3.listMultipartUploads({ Bucket, Prefix: 'list/', MaxUploads: 1 });
    const rest = await s3.listMultipartUploads({
      Bucket,
      Prefix: 'list/',
      KeyMarker: first.NextKeyMarker,
      UploadIdMarker: first.NextUploadIdMarker,
    });
    assert.deepEqual(
      rest.Uploads?.map(({ UploadId }) => UploadId),
      ids.slice(1),
    );
    for (const number of [1, 5, 9]) await upload('list/b', ids[2]!, number, Buffer.alloc(number));
    const parts = { Bucket, Key: 'list/b', UploadId: ids[2]! };
    const page = await s3.listParts({ ...parts, MaxParts: 2 });
    assert.deepEqual(
      page.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
      [
        [1, 1],
        [5, 5],
      ],
    );
    assert.ok(page.AbortDate! > new Date());
    const last = await s3.listParts({ ...parts, PartNumberMarker: page.NextPartNumberMarker });
    assert.deepEqual(
      last.Parts?.map(({ PartNumber }) => PartNumber),
      [9],
    );
    assert.equal(last.IsTruncated, false);
  });

  await t.test('checksums: composite and of the whole', async () => {
    const data = [randomBytes(5 * MIB), randomBytes(1000)];
    const digests = async (algorithm: 'CRC32' | 'CRC64NVME' | 'SHA256', pieces: Buffer[]) => {
      const digester = startChecksum(algorithm);
      for (const piece of pieces) digester.update(piece);
      return (await digester.digest()).toString('base64');
    };
    for (const [algorithm, type] of [
      ['SHA256', 'COMPOSITE'],
      ['CRC32', 'COMPOSITE'],
      ['CRC32', 'FULL_OBJECT'],
      ['CRC64NVME', 'FULL_OBJECT'],
    ] as const) {
      const Key = `sum-${algorithm}-${type}`;
      const begun = await s3.createMultipartUpload({
        Bucket,
        Key,
        ChecksumAlgorithm: algorithm,
        ChecksumType: type,
      });
      assert.deepEqual([begun.ChecksumAlgorithm, begun.ChecksumType], [algorithm, type]);
      const UploadId = begun.UploadId!;
      const member = `Checksum${algorithm}` as const;
      const parts: CompletedPart[] = [];
      for (const [at, Body] of data.entries()) {
        const part = { Bucket, Key, UploadId, PartNumber: at + 1, Body, ChecksumAlgorithm: algorithm };
        const { ETag, [member]: sum } = await s3.uploadPart(part);
        assert.equal(sum, await digests(algorithm, [Body]));
        parts.push({ PartNumber: at + 1, ETag, [member]: sum });
      }
      const bad = [{ ...parts[0], [member]: parts[1]![member] }, parts[1]!];
      await refused(complete(Key, UploadId, bad), 'InvalidPart', 400);
      const wrong = { [member]: parts[0]![member], ChecksumType: type };
      await refused(complete(Key, UploadId, parts, wrong), 'BadDigest', 400);
      const done = await complete(Key, UploadId, parts, { ChecksumType: type });
      const raw = parts.map((part) => Buffer.from(part[member]!, 'base64'));
      const expected = type === 'FULL_OBJECT' ? await digests(algorithm, data) : `${await digests(algorithm, raw)}-2`;
      assert.equal(done[member], expected, Key);
      const head = await s3.headObject({ Bucket, Key, ChecksumMode: 'ENABLED' });
      assert.deepEqual([head[member], head.ChecksumType], [expected, type]);
      assert.equal((await bytesOf(await s3.getObject({ Bucket, Key }))).length, 5 * MIB + 1000);
    }
    await refused(begin('x', { ChecksumAlgorithm: 'SHA1', ChecksumType: 'FULL_OBJECT' }), 'InvalidRequest', 400);
    const UploadId = await begin('mixed', { ChecksumAlgorithm: 'SHA1' });
    const other = { Bucket, Key: 'mixed', UploadId, PartNumber: 1, Body: 'x', ChecksumAlgorithm: 'CRC32C' as const };
    await refused(s3.uploadPart(other), 'InvalidRequest', 400);
  });

  await t.test("the SDK's own uploader works", async () => {
    const pieces = Array.from({ length: 18 }, (_, at) => Buffer.alloc(MIB, at + 1));
    const Body = Readable.from(pieces, { objectMode: false });
    await new Upload({ client: s3, params: { Bucket, Key: 'streamed', Body }, queueSize: 3 }).done();
    const got = await bytesOf(await s3.getObject({ Bucket, Key: 'streamed' }));
    assert.ok(got.equals(Buffer.concat(pieces)));
  });

  await t.test('in a versioned bucket make a version, and survive a restart', async () => {
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
    const Key = 'versioned';
    const UploadId = await begin(Key);
    const part = await upload(Key, UploadId, 1, Buffer.from('data'));
    await server.restart();
    const { VersionId } = await complete(Key, UploadId, [part]);
    assert.ok(VersionId);
    assert.equal((await bytesOf(await s3.getObject({ Bucket, Key, VersionId }))).toString(), 'data');
  });
});
