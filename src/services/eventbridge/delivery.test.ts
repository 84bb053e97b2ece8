import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type * as sdk from '@aws-sdk/client-codepipeline';
import { startServer, type TestServer } from '../../../test/harness.ts';
import { type Clock, systemClock } from '../../kernel/clock.ts';
import { matching } from './matching.ts';

const ACCOUNT = '123456789012';
const PIPELINE = `arn:aws:codepipeline:us-east-1:${ACCOUNT}:p`;
const document = (...Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
const trust = (service: string) =>
  document({ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' });

async function until<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
  for (const end = performance.now() + 30_000; ; await wait(10)) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`waited for ${what}`);
  }
}

/** A pipeline that fails at its source at once, a role for rules, and a rule for `source: app`. */
async function setUp(t: TestContext, clock: Clock = systemClock): Promise<TestServer> {
  const server = await startServer(t, { clock });
  const { iam, codepipeline, events } = server.root_;
  await iam.createRole({ RoleName: 'pipeline', AssumeRolePolicyDocument: trust('codepipeline.amazonaws.com') });
  await iam.createRole({ RoleName: 'rule', AssumeRolePolicyDocument: trust('events.amazonaws.com') });
  await allowStart(server);
  const actionTypeId = (category: 'Source' | 'Approval', provider: string) => ({
    category,
    owner: 'AWS' as const,
    provider,
    version: '1',
  });
  await codepipeline.createPipeline({
    pipeline: {
      name: 'p',
      roleArn: `arn:aws:iam::${ACCOUNT}:role/pipeline`,
      artifactStore: { type: 'S3', location: 'artifacts' },
      executionMode: 'QUEUED',
      variables: [{ name: 'what', defaultValue: 'nothing' }],
      stages: [
        {
          name: 'Source',
          actions: [
            {
              name: 'Fetch',
              actionTypeId: actionTypeId('Source', 'S3'),
              configuration: { S3Bucket: 'b', S3ObjectKey: 'k' },
              outputArtifacts: [{ name: 'o' }],
            },
          ],
        },
        { name: 'Gate', actions: [{ name: 'Approve', actionTypeId: actionTypeId('Approval', 'Manual') }] },
      ],
    },
  });
  await events.putRule({ Name: 'app', EventPattern: '{"source": ["app"]}' });
  return server;
}

async function allowStart({ root_ }: TestServer): Promise<void> {
  const PolicyDocument = document({
    Effect: 'Allow',
    Action: 'codepipeline:StartPipelineExecution',
    Resource: PIPELINE,
  });
  await root_.iam.putRolePolicy({ RoleName: 'rule', PolicyName: 'start', PolicyDocument });
}

async function target({ root_ }: TestServer, more: object = {}, rule = 'app'): Promise<void> {
  const one = { Id: 't', Arn: PIPELINE, RoleArn: `arn:aws:iam::${ACCOUNT}:role/rule`, ...more };
  await root_.events.putTargets({ Rule: rule, Targets: [one] });
}

async function put({ root_ }: TestServer, detail: object = {}, source = 'app'): Promise<string> {
  const { Entries } = await root_.events.putEvents({
    Entries: [{ Source: source, DetailType: 'x', Detail: JSON.stringify(detail) }],
  });
  return Entries![0]!.EventId!;
}

/** Executions that a rule started, the oldest first. */
async function started({ root_ }: TestServer) {
  const { pipelineExecutionSummaries = [] } = await root_.codepipeline.listPipelineExecutions({ pipelineName: 'p' });
  return pipelineExecutionSummaries.filter(({ trigger }) => trigger!.triggerType === 'CloudWatchEvent').reverse();
}

const startedBy = (server: TestServer, count: number) =>
  until(async () => ((await started(server)).length >= count ? started(server) : undefined), `${count} executions`);

describe('a rule', () => {
  test('starts a pipeline as its role, and the execution tells which rule it was', async (t) => {
    const server = await setUp(t);
    await target(server);
    await put(server, {}, 'other');
    await put(server);
    const [execution, ...more] = await startedBy(server, 1);
    assert.deepEqual(more, []);
    assert.equal(execution!.trigger!.triggerDetail, `arn:aws:events:us-east-1:${ACCOUNT}:rule/app`);
    const { Events = [] } = await server.root_.cloudtrail.lookupEvents({
      LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'StartPipelineExecution' }],
    });
    const record = JSON.parse(Events[0]!.CloudTrailEvent!);
    assert.equal(record.userIdentity.sessionContext.sessionIssuer.arn, `arn:aws:iam::${ACCOUNT}:role/rule`);
  });

  test('hands on what its transformer makes of the event', async (t) => {
    const server = await setUp(t);
    await target(server, {
      InputTransformer: {
        InputPathsMap: { what: '$.detail.what' },
        InputTemplate: '{"variables": [{"name": "what", "value": <what>}]}',
      },
    });
    await put(server, { what: 'say "hi"' });
    const [execution] = await startedBy(server, 1);
    const { pipelineExecution } = await server.root_.codepipeline.getPipelineExecution({
      pipelineName: 'p',
      pipelineExecutionId: execution!.pipelineExecutionId,
    });
    assert.deepEqual(pipelineExecution!.variables, [{ name: 'what', resolvedValue: 'say "hi"' }]);
  });

  test('P2: an event that comes ten times starts one execution', async (t) => {
    const server = await setUp(t);
    await target(server);
    await put(server);
    const [first] = await startedBy(server, 1);
    const event = {
      id: 'e-1',
      source: 'app',
      detailType: 'x',
      account: ACCOUNT,
      region: 'us-east-1',
      time: '2026-01-01T00:00:00Z',
      resources: [],
      detail: {},
    };
    const ctx = server.kernel.serviceContext('events.amazonaws.com');
    await Promise.all(Array.from({ length: 10 }, () => matching.handle(event, ctx)));
    await startedBy(server, 2);
    for (let i = 0; i < 5; i += 1) await matching.handle(event, ctx);
    await put(server);
    const all = await startedBy(server, 3);
    assert.equal(all.length, 3);
    assert.equal(new Set(all.map(({ pipelineExecutionId }) => pipelineExecutionId)).size, 3);
    assert.equal(all[0]!.pipelineExecutionId, first!.pipelineExecutionId);
  });

  test('that is disabled does nothing', async (t) => {
    const server = await setUp(t);
    await target(server);
    await server.root_.events.disableRule({ Name: 'app' });
    await put(server, { n: 1 });
    await server.root_.events.putRule({ Name: 'second', EventPattern: '{"source": ["app"], "detail": {"n": [2]}}' });
    await target(server, {}, 'second');
    await put(server, { n: 2 });
    const all = await startedBy(server, 1);
    assert.deepEqual(
      all.map(({ trigger }) => trigger!.triggerDetail!.split('/').at(-1)),
      ['second'],
    );
  });

  test('whose role may not start the pipeline fails visibly', async (t) => {
    const server = await setUp(t);
    await target(server);
    await server.root_.iam.deleteRolePolicy({ RoleName: 'rule', PolicyName: 'start' });
    await put(server);
    const record = await until(async () => {
      const { Events = [] } = await server.root_.cloudtrail.lookupEvents({
        LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'InvokeTarget' }],
      });
      return Events.length === 0 ? undefined : JSON.parse(Events[0]!.CloudTrailEvent!);
    }, 'the record of the failure');
    assert.match(record.errorCode, /AccessDenied/);
    assert.match(
      record.errorMessage,
      /assumed-role\/rule\/app is not authorized to perform: codepipeline:StartPipelineExecution on resource: arn:aws:codepipeline:us-east-1:123456789012:p/,
    );
    assert.deepEqual(await started(server), []);
    await allowStart(server);
    await put(server);
    assert.equal((await startedBy(server, 1)).length, 1);
  });

  test('writes to a log group', async (t) => {
    const server = await setUp(t);
    const { logs, events, iam } = server.root_;
    const RoleArn = `arn:aws:iam::${ACCOUNT}:role/rule`;
    const PolicyDocument = document({
      Effect: 'Allow',
      Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      Resource: '*',
    });
    await iam.putRolePolicy({ RoleName: 'rule', PolicyName: 'log', PolicyDocument });
    await logs.createLogGroup({ logGroupName: '/aws/events/app' });
    await events.putTargets({
      Rule: 'app',
      Targets: [{ Id: 'log', Arn: `arn:aws:logs:us-east-1:${ACCOUNT}:log-group:/aws/events/app:*`, RoleArn }],
    });
    const id = await put(server, { n: 1 });
    const message = await until(async () => {
      const { events: lines = [] } = await logs.filterLogEvents({ logGroupName: '/aws/events/app' });
      return lines[0]?.message;
    }, 'a line');
    const event = JSON.parse(message);
    assert.deepEqual(
      [event.id, event.source, event['detail-type'], event.account, event.detail],
      [id, 'app', 'x', ACCOUNT, { n: 1 }],
    );
  });

  test('runs on its schedule, once each time however the clock jumps', async (t) => {
    let offsetMs = 0;
    const clock: Clock = { ...systemClock, now: () => new Date(systemClock.now().getTime() + offsetMs) };
    const server = await setUp(t, clock);
    await server.root_.events.putRule({ Name: 'hourly', ScheduleExpression: 'rate(1 hour)' });
    await target(server, {}, 'hourly');
    // Clients would have to follow the clock; the look is taken in process, as the same user.
    const arn = `arn:aws:iam::${ACCOUNT}:root`;
    const root = server.kernel
      .serviceContext('events.amazonaws.com')
      .withCaller({ type: 'Root', account: ACCOUNT, arn, principalId: ACCOUNT });
    const runs = async () => {
      const { pipelineExecutionSummaries = [] } = await root.call<typeof sdk, 'ListPipelineExecutions'>(
        'codepipeline',
        'ListPipelineExecutions',
        { pipelineName: 'p' },
      );
      return pipelineExecutionSummaries.filter(({ trigger }) => trigger!.triggerType === 'CloudWatchEvent');
    };
    const runsReach = (count: number) =>
      until(async () => ((await runs()).length >= count ? runs() : undefined), `${count} runs`);
    const HOUR_MS = 3_600_000;
    offsetMs = 0.99 * HOUR_MS;
    assert.deepEqual(await runs(), []);
    offsetMs = 5 * HOUR_MS;
    await runsReach(1);
    offsetMs = 4 * HOUR_MS;
    assert.equal((await runs()).length, 1);
    offsetMs = 6.01 * HOUR_MS;
    const all = await runsReach(2);
    assert.deepEqual(
      all.map(({ trigger }) => trigger!.triggerDetail!.split('/').at(-1)),
      ['hourly', 'hourly'],
    );
  });

  test('delivers what was waiting when the server stopped', async (t) => {
    const server = await setUp(t);
    await target(server);
    const ids = await Promise.all(Array.from({ length: 5 }, () => put(server)));
    await server.restart();
    const all = await startedBy(server, 5);
    assert.equal(all.length, ids.length);
  });
});
