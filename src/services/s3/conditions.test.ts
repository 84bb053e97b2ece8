import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { refused, textOf } from './testing/refusals.ts';

const Bucket = 'conditional';

test('condition keys of S3', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const { account } = server.config;
  await s3.createBucket({ Bucket });
  await s3.putObject({ Bucket, Key: 'red', Body: 'red', Tagging: 'colour=red' });
  await s3.putObject({ Bucket, Key: 'blue', Body: 'blue', Tagging: 'colour=blue' });
  let users = 0;
  const user = async (Action: string | string[], Condition: object) =>
    (
      await server.user(`user-${users++}`, {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action, Resource: '*', Condition }],
      })
    ).s3;

  await t.test('tags of objects: those there, and those given', async () => {
    const reader = await user(['s3:GetObject', 's3:GetObjectTagging'], {
      StringEquals: { 's3:ExistingObjectTag/colour': 'red' },
    });
    assert.equal(await textOf(await reader.getObject({ Bucket, Key: 'red' })), 'red');
    await reader.getObjectTagging({ Bucket, Key: 'red' });
    await refused(reader.getObject({ Bucket, Key: 'blue' }), 'AccessDenied', 403);
    await s3.putObjectTagging({ Bucket, Key: 'red', Tagging: { TagSet: [{ Key: 'colour', Value: 'blue' }] } });
    await refused(reader.getObject({ Bucket, Key: 'red' }), 'AccessDenied', 403);
    const writer = await user(['s3:PutObject', 's3:PutObjectTagging'], {
      StringEquals: { 's3:RequestObjectTag/colour': 'red' },
    });
    await writer.putObject({ Bucket, Key: 'new', Body: 'x', Tagging: 'colour=red' });
    await refused(writer.putObject({ Bucket, Key: 'new', Body: 'x', Tagging: 'colour=blue' }), 'AccessDenied', 403);
    await refused(writer.putObject({ Bucket, Key: 'new', Body: 'x' }), 'AccessDenied', 403);
    const tagger = await user(['s3:PutObjectTagging'], { StringEquals: { 's3:RequestObjectTag/colour': 'red' } });
    await tagger.putObjectTagging({ Bucket, Key: 'new', Tagging: { TagSet: [{ Key: 'colour', Value: 'red' }] } });
    const green = { TagSet: [{ Key: 'colour', Value: 'green' }] };
    await refused(tagger.putObjectTagging({ Bucket, Key: 'new', Tagging: green }), 'AccessDenied', 403);
    // A bucket policy may ask for them too.
    const deny = {
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:GetObject',
      Resource: `arn:aws:s3:::${Bucket}/*`,
      Condition: { StringEquals: { 's3:ExistingObjectTag/colour': 'blue' } },
    };
    await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement: deny }) });
    await refused(s3.getObject({ Bucket, Key: 'blue' }), 'AccessDenied', 403);
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'new' })), 'x');
    await s3.deleteBucketPolicy({ Bucket });
  });

  await t.test('headers: encryption, storage, copies, content', async () => {
    const kms = await user('s3:PutObject', { StringEquals: { 's3:x-amz-server-side-encryption': 'AES256' } });
    await kms.putObject({ Bucket, Key: 'k', Body: 'x', ServerSideEncryption: 'AES256' });
    await refused(kms.putObject({ Bucket, Key: 'k', Body: 'x' }), 'AccessDenied', 403);
    const signed = await user('s3:PutObject', { StringNotEquals: { 's3:x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } });
    await signed.putObject({ Bucket, Key: 'k', Body: 'x' });
    const copier = await user(['s3:PutObject', 's3:GetObject', 's3:GetObjectTagging', 's3:PutObjectTagging'], {
      StringEqualsIfExists: { 's3:x-amz-copy-source': `${Bucket}/blue` },
    });
    await copier.copyObject({ Bucket, Key: 'copied', CopySource: `${Bucket}/blue` });
    await refused(copier.copyObject({ Bucket, Key: 'copied', CopySource: `${Bucket}/red` }), 'AccessDenied', 403);
  });

  await t.test('how and where: account of the resource, form of the signature', async () => {
    const own = await user('s3:GetObject', {
      StringEquals: { 's3:ResourceAccount': account, 's3:authType': 'REST-HEADER' },
    });
    assert.equal(await textOf(await own.getObject({ Bucket, Key: 'blue' })), 'blue');
    const foreign = await user('s3:GetObject', { StringEquals: { 's3:ResourceAccount': '210987654321' } });
    await refused(foreign.getObject({ Bucket, Key: 'blue' }), 'AccessDenied', 403);
    // A bucket that was deleted may be somebody else's by now, who lets everybody write into it.
    const { root: partner } = await server.account('partner');
    await partner.s3.createBucket({ Bucket: 'once-ours' });
    const [Principal, Resource] = [{ AWS: `arn:aws:iam::${account}:root` }, 'arn:aws:s3:::once-ours/*'];
    const Statement = { Effect: 'Allow', Principal, Action: 's3:PutObject', Resource };
    await partner.s3.putBucketPolicy({
      Bucket: 'once-ours',
      Policy: JSON.stringify({ Version: '2012-10-17', Statement }),
    });
    const careful = await user('s3:PutObject', { StringEquals: { 's3:ResourceAccount': account } });
    await refused(careful.putObject({ Bucket: 'once-ours', Key: 'k', Body: 'secret' }), 'AccessDenied', 403);
    const careless = await user('s3:PutObject', {});
    await careless.putObject({ Bucket: 'once-ours', Key: 'k', Body: 'secret' });
    const fresh = await user('s3:GetObject', { NumericGreaterThan: { 's3:signatureAge': '3600000' } });
    await refused(fresh.getObject({ Bucket, Key: 'blue' }), 'AccessDenied', 403);
    const tls = await user('s3:GetObject', { NumericGreaterThanEquals: { 's3:TlsVersion': '1.2' } });
    await refused(tls.getObject({ Bucket, Key: 'blue' }), 'AccessDenied', 403);
  });

  await t.test('tags of buckets: those given, and, with ABAC, those there', async () => {
    const maker = await user(['s3:CreateBucket', 's3:TagResource'], { StringEquals: { 'aws:RequestTag/team': 'a' } });
    const tags = (Value: string) => ({ CreateBucketConfiguration: { Tags: [{ Key: 'team', Value }] } });
    await maker.createBucket({ Bucket: 'team-a', ...tags('a') });
    await refused(maker.createBucket({ Bucket: 'team-b', ...tags('b') }), 'AccessDenied', 403);
    await refused(maker.createBucket({ Bucket: 'team-b' }), 'AccessDenied', 403);
    const lister = await user('s3:ListBucket', { StringEquals: { 'aws:ResourceTag/team': 'a' } });
    await refused(lister.listObjectsV2({ Bucket: 'team-a' }), 'AccessDenied', 403);
    await s3.putBucketAbac({ Bucket: 'team-a', AbacStatus: { Status: 'Enabled' } });
    assert.equal((await lister.listObjectsV2({ Bucket: 'team-a' })).KeyCount, 0);
    await s3.putBucketTagging({ Bucket: 'team-a', Tagging: { TagSet: [{ Key: 'team', Value: 'b' }] } });
    await refused(lister.listObjectsV2({ Bucket: 'team-a' }), 'AccessDenied', 403);
    const tagger = await user('s3:PutBucketTagging', { 'ForAllValues:StringEquals': { 'aws:TagKeys': ['team'] } });
    await tagger.putBucketTagging({ Bucket: 'team-a', Tagging: { TagSet: [{ Key: 'team', Value: 'c' }] } });
    const other = { TagSet: [{ Key: 'owner', Value: 'c' }] };
    await refused(tagger.putBucketTagging({ Bucket: 'team-a', Tagging: other }), 'AccessDenied', 403);
  });
});
