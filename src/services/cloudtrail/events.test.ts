import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { systemClock } from '../../kernel/clock.ts';
import { retention } from './retention.ts';

test('every call can be looked up at once, with who made it and what came of it', async (t) => {
  const server = await startServer(t);
  const { cloudtrail, iam } = server.root_;
  await iam.createUser({ UserName: 'bob' });
  await assert.rejects(iam.createUser({ UserName: 'bob' }));
  const { Events = [] } = await cloudtrail.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'CreateUser' }],
  });
  const records = Events.map((event) => JSON.parse(event.CloudTrailEvent!) as Record<string, unknown>);
  assert.deepEqual(
    records.map(({ errorCode }) => errorCode),
    ['EntityAlreadyExists', undefined],
  );
  assert.equal(records[1]!['eventSource'], 'iam.amazonaws.com');
  assert.deepEqual(records[1]!['requestParameters'], { userName: 'bob' });
  assert.equal(Events[0]!.Username, 'root');
  assert.equal(Events[0]!.AccessKeyId, server.root.accessKeyId);
  assert.equal(Events[0]!.ReadOnly, 'false');
});

test('an event has the time of its record, in whole seconds, and is found by it', async (t) => {
  const { cloudtrail, iam } = (await startServer(t)).root_;
  const names = Array.from({ length: 4 }, (_, i) => `u${i}`);
  for (const UserName of names) await iam.createUser({ UserName });
  const LookupAttributes = [{ AttributeKey: 'EventName' as const, AttributeValue: 'CreateUser' }];
  const { Events = [] } = await cloudtrail.lookupEvents({ LookupAttributes });
  assert.equal(Events.length, names.length);
  for (const { EventId, EventTime, CloudTrailEvent } of Events) {
    const record = JSON.parse(CloudTrailEvent!) as { eventTime: string };
    assert.deepEqual(EventTime, new Date(record.eventTime));
    const range = { StartTime: EventTime, EndTime: EventTime };
    const found = await cloudtrail.lookupEvents({ LookupAttributes, ...range });
    assert.ok(found.Events!.some((event) => event.EventId === EventId));
  }
});

test('secrets do not stand in the trail', async (t) => {
  const server = await startServer(t);
  const { cloudtrail, iam } = server.root_;
  await iam.createUser({ UserName: 'bob' });
  const { AccessKey } = await iam.createAccessKey({ UserName: 'bob' });
  const { Events = [] } = await cloudtrail.lookupEvents({});
  const text = JSON.stringify(Events);
  assert.ok(text.includes(AccessKey!.AccessKeyId!));
  assert.ok(!text.includes(AccessKey!.SecretAccessKey!));
});

test('pages are complete, and a token of another list is refused', async (t) => {
  const server = await startServer(t);
  const { cloudtrail, iam } = server.root_;
  for (const name of ['a', 'b', 'c', 'd', 'e']) await iam.createUser({ UserName: name });
  const attribute = { LookupAttributes: [{ AttributeKey: 'EventName' as const, AttributeValue: 'CreateUser' }] };
  const seen: string[] = [];
  let token: string | undefined;
  do {
    const { Events = [], NextToken } = await cloudtrail.lookupEvents({ ...attribute, MaxResults: 2, NextToken: token });
    seen.push(...Events.map(({ EventId }) => EventId!));
    token = NextToken;
  } while (token !== undefined);
  assert.equal(new Set(seen).size, 5);
  const { NextToken } = await cloudtrail.lookupEvents({ ...attribute, MaxResults: 2 });
  await assert.rejects(cloudtrail.lookupEvents({ NextToken }), { name: 'InvalidNextTokenException' });
});

test('resources are found by name or ARN, whole and in their case, and by type', async (t) => {
  const server = await startServer(t);
  const { cloudtrail, codecommit, iam, s3 } = server.root_;
  for (const name of ['bob', 'Bob2', 'notbob', 'bo_b']) await iam.createUser({ UserName: name, Path: '/team/' });
  await codecommit.createRepository({ repositoryName: 'bob' });
  await s3.createBucket({ Bucket: 'bob-bucket' });
  const found = async (key: 'ResourceName' | 'ResourceType', value: string) => {
    const LookupAttributes = [{ AttributeKey: key, AttributeValue: value }];
    const { Events = [] } = await cloudtrail.lookupEvents({ LookupAttributes });
    return Events.map(({ EventName, Resources }) => [
      EventName,
      Resources![0]!.ResourceType,
      Resources![0]!.ResourceName,
    ]);
  };
  assert.deepEqual(await found('ResourceName', 'bob'), [
    ['CreateRepository', 'AWS::CodeCommit::Repository', 'bob'],
    ['CreateUser', 'AWS::IAM::User', 'bob'],
  ]);
  assert.deepEqual(await found('ResourceName', 'bo_b'), [['CreateUser', 'AWS::IAM::User', 'bo_b']]);
  assert.deepEqual(await found('ResourceName', 'bob2'), []);
  assert.deepEqual(await found('ResourceName', 'arn:aws:s3:::bob-bucket'), [
    ['CreateBucket', 'AWS::S3::Bucket', 'bob-bucket'],
  ]);
  assert.equal((await found('ResourceType', 'AWS::IAM::User')).length, 4);
  assert.deepEqual(await found('ResourceType', 'AWS::S3::Bucket'), [['CreateBucket', 'AWS::S3::Bucket', 'bob-bucket']]);
  assert.deepEqual(await found('ResourceType', 'AWS::Made::Up'), []);
});

test('a user needs the permission, and his refusal is recorded', async (t) => {
  const server = await startServer(t);
  const alice = await server.user('alice', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }],
  });
  await assert.rejects(alice.cloudtrail.lookupEvents({}), {
    name: 'AccessDeniedException',
    message:
      'User: arn:aws:iam::123456789012:user/alice is not authorized to perform: cloudtrail:LookupEvents because no identity-based policy allows the cloudtrail:LookupEvents action',
  });
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'Username', AttributeValue: 'alice' }],
  });
  assert.equal(JSON.parse(Events[0]!.CloudTrailEvent!).errorCode, 'AccessDeniedException');
});

test('events older than 90 days go, younger ones stay', async (t) => {
  const clock = { ...systemClock, now: () => new Date(Date.now() + shiftMs) };
  let shiftMs = -91 * 86_400_000;
  const server = await startServer(t, { clock });
  const { kernel } = server;
  kernel
    .serviceContext('iam.amazonaws.com')
    .record({ eventSource: 'x', eventName: 'Old', readOnly: true, resources: [] });
  await kernel.audit.flush();
  shiftMs = 0;
  kernel
    .serviceContext('iam.amazonaws.com')
    .record({ eventSource: 'x', eventName: 'Young', readOnly: true, resources: [] });
  await kernel.audit.flush();
  await retention.reconcile('events', kernel.serviceContext('cloudtrail.amazonaws.com'));
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({});
  assert.deepEqual(
    Events.map(({ EventName }) => EventName).filter((name) => name === 'Old' || name === 'Young'),
    ['Young'],
  );
});

test('a change whose process died before its outcome was written is settled later, so that trails deliver it', async (t) => {
  const clock = { ...systemClock, now: () => new Date(Date.now() + shiftMs) };
  let shiftMs = 0;
  const server = await startServer(t, { clock });
  await server.root_.iam.createUser({ UserName: 'bob' });
  await server.kernel.audit.flush();
  const settled = async () => {
    const rows = await server.kernel.database.reader
      .selectFrom('kernel_audit' as never)
      .select(['event_name', 'settled_at'] as never)
      .execute();
    return (rows as { event_name: string; settled_at: number | null }[]).find((row) => row.event_name === 'CreateUser');
  };
  await server.kernel.database.transaction((tx) =>
    tx
      .updateTable('kernel_audit' as never)
      .set({ settled_at: null } as never)
      .execute(),
  );
  const own = server.kernel.serviceContext('cloudtrail.amazonaws.com');
  await retention.reconcile('events', own);
  assert.equal((await settled())?.settled_at, null);
  shiftMs = 16 * 60_000;
  await retention.reconcile('events', own);
  assert.ok(((await settled())?.settled_at ?? 0) > Date.now());
});
