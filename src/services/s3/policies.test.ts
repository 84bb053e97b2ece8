import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { send } from '../../kernel/testing/raw-http.ts';
import { recorded } from '../../kernel/testing/recorded.ts';
import { refused, textOf } from './testing/refusals.ts';

const allow = (Action: string | string[], Resource: string | string[], more: object = {}) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action, Resource, ...more }],
});
const OPEN = {
  BlockPublicAcls: false,
  IgnorePublicAcls: false,
  BlockPublicPolicy: false,
  RestrictPublicBuckets: false,
};

test('who may what', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const Bucket = 'guarded';
  const arn = `arn:aws:s3:::${Bucket}`;
  await s3.createBucket({ Bucket });
  await s3.putObject({ Bucket, Key: 'public/page.html', Body: 'for all', ContentType: 'text/html' });
  await s3.putObject({ Bucket, Key: 'private/note', Body: 'for some' });
  const putPolicy = (...Statement: object[]) =>
    s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
  const anonymously = (method: string, path: string, more: object = {}) => send(server.url, { method, path, ...more });

  await t.test('identity policies decide per action, object and condition', async () => {
    const reader = (await server.user('reader', allow('s3:GetObject', `${arn}/private/*`))).s3;
    assert.equal(await textOf(await reader.getObject({ Bucket, Key: 'private/note' })), 'for some');
    const denied = await refused(reader.getObject({ Bucket, Key: 'public/page.html' }), 'AccessDenied', 403);
    assert.match(
      denied.message,
      /is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::guarded\/public\/page.html"/,
    );
    await refused(reader.putObject({ Bucket, Key: 'private/note', Body: 'x' }), 'AccessDenied', 403);
    await refused(reader.deleteObject({ Bucket, Key: 'private/note' }), 'AccessDenied', 403);
    await refused(reader.listObjectsV2({ Bucket }), 'AccessDenied', 403);
    await refused(reader.listBuckets({}), 'AccessDenied', 403);
    await refused(reader.headBucket({ Bucket }), 'Unknown', 403); // an answer without a body
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'private/note' })), 'for some');
  });

  await t.test('a canonical user is his account: its policies still decide', async () => {
    const { Owner } = await s3.listBuckets({});
    const other = await server.account('partner');
    const theirs = (await other.root.s3.listBuckets({})).Owner!.ID!;
    const statement = { Effect: 'Allow', Action: 's3:GetObject', Resource: `${arn}/*` };
    await putPolicy({ ...statement, Principal: { CanonicalUser: [Owner!.ID!, theirs] } });
    const nobody = (await server.user('unnamed', allow('s3:ListBucket', arn))).s3;
    await refused(nobody.getObject({ Bucket, Key: 'private/note' }), 'AccessDenied', 403);
    assert.equal(await textOf(await other.root.s3.getObject({ Bucket, Key: 'private/note' })), 'for some');
    await putPolicy({ ...statement, Effect: 'Deny', Principal: { CanonicalUser: theirs } });
    await refused(other.root.s3.getObject({ Bucket, Key: 'private/note' }), 'AccessDenied', 403);
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'private/note' })), 'for some');
  });

  await t.test('conditional writes can be demanded of what makes an object, not of parts', async () => {
    await putPolicy({
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:PutObject',
      Resource: `${arn}/*`,
      Condition: { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
    });
    await refused(s3.putObject({ Bucket, Key: 'once', Body: 'x' }), 'AccessDenied', 403);
    await s3.putObject({ Bucket, Key: 'once', Body: 'x', IfNoneMatch: '*' });
    const { UploadId } = await s3.createMultipartUpload({ Bucket, Key: 'parts' });
    const upload = { Bucket, Key: 'parts', UploadId };
    const { ETag } = await s3.uploadPart({ ...upload, PartNumber: 1, Body: 'x' });
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    await refused(s3.completeMultipartUpload({ ...upload, MultipartUpload }), 'AccessDenied', 403);
    await s3.completeMultipartUpload({ ...upload, MultipartUpload, IfNoneMatch: '*' });
    await s3.deleteBucketPolicy({ Bucket });
  });

  await t.test('who may not list does not learn which keys are missing', async () => {
    const reader = (await server.user('peeker', allow('s3:GetObject', `${arn}/*`))).s3;
    const error = await refused(reader.getObject({ Bucket, Key: 'absent' }), 'AccessDenied', 403);
    assert.match(error.message, /s3:ListBucket/);
    const lister = (await server.user('lister', allow(['s3:GetObject', 's3:ListBucket'], [arn, `${arn}/*`]))).s3;
    await refused(lister.getObject({ Bucket, Key: 'absent' }), 'NoSuchKey', 404);
  });

  await t.test('lists are held to s3:prefix, s3:delimiter and s3:max-keys', async () => {
    const condition = {
      StringLike: { 's3:prefix': ['public/*'] },
      StringEquals: { 's3:delimiter': '/' },
      NumericLessThanEquals: { 's3:max-keys': '10' },
    };
    const user = (await server.user('browser', allow('s3:ListBucket', arn, { Condition: condition }))).s3;
    const list = (Prefix: string, Delimiter: string, MaxKeys: number) =>
      user.listObjectsV2({ Bucket, Prefix, Delimiter, MaxKeys });
    assert.equal((await list('public/', '/', 10)).KeyCount, 1);
    await refused(list('private/', '/', 10), 'AccessDenied', 403);
    await refused(list('public/', '-', 10), 'AccessDenied', 403);
    await refused(list('public/', '/', 11), 'AccessDenied', 403);
    await refused(user.listObjectsV2({ Bucket }), 'AccessDenied', 403);
  });

  await t.test('versions, tags, copies and parts have rights of their own', async () => {
    await s3.createBucket({ Bucket: 'history' });
    await s3.putBucketVersioning({ Bucket: 'history', VersioningConfiguration: { Status: 'Enabled' } });
    const { VersionId } = await s3.putObject({ Bucket: 'history', Key: 'k', Body: 'x' });
    const user = (
      await server.user(
        'writer',
        allow(['s3:PutObject', 's3:GetObject', 's3:DeleteObject'], ['arn:aws:s3:::history/*']),
      )
    ).s3;
    const object = { Bucket: 'history', Key: 'k' };
    await textOf(await user.getObject(object));
    assert.match(
      (await refused(user.getObject({ ...object, VersionId }), 'AccessDenied', 403)).message,
      /GetObjectVersion/,
    );
    assert.match(
      (await refused(user.deleteObject({ ...object, VersionId }), 'AccessDenied', 403)).message,
      /DeleteObjectVersion/,
    );
    const tagged = user.putObject({ ...object, Body: 'x', Tagging: 'a=b' });
    assert.match((await refused(tagged, 'AccessDenied', 403)).message, /PutObjectTagging/);
    // A copy needs the right to read its source: that is how data leaks between buckets.
    await refused(user.copyObject({ ...object, CopySource: `${Bucket}/private/note` }), 'AccessDenied', 403);
    const { UploadId } = await user.createMultipartUpload(object);
    const part = { ...object, UploadId, PartNumber: 1 };
    await refused(user.uploadPartCopy({ ...part, CopySource: `${Bucket}/private/note` }), 'AccessDenied', 403);
    await user.uploadPart({ ...part, Body: 'x' });
    await refused(user.listParts({ ...object, UploadId }), 'AccessDenied', 403);
    await refused(user.abortMultipartUpload({ ...object, UploadId }), 'AccessDenied', 403);
  });

  await t.test('deleting many: each key by itself', async () => {
    for (const Key of ['mine/1', 'theirs/1']) await s3.putObject({ Bucket, Key, Body: 'x' });
    const user = (await server.user('deleter', allow('s3:DeleteObject', `${arn}/mine/*`))).s3;
    const Objects = [{ Key: 'mine/1' }, { Key: 'theirs/1' }];
    const { Deleted, Errors } = await user.deleteObjects({ Bucket, Delete: { Objects } });
    assert.deepEqual(
      Deleted?.map(({ Key }) => Key),
      ['mine/1'],
    );
    assert.deepEqual(
      Errors?.map(({ Key, Code }) => [Key, Code]),
      [['theirs/1', 'AccessDenied']],
    );
    await s3.headObject({ Bucket, Key: 'theirs/1' });
    await refused(s3.headObject({ Bucket, Key: 'mine/1' }), 'NotFound', 404);
  });

  await t.test('a bucket policy gives and takes', async () => {
    const nobody = await server.user('nobody', allow('s3:ListAllMyBuckets', '*'));
    const account = server.config.account;
    const Principal = { AWS: `arn:aws:iam::${account}:user/nobody` };
    await refused(nobody.s3.getObject({ Bucket, Key: 'private/note' }), 'AccessDenied', 403);
    await putPolicy({ Effect: 'Allow', Principal, Action: 's3:GetObject', Resource: `${arn}/private/*` });
    assert.equal(await textOf(await nobody.s3.getObject({ Bucket, Key: 'private/note' })), 'for some');
    await refused(nobody.s3.getObject({ Bucket, Key: 'public/page.html' }), 'AccessDenied', 403);
    const powerful = (await server.user('powerful')).s3;
    await textOf(await powerful.getObject({ Bucket, Key: 'private/note' }));
    const deny = { Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: [arn, `${arn}/private/*`] };
    await putPolicy(deny);
    const denied = await refused(powerful.getObject({ Bucket, Key: 'private/note' }), 'AccessDenied', 403);
    assert.match(denied.message, /explicit deny in a resource-based policy/);
    await refused(s3.getObject({ Bucket, Key: 'private/note' }), 'AccessDenied', 403);
    // Nobody can lock the owner's root user out of the policy.
    assert.deepEqual(JSON.parse((await s3.getBucketPolicy({ Bucket })).Policy!).Statement, [deny]);
    await refused(powerful.deleteBucketPolicy({ Bucket }), 'AccessDenied', 403);
    await s3.deleteBucketPolicy({ Bucket });
    await textOf(await powerful.getObject({ Bucket, Key: 'private/note' }));
    await refused(s3.getBucketPolicy({ Bucket }), 'NoSuchBucketPolicy', 404);
  });

  await t.test('malformed policies are refused and change nothing', async () => {
    const good = {
      Effect: 'Allow',
      Principal: { AWS: server.config.account },
      Action: 's3:GetObject',
      Resource: `${arn}/*`,
    };
    await putPolicy(good);
    for (const Policy of [
      'not json',
      '{}',
      JSON.stringify({ Version: '2012-10-17', Statement: [{ ...good, Principal: undefined }] }),
      JSON.stringify({ Version: '2012-10-17', Statement: [{ ...good, Resource: 'arn:aws:s3:::another/*' }] }),
      JSON.stringify({ Version: '2012-10-17', Statement: [{ ...good, Action: 'sqs:SendMessage' }] }),
      JSON.stringify({ Version: '2012-10-17', Statement: [{ ...good, Sid: 'x'.repeat(21_000) }] }),
    ]) {
      await refused(s3.putBucketPolicy({ Bucket, Policy }), 'MalformedPolicy', 400);
    }
    assert.deepEqual(JSON.parse((await s3.getBucketPolicy({ Bucket })).Policy!).Statement, [good]);
    assert.equal((await s3.getBucketPolicyStatus({ Bucket })).PolicyStatus?.IsPublic, false);
    await s3.deleteBucketPolicy({ Bucket });
  });

  await t.test('public access is blocked in a new bucket, and only its owner can open it', async () => {
    const { PublicAccessBlockConfiguration: initial } = await s3.getPublicAccessBlock({ Bucket });
    assert.deepEqual(Object.values(initial!), [true, true, true, true]);
    const world = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `${arn}/public/*` };
    const blocked = await refused(putPolicy(world), 'AccessDenied', 403);
    assert.match(blocked.message, /BlockPublicPolicy/);
    await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration: OPEN });
    await putPolicy(world);
    assert.equal((await s3.getBucketPolicyStatus({ Bucket })).PolicyStatus?.IsPublic, true);
    const page = await anonymously('GET', `/${Bucket}/public/page.html`);
    assert.deepEqual([page.status, page.text, page.headers['content-type']], [200, 'for all', 'text/html']);
    assert.equal((await anonymously('HEAD', `/${Bucket}/public/page.html`)).status, 200);
    assert.equal((await anonymously('GET', `/${Bucket}/private/note`)).status, 403);
    assert.equal((await anonymously('GET', `/${Bucket}/public/absent`)).status, 403);
    assert.equal((await anonymously('GET', `/${Bucket}`)).status, 403);
    const override = await anonymously('GET', `/${Bucket}/public/page.html?response-content-type=text%2Fx`);
    assert.deepEqual([override.status, /InvalidRequest/.test(override.text)], [400, true]);
    // The switch works at once, without taking the policy away.
    await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration: { ...OPEN, RestrictPublicBuckets: true } });
    assert.equal((await anonymously('GET', `/${Bucket}/public/page.html`)).status, 403);
    await s3.deletePublicAccessBlock({ Bucket });
    await refused(s3.getPublicAccessBlock({ Bucket }), 'NoSuchPublicAccessBlockConfiguration', 404);
    assert.equal((await anonymously('GET', `/${Bucket}/public/page.html`)).status, 200);
  });

  await t.test('a public policy may let the world write, and no more than it says', async () => {
    await putPolicy({ Effect: 'Allow', Principal: '*', Action: 's3:PutObject', Resource: `${arn}/inbox/*` });
    const put = await anonymously('PUT', `/${Bucket}/inbox/x`, { body: 'from outside' });
    assert.equal(put.status, 200, put.text);
    assert.equal(await textOf(await s3.getObject({ Bucket, Key: 'inbox/x' })), 'from outside');
    assert.equal((await anonymously('PUT', `/${Bucket}/outbox/x`, { body: 'x' })).status, 403);
    assert.equal((await anonymously('GET', `/${Bucket}/inbox/x`)).status, 403);
    // An unsigned header that would make it a copy needs the right to read the source.
    const copy = { headers: { 'x-amz-copy-source': `/${Bucket}/private/note`, 'content-length': '0' } };
    assert.equal((await anonymously('PUT', `/${Bucket}/inbox/stolen`, copy)).status, 403);
    await refused(s3.headObject({ Bucket, Key: 'inbox/stolen' }), 'NotFound', 404);
  });

  await t.test('every object call is recorded as a data event, refusals included', async () => {
    await anonymously('GET', `/${Bucket}/private/note`);
    const records = (await recorded(server.kernel, 'GetObject')).map(({ text }) => JSON.parse(text));
    const refusal = records.find(
      ({ errorCode, userIdentity }) => errorCode === 'AccessDenied' && userIdentity.accountId === 'ANONYMOUS_PRINCIPAL',
    );
    assert.equal(refusal.requestParameters.key, 'private/note');
    assert.deepEqual([refusal.managementEvent, refusal.eventCategory, refusal.readOnly], [false, 'Data', true]);
    assert.deepEqual(
      refusal.resources.map(({ ARN }: { ARN: string }) => ARN),
      [`${arn}/private/note`],
    );
  });
});
