import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import * as lambda from '@aws-sdk/client-lambda';
import * as sns from '@aws-sdk/client-sns';
import { allServices, startServer } from '../../../test/harness.ts';
import type { Context } from '../../kernel/context.ts';
import { defineService } from '../../kernel/define-service.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Service } from '../../kernel/service.ts';
import { eventually } from '../../kernel/testing/eventually.ts';
import { gitUser, workingCopy } from './harness.ts';
import { triggerTables } from './trigger-tables.ts';

const TOPIC = 'arn:aws:sns:us-east-1:123456789012:changes';
const FUNCTION = 'arn:aws:lambda:us-east-1:123456789012:function:build';
const NAME = { repositoryName: 'app' };

interface Sent {
  to: string;
  // biome-ignore lint/suspicious/noExplicitAny: JSON as a destination sees it
  record: any;
  subject?: string;
  caller: Context['caller'];
}

/** SNS and Lambda as far as triggers use them; `refuse` says which destinations fail. */
function destinations(sent: Sent[], refuse: (to: string) => boolean = () => false): Service[] {
  const take = (to: string, message: string, { caller }: Context, more: object = {}) => {
    if (refuse(to)) throw new Fault('NotFoundException', 'Topic does not exist', { status: 404 });
    const { Records } = JSON.parse(message);
    assert.equal(Records.length, 1);
    sent.push({ to, record: Records[0], caller, ...more });
  };
  const Publish = {
    resource: () => '*',
    action: null,
    async handle(input: sns.PublishInput, ctx: Context) {
      take(input.TopicArn!, input.Message!, ctx, { subject: input.Subject });
      return { MessageId: 'm' };
    },
  };
  const Invoke = {
    resource: () => '*',
    action: null,
    async handle(input: lambda.InvocationRequest, ctx: Context) {
      assert.equal(input.InvocationType, 'Event');
      take(input.FunctionName!, Buffer.from(input.Payload!).toString(), ctx);
      return { StatusCode: 202 };
    },
  };
  const common = { protocol: 'json-1.1' as const };
  return [
    defineService({
      ...common,
      ...{ name: 'sns', sdk: sns, signingName: 'sns', iamPrefix: 'sns', eventSource: 'sns.amazonaws.com' },
      targetPrefix: 'TestSns',
      families: [{ Publish }],
    }),
    defineService({
      ...common,
      ...{ name: 'lambda', sdk: lambda, signingName: 'lambda', iamPrefix: 'lambda' },
      ...{ eventSource: 'lambda.amazonaws.com', targetPrefix: 'TestLambda' },
      families: [{ Invoke }],
    }),
  ];
}

async function startWithDestinations(t: TestContext, sent: Sent[], refuse?: (to: string) => boolean) {
  const server = await startServer(t, { services: [...allServices, ...destinations(sent, refuse)] });
  await server.root_.codecommit.createRepository(NAME);
  return server;
}

test('triggers: stored, replaced, tested, told of pushes and calls with the right references', async (t) => {
  const sent: Sent[] = [];
  const server = await startWithDestinations(t, sent);
  const { codecommit } = server.root_;
  assert.deepEqual((await codecommit.getRepositoryTriggers(NAME)).triggers, []);
  const triggers = [
    { name: 'all', destinationArn: TOPIC, branches: [], events: ['all' as const], customData: 'Zwölf' },
    { name: 'main', destinationArn: FUNCTION, branches: ['main'], events: ['updateReference' as const] },
    { name: 'gone', destinationArn: FUNCTION, branches: [], events: ['deleteReference' as const] },
  ];
  const tested = await codecommit.testRepositoryTriggers({ ...NAME, triggers });
  assert.deepEqual(tested.successfulExecutions, ['all', 'main', 'gone']);
  assert.deepEqual(tested.failedExecutions, []);
  assert.equal(sent[0]!.record.eventName, 'TriggerEventTest');
  assert.match(sent[0]!.record.codecommit.references[0].commit, /^[0-9a-f]{40}$/);
  sent.length = 0;

  const { configurationId } = await codecommit.putRepositoryTriggers({ ...NAME, triggers });
  const stored = await codecommit.getRepositoryTriggers(NAME);
  assert.deepEqual([stored.configurationId, stored.triggers], [configurationId, triggers]);
  const alice = await gitUser(server, 'alice');
  const client = await workingCopy(t, alice.remote('app'));
  await client.run('commit', '-q', '--allow-empty', '-m', 'one');
  await client.run('tag', '-a', 'v1', '-m', 'v1');
  await client.run('push', '-q', 'origin', 'main', 'v1');
  await client.run('commit', '-q', '--allow-empty', '-m', 'two');
  await client.run('push', '-q', 'origin', 'main');
  await client.run('push', '-q', 'origin', ':v1');
  await eventually(() => sent.length === 5);
  const first = (await client.run('rev-parse', 'main~1')).trim();
  const second = (await client.run('rev-parse', 'main')).trim();
  const told = (name: string) =>
    sent
      .filter(({ record }) => record.eventTriggerName === name)
      .sort((a, b) => a.record.eventTime.localeCompare(b.record.eventTime))
      .map(({ record }) => record.codecommit.references);
  const byName = (a: { ref: string }, b: { ref: string }) => a.ref.localeCompare(b.ref);
  const [created, updated, deleted] = told('all');
  assert.deepEqual(created.sort(byName), [
    { commit: first, created: true, ref: 'refs/heads/main' },
    { commit: first, created: true, ref: 'refs/tags/v1' },
  ]);
  assert.deepEqual(updated, [{ commit: second, ref: 'refs/heads/main' }]);
  assert.deepEqual(deleted, [{ commit: '0'.repeat(40), deleted: true, ref: 'refs/tags/v1' }]);
  assert.deepEqual([told('main'), told('gone')], [[updated], [deleted]]);
  const { record, subject, caller, to } = sent.find(({ record }) => record.eventTriggerName === 'all')!;
  assert.deepEqual([to, subject], [TOPIC, 'UPDATE: AWS CodeCommit us-east-1 push: app']);
  const arn = 'arn:aws:codecommit:us-east-1:123456789012:app';
  const service = { type: 'AWSService', account: '123456789012', service: 'codecommit.amazonaws.com', sourceArn: arn };
  assert.deepEqual(caller, service);
  const { eventId, eventTime, codecommit: _, ...fixed } = record;
  assert.match(eventId, /^[0-9a-f-]{36}$/);
  assert.match(eventTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/);
  assert.deepEqual(fixed, {
    awsRegion: 'us-east-1',
    customData: 'Zwölf',
    eventName: 'ReferenceChanges',
    eventPartNumber: 1,
    eventSource: 'aws:codecommit',
    eventSourceARN: arn,
    eventTotalParts: 1,
    eventTriggerConfigId: configurationId,
    eventTriggerName: 'all',
    eventVersion: '1.0',
    userIdentityARN: 'arn:aws:iam::123456789012:user/alice',
  });

  // A message too large for a destination comes in parts.
  sent.length = 0;
  await codecommit.putRepositoryTriggers({ ...NAME, triggers: triggers.slice(0, 1) });
  const refs = Array.from({ length: 1_001 }, (_, at) => `main:refs/heads/many/${at}`);
  await client.run('push', '-q', 'origin', ...refs);
  await eventually(() => sent.length === 3);
  assert.deepEqual(sent.map(({ record }) => record.eventPartNumber).sort(), [1, 2, 3]);
  assert.equal(new Set(sent.map(({ record }) => record.eventId)).size, 1);
  assert.equal(
    new Set(sent.flatMap(({ record }) => record.codecommit.references.map((r: { ref: string }) => r.ref))).size,
    1_001,
  );
  sent.length = 0;
  await codecommit.putRepositoryTriggers({ ...NAME, triggers: [] });
  await codecommit.createBranch({ ...NAME, branchName: 'quiet', commitId: first });
  const rows = await triggerTables(server.kernel.serviceContext('test'))
    .selectFrom('codecommit_trigger_dispatches')
    .selectAll()
    .execute();
  assert.deepEqual([rows, sent], [[], []]);
});

test('triggers: a destination that is not there is recorded and tried again, also after a restart', async (t) => {
  const sent: Sent[] = [];
  const services = [...allServices];
  const trigger = { name: 'all', destinationArn: TOPIC, branches: [], events: ['all' as const] };
  const server = await startServer(t, { services });
  const { codecommit, cloudtrail } = server.root_;
  await codecommit.createRepository(NAME);
  const tested = await codecommit.testRepositoryTriggers({ ...NAME, triggers: [trigger] });
  assert.deepEqual(tested.successfulExecutions, []);
  const [failed] = tested.failedExecutions!;
  assert.equal(failed!.trigger, 'all');
  assert.match(failed!.failureMessage!, /The service sns is not part of this installation/);
  await codecommit.putRepositoryTriggers({ ...NAME, triggers: [trigger] });
  const file = { ...NAME, branchName: 'main', filePath: 'a', fileContent: Buffer.from('a') };
  const { commitId } = await codecommit.putFile(file);
  const waiting = () =>
    triggerTables(server.kernel.serviceContext('test'))
      .selectFrom('codecommit_trigger_dispatches')
      .selectAll()
      .execute();
  await eventually(async () => (await waiting())[0]!.attempts > 0);
  const [row] = await waiting();
  assert.match(row!.error!, /^NotImplemented: The service sns is not part/);
  assert.equal(row!.status, 'WAITING');
  const { Events } = await cloudtrail.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'InvokeRepositoryTrigger' }],
  });
  const event = JSON.parse(Events![0]!.CloudTrailEvent!);
  assert.match(event.errorMessage, /not part of this installation/);
  assert.equal(event.requestParameters.triggerName, 'all');

  let refusals = 1;
  services.push(...destinations(sent, () => refusals-- > 0));
  await server.restart();
  await eventually(() => sent.length === 1);
  assert.deepEqual(sent[0]!.record.codecommit.references, [
    { commit: commitId, created: true, ref: 'refs/heads/main' },
  ]);
  await eventually(async () => {
    const rows = await triggerTables(server.kernel.serviceContext('test'))
      .selectFrom('codecommit_trigger_dispatches')
      .selectAll()
      .execute();
    return rows.length === 0;
  });
});

test('triggers: every refusal by its name', async (t) => {
  const server = await startServer(t);
  const { codecommit } = server.root_;
  await codecommit.createRepository(NAME);
  const good = { name: 'one', destinationArn: TOPIC, branches: [], events: ['all' as const] };
  const trigger = (more: object) => [{ ...good, ...more }];
  const many = (count: number) => Array.from({ length: count }, (_, at) => `b${at}`);
  const cases: [string, unknown][] = [
    ['RepositoryTriggersListRequiredException', undefined],
    ['MaximumRepositoryTriggersExceededException', many(11).map((name) => ({ ...good, name }))],
    ['RepositoryTriggerNameRequiredException', trigger({ name: undefined })],
    ['InvalidRepositoryTriggerNameException', trigger({ name: 'a b' })],
    ['InvalidRepositoryTriggerNameException', trigger({ name: 'a'.repeat(101) })],
    ['InvalidRepositoryTriggerNameException', [good, good]],
    ['RepositoryTriggerDestinationArnRequiredException', trigger({ destinationArn: undefined })],
    [
      'InvalidRepositoryTriggerDestinationArnException',
      trigger({ destinationArn: 'arn:aws:sqs:us-east-1:123456789012:q' }),
    ],
    ['InvalidRepositoryTriggerDestinationArnException', trigger({ destinationArn: 'arn:aws:sns:us-east-1::t' })],
    ['InvalidRepositoryTriggerRegionException', trigger({ destinationArn: 'arn:aws:sns:eu-west-1:123456789012:t' })],
    ['InvalidRepositoryTriggerCustomDataException', trigger({ customData: 'x'.repeat(1_001) })],
    ['RepositoryTriggerBranchNameListRequiredException', trigger({ branches: undefined })],
    ['MaximumBranchesExceededException', trigger({ branches: many(11) })],
    ['InvalidRepositoryTriggerBranchNameException', trigger({ branches: ['a..b'] })],
    ['InvalidRepositoryTriggerBranchNameException', trigger({ branches: [''] })],
    ['RepositoryTriggerEventsListRequiredException', trigger({ events: undefined })],
    ['RepositoryTriggerEventsListRequiredException', trigger({ events: [] })],
    ['InvalidRepositoryTriggerEventsException', trigger({ events: ['push'] })],
    ['InvalidRepositoryTriggerEventsException', trigger({ events: ['all', 'createReference'] })],
  ];
  for (const [name, triggers] of cases) {
    const input = { ...NAME, triggers } as Parameters<typeof codecommit.putRepositoryTriggers>[0];
    await assert.rejects(codecommit.putRepositoryTriggers(input), { name }, JSON.stringify(triggers));
    await assert.rejects(codecommit.testRepositoryTriggers(input), { name }, JSON.stringify(triggers));
  }
  const elsewhere = { repositoryName: 'none', triggers: [good] };
  await assert.rejects(codecommit.putRepositoryTriggers(elsewhere), { name: 'RepositoryDoesNotExistException' });
  await assert.rejects(codecommit.getRepositoryTriggers(elsewhere), { name: 'RepositoryDoesNotExistException' });
  const widest = { name: 'a'.repeat(100), customData: 'x'.repeat(1_000), branches: many(10) };
  await codecommit.putRepositoryTriggers({ ...NAME, triggers: trigger(widest) });
  const bob = await server.user('bob', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'codecommit:GetRepositoryTriggers', Resource: '*' }],
  });
  assert.equal((await bob.codecommit.getRepositoryTriggers(NAME)).triggers!.length, 1);
  const denied = { name: 'AccessDeniedException' };
  await assert.rejects(bob.codecommit.putRepositoryTriggers({ ...NAME, triggers: [] }), denied);
  await assert.rejects(bob.codecommit.testRepositoryTriggers({ ...NAME, triggers: [good] }), denied);
});
