import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PipelineDeclaration } from '@aws-sdk/client-codepipeline';
import { eventually } from '../../src/kernel/testing/eventually.ts';
import { startServer, type TestServer } from '../harness.ts';

const ACCOUNT = '123456789012';
const ROLE = `arn:aws:iam::${ACCOUNT}:role/pipeline`;
const EMPTY_ZIP = Buffer.concat([Buffer.from('PK\x05\x06'), Buffer.alloc(18)]);

function pipelineNamed(name: string): PipelineDeclaration {
  const aws = { owner: 'AWS', version: '1' } as const;
  const source = {
    name: 'Get',
    actionTypeId: { ...aws, category: 'Source', provider: 'S3' } as const,
    configuration: { S3Bucket: 'the-bucket', S3ObjectKey: 'source.zip', PollForSourceChanges: 'false' },
    outputArtifacts: [{ name: 'source' }],
  };
  const approval = { name: 'Ask', actionTypeId: { ...aws, category: 'Approval', provider: 'Manual' } as const };
  return {
    name,
    roleArn: ROLE,
    artifactStore: { type: 'S3', location: 'the-bucket' },
    stages: [
      { name: 'Source', actions: [source] },
      { name: 'Gate', actions: [approval] },
    ],
  };
}

async function waitingPipelines(server: TestServer) {
  const { iam, s3, codepipeline } = server.root_;
  const Statement = [
    { Effect: 'Allow', Principal: { Service: 'codepipeline.amazonaws.com' }, Action: 'sts:AssumeRole' },
  ];
  const trust = JSON.stringify({ Version: '2012-10-17', Statement });
  await iam.createRole({ RoleName: 'pipeline', AssumeRolePolicyDocument: trust });
  await iam.putRolePolicy({
    RoleName: 'pipeline',
    PolicyName: 'p',
    PolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }],
    }),
  });
  await s3.createBucket({ Bucket: 'the-bucket' });
  await s3.putBucketVersioning({ Bucket: 'the-bucket', VersioningConfiguration: { Status: 'Enabled' } });
  await s3.putObject({ Bucket: 'the-bucket', Key: 'source.zip', Body: EMPTY_ZIP });
  const waiting = async (name: string) => {
    await codepipeline.createPipeline({ pipeline: pipelineNamed(name) });
    let found: { id: string; token: string } | undefined;
    await eventually(async () => {
      const { stageStates } = await codepipeline.getPipelineState({ name });
      const [action] = stageStates![1]!.actionStates!;
      const id = stageStates![1]!.latestExecution?.pipelineExecutionId;
      const token = action!.latestExecution?.token;
      if (id !== undefined && token !== undefined) found = { id, token };
      return found !== undefined;
    });
    return found!;
  };
  return { theirs: await waiting('theirs'), mine: await waiting('mine') };
}

test('I11, P4: ids and tokens of another pipeline open nothing by the name of one’s own', async (t) => {
  const server = await startServer(t);
  const { theirs, mine } = await waitingPipelines(server);
  const own = ['mine', 'mine/*'].map((name) => `arn:aws:codepipeline:us-east-1:${ACCOUNT}:${name}`);
  const { codepipeline } = await server.user('mallory', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'codepipeline:*', Resource: own }],
  });
  const answer = { summary: '', status: 'Approved' } as const;
  const gate = { pipelineName: 'mine', stageName: 'Gate' };
  const notFound = { name: 'PipelineExecutionNotFoundException' };
  await assert.rejects(codepipeline.getPipelineExecution({ ...gate, pipelineExecutionId: theirs.id }), notFound);
  await assert.rejects(
    codepipeline.listActionExecutions({ ...gate, filter: { pipelineExecutionId: theirs.id } }),
    notFound,
  );
  await assert.rejects(codepipeline.rollbackStage({ ...gate, targetPipelineExecutionId: theirs.id }), notFound);
  await assert.rejects(codepipeline.stopPipelineExecution({ ...gate, pipelineExecutionId: theirs.id, abandon: true }), {
    name: 'PipelineExecutionNotStoppableException',
  });
  await assert.rejects(
    codepipeline.retryStageExecution({ ...gate, pipelineExecutionId: theirs.id, retryMode: 'FAILED_ACTIONS' }),
    { name: 'StageNotRetryableException' },
  );
  await assert.rejects(
    codepipeline.putApprovalResult({ ...gate, actionName: 'Ask', token: theirs.token, result: answer }),
    { name: 'InvalidApprovalTokenException' },
  );
  const denied = { name: 'AccessDeniedException' };
  const foreign = { pipelineName: 'theirs', stageName: 'Gate', actionName: 'Ask', result: answer };
  await assert.rejects(codepipeline.putApprovalResult({ ...foreign, token: theirs.token }), denied);
  await assert.rejects(
    codepipeline.listTagsForResource({ resourceArn: `arn:aws:codepipeline:us-east-1:${ACCOUNT}:theirs` }),
    denied,
  );
  const { pipelineExecution } = await server.root_.codepipeline.getPipelineExecution({
    pipelineName: 'theirs',
    pipelineExecutionId: theirs.id,
  });
  assert.equal(pipelineExecution!.status, 'InProgress');
  const answers = await Promise.allSettled(
    Array.from({ length: 8 }, () =>
      codepipeline.putApprovalResult({ ...gate, actionName: 'Ask', token: mine.token, result: answer }),
    ),
  );
  assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 1, 'P4: one answer counts');
});

test('P2: nobody but the services themselves speaks for a service on the bus', async (t) => {
  const { events } = (await startServer(t)).root_;
  const forged = ['aws.codecommit', 'AWS.codepipeline', 'aws.', 'slipway.s3'];
  const { FailedEntryCount, Entries } = await events.putEvents({
    Entries: forged.map((Source) => ({ Source, DetailType: 'x', Detail: '{}' })),
  });
  assert.equal(FailedEntryCount, forged.length);
  for (const { ErrorCode } of Entries!) assert.equal(ErrorCode, 'NotAuthorizedForSourceException');
});
