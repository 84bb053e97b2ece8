import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type * as sdk from '@aws-sdk/client-codepipeline';
import type { Clock } from '../../kernel/clock.ts';
import { systemClock } from '../../kernel/clock.ts';
import {
  allow,
  answer,
  approval,
  approvalToken,
  bucketServer,
  ended,
  latestExecution,
  objectSource,
  pipelineOf,
  policy,
  stage,
  until,
} from './fixtures.ts';

const DAY_MS = 24 * 3600_000;
const gated = pipelineOf([
  stage('Source', objectSource()),
  stage('Gate', approval(), approval('Other')),
  stage('Last', approval()),
]);

/** The system's clock, set off by an amount that tests change. */
function movableClock() {
  let offsetMs = 0;
  const clock: Clock = { ...systemClock, now: () => new Date(systemClock.now().getTime() + offsetMs) };
  return { clock, forward: (ms: number) => (offsetMs += ms) };
}

describe('P4: an approval request', () => {
  test('is answered once: one of many racers wins', async (t) => {
    const server = await bucketServer(t);
    await server.root_.codepipeline.createPipeline({ pipeline: gated });
    const token = await approvalToken(server, 'Gate');
    const racers = await Promise.allSettled(
      Array.from({ length: 12 }, (_, i) => answer(server, 'Gate', token, i % 2 === 0 ? 'Approved' : 'Rejected')),
    );
    const lost = racers.filter((one) => one.status === 'rejected').map(({ reason }) => (reason as Error).name);
    assert.equal(lost.length, 11);
    assert.ok(
      lost.every((name) => name === 'ApprovalAlreadyCompletedException'),
      lost.join(),
    );
  });

  test('takes only the token of this very request', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline } = server.root_;
    await codepipeline.createPipeline({ pipeline: gated });
    const other = await approvalToken(server, 'Gate', 'Other');
    const token = await approvalToken(server, 'Gate');
    const put = {
      pipelineName: 'p',
      stageName: 'Gate',
      actionName: 'Approve',
      token,
      result: { status: 'Approved' as const, summary: '' },
    };
    const refused: [object, string][] = [
      [{ token: other }, 'InvalidApprovalTokenException'],
      [{ token: '00000000-0000-0000-0000-000000000000' }, 'InvalidApprovalTokenException'],
      [{ stageName: 'Last' }, 'InvalidApprovalTokenException'],
      [{ token: 'x' }, 'ValidationException'],
      [{ actionName: 'Gone' }, 'ActionNotFoundException'],
      [{ stageName: 'Gone' }, 'StageNotFoundException'],
      [{ pipelineName: 'gone' }, 'PipelineNotFoundException'],
    ];
    for (const [change, name] of refused)
      await assert.rejects(codepipeline.putApprovalResult({ ...put, ...change }), { name });
    await codepipeline.putApprovalResult(put);
    await assert.rejects(codepipeline.putApprovalResult(put), { name: 'ApprovalAlreadyCompletedException' });
    // the token of an earlier execution
    const first = await latestExecution(server);
    await codepipeline.putApprovalResult({
      ...put,
      actionName: 'Other',
      token: other,
      result: { status: 'Rejected', summary: 'no' },
    });
    assert.equal(await ended(server, first), 'Failed');
    await codepipeline.startPipelineExecution({ name: 'p' });
    assert.notEqual(await approvalToken(server, 'Gate'), token);
    await assert.rejects(codepipeline.putApprovalResult(put), { name: 'ApprovalAlreadyCompletedException' });
  });

  test('expires after seven days, or when the action says', async (t) => {
    const { clock, forward } = movableClock();
    const server = await bucketServer(t, { clock });
    const short = approval('Approve', { timeoutInMinutes: 5 });
    const stages = [stage('Source', objectSource()), stage('Gate', approval()), stage('Last', short)];
    await server.root_.codepipeline.createPipeline({ pipeline: pipelineOf(stages) });
    const token = await approvalToken(server, 'Gate');
    // Clients would have to follow the clock; the calls are made in process, as the same user.
    const arn = 'arn:aws:iam::123456789012:root';
    const root = server.kernel
      .serviceContext('codepipeline.amazonaws.com')
      .withCaller({ type: 'Root', account: '123456789012', arn, principalId: '123456789012' });
    const put = (stageName: string, request: string) =>
      root.call<typeof sdk, 'PutApprovalResult'>('codepipeline', 'PutApprovalResult', {
        pipelineName: 'p',
        stageName,
        actionName: 'Approve',
        token: request,
        result: { status: 'Approved', summary: '' },
      });
    const last = () =>
      until(async () => {
        const { stageStates = [] } = await root.call<typeof sdk, 'GetPipelineState'>(
          'codepipeline',
          'GetPipelineState',
          { name: 'p' },
        );
        return stageStates[2]!.actionStates![0]!.latestExecution;
      }, 'the last action');
    forward(7 * DAY_MS - 60_000);
    await put('Gate', token);
    const late = await until(async () => (await last()).token, 'the last request');
    forward(5 * 60_000 + 1);
    await assert.rejects(put('Last', late), { name: 'InvalidApprovalTokenException' });
    const failed = await until(async () => ((await last()).status === 'Failed' ? last() : undefined), 'the timeout');
    assert.match(failed.errorDetails!.message!, /took longer than its timeout/);
  });

  test('is answered only by whoever may, action by action', async (t) => {
    const server = await bucketServer(t);
    await server.root_.codepipeline.createPipeline({ pipeline: gated });
    const token = await approvalToken(server, 'Gate');
    const right = (resource: string) => JSON.parse(policy(allow('codepipeline:PutApprovalResult', resource)));
    const prefix = 'arn:aws:codepipeline:us-east-1:123456789012:p/Gate';
    const input = {
      pipelineName: 'p',
      stageName: 'Gate',
      actionName: 'Approve',
      token,
      result: { status: 'Approved' as const, summary: 'yes' },
    };
    const bob = await server.user('bob', right(`${prefix}/Other`));
    await assert.rejects(bob.codepipeline.putApprovalResult(input), {
      name: 'AccessDeniedException',
      message:
        /user\/bob is not authorized to perform: codepipeline:PutApprovalResult on resource: arn:aws:codepipeline:us-east-1:123456789012:p\/Gate\/Approve/,
    });
    const alice = await server.user('alice', right(`${prefix}/Approve`));
    const { approvedAt } = await alice.codepipeline.putApprovalResult(input);
    assert.ok(approvedAt instanceof Date);
    const { stageStates = [] } = await server.root_.codepipeline.getPipelineState({ name: 'p' });
    const { latestExecution: shown } = stageStates[1]!.actionStates![0]!;
    assert.deepEqual(
      [shown!.status, shown!.lastUpdatedBy, shown!.summary, shown!.token],
      ['Succeeded', 'arn:aws:iam::123456789012:user/alice', 'yes', undefined],
    );
  });
});
