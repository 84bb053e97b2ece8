import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { send } from '../../kernel/testing/raw-http.ts';
import { isBucketName } from './names.ts';
import { refused } from './testing/refusals.ts';

test('names of buckets', () => {
  const good = ['abc', 'a.b', '1bucket', 'my-bucket.example', 'a'.repeat(63), '1.2.3', 'a-b'];
  const bad = [
    'ab',
    'a'.repeat(64),
    'Abc',
    'a_b',
    '-abc',
    'abc-',
    '.abc',
    'abc.',
    'a..b',
    '192.168.5.4',
    'xn--abc',
    'sthree-x',
    'amzn-s3-demo-x',
    'abc-s3alias',
    'abc--ol-s3',
    'abc.mrap',
    'abc--x-s3',
    'a b c',
    '../etc',
    'abc\n',
    '',
  ];
  for (const name of good) assert.equal(isBucketName(name), true, name);
  for (const name of bad) assert.equal(isBucketName(name), false, JSON.stringify(name));
});

test('buckets', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const ireland = server.clients(server.root, 'eu-west-1').s3;

  await t.test('are made, found and listed', async () => {
    const { Location, BucketArn } = await s3.createBucket({ Bucket: 'plain' });
    assert.deepEqual([Location, BucketArn], ['/plain', 'arn:aws:s3:::plain']);
    const head = await s3.headBucket({ Bucket: 'plain' });
    assert.equal(head.BucketRegion, 'us-east-1');
    const { Buckets, Owner } = await s3.listBuckets({});
    assert.deepEqual(
      Buckets?.map(({ Name, BucketRegion }) => [Name, BucketRegion]),
      [['plain', 'us-east-1']],
    );
    assert.match(Owner!.ID!, /^[0-9a-f]{64}$/);
    await refused(s3.headBucket({ Bucket: 'absent' }), 'NotFound', 404);
    await refused(s3.listObjectsV2({ Bucket: 'absent' }), 'NoSuchBucket', 404);
    await refused(s3.deleteBucket({ Bucket: 'absent' }), 'NoSuchBucket', 404);
  });

  await t.test('have a region, by the rules of location constraints', async () => {
    assert.equal((await s3.getBucketLocation({ Bucket: 'plain' })).LocationConstraint, undefined);
    const irish = { LocationConstraint: 'eu-west-1' } as const;
    await ireland.createBucket({ Bucket: 'irish', CreateBucketConfiguration: irish });
    assert.equal((await s3.getBucketLocation({ Bucket: 'irish' })).LocationConstraint, 'eu-west-1');
    await s3.createBucket({ Bucket: 'from-afar', CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } });
    assert.equal((await ireland.headBucket({ Bucket: 'from-afar' })).BucketRegion, 'eu-west-1');
    const create = (client: typeof s3, constraint: string) =>
      client.createBucket({
        Bucket: 'nowhere',
        CreateBucketConfiguration: { LocationConstraint: constraint as 'eu-west-1' },
      });
    await refused(create(ireland, 'us-west-2'), 'IllegalLocationConstraintException', 400);
    await refused(create(s3, 'us-east-1'), 'InvalidLocationConstraint', 400);
    await refused(create(s3, 'the-moon'), 'InvalidLocationConstraint', 400);
    await refused(s3.headBucket({ Bucket: 'nowhere' }), 'NotFound', 404);
  });

  await t.test('cannot be made twice', async () => {
    await s3.createBucket({ Bucket: 'plain' }); // the oldest region answers with success
    const again = { Bucket: 'irish', CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } } as const;
    await refused(ireland.createBucket(again), 'BucketAlreadyOwnedByYou', 409);
    await refused(s3.createBucket({ Bucket: 'irish' }), 'BucketAlreadyOwnedByYou', 409);
  });

  await t.test('one of many who make it at once wins', async () => {
    const tries = Array.from({ length: 16 }, () =>
      ireland.createBucket({ Bucket: 'raced', CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } }),
    );
    const outcomes = await Promise.allSettled(tries);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') assert.equal((outcome.reason as Error).name, 'BucketAlreadyOwnedByYou');
    }
  });

  await t.test('refuse bad names and wishes that would be ignored', async () => {
    for (const Bucket of ['Caps', 'a_b', '192.168.5.4', 'xn--x']) {
      await refused(s3.createBucket({ Bucket }), 'InvalidBucketName', 400);
    }
    await refused(s3.createBucket({ Bucket: 'locked', ObjectLockEnabledForBucket: true }), 'NotImplemented', 501);
    await refused(s3.createBucket({ Bucket: 'acls', ACL: 'public-read' }), 'InvalidBucketAclWithObjectOwnership', 400);
    await s3.createBucket({ Bucket: 'private', ACL: 'private', ObjectOwnership: 'BucketOwnerEnforced' });
  });

  await t.test('are listed by prefix, region and page', async () => {
    for (const name of ['page-a', 'page-b', 'page-c']) await s3.createBucket({ Bucket: name });
    const first = await s3.listBuckets({ Prefix: 'page-', MaxBuckets: 2 });
    assert.deepEqual(
      first.Buckets?.map(({ Name }) => Name),
      ['page-a', 'page-b'],
    );
    const rest = await s3.listBuckets({ Prefix: 'page-', MaxBuckets: 2, ContinuationToken: first.ContinuationToken });
    assert.deepEqual(
      rest.Buckets?.map(({ Name }) => Name),
      ['page-c'],
    );
    assert.equal(rest.ContinuationToken, undefined);
    const irish = await s3.listBuckets({ BucketRegion: 'eu-west-1' });
    assert.deepEqual(
      irish.Buckets?.map(({ Name }) => Name),
      ['from-afar', 'irish', 'raced'],
    );
    const forged = s3.listBuckets({ Prefix: 'page-', ContinuationToken: `${first.ContinuationToken}x` });
    await refused(forged, 'InvalidArgument', 400);
    await refused(s3.listBuckets({ MaxBuckets: 0 }), 'InvalidArgument', 400);
  });

  await t.test('go only when they are empty', async () => {
    await s3.createBucket({ Bucket: 'doomed' });
    await s3.putObject({ Bucket: 'doomed', Key: 'k', Body: 'x' });
    await refused(s3.deleteBucket({ Bucket: 'doomed' }), 'BucketNotEmpty', 409);
    await s3.deleteObject({ Bucket: 'doomed', Key: 'k' });
    const { UploadId } = await s3.createMultipartUpload({ Bucket: 'doomed', Key: 'k' });
    await s3.uploadPart({ Bucket: 'doomed', Key: 'k', UploadId, PartNumber: 1, Body: 'part' });
    await s3.deleteBucket({ Bucket: 'doomed' });
    await refused(s3.headBucket({ Bucket: 'doomed' }), 'NotFound', 404);
    // Nothing of the old bucket comes back with the new one.
    await s3.createBucket({ Bucket: 'doomed' });
    assert.equal((await s3.listMultipartUploads({ Bucket: 'doomed' })).Uploads, undefined);
    assert.equal((await s3.listObjectsV2({ Bucket: 'doomed' })).KeyCount, 0);
  });

  await t.test('check the owner that the caller expects', async () => {
    await s3.headBucket({ Bucket: 'plain', ExpectedBucketOwner: server.config.account });
    await refused(s3.listObjectsV2({ Bucket: 'plain', ExpectedBucketOwner: '111122223333' }), 'AccessDenied', 403);
  });

  await t.test('have tags', async () => {
    await refused(s3.getBucketTagging({ Bucket: 'plain' }), 'NoSuchTagSet', 404);
    const TagSet = [
      { Key: 'team', Value: 'build' },
      { Key: 'stage', Value: '' },
    ];
    await s3.putBucketTagging({ Bucket: 'plain', Tagging: { TagSet } });
    const { TagSet: stored } = await s3.getBucketTagging({ Bucket: 'plain' });
    assert.deepEqual(
      stored,
      [...TagSet].sort((a, b) => (a.Key < b.Key ? -1 : 1)),
    );
    await s3.putBucketTagging({ Bucket: 'plain', Tagging: { TagSet: [{ Key: 'only', Value: '1' }] } });
    assert.deepEqual((await s3.getBucketTagging({ Bucket: 'plain' })).TagSet, [{ Key: 'only', Value: '1' }]);
    const twice = [TagSet[0]!, TagSet[0]!];
    await refused(s3.putBucketTagging({ Bucket: 'plain', Tagging: { TagSet: twice } }), 'InvalidTag', 400);
    const system = [{ Key: 'aws:x', Value: '1' }];
    await refused(s3.putBucketTagging({ Bucket: 'plain', Tagging: { TagSet: system } }), 'InvalidTag', 400);
    await s3.deleteBucketTagging({ Bucket: 'plain' });
    await refused(s3.getBucketTagging({ Bucket: 'plain' }), 'NoSuchTagSet', 404);
  });

  await t.test('say truthfully what they have and what they lack', async () => {
    const Bucket = 'plain';
    await refused(s3.getBucketPolicy({ Bucket }), 'NoSuchBucketPolicy', 404);
    await refused(s3.getBucketCors({ Bucket }), 'NoSuchCORSConfiguration', 404);
    await refused(s3.getBucketWebsite({ Bucket }), 'NoSuchWebsiteConfiguration', 404);
    await refused(s3.getBucketLifecycleConfiguration({ Bucket }), 'NoSuchLifecycleConfiguration', 404);
    await refused(s3.getBucketReplication({ Bucket }), 'ReplicationConfigurationNotFoundError', 404);
    await refused(s3.getObjectLockConfiguration({ Bucket }), 'ObjectLockConfigurationNotFoundError', 404);
    assert.equal((await s3.getBucketVersioning({ Bucket })).Status, undefined);
    assert.equal((await s3.getBucketLogging({ Bucket })).LoggingEnabled, undefined);
    assert.equal((await s3.getBucketAccelerateConfiguration({ Bucket })).Status, undefined);
    assert.equal((await s3.getBucketRequestPayment({ Bucket })).Payer, 'BucketOwner');
    const { ServerSideEncryptionConfiguration: encryption } = await s3.getBucketEncryption({ Bucket });
    assert.equal(encryption?.Rules?.[0]?.ApplyServerSideEncryptionByDefault?.SSEAlgorithm, 'AES256');
    const acl = await s3.getBucketAcl({ Bucket });
    assert.deepEqual(
      acl.Grants?.map(({ Grantee, Permission }) => [Grantee?.ID, Grantee?.Type, Permission]),
      [[acl.Owner?.ID, 'CanonicalUser', 'FULL_CONTROL']],
    );
    const { OwnershipControls } = await s3.getBucketOwnershipControls({ Bucket });
    assert.equal(OwnershipControls?.Rules?.[0]?.ObjectOwnership, 'BucketOwnerEnforced');
  });

  await t.test('refuse settings that are not implemented, by name', async () => {
    const Bucket = 'plain';
    const accelerate = s3.putBucketAccelerateConfiguration({ Bucket, AccelerateConfiguration: { Status: 'Enabled' } });
    const error = await refused(accelerate, 'NotImplemented', 501);
    assert.match(error.message, /PutBucketAccelerateConfiguration/);
    await refused(s3.putBucketAcl({ Bucket, ACL: 'public-read' }), 'AccessControlListNotSupported', 400);
    const kms = { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms:dsse' as const } }] };
    await refused(s3.putBucketEncryption({ Bucket, ServerSideEncryptionConfiguration: kms }), 'NotImplemented', 501);
    const queue = {
      QueueConfigurations: [
        { QueueArn: 'arn:aws:sqs:us-east-1:123456789012:q', Events: ['s3:ObjectCreated:*' as const] },
      ],
    };
    await refused(
      s3.putBucketNotificationConfiguration({ Bucket, NotificationConfiguration: queue }),
      'InvalidArgument',
      400,
    );
    const status = { Status: 'On' as 'Enabled' };
    await refused(
      s3.putBucketVersioning({ Bucket, VersioningConfiguration: status }),
      'IllegalVersioningConfigurationException',
      400,
    );
  });

  await t.test('answer a browser that asks for CORS that there is none', async () => {
    const url = new URL(server.url);
    const headers = { host: url.host, origin: 'https://app.example', 'access-control-request-method': 'GET' };
    const answer = await send(server.url, { method: 'OPTIONS', path: '/plain', headers });
    assert.equal(answer.status, 403);
    assert.match(answer.text, /<Code>AccessForbidden<\/Code>/);
  });

  await t.test('survive a restart', async () => {
    await s3.putObject({ Bucket: 'plain', Key: 'kept', Body: 'still here' });
    await server.restart();
    assert.equal(await (await s3.getObject({ Bucket: 'plain', Key: 'kept' })).Body!.transformToString(), 'still here');
  });
});
