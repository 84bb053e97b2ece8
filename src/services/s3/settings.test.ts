import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { eventually } from '../../kernel/testing/eventually.ts';
import { send } from '../../kernel/testing/raw-http.ts';
import { refused, textOf } from './testing/refusals.ts';

const OPEN = {
  BlockPublicAcls: false,
  IgnorePublicAcls: false,
  BlockPublicPolicy: false,
  RestrictPublicBuckets: false,
};

test('cross-origin requests', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const Bucket = 'shared';
  await s3.createBucket({ Bucket });
  await s3.putObject({ Bucket, Key: 'page', Body: '<script>1</script>', ContentType: 'text/html' });
  const CORSRules = [
    {
      ID: 'app',
      AllowedMethods: ['GET', 'PUT'],
      AllowedOrigins: ['https://*.example'],
      AllowedHeaders: ['x-amz-*', 'Content-Type'],
      ExposeHeaders: ['ETag'],
      MaxAgeSeconds: 60,
    },
    { AllowedMethods: ['GET'], AllowedOrigins: ['*'] },
  ];
  await s3.putBucketCors({ Bucket, CORSConfiguration: { CORSRules } });
  assert.deepEqual((await s3.getBucketCors({ Bucket })).CORSRules, CORSRules);
  const bad: [object[], string][] = [
    [[], 'MalformedXML'],
    [[{ AllowedMethods: ['PATCH'], AllowedOrigins: ['*'] }], 'InvalidRequest'],
    [[{ AllowedMethods: ['GET'], AllowedOrigins: ['*a*'] }], 'InvalidRequest'],
    [[{ AllowedMethods: ['GET'], AllowedOrigins: ['*'], ExposeHeaders: ['x-*'] }], 'InvalidRequest'],
  ];
  for (const [rules, name] of bad) {
    await refused(s3.putBucketCors({ Bucket, CORSConfiguration: { CORSRules: rules as never } }), name, 400);
  }
  const preflight = (origin: string, method: string, headers = '') =>
    send(server.url, {
      method: 'OPTIONS',
      path: `/${Bucket}/page`,
      headers: {
        origin,
        'access-control-request-method': method,
        ...(headers === '' ? {} : { 'access-control-request-headers': headers }),
      },
    });

  await t.test('preflights', async () => {
    const { status, headers } = await preflight('https://app.example', 'PUT', 'X-Amz-Meta-A, content-type');
    assert.equal(status, 200);
    assert.equal(headers['access-control-allow-origin'], 'https://app.example');
    assert.equal(headers['access-control-allow-methods'], 'GET, PUT');
    assert.equal(headers['access-control-allow-headers'], 'x-amz-meta-a, content-type');
    assert.equal(headers['access-control-max-age'], '60');
    assert.equal(headers['access-control-allow-credentials'], 'true');
    const other = await preflight('http://elsewhere', 'GET');
    assert.equal(other.headers['access-control-allow-origin'], '*');
    assert.equal(other.headers['access-control-allow-credentials'], undefined);
    for (const [origin, method, names] of [
      ['http://elsewhere', 'PUT', ''],
      ['https://app.example', 'DELETE', ''],
      ['https://app.example', 'PUT', 'authorization'],
      ['https://example', 'PUT', ''],
    ] as const) {
      const refusal = await preflight(origin, method, names);
      assert.equal(refusal.status, 403, `${origin} ${method} ${names}`);
      assert.match(refusal.text, /<Code>AccessForbidden<\/Code>/);
      assert.equal(refusal.headers['access-control-allow-origin'], undefined);
    }
  });

  await t.test('answers, errors too, and no page of a bucket runs in the origin of the API', async () => {
    const get = (origin: string) => send(server.url, { method: 'GET', path: `/${Bucket}/page`, headers: { origin } });
    const denied = await get('https://app.example');
    assert.equal(denied.status, 403);
    assert.equal(denied.headers['access-control-allow-origin'], 'https://app.example');
    assert.equal(denied.headers['access-control-expose-headers'], 'ETag');
    await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration: OPEN });
    const statement = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` };
    await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement: statement }) });
    const { status, headers } = await get('http://elsewhere');
    assert.equal(status, 200);
    assert.equal(headers['access-control-allow-origin'], '*');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.match(String(headers['content-security-policy']), /^sandbox/);
    assert.equal((await send(server.url, { method: 'GET', path: `/${Bucket}/page` })).headers['vary'], undefined);
    await s3.deleteBucketCors({ Bucket });
    assert.equal((await get('https://app.example')).headers['access-control-allow-origin'], undefined);
  });
});

test('access lists count as ownership says', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const Bucket = 'listed';
  const get = (key: string) => send(server.url, { method: 'GET', path: `/${Bucket}/${key}` });
  await refused(s3.createBucket({ Bucket, ACL: 'public-read' }), 'InvalidBucketAclWithObjectOwnership', 400);
  await refused(
    s3.createBucket({ Bucket, ACL: 'public-read', ObjectOwnership: 'ObjectWriter' }),
    'InvalidBucketAclWithBlockPublicAccessError',
    400,
  );
  await s3.createBucket({ Bucket });
  await refused(s3.putBucketAcl({ Bucket, ACL: 'private' }), 'AccessControlListNotSupported', 400);
  await refused(s3.putObject({ Bucket, Key: 'k', ACL: 'public-read' }), 'AccessControlListNotSupported', 400);
  const ownership = (ObjectOwnership: 'BucketOwnerPreferred' | 'BucketOwnerEnforced' | 'ObjectWriter') =>
    s3.putBucketOwnershipControls({ Bucket, OwnershipControls: { Rules: [{ ObjectOwnership }] } });
  await ownership('BucketOwnerPreferred');
  await refused(s3.putBucketAcl({ Bucket, ACL: 'public-read' }), 'AccessDenied', 403);
  await refused(s3.putObject({ Bucket, Key: 'k', Body: 'x', ACL: 'public-read' }), 'AccessDenied', 403);
  await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration: OPEN });

  await s3.putObject({ Bucket, Key: 'public', Body: 'for all', ACL: 'public-read' });
  await s3.putObject({ Bucket, Key: 'private', Body: 'for one' });
  assert.equal((await get('public')).text, 'for all');
  assert.equal((await get('private')).status, 403);
  assert.equal((await send(server.url, { method: 'GET', path: `/${Bucket}` })).status, 403);
  const { Owner, Grants } = await s3.getObjectAcl({ Bucket, Key: 'public' });
  assert.deepEqual(
    Grants!.map(({ Grantee, Permission }) => [Grantee!.ID ?? Grantee!.URI, Permission]),
    [
      [Owner!.ID, 'FULL_CONTROL'],
      ['http://acs.amazonaws.com/groups/global/AllUsers', 'READ'],
    ],
  );
  await s3.putBucketAcl({ Bucket, ACL: 'public-read' });
  assert.equal((await send(server.url, { method: 'GET', path: `/${Bucket}` })).status, 200);
  await refused(ownership('BucketOwnerEnforced'), 'InvalidBucketAclWithObjectOwnership', 400);

  await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration: { ...OPEN, IgnorePublicAcls: true } });
  assert.equal((await get('public')).status, 403);
  await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration: OPEN });
  await s3.putObjectAcl({ Bucket, Key: 'public', GrantRead: `id="${Owner!.ID}"` });
  assert.equal((await get('public')).status, 403);
  await s3.putObjectAcl({ Bucket, Key: 'public', AccessControlPolicy: { Owner, Grants } });
  assert.equal((await get('public')).status, 200);
  await refused(s3.putObjectAcl({ Bucket, Key: 'public', ACL: 'everyone' as 'private' }), 'InvalidArgument', 400);
  await refused(s3.putObjectAcl({ Bucket, Key: 'public', ACL: 'private', GrantRead: 'id="x"' }), 'InvalidRequest', 400);
  await refused(s3.putObjectAcl({ Bucket, Key: 'public', GrantRead: 'id="x"' }), 'InvalidArgument', 400);

  await s3.putBucketAcl({ Bucket, ACL: 'private' });
  await ownership('BucketOwnerEnforced');
  assert.equal((await get('public')).status, 403, 'lists no longer count');
  await s3.deleteBucketOwnershipControls({ Bucket });
  await refused(s3.getBucketOwnershipControls({ Bucket }), 'OwnershipControlsNotFoundError', 404);
  assert.equal((await get('public')).status, 200, 'lists count again');
});

test('settings that no bucket has answer as S3 does for not configured', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const Bucket = 'bare';
  await s3.createBucket({ Bucket });
  await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
  const one = { Bucket, Id: 'x' };
  await refused(s3.getBucketAnalyticsConfiguration(one), 'NoSuchConfiguration', 404);
  await refused(s3.getBucketInventoryConfiguration(one), 'NoSuchConfiguration', 404);
  await refused(s3.getBucketMetricsConfiguration(one), 'NoSuchConfiguration', 404);
  await refused(s3.getBucketIntelligentTieringConfiguration(one), 'NoSuchConfiguration', 404);
  assert.equal((await s3.listBucketMetricsConfigurations({ Bucket })).IsTruncated, false);
  await s3.putBucketRequestPayment({ Bucket, RequestPaymentConfiguration: { Payer: 'BucketOwner' } });
  const payer = { Payer: 'Requester' as const };
  await refused(s3.putBucketRequestPayment({ Bucket, RequestPaymentConfiguration: payer }), 'NotImplemented', 501);
  const lists = [
    s3.listBucketAnalyticsConfigurations({ Bucket }),
    s3.listBucketIntelligentTieringConfigurations({ Bucket }),
    s3.listBucketInventoryConfigurations({ Bucket }),
  ];
  for (const list of await Promise.all(lists)) assert.equal(list.IsTruncated, false);
  await refused(s3.getBucketReplication({ Bucket }), 'ReplicationConfigurationNotFoundError', 404);
  assert.equal((await s3.getBucketAccelerateConfiguration({ Bucket })).Status, undefined);
  await refused(s3.restoreObject({ Bucket, Key: 'k', RestoreRequest: { Days: 1 } }), 'InvalidObjectState', 403);
  assert.equal((await s3.getBucketAbac({ Bucket })).AbacStatus?.Status, 'Disabled');
});

test('Object Lock, which no bucket has: each operation says so in the words of S3', async (t) => {
  const { s3 } = (await startServer(t)).root_;
  const Bucket = 'unlocked';
  await s3.createBucket({ Bucket });
  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
  await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
  const one = { Bucket, Key: 'k' };
  const until = { ObjectLockMode: 'GOVERNANCE' as const, ObjectLockRetainUntilDate: new Date(Date.now() + 86_400_000) };
  await refused(s3.createBucket({ Bucket: 'locked', ObjectLockEnabledForBucket: true }), 'NotImplemented', 501);
  await refused(s3.getObjectLockConfiguration({ Bucket }), 'ObjectLockConfigurationNotFoundError', 404);
  const enabled = { ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled' as const } };
  await refused(s3.putObjectLockConfiguration({ Bucket, ...enabled }), 'NotImplemented', 501);
  const missing = [
    () => s3.getObjectLegalHold(one),
    () => s3.putObjectLegalHold({ ...one, LegalHold: { Status: 'ON' } }),
    () => s3.getObjectRetention(one),
    () => s3.putObjectRetention({ ...one, Retention: { Mode: 'GOVERNANCE', RetainUntilDate: new Date() } }),
    () => s3.putObject({ ...one, Body: 'x', ...until }),
    () => s3.copyObject({ ...one, CopySource: `${Bucket}/k`, ...until }),
    () => s3.createMultipartUpload({ ...one, ObjectLockLegalHoldStatus: 'ON' }),
  ];
  for (const call of missing) {
    await assert.rejects(call(), { name: 'InvalidRequest', message: 'Bucket is missing Object Lock Configuration' });
  }
  const bypassed = [
    () => s3.deleteObject({ ...one, BypassGovernanceRetention: true }),
    () => s3.deleteObjects({ Bucket, Delete: { Objects: [{ Key: 'k' }] }, BypassGovernanceRetention: true }),
  ];
  for (const call of bypassed) await refused(call(), 'InvalidArgument', 400);
  assert.equal(await textOf(await s3.getObject(one)), 'x');
});

test('what a bucket cannot be told is refused by its name, and nothing is kept', async (t) => {
  const { s3 } = (await startServer(t)).root_;
  const Bucket = 'plain';
  await s3.createBucket({ Bucket });
  const one = { Bucket, Id: 'x' };
  const destination = { Bucket: 'arn:aws:s3:::plain', Format: 'CSV' as const };
  const schedule = { Schedule: { Frequency: 'Daily' as const }, IncludedObjectVersions: 'All' as const };
  const inventory = { Id: 'x', IsEnabled: true, Destination: { S3BucketDestination: destination }, ...schedule };
  const rule = { Status: 'Enabled' as const, Destination: { Bucket: 'arn:aws:s3:::plain' } };
  const calls: [string, () => Promise<unknown>][] = [
    [
      'PutBucketAccelerateConfiguration',
      () => s3.putBucketAccelerateConfiguration({ Bucket, AccelerateConfiguration: { Status: 'Enabled' } }),
    ],
    [
      'PutBucketAnalyticsConfiguration',
      () =>
        s3.putBucketAnalyticsConfiguration({ ...one, AnalyticsConfiguration: { Id: 'x', StorageClassAnalysis: {} } }),
    ],
    [
      'PutBucketIntelligentTieringConfiguration',
      () =>
        s3.putBucketIntelligentTieringConfiguration({
          ...one,
          IntelligentTieringConfiguration: { Id: 'x', Status: 'Enabled', Tierings: [] },
        }),
    ],
    [
      'PutBucketInventoryConfiguration',
      () => s3.putBucketInventoryConfiguration({ ...one, InventoryConfiguration: inventory }),
    ],
    [
      'PutBucketMetricsConfiguration',
      () => s3.putBucketMetricsConfiguration({ ...one, MetricsConfiguration: { Id: 'x' } }),
    ],
    [
      'PutBucketReplication',
      () =>
        s3.putBucketReplication({
          Bucket,
          ReplicationConfiguration: { Role: 'arn:aws:iam::123456789012:role/r', Rules: [rule] },
        }),
    ],
    ['GetObjectTorrent', () => s3.getObjectTorrent({ Bucket, Key: 'k' })],
  ];
  for (const [operation, call] of calls) {
    await assert.rejects(call(), (error: Error & { $metadata: { httpStatusCode: number } }) => {
      assert.equal(error.$metadata.httpStatusCode, 501, operation);
      assert.match(error.message, new RegExp(operation));
      return true;
    });
  }
  await refused(s3.getBucketMetricsConfiguration(one), 'NoSuchConfiguration', 404);
  assert.deepEqual((await s3.listBucketInventoryConfigurations({ Bucket })).InventoryConfigurationList, undefined);
});

test('access logs are delivered to the target bucket', async (t) => {
  const server = await startServer(t);
  const { s3 } = server.root_;
  const [Bucket, target] = ['logged', 'logs'];
  await s3.createBucket({ Bucket });
  await s3.createBucket({ Bucket: target });
  const to = (LoggingEnabled: object | undefined) =>
    s3.putBucketLogging({ Bucket, BucketLoggingStatus: { LoggingEnabled: LoggingEnabled as never } });
  await refused(to({ TargetBucket: 'nowhere', TargetPrefix: '' }), 'InvalidTargetBucketForLogging', 400);
  const enabled = { TargetBucket: target, TargetPrefix: 'from/' };
  await to(enabled);
  assert.deepEqual((await s3.getBucketLogging({ Bucket })).LoggingEnabled, enabled);
  const statement = {
    Effect: 'Allow',
    Principal: { Service: 'logging.s3.amazonaws.com' },
    Action: 's3:PutObject',
    Resource: `arn:aws:s3:::${target}/from/*`,
    Condition: { ArnLike: { 'aws:SourceArn': `arn:aws:s3:::${Bucket}` } },
  };
  await s3.putBucketPolicy({ Bucket: target, Policy: JSON.stringify({ Version: '2012-10-17', Statement: statement }) });
  await s3.putObject({ Bucket, Key: 'a b"c', Body: 'hello' });
  await refused(s3.getObject({ Bucket, Key: 'absent' }), 'NoSuchKey', 404);
  await send(server.url, { method: 'GET', path: `/${Bucket}/a?X-Amz-Nothing=1`, headers: { 'user-agent': 'x"\\ y' } });
  await server.restart();
  await eventually(async () => ((await s3.listObjectsV2({ Bucket: target })).KeyCount ?? 0) > 0);
  const { Contents } = await s3.listObjectsV2({ Bucket: target, Prefix: 'from/' });
  assert.match(Contents![0]!.Key!, /^from\/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[A-Z0-9]{16}$/);
  const text = await textOf(await s3.getObject({ Bucket: target, Key: Contents![0]!.Key! }));
  const lines = text.trimEnd().split('\n');
  const put = lines.find((line) => line.includes('REST.PUT.OBJECT'))!;
  assert.match(
    put,
    /^[0-9a-f]{64} logged \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] \S+ [0-9a-f]{64} [0-9a-f-]{36} REST\.PUT\.OBJECT a%2520b%2522c "PUT \/logged\/\S+ HTTP\/1\.1" 200 - - /,
  );
  assert.ok(
    lines.some((line) => /REST\.GET\.OBJECT absent ".*" 404 NoSuchKey/.test(line)),
    text,
  );
  assert.ok(
    lines.some((line) => line.includes('"x\\x22\\x5C y"') && / - [0-9a-f-]{36} REST\.GET\.OBJECT a /.test(line)),
    text,
  );
  await to(undefined);
  assert.equal((await s3.getBucketLogging({ Bucket })).LoggingEnabled, undefined);
});
