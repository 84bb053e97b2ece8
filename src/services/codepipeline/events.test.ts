import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as sdk from '@aws-sdk/client-codepipeline';
import type { BusEvent } from '../../kernel/context.ts';
import { defineService } from '../../kernel/define-service.ts';
import { services } from '../../services.ts';
import {
  answer,
  approval,
  approvalToken,
  bucketServer,
  ended,
  latestExecution,
  objectSource,
  pipelineOf,
  stage,
  until,
} from './fixtures.ts';
import { sourceChanges } from './sources.ts';

/** A service that does nothing but listen. */
function listener() {
  const heard: BusEvent[] = [];
  const service = defineService({
    name: 'listener',
    sdk,
    protocol: 'json-1.1',
    signingName: 'listener',
    iamPrefix: 'listener',
    eventSource: 'listener.amazonaws.com',
    targetPrefix: 'Listener',
    families: [],
    consumers: [{ name: 'listener', handle: async (event) => void heard.push(event) }],
  });
  return { heard, options: { services: [...services, service] } };
}

const ARN = 'arn:aws:codepipeline:us-east-1:123456789012:p';
const short = ({ detailType, detail }: BusEvent): string =>
  [detailType.split(' ')[1], detail['stage'], detail['action'], detail['state']].filter(Boolean).join(' ');

test('every change of state is an event, in order and in the documented form', async (t) => {
  const { heard, options } = listener();
  const server = await bucketServer(t, options);
  const { codepipeline, s3 } = server.root_;
  await codepipeline.createPipeline({
    pipeline: pipelineOf([stage('Source', objectSource()), stage('Gate', approval())]),
  });
  const id = await latestExecution(server);
  await answer(server, 'Gate', await approvalToken(server, 'Gate'), 'Rejected');
  assert.equal(await ended(server, id), 'Failed');
  await codepipeline.retryStageExecution({
    pipelineName: 'p',
    stageName: 'Gate',
    pipelineExecutionId: id,
    retryMode: 'FAILED_ACTIONS',
  });
  await codepipeline.stopPipelineExecution({
    pipelineName: 'p',
    pipelineExecutionId: id,
    abandon: true,
    reason: 'enough',
  });
  const mine = () => heard.filter(({ source }) => source === 'aws.codepipeline');
  const events = await until(
    async () => (short(mine().at(-1)!) === 'Pipeline STOPPED' ? mine() : undefined),
    'the last event',
  );
  assert.deepEqual(events.map(short), [
    'Pipeline STARTED',
    'Stage Source STARTED',
    'Action Source Fetch STARTED',
    'Action Source Fetch SUCCEEDED',
    'Stage Source SUCCEEDED',
    'Stage Gate STARTED',
    'Action Gate Approve STARTED',
    'Action Gate Approve FAILED',
    'Stage Gate FAILED',
    'Pipeline FAILED',
    'Pipeline RESUMED',
    'Stage Gate RESUMED',
    'Action Gate Approve STARTED',
    'Pipeline STOPPING',
    'Stage Gate STOPPING',
    'Action Gate Approve ABANDONED',
    'Stage Gate STOPPED',
    'Pipeline STOPPED',
  ]);
  for (const event of events) {
    assert.deepEqual([event.resources, event.account, event.region], [[ARN], '123456789012', 'us-east-1']);
    assert.deepEqual([event.detail['pipeline'], event.detail['execution-id'], event.detail['version']], ['p', id, 1]);
  }
  const [started, , fetching, fetched] = events;
  assert.deepEqual(started!.detail['execution-trigger'], {
    'trigger-type': 'CreatePipeline',
    'trigger-detail': 'arn:aws:iam::123456789012:root',
  });
  assert.equal(started!.detailType, 'CodePipeline Pipeline Execution State Change');
  const { detail } = fetched!;
  assert.deepEqual(detail['type'], { owner: 'AWS', provider: 'S3', category: 'Source', version: '1' });
  assert.equal(detail['region'], 'us-east-1');
  const [output] = detail['output-artifacts'] as { name: string; s3location: { bucket: string; key: string } }[];
  await s3.headObject({ Bucket: output!.s3location.bucket, Key: output!.s3location.key });
  assert.deepEqual(fetching!.detail['output-artifacts'], detail['output-artifacts']);
  const rejected = events[7]!.detail['execution-result'] as Record<string, string>;
  assert.equal(rejected['error-code'], 'JobFailed');
  assert.match(rejected['external-execution-summary']!, /^Rejected by arn:aws:iam::123456789012:root: because$/);
  assert.equal(events[13]!.detail['stop-execution-comments'], 'enough');
});

test('P2: a change that is told ten times, late and out of order, starts one execution', async (t) => {
  const server = await bucketServer(t);
  const { codepipeline } = server.root_;
  const detecting = objectSource({ configuration: { S3Bucket: 'sources', S3ObjectKey: 'app.zip' } });
  await codepipeline.createPipeline({
    pipeline: pipelineOf([stage('Source', detecting), stage('Gate', approval())], { executionMode: 'PARALLEL' }),
  });
  const ctx = server.kernel.serviceContext('codepipeline.amazonaws.com');
  const told = (id: string): BusEvent => ({
    id,
    source: 'slipway.s3',
    detailType: 'Object Written',
    account: '123456789012',
    region: 'us-east-1',
    time: '2026-01-01T00:00:00Z',
    resources: [],
    detail: { bucket: 'sources', key: 'app.zip', versionId: `version-${id}`, etag: 'x' },
  });
  const again = ['a', 'b', 'a', 'c', 'b', 'a', 'a', 'c', 'b', 'a', 'a', 'b'];
  await Promise.all(again.map((id) => sourceChanges.handle(told(id), ctx)));
  for (const id of again) await sourceChanges.handle(told(id), ctx);
  const { pipelineExecutionSummaries = [] } = await codepipeline.listPipelineExecutions({ pipelineName: 'p' });
  const started = pipelineExecutionSummaries.filter(({ trigger }) => trigger!.triggerType === 'PollForSourceChanges');
  assert.deepEqual(started.map(({ sourceRevisions }) => sourceRevisions![0]!.revisionId).sort(), [
    'version-a',
    'version-b',
    'version-c',
  ]);
  await sourceChanges.handle({ ...told('d'), account: '999999999999' }, ctx);
  await sourceChanges.handle({ ...told('e'), region: 'eu-west-1' }, ctx);
  assert.equal(
    (await codepipeline.listPipelineExecutions({ pipelineName: 'p' })).pipelineExecutionSummaries!.length,
    4,
  );
});
