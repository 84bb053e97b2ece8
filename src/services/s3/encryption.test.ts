import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { storedBytes } from '../../../test/stored-bytes.ts';
import { sendSigned } from '../../kernel/testing/raw-http.ts';
import { bytesOf, refused, textOf } from './testing/refusals.ts';

const MIB = 1024 * 1024;
const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('base64');

test('keys of the customer (SSE-C)', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const Bucket = 'customers';
  await s3.createBucket({ Bucket });
  const keyOf = (bytes: Buffer) => ({
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: bytes.toString('base64'),
    SSECustomerKeyMD5: md5(bytes),
  });
  const [secret, other] = [randomBytes(32), randomBytes(32)];
  const [key, wrong] = [keyOf(secret), keyOf(other)];
  const data = randomBytes(200_000);
  const put = await s3.putObject({ Bucket, Key: 'k', Body: data, ...key });
  assert.equal(put.SSECustomerAlgorithm, 'AES256');
  assert.equal(put.SSECustomerKeyMD5, key.SSECustomerKeyMD5);
  assert.equal(put.ServerSideEncryption, undefined);
  assert.notEqual(put.ETag, `"${createHash('md5').update(data).digest('hex')}"`);

  await t.test('each read needs the key, and no other will do', async () => {
    assert.ok((await bytesOf(await s3.getObject({ Bucket, Key: 'k', ...key }))).equals(data));
    const range = await s3.getObject({ Bucket, Key: 'k', Range: 'bytes=70000-70009', ...key });
    assert.ok((await bytesOf(range)).equals(data.subarray(70_000, 70_010)));
    assert.equal((await s3.headObject({ Bucket, Key: 'k', ...key })).ContentLength, data.length);
    await refused(s3.getObject({ Bucket, Key: 'k' }), 'InvalidRequest', 400);
    await refused(s3.getObject({ Bucket, Key: 'k', ...wrong }), 'AccessDenied', 403);
    await refused(s3.getObjectAttributes({ Bucket, Key: 'k', ObjectAttributes: ['ETag'] }), 'InvalidRequest', 400);
    await s3.putObject({ Bucket, Key: 'empty', Body: '', ...key });
    await refused(s3.getObject({ Bucket, Key: 'empty', ...wrong }), 'AccessDenied', 403);
    await s3.putObject({ Bucket, Key: 'plain', Body: 'x' });
    await refused(s3.getObject({ Bucket, Key: 'plain', ...key }), 'InvalidRequest', 400);
  });

  await t.test('a key that is none is refused, and nothing is stored', async () => {
    const bad: [object, string][] = [
      [{ ...key, SSECustomerAlgorithm: 'AES128' }, 'InvalidEncryptionAlgorithmError'],
      [{ ...keyOf(randomBytes(16)) }, 'InvalidArgument'],
      [{ ...key, ServerSideEncryption: 'AES256' }, 'InvalidArgument'],
      [{ SSECustomerAlgorithm: 'AES256' }, 'InvalidArgument'],
    ];
    for (const [members, name] of bad)
      await refused(s3.putObject({ Bucket, Key: 'no', Body: 'x', ...members }), name, 400);
    // The SDK computes the digest itself.
    const headers = {
      'x-amz-server-side-encryption-customer-algorithm': 'AES256',
      'x-amz-server-side-encryption-customer-key': key.SSECustomerKey,
      'x-amz-server-side-encryption-customer-key-md5': wrong.SSECustomerKeyMD5,
    };
    const request = { method: 'PUT', path: `/${Bucket}/no`, headers, body: 'x' };
    const { status, text } = await sendSigned(server.url, 's3', server.root, request);
    assert.deepEqual([status, /calculated MD5 hash of the key did not match/.test(text)], [400, true]);
    await refused(s3.headObject({ Bucket, Key: 'no' }), 'NotFound', 404);
  });

  await t.test('copies and parts', async () => {
    const source = {
      CopySource: `${Bucket}/k`,
      CopySourceSSECustomerAlgorithm: 'AES256',
      CopySourceSSECustomerKey: key.SSECustomerKey,
      CopySourceSSECustomerKeyMD5: key.SSECustomerKeyMD5,
    };
    await refused(s3.copyObject({ Bucket, Key: 'copy', CopySource: `${Bucket}/k` }), 'InvalidRequest', 400);
    await s3.copyObject({ Bucket, Key: 'copy', ...source });
    assert.ok((await bytesOf(await s3.getObject({ Bucket, Key: 'copy' }))).equals(data));
    await s3.copyObject({ Bucket, Key: 'k', ...source, ...wrong });
    assert.ok((await bytesOf(await s3.getObject({ Bucket, Key: 'k', ...wrong }))).equals(data), 'a new key');
    const { UploadId } = await s3.createMultipartUpload({ Bucket, Key: 'parts', ...key });
    const parts = [randomBytes(5 * MIB), randomBytes(1000)];
    await refused(s3.uploadPart({ Bucket, Key: 'parts', UploadId, PartNumber: 1, Body: 'x' }), 'InvalidRequest', 400);
    const Parts = [];
    for (const [at, Body] of parts.entries()) {
      const { ETag } = await s3.uploadPart({ Bucket, Key: 'parts', UploadId, PartNumber: at + 1, Body, ...key });
      Parts.push({ ETag, PartNumber: at + 1 });
    }
    await s3.completeMultipartUpload({ Bucket, Key: 'parts', UploadId, MultipartUpload: { Parts } });
    assert.ok((await bytesOf(await s3.getObject({ Bucket, Key: 'parts', ...key }))).equals(Buffer.concat(parts)));
  });

  await t.test('the key is nowhere', async () => {
    const stored = await storedBytes(server);
    for (const form of [secret, key.SSECustomerKey]) assert.ok(!stored.includes(form), 'the key is stored');
    const rule = { BlockedEncryptionTypes: { EncryptionType: ['SSE-C' as const] } };
    await s3.putBucketEncryption({ Bucket, ServerSideEncryptionConfiguration: { Rules: [rule] } });
    await refused(s3.putObject({ Bucket, Key: 'k2', Body: 'x', ...key }), 'AccessDenied', 403);
  });
});

test('keys of KMS (SSE-KMS)', async (t) => {
  const server = await startServer(t);
  const { s3, kms } = server.root_;
  const Bucket = 'kept';
  await s3.createBucket({ Bucket });
  const { KeyMetadata } = await kms.createKey({});
  const { Arn, KeyId } = KeyMetadata!;
  await kms.createAlias({ AliasName: 'alias/mine', TargetKeyId: KeyId });
  const wish = { ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: 'alias/mine' };
  const data = randomBytes(300_000);
  const put = await s3.putObject({ Bucket, Key: 'k', Body: data, ...wish });
  assert.deepEqual([put.ServerSideEncryption, put.SSEKMSKeyId, put.BucketKeyEnabled], ['aws:kms', Arn, undefined]);
  assert.ok((await bytesOf(await s3.getObject({ Bucket, Key: 'k' }))).equals(data));
  const head = await s3.headObject({ Bucket, Key: 'k' });
  assert.deepEqual([head.ServerSideEncryption, head.SSEKMSKeyId], ['aws:kms', Arn]);

  await t.test('the managed key is made on first use; a bucket may have a default', async () => {
    const managed = await s3.putObject({ Bucket, Key: 'managed', Body: 'x', ServerSideEncryption: 'aws:kms' });
    const { Aliases } = await kms.listAliases({});
    const alias = Aliases!.find(({ AliasName }) => AliasName === 'alias/aws/s3');
    assert.ok(managed.SSEKMSKeyId!.endsWith(`key/${alias!.TargetKeyId}`));
    const byDefault = { SSEAlgorithm: 'aws:kms' as const, KMSMasterKeyID: Arn! };
    const Rules = [{ ApplyServerSideEncryptionByDefault: byDefault, BucketKeyEnabled: true }];
    await s3.putBucketEncryption({ Bucket, ServerSideEncryptionConfiguration: { Rules } });
    assert.deepEqual((await s3.getBucketEncryption({ Bucket })).ServerSideEncryptionConfiguration?.Rules, Rules);
    const stored = await s3.putObject({ Bucket, Key: 'default', Body: 'by default' });
    assert.deepEqual([stored.SSEKMSKeyId, stored.BucketKeyEnabled], [Arn, true]);
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'default' })), 'by default');
    const plain = await s3.putObject({ Bucket, Key: 'aes', Body: 'x', ServerSideEncryption: 'AES256' });
    assert.equal(plain.ServerSideEncryption, 'AES256');
    await refused(
      s3.putObject({ Bucket, Key: 'no', Body: 'x', ServerSideEncryption: 'AES256', SSEKMSKeyId: Arn }),
      'InvalidArgument',
      400,
    );
  });

  await t.test('who may not use the key may neither write nor read', async () => {
    const only = (Action: string[]) => ({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action, Resource: '*' }],
    });
    const bob = await server.user('bob', only(['s3:*']));
    const error = await refused(bob.s3.getObject({ Bucket, Key: 'k' }), 'AccessDenied', 403);
    assert.match(error.message, /kms:Decrypt/);
    await refused(bob.s3.putObject({ Bucket, Key: 'bobs', Body: 'x' }), 'AccessDenied', 403);
    await bob.s3.headObject({ Bucket, Key: 'k' });
    const condition = { StringEquals: { 'kms:ViaService': 's3.us-east-1.amazonaws.com' } };
    const via = await server.user('via', {
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: 's3:*', Resource: '*' },
        { Effect: 'Allow', Action: ['kms:Decrypt', 'kms:GenerateDataKey'], Resource: '*', Condition: condition },
      ],
    });
    assert.ok((await bytesOf(await via.s3.getObject({ Bucket, Key: 'k' }))).equals(data));
    await via.s3.putObject({ Bucket, Key: 'vias', Body: 'x' });
  });

  await t.test('parts and copies', async () => {
    const { UploadId } = await s3.createMultipartUpload({ Bucket, Key: 'parts', ...wish });
    const { ETag } = await s3.uploadPart({ Bucket, Key: 'parts', UploadId, PartNumber: 1, Body: data });
    const done = await s3.completeMultipartUpload({
      Bucket,
      Key: 'parts',
      UploadId,
      MultipartUpload: { Parts: [{ ETag, PartNumber: 1 }] },
    });
    assert.equal(done.SSEKMSKeyId, Arn);
    await s3.copyObject({ Bucket, Key: 'copy', CopySource: `${Bucket}/parts`, ServerSideEncryption: 'AES256' });
    assert.ok((await bytesOf(await s3.getObject({ Bucket, Key: 'parts' }))).equals(data));
    assert.ok((await bytesOf(await s3.getObject({ Bucket, Key: 'copy' }))).equals(data));
  });

  await t.test('a disabled key opens nothing, not even what a bucket key keeps', async () => {
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'default' })), 'by default');
    await kms.disableKey({ KeyId });
    for (const Key of ['k', 'default', 'parts']) {
      await refused(s3.getObject({ Bucket, Key }), 'KMS.DisabledException', 400);
    }
    await refused(s3.putObject({ Bucket, Key: 'new', Body: 'x' }), 'KMS.DisabledException', 400);
    assert.ok((await bytesOf(await s3.getObject({ Bucket, Key: 'copy' }))).equals(data));
    await kms.enableKey({ KeyId });
    await server.restart();
    assert.ok((await bytesOf(await s3.getObject({ Bucket, Key: 'k' }))).equals(data));
    await refused(
      s3.putObject({ Bucket, Key: 'x', Body: 'x', ...wish, SSEKMSKeyId: 'alias/none' }),
      'KMS.NotFoundException',
      400,
    );
  });
});
