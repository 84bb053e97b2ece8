import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { eventually } from '../../kernel/testing/eventually.ts';
import {
  bucketPolicy,
  filesOf,
  type LogRecord,
  readJson,
  recordsOf,
  startTrailServer,
  trailArnOf,
  trailBucket,
} from './harness.ts';

const ARN = trailArnOf('main');
const HOUR_MS = 3_600_000;
const MAY_WRITE_LOGS = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: ['logs:CreateLogStream', 'logs:PutLogEvents'], Resource: '*' }],
});

function trustIn(service: string): string {
  const statement = { Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' };
  return JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
}

test('calls are delivered once each, refusals among them, and nothing from before the start or after the stop', async (t) => {
  const server = await startTrailServer(t);
  const { cloudtrail, iam } = server.root_;
  await trailBucket(server.root_, 'logs', 'main');
  await cloudtrail.createTrail({ Name: 'main', S3BucketName: 'logs' });
  await iam.createUser({ UserName: 'before' });
  server.pass(100);
  await cloudtrail.startLogging({ Name: 'main' });
  await iam.createUser({ UserName: 'bob' });
  await assert.rejects(iam.createUser({ UserName: 'bob' }));
  await server.deliver(ARN);
  await server.deliver(ARN);
  await iam.createUser({ UserName: 'carol' });
  await cloudtrail.stopLogging({ Name: 'main' });
  server.pass(100);
  await iam.createUser({ UserName: 'after' });
  await server.deliver(ARN);
  const records = await recordsOf(server.root_, 'logs');
  const users = records.filter(({ eventName }) => eventName === 'CreateUser');
  assert.deepEqual(
    users.map(({ requestParameters, errorCode }) => `${requestParameters.userName} ${errorCode ?? 'created'}`).sort(),
    ['bob EntityAlreadyExists', 'bob created', 'carol created'],
  );
  assert.equal(new Set(records.map(({ eventID }) => eventID)).size, records.length);
  const [key] = await filesOf(server.root_, 'logs');
  assert.match(
    key!,
    /^AWSLogs\/123456789012\/CloudTrail\/us-east-1\/\d{4}\/\d\d\/\d\d\/123456789012_CloudTrail_us-east-1_\d{8}T\d{4}Z_[0-9a-f]{16}\.json\.gz$/,
  );
  const created = users.find(({ requestParameters, errorCode }) => requestParameters.userName === 'bob' && !errorCode);
  assert.equal(created.eventVersion, '1.11');
  assert.equal(created.eventCategory, 'Management');
  assert.deepEqual(created.resources, [
    { ARN: 'arn:aws:iam::123456789012:user/bob', accountId: '123456789012', type: 'AWS::IAM::User' },
  ]);
  const status = await cloudtrail.getTrailStatus({ Name: 'main' });
  assert.equal(status.IsLogging, false);
  assert.ok(status.LatestDeliveryTime !== undefined && status.LatestDeliveryError === undefined);
});

test('data events are delivered where a selector asks for them, and are not looked up', async (t) => {
  const server = await startTrailServer(t);
  const { cloudtrail, s3 } = server.root_;
  await trailBucket(server.root_, 'logs', 'main');
  await s3.createBucket({ Bucket: 'data' });
  await cloudtrail.createTrail({ Name: 'main', S3BucketName: 'logs' });
  await cloudtrail.putEventSelectors({
    TrailName: 'main',
    EventSelectors: [
      {
        ReadWriteType: 'WriteOnly',
        IncludeManagementEvents: false,
        DataResources: [{ Type: 'AWS::S3::Object', Values: ['arn:aws:s3:::data/in/'] }],
      },
    ],
  });
  await cloudtrail.startLogging({ Name: 'main' });
  for (const key of ['in/a', 'out/b']) await s3.putObject({ Bucket: 'data', Key: key, Body: 'x' });
  await s3.getObject({ Bucket: 'data', Key: 'in/a' });
  await server.deliver(ARN);
  const records = await recordsOf(server.root_, 'logs');
  assert.deepEqual(
    records.map(({ eventName, eventCategory, resources }) => [eventName, eventCategory, resources[0].ARN]),
    [['PutObject', 'Data', 'arn:aws:s3:::data/in/a']],
  );
  assert.equal(records[0].resources[0].type, 'AWS::S3::Object');
  const { Events = [] } = await cloudtrail.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'PutObject' }],
  });
  assert.deepEqual(Events, []);
});

test('a bucket that refuses shows in the status; mended, it gets everything', async (t) => {
  const server = await startTrailServer(t);
  const { cloudtrail, iam, s3 } = server.root_;
  await trailBucket(server.root_, 'logs', 'main');
  await cloudtrail.createTrail({ Name: 'main', S3BucketName: 'logs', EnableLogFileValidation: true });
  await cloudtrail.startLogging({ Name: 'main' });
  await s3.deleteBucketPolicy({ Bucket: 'logs' });
  await iam.createUser({ UserName: 'bob' });
  await server.deliver(ARN);
  assert.equal((await cloudtrail.getTrailStatus({ Name: 'main' })).LatestDeliveryError, 'AccessDenied');
  assert.deepEqual(await filesOf(server.root_, 'logs'), []);
  await s3.putBucketPolicy({ Bucket: 'logs', Policy: bucketPolicy('logs', ARN) });
  await server.deliver(ARN);
  assert.equal((await cloudtrail.getTrailStatus({ Name: 'main' })).LatestDeliveryError, undefined);
  const names = (await recordsOf(server.root_, 'logs')).map(({ eventName }) => eventName);
  assert.ok(names.includes('CreateUser') && names.includes('DeleteBucketPolicy'));
});

test('a batch that was cut off is delivered again as the same file', async (t) => {
  const server = await startTrailServer(t);
  const { cloudtrail, iam } = server.root_;
  await trailBucket(server.root_, 'logs', 'main');
  await cloudtrail.createTrail({ Name: 'main', S3BucketName: 'logs' });
  await cloudtrail.startLogging({ Name: 'main' });
  await iam.createUser({ UserName: 'bob' });
  const db = () => server.kernel.database.reader as never as { selectFrom: (table: string) => LogRecord };
  const before = await db().selectFrom('cloudtrail_trails').selectAll().executeTakeFirst();
  await server.deliver(ARN);
  const after = await db().selectFrom('cloudtrail_trails').selectAll().executeTakeFirst();
  const [key, ...more] = await filesOf(server.root_, 'logs');
  assert.deepEqual(more, []);
  // As a process that dies after the file was put and before the cursor moved leaves it.
  await server.kernel.database.transaction((tx) =>
    (tx as LogRecord)
      .updateTable('cloudtrail_trails')
      .set({
        cursor_at: before.cursor_at,
        cursor_id: before.cursor_id,
        end_at: after.cursor_at,
        end_id: after.cursor_id,
      })
      .execute(),
  );
  await iam.createUser({ UserName: 'carol' });
  await server.deliver(ARN);
  await server.deliver(ARN);
  const files = await filesOf(server.root_, 'logs');
  assert.ok(files.includes(key!));
  const records = await recordsOf(server.root_, 'logs');
  assert.equal(new Set(records.map(({ eventID }) => eventID)).size, records.length);
  assert.equal(records.filter(({ eventName }) => eventName === 'CreateUser').length, 2);
});

test('digests chain hour by hour and cover every file; each signature holds', async (t) => {
  const server = await startTrailServer(t);
  const { cloudtrail, s3 } = server.root_;
  await trailBucket(server.root_, 'logs', 'main');
  await cloudtrail.createTrail({ Name: 'main', S3BucketName: 'logs', EnableLogFileValidation: true });
  await cloudtrail.startLogging({ Name: 'main' });
  await server.deliver(ARN);
  // Signed calls would be out of time in those hours.
  const service = server.kernel.serviceContext('codebuild.amazonaws.com');
  for (const eventName of ['First', 'Second']) {
    service.record({ eventSource: 'codebuild.amazonaws.com', eventName, readOnly: false, resources: [] });
    await server.deliver(ARN);
    await server.deliver(ARN, HOUR_MS);
  }
  server.backToNow();
  const keys = (await filesOf(server.root_, 'logs', 'CloudTrail-Digest')).sort();
  assert.equal(keys.length, 2);
  const { PublicKeyList = [] } = await cloudtrail.listPublicKeys({ StartTime: new Date(), EndTime: new Date() });
  let previous: LogRecord;
  for (const key of keys) {
    const { Body, Metadata } = await s3.getObject({ Bucket: 'logs', Key: key });
    const text = gunzipSync(await Body!.transformToByteArray());
    const digest = JSON.parse(text.toString());
    assert.equal(digest.previousDigestS3Object, previous?.key ?? null);
    assert.equal(digest.previousDigestSignature, previous?.signature ?? null);
    if (previous !== undefined) assert.equal(digest.digestStartTime, previous.digestEndTime);
    const { Value } = PublicKeyList.find(({ Fingerprint }) => Fingerprint === digest.digestPublicKeyFingerprint)!;
    const publicKey = createPublicKey({ key: Buffer.from(Value!), format: 'der', type: 'pkcs1' });
    const hash = createHash('sha256').update(text).digest('hex');
    const signed = `${digest.digestEndTime}\nlogs/${key}\n${hash}\n${digest.previousDigestSignature ?? 'null'}`;
    const signature = Buffer.from(Metadata!['signature']!, 'hex');
    assert.ok(verify('RSA-SHA256', Buffer.from(signed), publicKey, signature));
    for (const file of digest.logFiles) {
      const records = await readJson(server.root_, 'logs', file.s3Object);
      assert.equal(createHash('sha256').update(JSON.stringify(records)).digest('hex'), file.hashValue);
    }
    previous = { ...digest, key, signature: Metadata!['signature'] };
  }
  const covered = await Promise.all(keys.map((key) => readJson(server.root_, 'logs', key)));
  const files = covered.flatMap(({ logFiles }) => logFiles.map(({ s3Object }: LogRecord) => s3Object));
  assert.deepEqual(files.sort(), (await filesOf(server.root_, 'logs')).sort());
});

test('a trail of all regions has a file for each; one of a single region leaves the others and global services out', async (t) => {
  const server = await startTrailServer(t);
  const { cloudtrail, iam } = server.root_;
  const frankfurt = server.clients(server.root, 'eu-central-1');
  for (const [bucket, name] of [
    ['logs-all', 'all'],
    ['logs-one', 'one'],
  ] as const) {
    await trailBucket(server.root_, bucket, name);
    await cloudtrail.createTrail({
      Name: name,
      S3BucketName: bucket,
      IsMultiRegionTrail: name === 'all',
      IncludeGlobalServiceEvents: name === 'all',
    });
    await cloudtrail.startLogging({ Name: name });
  }
  await frankfurt.codecommit.createRepository({ repositoryName: 'r' });
  await server.root_.codecommit.createRepository({ repositoryName: 'r' });
  await iam.createUser({ UserName: 'bob' });
  for (const name of ['all', 'one']) await server.deliver(trailArnOf(name));
  const regions = async (bucket: string) =>
    (await recordsOf(server.root_, bucket))
      .filter(({ eventName }) => eventName === 'CreateRepository' || eventName === 'CreateUser')
      .map(({ awsRegion, eventName }) => `${awsRegion} ${eventName}`)
      .sort();
  assert.deepEqual(await regions('logs-all'), [
    'eu-central-1 CreateRepository',
    'us-east-1 CreateRepository',
    'us-east-1 CreateUser',
  ]);
  assert.deepEqual(await regions('logs-one'), ['us-east-1 CreateRepository']);
});

test('events go to CloudWatch Logs by the role of the trail', async (t) => {
  const server = await startTrailServer(t);
  const { cloudtrail, iam, logs } = server.root_;
  await trailBucket(server.root_, 'logs', 'main');
  await logs.createLogGroup({ logGroupName: 'trail' });
  await iam.createRole({ RoleName: 'trail-logs', AssumeRolePolicyDocument: trustIn('cloudtrail.amazonaws.com') });
  const input = {
    Name: 'main',
    S3BucketName: 'logs',
    CloudWatchLogsLogGroupArn: 'arn:aws:logs:us-east-1:123456789012:log-group:trail:*',
    CloudWatchLogsRoleArn: 'arn:aws:iam::123456789012:role/trail-logs',
  };
  await assert.rejects(cloudtrail.createTrail(input), { name: 'InvalidCloudWatchLogsRoleArnException' });
  await iam.putRolePolicy({ RoleName: 'trail-logs', PolicyName: 'write', PolicyDocument: MAY_WRITE_LOGS });
  await cloudtrail.createTrail(input);
  await cloudtrail.startLogging({ Name: 'main' });
  await iam.createUser({ UserName: 'bob' });
  await server.deliver(ARN);
  const { events = [] } = await logs.getLogEvents({
    logGroupName: 'trail',
    logStreamName: '123456789012_CloudTrail_us-east-1',
    startFromHead: true,
  });
  const names = events.map(({ message }) => JSON.parse(message!).eventName);
  assert.ok(names.includes('CreateUser'));
  assert.ok((await cloudtrail.getTrailStatus({ Name: 'main' })).LatestCloudWatchLogsDeliveryTime !== undefined);
});

test('rules see the calls that a trail takes, each once, and no reading ones', async (t) => {
  const server = await startTrailServer(t);
  const { cloudtrail, codecommit, events, iam, logs } = server.root_;
  await iam.createRole({ RoleName: 'rule', AssumeRolePolicyDocument: trustIn('events.amazonaws.com') });
  await iam.putRolePolicy({ RoleName: 'rule', PolicyName: 'write', PolicyDocument: MAY_WRITE_LOGS });
  await trailBucket(server.root_, 'logs', 'main');
  await logs.createLogGroup({ logGroupName: '/aws/events/calls' });
  await events.putRule({
    Name: 'calls',
    EventPattern: JSON.stringify({
      source: ['aws.codecommit'],
      'detail-type': ['AWS API Call via CloudTrail'],
      detail: { eventSource: ['codecommit.amazonaws.com'] },
    }),
  });
  await events.putTargets({
    Rule: 'calls',
    Targets: [
      {
        Id: 'log',
        Arn: 'arn:aws:logs:us-east-1:123456789012:log-group:/aws/events/calls',
        RoleArn: 'arn:aws:iam::123456789012:role/rule',
      },
    ],
  });
  await codecommit.createRepository({ repositoryName: 'unseen' });
  await cloudtrail.createTrail({ Name: 'main', S3BucketName: 'logs' });
  server.pass(100);
  await cloudtrail.startLogging({ Name: 'main' });
  await codecommit.createRepository({ repositoryName: 'seen' });
  await codecommit.getRepository({ repositoryName: 'seen' });
  await server.emit();
  await server.emit();
  let found: LogRecord[] = [];
  await eventually(async () => {
    const { events: lines = [] } = await logs.filterLogEvents({ logGroupName: '/aws/events/calls' });
    found = lines.map(({ message }) => JSON.parse(message!));
    return found.length > 0;
  });
  assert.deepEqual(
    found.map(({ detail }) => [detail.eventName, detail.requestParameters.repositoryName]),
    [['CreateRepository', 'seen']],
  );
});
