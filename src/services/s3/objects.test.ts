import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type * as sdk from '@aws-sdk/client-s3';
import { startServer } from '../../../test/harness.ts';
import { bytesOf, refused, textOf } from './testing/refusals.ts';

const md5 = (data: string | Buffer) => createHash('md5').update(data).digest('hex');

test('objects', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const Bucket = 'objects';
  await s3.createBucket({ Bucket });

  await t.test('come back as they were put, with all their headers', async () => {
    const put = await s3.putObject({
      Bucket,
      Key: 'full',
      Body: 'hello',
      ContentType: 'text/plain; charset=utf-8',
      CacheControl: 'max-age=60',
      ContentDisposition: 'attachment; filename="a b.txt"',
      ContentEncoding: 'identity',
      ContentLanguage: 'de',
      Expires: new Date('2030-01-02T03:04:05Z'),
      Metadata: { 'Some-Name': 'some value', other: '' },
      Tagging: 'team=build&stage=two%20words',
      ServerSideEncryption: 'AES256',
      ACL: 'private',
      StorageClass: 'STANDARD',
    });
    assert.equal(put.ETag, `"${md5('hello')}"`);
    assert.equal(put.ServerSideEncryption, 'AES256');
    assert.equal(put.VersionId, undefined);
    const got = await s3.getObject({ Bucket, Key: 'full' });
    assert.equal(await textOf(got), 'hello');
    const head = await s3.headObject({ Bucket, Key: 'full' });
    for (const output of [got, head]) {
      assert.equal(output.ETag, put.ETag);
      assert.equal(output.ContentLength, 5);
      assert.equal(output.ContentType, 'text/plain; charset=utf-8');
      assert.equal(output.CacheControl, 'max-age=60');
      assert.equal(output.ContentDisposition, 'attachment; filename="a b.txt"');
      assert.equal(output.ContentEncoding, 'identity');
      assert.equal(output.ContentLanguage, 'de');
      assert.equal(output.Expires?.toISOString(), '2030-01-02T03:04:05.000Z');
      assert.deepEqual(output.Metadata, { 'some-name': 'some value', other: '' });
      assert.equal(output.TagCount, 2);
      assert.equal(output.AcceptRanges, 'bytes');
      assert.equal(output.ServerSideEncryption, 'AES256');
      assert.ok(Math.abs(Date.now() - output.LastModified!.getTime()) < 60_000);
      assert.equal(output.$metadata.httpStatusCode, 200);
    }
  });

  await t.test('of no bytes, of one frame and of many', async () => {
    for (const size of [0, 1, 65_535, 65_536, 65_537, 3_000_000]) {
      const Body = randomBytes(size);
      const { ETag } = await s3.putObject({ Bucket, Key: `size-${size}`, Body });
      assert.equal(ETag, `"${md5(Body)}"`);
      const got = await s3.getObject({ Bucket, Key: `size-${size}` });
      assert.equal(got.ContentLength, size);
      assert.ok((await bytesOf(got)).equals(Body), String(size));
    }
  });

  await t.test('are replaced whole', async () => {
    await s3.putObject({ Bucket, Key: 'again', Body: 'one', Metadata: { a: '1' }, ContentType: 'text/css' });
    await s3.putObject({ Bucket, Key: 'again', Body: 'two' });
    const got = await s3.getObject({ Bucket, Key: 'again' });
    assert.equal(await textOf(got), 'two');
    assert.deepEqual(got.Metadata, {});
    assert.equal(got.ContentType, 'application/octet-stream');
  });

  await t.test('that are not there', async () => {
    await refused(s3.getObject({ Bucket, Key: 'absent' }), 'NoSuchKey', 404);
    await refused(s3.headObject({ Bucket, Key: 'absent' }), 'NotFound', 404);
    await refused(s3.getObject({ Bucket: 'absent', Key: 'x' }), 'NoSuchBucket', 404);
    await refused(s3.putObject({ Bucket: 'absent', Key: 'x', Body: 'x' }), 'NoSuchBucket', 404);
    await s3.deleteObject({ Bucket, Key: 'absent' }); // no error
  });

  await t.test('A6: ranges', async () => {
    const Body = randomBytes(200_000);
    await s3.putObject({ Bucket, Key: 'ranged', Body });
    const get = (Range: string) => s3.getObject({ Bucket, Key: 'ranged', Range });
    for (const [range, start, end] of [
      ['bytes=0-0', 0, 0],
      ['bytes=65530-65545', 65_530, 65_545],
      ['bytes=199999-', 199_999, 199_999],
      ['bytes=-5', 199_995, 199_999],
      ['bytes=100000-9999999', 100_000, 199_999],
    ] as const) {
      const got = await get(range);
      assert.equal(got.$metadata.httpStatusCode, 206, range);
      assert.equal(got.ContentRange, `bytes ${start}-${end}/200000`);
      assert.equal(got.ContentLength, end - start + 1);
      assert.ok((await bytesOf(got)).equals(Body.subarray(start, end + 1)), range);
    }
    for (const range of ['bytes=200000-', 'bytes=-0']) await refused(get(range), 'InvalidRange', 416);
    for (const range of ['bytes=0-1,5-6', 'bytes=9-1', 'nonsense']) {
      const got = await get(range);
      assert.equal(got.$metadata.httpStatusCode, 200, range);
      assert.equal((await bytesOf(got)).length, 200_000);
    }
    const head = await s3.headObject({ Bucket, Key: 'ranged', Range: 'bytes=1-2' });
    assert.equal(head.ContentLength, 2);
    assert.equal(head.$metadata.httpStatusCode, 206);
  });

  await t.test('conditional reads', async () => {
    const { ETag } = await s3.putObject({ Bucket, Key: 'conditional', Body: 'x' });
    const past = new Date(Date.now() - 3_600_000);
    const future = new Date(Date.now() + 3_600_000);
    const get = (conditions: object) => s3.getObject({ Bucket, Key: 'conditional', ...conditions });
    assert.equal(await textOf(await get({ IfMatch: ETag, IfUnmodifiedSince: past })), 'x');
    assert.equal(await textOf(await get({ IfNoneMatch: '"other"' })), 'x');
    await refused(get({ IfMatch: '"other"' }), 'PreconditionFailed', 412);
    await refused(get({ IfUnmodifiedSince: past }), 'PreconditionFailed', 412);
    for (const conditions of [{ IfNoneMatch: ETag }, { IfModifiedSince: future }]) {
      // The SDK has no name for an answer without a body.
      await refused(get(conditions), 'Unknown', 304);
    }
  });

  await t.test('headers that a signed reader overrides', async () => {
    const got = await s3.getObject({
      Bucket,
      Key: 'full',
      ResponseContentType: 'application/json',
      ResponseContentDisposition: 'inline',
      ResponseCacheControl: 'no-store',
    });
    assert.deepEqual(
      [got.ContentType, got.ContentDisposition, got.CacheControl],
      ['application/json', 'inline', 'no-store'],
    );
    await textOf(got);
  });

  await t.test('conditional writes', async () => {
    const put = (conditions: object) => s3.putObject({ Bucket, Key: 'guarded', Body: 'x', ...conditions });
    await refused(put({ IfMatch: '"any"' }), 'NoSuchKey', 404);
    const { ETag } = await put({ IfNoneMatch: '*' });
    await refused(put({ IfNoneMatch: '*' }), 'PreconditionFailed', 412);
    await refused(put({ IfMatch: '"other"' }), 'PreconditionFailed', 412);
    await put({ IfMatch: ETag });
    await refused(s3.deleteObject({ Bucket, Key: 'guarded', IfMatch: '"other"' }), 'PreconditionFailed', 412);
    await s3.deleteObject({ Bucket, Key: 'guarded', IfMatch: ETag });
    await put({ IfNoneMatch: '*' });
  });

  await t.test('A4: of 16 who write if nothing is there, one wins and no object is torn', async () => {
    for (const conditions of [{ IfNoneMatch: '*' }, 'match'] as const) {
      const Key = `raced-${typeof conditions}`;
      const known = conditions === 'match' ? await s3.putObject({ Bucket, Key, Body: 'start' }) : undefined;
      const bodies = Array.from({ length: 16 }, (_, at) => Buffer.alloc(100_000, at + 1));
      const outcomes = await Promise.allSettled(
        bodies.map((Body) =>
          s3.putObject({
            Bucket,
            Key,
            Body,
            ...(known === undefined ? { IfNoneMatch: '*' } : { IfMatch: known.ETag }),
          }),
        ),
      );
      const winners = outcomes.flatMap(({ status }, at) => (status === 'fulfilled' ? [at] : []));
      assert.equal(winners.length, 1, Key);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') assert.match((outcome.reason as Error).name, /PreconditionFailed/);
      }
      assert.ok((await bytesOf(await s3.getObject({ Bucket, Key }))).equals(bodies[winners[0]!]!));
    }
  });

  await t.test('a reader sees one write or the other, never a mixture, while they are replaced', async () => {
    const Key = 'churned';
    const bodies = [1, 2, 3].map((value) => Buffer.alloc(300_000, value));
    await s3.putObject({ Bucket, Key, Body: bodies[0]! });
    const writes = bodies.flatMap((Body) => Array.from({ length: 8 }, () => s3.putObject({ Bucket, Key, Body })));
    const reads = Array.from({ length: 24 }, async () => {
      const data = await bytesOf(await s3.getObject({ Bucket, Key }));
      assert.ok(bodies.some((body) => body.equals(data)));
    });
    await Promise.all([...writes, ...reads]);
  });

  await t.test('metadata has a limit', async () => {
    await refused(
      s3.putObject({ Bucket, Key: 'heavy', Body: 'x', Metadata: { a: 'x'.repeat(2100) } }),
      'MetadataTooLarge',
      400,
    );
  });

  await t.test('wishes that would change what happens are refused by name', async () => {
    const put = (wish: object) => s3.putObject({ Bucket, Key: 'wish', Body: 'x', ...wish });
    const wishes: [object, string, number][] = [
      [{ ACL: 'public-read' }, 'AccessControlListNotSupported', 400],
      [{ GrantRead: 'id="x"' }, 'AccessControlListNotSupported', 400],
      [{ ServerSideEncryption: 'aws:kms:dsse' }, 'NotImplemented', 501],
      [{ ServerSideEncryption: 'rot13' }, 'InvalidArgument', 400],
      [{ SSEKMSKeyId: 'alias/x' }, 'InvalidArgument', 400],
      [{ StorageClass: 'GLACIER' }, 'NotImplemented', 501],
      [{ StorageClass: 'CUPBOARD' }, 'InvalidStorageClass', 400],
      [{ ObjectLockLegalHoldStatus: 'ON' }, 'InvalidRequest', 400],
      [{ ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: new Date() }, 'InvalidRequest', 400],
      [{ WebsiteRedirectLocation: 'javascript:alert(1)' }, 'InvalidRedirectLocation', 400],
    ];
    for (const [wish, name, status] of wishes) await refused(put(wish), name, status);
    await refused(s3.headObject({ Bucket, Key: 'wish' }), 'NotFound', 404);
    await put({ ACL: 'bucket-owner-full-control' });
  });

  await t.test('tags', async () => {
    const Key = 'tagged';
    await s3.putObject({ Bucket, Key, Body: 'x' });
    assert.deepEqual((await s3.getObjectTagging({ Bucket, Key })).TagSet, []);
    const TagSet = [{ Key: 'k', Value: 'v + w=@' }];
    await s3.putObjectTagging({ Bucket, Key, Tagging: { TagSet } });
    assert.deepEqual((await s3.getObjectTagging({ Bucket, Key })).TagSet, TagSet);
    assert.equal((await s3.headObject({ Bucket, Key })).TagCount, 1);
    const many = Array.from({ length: 11 }, (_, at) => ({ Key: `k${at}`, Value: '' }));
    await refused(s3.putObjectTagging({ Bucket, Key, Tagging: { TagSet: many } }), 'BadRequest', 400);
    await s3.deleteObjectTagging({ Bucket, Key });
    assert.deepEqual((await s3.getObjectTagging({ Bucket, Key })).TagSet, []);
    await refused(s3.getObjectTagging({ Bucket, Key: 'absent' }), 'NoSuchKey', 404);
  });

  await t.test('attributes', async () => {
    await s3.putObject({ Bucket, Key: 'attributes', Body: 'hello', ChecksumAlgorithm: 'SHA256' });
    const output = await s3.getObjectAttributes({
      Bucket,
      Key: 'attributes',
      ObjectAttributes: ['ETag', 'Checksum', 'ObjectSize', 'StorageClass', 'ObjectParts'],
    });
    assert.equal(output.ETag, md5('hello'));
    assert.equal(output.ObjectSize, 5);
    assert.equal(output.StorageClass, 'STANDARD');
    assert.equal(output.ObjectParts, undefined);
    assert.equal(output.Checksum?.ChecksumSHA256, createHash('sha256').update('hello').digest('base64'));
    assert.equal(output.Checksum?.ChecksumType, 'FULL_OBJECT');
  });

  await t.test('are deleted many at once', async () => {
    for (const Key of ['many/1', 'many/2', 'many/é']) await s3.putObject({ Bucket, Key, Body: 'x' });
    const Objects = ['many/1', 'many/2', 'many/é', 'many/absent'].map((Key) => ({ Key }));
    const { Deleted, Errors } = await s3.deleteObjects({ Bucket, Delete: { Objects } });
    assert.deepEqual(
      Deleted?.map(({ Key }) => Key),
      Objects.map(({ Key }) => Key),
    );
    assert.equal(Errors, undefined);
    assert.equal((await s3.listObjectsV2({ Bucket, Prefix: 'many/' })).KeyCount, 0);
    const quiet = await s3.deleteObjects({ Bucket, Delete: { Objects, Quiet: true } });
    assert.equal(quiet.Deleted, undefined);
    await s3.putObject({ Bucket, Key: 'many/1', Body: 'x' });
    const guarded = await s3.deleteObjects({ Bucket, Delete: { Objects: [{ Key: 'many/1', ETag: '"other"' }] } });
    assert.deepEqual(
      guarded.Errors?.map(({ Key, Code }) => [Key, Code]),
      [['many/1', 'PreconditionFailed']],
    );
    await refused(s3.deleteObjects({ Bucket, Delete: { Objects: [] } }), 'MalformedXML', 400);
  });
});

test('other services put and get objects in process, whatever the body is made of', async (t) => {
  const server = await startServer(t);
  await server.root_.s3.createBucket({ Bucket: 'inside' });
  const { account } = server.config;
  const ctx = server.kernel
    .serviceContext('codepipeline.amazonaws.com')
    .withCaller({ type: 'Root', account, arn: `arn:aws:iam::${account}:root`, principalId: account });
  const data = randomBytes(700_000);
  const bodies = {
    text: data.toString('base64'),
    bytes: data,
    stream: Readable.from([data.subarray(0, 100_000), data.subarray(100_000)]),
    blob: new Blob([data]),
    nothing: undefined,
  };
  for (const [Key, Body] of Object.entries(bodies)) {
    const { ETag } = await ctx.call<typeof sdk, 'PutObject'>('s3', 'PutObject', { Bucket: 'inside', Key, Body });
    const expected = Key === 'text' ? Buffer.from(bodies.text) : Key === 'nothing' ? Buffer.alloc(0) : data;
    assert.equal(ETag, `"${md5(expected)}"`, Key);
    const got = await ctx.call<typeof sdk, 'GetObject'>('s3', 'GetObject', { Bucket: 'inside', Key });
    const chunks: Uint8Array[] = [];
    for await (const chunk of got.Body as Readable) chunks.push(chunk);
    assert.ok(Buffer.concat(chunks).equals(expected), Key);
  }
  const absent = { Bucket: 'inside', Key: 'absent' };
  await assert.rejects(ctx.call<typeof sdk, 'GetObject'>('s3', 'GetObject', absent), { name: 'NoSuchKey' });
});

test('copies of objects', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const Bucket = 'copies';
  await s3.createBucket({ Bucket });
  await s3.createBucket({ Bucket: 'elsewhere' });
  const Body = randomBytes(150_000);
  const source = { Bucket, Key: 'dir/a b+ü', Body, ContentType: 'text/x', Metadata: { a: '1' }, Tagging: 't=1' };
  const { ETag } = await s3.putObject({ ...source, ChecksumAlgorithm: 'SHA1' });
  const CopySource = `${Bucket}/${encodeURIComponent('dir/a b+ü')}`;

  await t.test('carry data, headers, metadata, tags and checksum', async () => {
    const { CopyObjectResult } = await s3.copyObject({ Bucket: 'elsewhere', Key: 'b', CopySource });
    assert.equal(CopyObjectResult?.ETag, ETag);
    assert.equal(CopyObjectResult?.ChecksumSHA1, createHash('sha1').update(Body).digest('base64'));
    const got = await s3.getObject({ Bucket: 'elsewhere', Key: 'b' });
    assert.ok((await bytesOf(got)).equals(Body));
    assert.deepEqual([got.ContentType, got.Metadata, got.TagCount], ['text/x', { a: '1' }, 1]);
    await s3.copyObject({ Bucket, Key: 'c', CopySource: `/${CopySource}` });
  });

  await t.test('or have new metadata, also in place', async () => {
    const replaced = { MetadataDirective: 'REPLACE', Metadata: { b: '2' }, ContentType: 'text/y' } as const;
    await s3.copyObject({ Bucket, Key: 'c', CopySource: `${Bucket}/c`, ...replaced });
    const got = await s3.getObject({ Bucket, Key: 'c' });
    assert.deepEqual([got.ContentType, got.Metadata, got.TagCount], ['text/y', { b: '2' }, 1]);
    assert.ok((await bytesOf(got)).equals(Body));
    await s3.copyObject({ Bucket, Key: 'c', CopySource: `${Bucket}/c`, TaggingDirective: 'REPLACE', Tagging: '' });
    assert.equal((await s3.headObject({ Bucket, Key: 'c' })).TagCount, undefined);
    await refused(s3.copyObject({ Bucket, Key: 'c', CopySource: `${Bucket}/c` }), 'InvalidRequest', 400);
  });

  await t.test('are conditional on the source and on the target', async () => {
    const copy = (conditions: object) => s3.copyObject({ Bucket, Key: 'd', CopySource, ...conditions });
    await refused(copy({ CopySourceIfMatch: '"other"' }), 'PreconditionFailed', 412);
    await refused(copy({ CopySourceIfNoneMatch: ETag }), 'PreconditionFailed', 412);
    await refused(copy({ CopySourceIfModifiedSince: new Date(Date.now() + 3_600_000) }), 'PreconditionFailed', 412);
    await copy({ CopySourceIfMatch: ETag, IfNoneMatch: '*' });
    await refused(copy({ IfNoneMatch: '*' }), 'PreconditionFailed', 412);
  });

  await t.test('of what is not there', async () => {
    const copy = (from: string) => s3.copyObject({ Bucket, Key: 'e', CopySource: from });
    await refused(copy(`${Bucket}/absent`), 'NoSuchKey', 404);
    await refused(copy('absent/x'), 'NoSuchBucket', 404);
    await refused(copy('nothing'), 'InvalidArgument', 400);
    await refused(copy(`${Bucket}/c?versionId=${'x'.repeat(32)}`), 'NoSuchVersion', 404);
  });
});
