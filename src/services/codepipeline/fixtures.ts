import { buffer } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { ActionDeclaration, PipelineDeclaration, StageDeclaration } from '@aws-sdk/client-codepipeline';
import yazl from 'yazl';
import { type HarnessOptions, startServer, type TestServer } from '../../../test/harness.ts';

export const ACCOUNT = '123456789012';
export const ROLE = `arn:aws:iam::${ACCOUNT}:role/pipeline`;
export const BUCKET = 'artifacts';
const LOOK_EVERY_MS = 10;
const LIMIT_MS = 30_000;

/** A trust policy for a service. */
export function trust(service: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }],
  });
}

export function allow(Action: string | string[], Resource: string | string[] = '*') {
  return { Effect: 'Allow', Action, Resource };
}

export function policy(...Statement: object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement });
}

/** A server with a role that pipelines can work as. */
export async function pipelineServer(t: TestContext, options: HarnessOptions = {}): Promise<TestServer> {
  const server = await startServer(t, options);
  const { iam } = server.root_;
  await iam.createRole({ RoleName: 'pipeline', AssumeRolePolicyDocument: trust('codepipeline.amazonaws.com') });
  const rights = policy(allow(['s3:*', 'codecommit:*', 'codebuild:*']));
  await iam.putRolePolicy({ RoleName: 'pipeline', PolicyName: 'work', PolicyDocument: rights });
  return server;
}

type More = Partial<ActionDeclaration>;

export function action(category: string, provider: string, name: string, more: More = {}): ActionDeclaration {
  const actionTypeId = { category, owner: 'AWS', provider, version: '1' } as ActionDeclaration['actionTypeId'];
  return { name, actionTypeId, ...more };
}

export function commitSource(more: More = {}): ActionDeclaration {
  return action('Source', 'CodeCommit', 'Pull', {
    configuration: { RepositoryName: 'app', BranchName: 'main' },
    outputArtifacts: [{ name: 'SourceOutput' }],
    ...more,
  });
}

export function objectSource(more: More = {}): ActionDeclaration {
  return action('Source', 'S3', 'Fetch', {
    configuration: { S3Bucket: 'sources', S3ObjectKey: 'app.zip', PollForSourceChanges: 'false' },
    outputArtifacts: [{ name: 'SourceOutput' }],
    ...more,
  });
}

export function approval(name = 'Approve', more: More = {}): ActionDeclaration {
  return action('Approval', 'Manual', name, more);
}

export function stage(name: string, ...actions: ActionDeclaration[]): StageDeclaration {
  return { name, actions };
}

export function pipelineOf(stages: StageDeclaration[], more: Partial<PipelineDeclaration> = {}): PipelineDeclaration {
  return { name: 'p', roleArn: ROLE, artifactStore: { type: 'S3', location: BUCKET }, stages, ...more };
}

/** Looks until there is something. */
export async function until<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`waited ${LIMIT_MS} ms for ${what}`);
    await wait(LOOK_EVERY_MS);
  }
}

/** Waits until an execution has ended and gives its status. */
export function ended({ root_ }: TestServer, pipelineExecutionId: string, pipelineName = 'p'): Promise<string> {
  return until(async () => {
    const { pipelineExecution } = await root_.codepipeline.getPipelineExecution({ pipelineName, pipelineExecutionId });
    const { status } = pipelineExecution!;
    return status === 'InProgress' || status === 'Stopping' ? undefined : status;
  }, `the end of ${pipelineExecutionId}`);
}

/** Waits for the approval request of an action and gives its token. */
export function approvalToken({ root_ }: TestServer, stageName: string, actionName = 'Approve'): Promise<string> {
  return until(async () => {
    const { stageStates = [] } = await root_.codepipeline.getPipelineState({ name: 'p' });
    const found = stageStates.find((one) => one.stageName === stageName);
    return found?.actionStates?.find((one) => one.actionName === actionName)?.latestExecution?.token;
  }, `an approval request in ${stageName}`);
}

/** A ZIP archive of some files. */
export function zipOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const zip = new yazl.ZipFile();
  for (const [path, content] of Object.entries(files)) zip.addBuffer(Buffer.from(content), path);
  zip.end();
  return buffer(zip.outputStream);
}

/** A server with the pipeline's role, an artifact bucket and a versioned source bucket that holds `app.zip`. */
export async function bucketServer(t: TestContext, options: HarnessOptions = {}): Promise<TestServer> {
  const server = await pipelineServer(t, options);
  const { s3 } = server.root_;
  for (const Bucket of [BUCKET, 'sources', 'site']) await s3.createBucket({ Bucket });
  await s3.putBucketVersioning({ Bucket: 'sources', VersioningConfiguration: { Status: 'Enabled' } });
  const Body = await zipOf({ 'index.html': '<h1>one</h1>', 'css/a.css': 'b {}' });
  await s3.putObject({ Bucket: 'sources', Key: 'app.zip', Body });
  return server;
}

export function siteDeploy(more: More = {}): ActionDeclaration {
  return action('Deploy', 'S3', 'Copy', {
    configuration: { BucketName: 'site', Extract: 'true' },
    inputArtifacts: [{ name: 'SourceOutput' }],
    ...more,
  });
}

/** The execution that was started last. */
export async function latestExecution({ root_ }: TestServer, pipelineName = 'p'): Promise<string> {
  const { pipelineExecutionSummaries = [] } = await root_.codepipeline.listPipelineExecutions({ pipelineName });
  return pipelineExecutionSummaries[0]!.pipelineExecutionId!;
}

/** Answers an approval request. */
export async function answer(
  { root_ }: TestServer,
  stageName: string,
  token: string,
  status: 'Approved' | 'Rejected' = 'Approved',
): Promise<void> {
  const result = { status, summary: 'because' };
  await root_.codepipeline.putApprovalResult({ pipelineName: 'p', stageName, actionName: 'Approve', token, result });
}
