import type { ActionDeclaration, ActionExecutionDetail, StageDeclaration } from '@aws-sdk/client-codepipeline';
import { until } from './program.ts';
import { ACCOUNT, type Slipway } from './slipway.ts';

const ENVIRONMENT = {
  type: 'LINUX_CONTAINER' as const,
  computeType: 'BUILD_GENERAL1_SMALL' as const,
  image: 'aws/codebuild/standard:7.0',
};

/** Makes a role that one service may assume and that may do everything. @returns its ARN */
export async function makeRole({ clients: { iam } }: Slipway, RoleName: string, service: string): Promise<string> {
  const document = (statement: object) => JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  const { Role } = await iam.createRole({
    RoleName,
    AssumeRolePolicyDocument: document({ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }),
  });
  await iam.putRolePolicy({
    RoleName,
    PolicyName: 'all',
    PolicyDocument: document({ Effect: 'Allow', Action: '*', Resource: '*' }),
  });
  return Role!.Arn!;
}

/** A buildspec that runs one command. */
export function buildspecOf(command: string): string {
  return JSON.stringify({ version: 0.2, phases: { build: { commands: [command] } } });
}

/** Makes a build project whose builds have no source and run one command. */
export async function makeCommandProject(slipway: Slipway, name: string, command: string): Promise<void> {
  await slipway.clients.codebuild.createProject({
    name,
    serviceRole: await makeRole(slipway, `${name}-build`, 'codebuild.amazonaws.com'),
    source: { type: 'NO_SOURCE', buildspec: buildspecOf(command) },
    artifacts: { type: 'NO_ARTIFACTS' },
    environment: ENVIRONMENT,
  });
}

/** Makes a build project for a pipeline's builds, whose buildspec runs one command. */
export async function makePipelineProject(slipway: Slipway, name: string, command: string): Promise<void> {
  await slipway.clients.codebuild.createProject({
    name,
    serviceRole: await makeRole(slipway, `${name}-build`, 'codebuild.amazonaws.com'),
    source: { type: 'CODEPIPELINE', buildspec: buildspecOf(command) },
    artifacts: { type: 'CODEPIPELINE' },
    environment: ENVIRONMENT,
  });
}

/** An action that takes the pipeline's source and runs a build of a project. */
export function buildAction(name: string, ProjectName: string, runOrder = 1): ActionDeclaration {
  return {
    name,
    runOrder,
    actionTypeId: { category: 'Build', owner: 'AWS', provider: 'CodeBuild', version: '1' },
    configuration: { ProjectName },
    inputArtifacts: [{ name: 'source' }],
  };
}

/** An action that puts the pipeline's source into a bucket, as one object. */
export function deployAction(name: string, BucketName: string, runOrder = 1): ActionDeclaration {
  return {
    name,
    runOrder,
    actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'S3', version: '1' },
    configuration: { BucketName, Extract: 'false', ObjectKey: `${name}.zip` },
    inputArtifacts: [{ name: 'source' }],
  };
}

/** Makes a bucket, a role, and a pipeline that begins with a branch `main` of a repository. @returns the bucket */
export async function makePipeline(
  slipway: Slipway,
  name: string,
  RepositoryName: string,
  stages: (bucket: string) => StageDeclaration[],
): Promise<string> {
  const bucket = `${name}-${ACCOUNT}`;
  await slipway.clients.s3.createBucket({ Bucket: bucket });
  await slipway.clients.codepipeline.createPipeline({
    pipeline: {
      name,
      roleArn: await makeRole(slipway, `${name}-pipeline`, 'codepipeline.amazonaws.com'),
      artifactStore: { type: 'S3', location: bucket },
      pipelineType: 'V2',
      stages: [
        {
          name: 'Source',
          actions: [
            {
              name: 'Source',
              actionTypeId: { category: 'Source', owner: 'AWS', provider: 'CodeCommit', version: '1' },
              configuration: { RepositoryName, BranchName: 'main' },
              outputArtifacts: [{ name: 'source' }],
            },
          ],
        },
        ...stages(bucket),
      ],
    },
  });
  return bucket;
}

/** A finished execution: when its last action ended, and its actions in the order of their starts. */
export interface FinishedExecution {
  id: string;
  actions: ActionExecutionDetail[];
  endedAtMs: number;
}

/**
 * Waits until the execution of a commit, or the one with this id, has succeeded.
 * @param pauseMs wait before the first look, so that looking does not slow what is measured
 * @throws where it does not succeed, with its actions' messages
 */
export async function finishedExecution(
  { clients: { codepipeline } }: Slipway,
  pipelineName: string,
  of: { commit: string } | { id: string },
  pauseMs: number,
): Promise<FinishedExecution> {
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
  const found = await until(
    async () => {
      const { pipelineExecutionSummaries = [] } = await codepipeline.listPipelineExecutions({
        pipelineName,
        maxResults: 5,
      });
      const one = pipelineExecutionSummaries.find(({ pipelineExecutionId, sourceRevisions = [] }) =>
        'id' in of ? pipelineExecutionId === of.id : sourceRevisions.some(({ revisionId }) => revisionId === of.commit),
      );
      return one === undefined || one.status === 'InProgress' ? undefined : one;
    },
    `the pipeline ${pipelineName} to end an execution`,
    { everyMs: 50 },
  );
  const id = found.pipelineExecutionId!;
  const { actionExecutionDetails: actions = [] } = await codepipeline.listActionExecutions({
    pipelineName,
    filter: { pipelineExecutionId: id },
  });
  if (found.status !== 'Succeeded') {
    const messages = actions.map(({ actionName, status, output }) =>
      `${actionName} ${status} ${output?.executionResult?.errorDetails?.message ?? ''}`.trim(),
    );
    throw new Error(`an execution of ${pipelineName} ended as ${found.status}: ${messages.join('; ')}`);
  }
  actions.sort((a, b) => Number(a.startTime) - Number(b.startTime));
  return { id, actions, endedAtMs: Math.max(...actions.map(({ lastUpdateTime }) => Number(lastUpdateTime))) };
}
