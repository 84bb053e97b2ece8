import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TestServer } from '../../../test/harness.ts';
import {
  answer,
  approval,
  approvalToken,
  bucketServer,
  ended,
  latestExecution,
  objectSource,
  pipelineOf,
  siteDeploy,
  stage,
  until,
  zipOf,
} from './fixtures.ts';

const source = stage('Source', objectSource());
const gated = pipelineOf([source, stage('Gate', approval()), stage('Last', approval())]);
const inMode = (executionMode: 'QUEUED' | 'PARALLEL' | 'SUPERSEDED') => ({ ...gated, executionMode });

async function start({ root_ }: TestServer): Promise<string> {
  return (await root_.codepipeline.startPipelineExecution({ name: 'p' })).pipelineExecutionId!;
}

async function statuses({ root_ }: TestServer): Promise<Record<string, string>> {
  const { pipelineExecutionSummaries = [] } = await root_.codepipeline.listPipelineExecutions({ pipelineName: 'p' });
  return Object.fromEntries(
    pipelineExecutionSummaries.map(({ pipelineExecutionId, status }) => [pipelineExecutionId!, status!]),
  );
}

/** Waits until an execution is in a stage, or waits for it. */
function reached({ root_ }: TestServer, stageName: string, id: string, where: 'latest' | 'inbound'): Promise<true> {
  return until(async () => {
    const { stageStates = [] } = await root_.codepipeline.getPipelineState({ name: 'p' });
    const state = stageStates.find((one) => one.stageName === stageName)!;
    const found = where === 'latest' ? [state.latestExecution] : (state.inboundExecutions ?? []);
    return found.some((one) => one?.pipelineExecutionId === id) ? true : undefined;
  }, `${id} ${where} in ${stageName}`);
}

describe('stages', () => {
  test('P3: hold one execution; of those that wait the newest goes on, the others are superseded visibly', async (t) => {
    const server = await bucketServer(t);
    await server.root_.codepipeline.createPipeline({ pipeline: gated });
    const first = await latestExecution(server);
    const token = await approvalToken(server, 'Gate');
    const second = await start(server);
    await reached(server, 'Gate', second, 'inbound');
    const third = await start(server);
    await reached(server, 'Gate', third, 'inbound');
    assert.deepEqual(await statuses(server), { [first]: 'InProgress', [second]: 'Superseded', [third]: 'InProgress' });
    await answer(server, 'Gate', token);
    await reached(server, 'Gate', third, 'latest');
    await reached(server, 'Last', first, 'latest');
  });

  test('P3: under 40 starts at once no stage is held twice and the newest wins', async (t) => {
    const server = await bucketServer(t);
    const pipeline = pipelineOf([source, stage('Deploy', siteDeploy())]);
    await server.root_.codepipeline.createPipeline({ pipeline });
    const ids = await Promise.all(Array.from({ length: 40 }, () => start(server)));
    for (const id of ids) await ended(server, id);
    const all = await statuses(server);
    const newest = await latestExecution(server);
    assert.equal(all[newest], 'Succeeded');
    for (const id of ids) assert.match(all[id]!, /^(Succeeded|Superseded)$/);
    const { actionExecutionDetails = [] } = await server.root_.codepipeline.listActionExecutions({ pipelineName: 'p' });
    for (const name of ['Fetch', 'Copy']) {
      const runs = actionExecutionDetails.filter(({ actionName }) => actionName === name).reverse();
      for (const [index, run] of runs.entries()) {
        const next = runs[index + 1];
        assert.ok(next === undefined || run.lastUpdateTime! <= next.startTime!, `${name} ran twice at once`);
      }
    }
  });

  test('QUEUED: all go through, one after the other', async (t) => {
    const server = await bucketServer(t);
    await server.root_.codepipeline.createPipeline({ pipeline: inMode('QUEUED') });
    const ids = [await latestExecution(server), await start(server), await start(server)];
    for (const id of ids) {
      await reached(server, 'Gate', id, 'latest');
      await answer(server, 'Gate', await approvalToken(server, 'Gate'));
      await reached(server, 'Last', id, 'latest');
      await answer(server, 'Last', await approvalToken(server, 'Last'));
      assert.equal(await ended(server, id), 'Succeeded');
    }
  });

  test('PARALLEL: each for itself, answered by the external id of its own request', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline } = server.root_;
    await codepipeline.createPipeline({ pipeline: inMode('PARALLEL') });
    const ids = [await latestExecution(server), await start(server)];
    const tokenOf = (pipelineExecutionId: string) =>
      until(async () => {
        const { actionExecutionDetails = [] } = await codepipeline.listActionExecutions({
          pipelineName: 'p',
          filter: { pipelineExecutionId },
        });
        const open = actionExecutionDetails.find(
          ({ stageName, status }) => stageName === 'Gate' && status === 'InProgress',
        );
        return open?.output?.executionResult?.externalExecutionId;
      }, 'a request');
    const tokens = [await tokenOf(ids[0]!), await tokenOf(ids[1]!)];
    await answer(server, 'Gate', tokens[1]!, 'Rejected');
    assert.equal(await ended(server, ids[1]!), 'Failed');
    assert.equal((await statuses(server))[ids[0]!], 'InProgress');
  });

  test('QUEUED: more than fifty unfinished executions are refused', async (t) => {
    const server = await bucketServer(t);
    await server.root_.codepipeline.createPipeline({ pipeline: inMode('QUEUED') });
    for (let i = 1; i < 50; i += 1) await start(server);
    await assert.rejects(start(server), { name: 'ConcurrentPipelineExecutionsLimitExceededException' });
  });

  test('are entered only through an open gate', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline } = server.root_;
    await codepipeline.createPipeline({ pipeline: gated });
    const gate = { pipelineName: 'p', stageName: 'Gate', transitionType: 'Inbound' as const };
    await answer(server, 'Gate', await approvalToken(server, 'Gate'), 'Rejected');
    await codepipeline.disableStageTransition({ ...gate, reason: 'holidays' });
    const second = await start(server);
    await reached(server, 'Gate', second, 'inbound');
    const { stageStates = [] } = await codepipeline.getPipelineState({ name: 'p' });
    const { inboundTransitionState: shown, inboundExecution } = stageStates[1]!;
    assert.deepEqual(
      [shown!.enabled, shown!.disabledReason, shown!.lastChangedBy],
      [false, 'holidays', 'arn:aws:iam::123456789012:root'],
    );
    assert.deepEqual([inboundExecution!.pipelineExecutionId, inboundExecution!.status], [second, 'InProgress']);
    await codepipeline.enableStageTransition(gate);
    await reached(server, 'Gate', second, 'latest');
    await codepipeline.disableStageTransition({ ...gate, transitionType: 'Outbound', reason: 'not yet' });
    await answer(server, 'Gate', await approvalToken(server, 'Gate'));
    await reached(server, 'Last', second, 'inbound');
    await assert.rejects(codepipeline.enableStageTransition({ ...gate, stageName: 'x' }), {
      name: 'StageNotFoundException',
    });
    await assert.rejects(codepipeline.disableStageTransition({ ...gate, reason: 'no; drop' }), {
      name: 'ValidationException',
    });
  });
});

describe('stopping', () => {
  test('waits for what runs, or gives it up', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline } = server.root_;
    await codepipeline.createPipeline({ pipeline: gated });
    const pipelineExecutionId = await latestExecution(server);
    const token = await approvalToken(server, 'Gate');
    const stop = (abandon: boolean) =>
      codepipeline.stopPipelineExecution({ pipelineName: 'p', pipelineExecutionId, abandon, reason: 'wrong' });
    await stop(false);
    assert.deepEqual(await statuses(server), { [pipelineExecutionId]: 'Stopping' });
    await assert.rejects(stop(false), { name: 'DuplicatedStopRequestException' });
    const { stageStates = [] } = await codepipeline.getPipelineState({ name: 'p' });
    assert.equal(stageStates[1]!.latestExecution!.status, 'Stopping');
    await stop(true);
    assert.equal(await ended(server, pipelineExecutionId), 'Stopped');
    await assert.rejects(stop(true), { name: 'PipelineExecutionNotStoppableException' });
    const [summary] = (await codepipeline.listPipelineExecutions({ pipelineName: 'p' })).pipelineExecutionSummaries!;
    assert.deepEqual(summary!.stopTrigger, { reason: 'wrong' });
    const [gate] = (await codepipeline.listActionExecutions({ pipelineName: 'p' })).actionExecutionDetails!;
    assert.equal(gate!.status, 'Abandoned');
    await assert.rejects(answer(server, 'Gate', token), { name: 'InvalidApprovalTokenException' });
  });

  test('and waiting lets the running action end well', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline } = server.root_;
    await codepipeline.createPipeline({ pipeline: gated });
    const id = await latestExecution(server);
    const token = await approvalToken(server, 'Gate');
    await codepipeline.stopPipelineExecution({ pipelineName: 'p', pipelineExecutionId: id });
    await answer(server, 'Gate', token);
    assert.equal(await ended(server, id), 'Stopped');
    const [gate] = (await codepipeline.listActionExecutions({ pipelineName: 'p' })).actionExecutionDetails!;
    assert.equal(gate!.status, 'Succeeded');
  });
});

describe('retrying', () => {
  const two = pipelineOf([source, stage('Gate', approval(), approval('Second'))]);
  const retry = { pipelineName: 'p', stageName: 'Gate', retryMode: 'FAILED_ACTIONS' as const };

  test('runs what failed again, or everything', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline } = server.root_;
    await codepipeline.createPipeline({ pipeline: two });
    const pipelineExecutionId = await latestExecution(server);
    await assert.rejects(codepipeline.retryStageExecution({ ...retry, pipelineExecutionId }), {
      name: 'StageNotRetryableException',
    });
    const second = {
      pipelineName: 'p',
      stageName: 'Gate',
      actionName: 'Second',
      result: { status: 'Approved' as const, summary: '' },
    };
    await codepipeline.putApprovalResult({ ...second, token: await approvalToken(server, 'Gate', 'Second') });
    await answer(server, 'Gate', await approvalToken(server, 'Gate'), 'Rejected');
    assert.equal(await ended(server, pipelineExecutionId), 'Failed');
    const runs = async () => {
      const { actionExecutionDetails = [] } = await codepipeline.listActionExecutions({
        pipelineName: 'p',
        filter: { pipelineExecutionId },
      });
      return actionExecutionDetails
        .filter(({ stageName }) => stageName === 'Gate')
        .map(({ actionName, status }) => `${actionName} ${status}`);
    };
    await codepipeline.retryStageExecution({ ...retry, pipelineExecutionId });
    assert.deepEqual(await runs(), ['Approve InProgress', 'Second Succeeded', 'Approve Failed']);
    const { stageStates = [] } = await codepipeline.getPipelineState({ name: 'p' });
    assert.deepEqual(stageStates[1]!.retryStageMetadata, {
      latestRetryTrigger: 'ManualStageRetry',
      manualStageRetryAttempt: 1,
    });
    await answer(server, 'Gate', await approvalToken(server, 'Gate'), 'Rejected');
    await codepipeline.retryStageExecution({ ...retry, retryMode: 'ALL_ACTIONS', pipelineExecutionId });
    assert.deepEqual((await runs()).slice(0, 2), ['Second InProgress', 'Approve InProgress']);
    const filter = { latestInPipelineExecution: { pipelineExecutionId, startTimeRange: 'Latest' as const } };
    assert.equal(
      (await codepipeline.listActionExecutions({ pipelineName: 'p', filter })).actionExecutionDetails!.length,
      3,
    );
    await codepipeline.putApprovalResult({ ...second, token: await approvalToken(server, 'Gate', 'Second') });
    await answer(server, 'Gate', await approvalToken(server, 'Gate'));
    assert.equal(await ended(server, pipelineExecutionId), 'Succeeded');
  });

  test('is refused for an execution that a later one followed, and for a changed pipeline', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline } = server.root_;
    await codepipeline.createPipeline({ pipeline: gated });
    const first = await latestExecution(server);
    await answer(server, 'Gate', await approvalToken(server, 'Gate'), 'Rejected');
    const second = await start(server);
    await reached(server, 'Gate', second, 'latest');
    await assert.rejects(codepipeline.retryStageExecution({ ...retry, pipelineExecutionId: first }), {
      name: 'NotLatestPipelineExecutionException',
    });
    await answer(server, 'Gate', await approvalToken(server, 'Gate'), 'Rejected');
    await codepipeline.updatePipeline({ pipeline: gated });
    await assert.rejects(codepipeline.retryStageExecution({ ...retry, pipelineExecutionId: second }), {
      name: 'StageNotRetryableException',
    });
    await assert.rejects(codepipeline.retryStageExecution({ ...retry, stageName: 'x', pipelineExecutionId: second }), {
      name: 'StageNotFoundException',
    });
  });

  test('happens once by itself where the stage says so', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline } = server.root_;
    const failing = objectSource({ configuration: { S3Bucket: 'sources', S3ObjectKey: 'gone.zip' } });
    const retried = { ...stage('Source', failing), onFailure: { result: 'RETRY' as const } };
    await codepipeline.createPipeline({ pipeline: pipelineOf([retried, stage('Gate', approval())]) });
    assert.equal(await ended(server, await latestExecution(server)), 'Failed');
    const { actionExecutionDetails = [] } = await codepipeline.listActionExecutions({ pipelineName: 'p' });
    assert.deepEqual(
      actionExecutionDetails.map(({ status }) => status),
      ['Failed', 'Failed'],
    );
    const { stageStates = [] } = await codepipeline.getPipelineState({ name: 'p' });
    assert.deepEqual(stageStates[0]!.retryStageMetadata, {
      latestRetryTrigger: 'AutomatedStageRetry',
      autoStageRetryAttempt: 1,
    });
  });
});

test('rolling back runs one stage with what an earlier execution worked with', async (t) => {
  const server = await bucketServer(t);
  const { codepipeline, s3 } = server.root_;
  await codepipeline.createPipeline({ pipeline: pipelineOf([source, stage('Deploy', siteDeploy())]) });
  const good = await latestExecution(server);
  assert.equal(await ended(server, good), 'Succeeded');
  await s3.putObject({ Bucket: 'sources', Key: 'app.zip', Body: await zipOf({ 'index.html': '<h1>two</h1>' }) });
  const newer = await start(server);
  assert.equal(await ended(server, newer), 'Succeeded');
  const page = async () => (await s3.getObject({ Bucket: 'site', Key: 'index.html' })).Body!.transformToString();
  assert.equal(await page(), '<h1>two</h1>');
  const rollback = { pipelineName: 'p', stageName: 'Deploy', targetPipelineExecutionId: good };
  const { pipelineExecutionId } = await codepipeline.rollbackStage(rollback);
  assert.equal(await ended(server, pipelineExecutionId!), 'Succeeded');
  assert.equal(await page(), '<h1>one</h1>');
  const { pipelineExecution } = await codepipeline.getPipelineExecution({ pipelineName: 'p', pipelineExecutionId });
  assert.deepEqual(
    [pipelineExecution!.executionType, pipelineExecution!.rollbackMetadata, pipelineExecution!.trigger!.triggerType],
    ['ROLLBACK', { rollbackTargetPipelineExecutionId: good }, 'ManualRollback'],
  );
  await assert.rejects(codepipeline.rollbackStage({ ...rollback, stageName: 'Source' }), {
    name: 'UnableToRollbackStageException',
  });
  await assert.rejects(codepipeline.rollbackStage({ ...rollback, targetPipelineExecutionId: pipelineExecutionId }), {
    name: 'UnableToRollbackStageException',
  });
  await codepipeline.updatePipeline({ pipeline: pipelineOf([source, stage('Deploy', siteDeploy())]) });
  await assert.rejects(codepipeline.rollbackStage(rollback), { name: 'PipelineExecutionOutdatedException' });
});

describe('P7: a pipeline that changes while it runs', () => {
  test('cancels what ran on the old definition', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline } = server.root_;
    await codepipeline.createPipeline({ pipeline: gated });
    const first = await latestExecution(server);
    const token = await approvalToken(server, 'Gate');
    await codepipeline.updatePipeline({
      pipeline: pipelineOf([source, stage('Gate', approval()), stage('New', approval())]),
    });
    assert.equal(await ended(server, first), 'Cancelled');
    await assert.rejects(answer(server, 'Gate', token), {
      name: 'InvalidApprovalTokenException',
      message: 'The pipeline p has been updated, and the approval request you responded to is now out of date.',
    });
    const second = await start(server);
    await answer(server, 'Gate', await approvalToken(server, 'Gate'));
    await answer(server, 'New', await approvalToken(server, 'New'));
    assert.equal(await ended(server, second), 'Succeeded');
  });

  test('is deleted with everything that was going on', async (t) => {
    const server = await bucketServer(t);
    const { codepipeline } = server.root_;
    await codepipeline.createPipeline({ pipeline: gated });
    const token = await approvalToken(server, 'Gate');
    await codepipeline.deletePipeline({ name: 'p' });
    await assert.rejects(answer(server, 'Gate', token), { name: 'PipelineNotFoundException' });
    await codepipeline.createPipeline({ pipeline: gated });
    await assert.rejects(answer(server, 'Gate', token), { name: 'InvalidApprovalTokenException' });
    const { pipelineExecutionSummaries = [] } = await codepipeline.listPipelineExecutions({ pipelineName: 'p' });
    assert.equal(pipelineExecutionSummaries.length, 1);
  });
});
