import type { PipelineDeclaration } from '@aws-sdk/client-codepipeline';
import { type DemoClients, unlessThere } from './clients.ts';

/** What is pushed through a pipeline, and how everything around it is called. */
export interface DemoApp {
  name: string;
  description: string;
  /** The repository's branch that the pipeline follows. */
  branch: string;
  /** Minutes that a build may take. */
  buildTimeoutMinutes: number;
  approval: boolean;
}

export interface DemoResources {
  cloneUrl: string;
  artifactBucket: string;
  siteBucket: string;
  gitUser: { userName: string; password: string };
}

const USER = 'demo';

/** Makes, or finds, everything that the pipeline needs. */
export async function makeResources(
  clients: DemoClients,
  app: DemoApp,
  account: string,
  region: string,
): Promise<DemoResources> {
  const artifactBucket = `${app.name}-artifacts-${account}`;
  const siteBucket = `${app.name}-site-${account}`;
  const repository = `arn:aws:codecommit:${region}:${account}:${app.name}`;
  const gitUser = await makeGitUser(clients, `arn:aws:codecommit:${region}:${account}:*`);
  await unlessThere(
    clients.codecommit.createRepository({ repositoryName: app.name, repositoryDescription: app.description }),
    'RepositoryNameExistsException',
  );
  const { repositoryMetadata } = await clients.codecommit.getRepository({ repositoryName: app.name });
  await makeBuckets(clients, artifactBucket, siteBucket);
  const buildRole = await makeRole(clients, `${app.name}-build`, 'codebuild.amazonaws.com', [
    allow(['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject'], [`arn:aws:s3:::${artifactBucket}/*`]),
    allow(['s3:GetBucketAcl', 's3:GetBucketLocation'], [`arn:aws:s3:::${artifactBucket}`]),
    allow(
      ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
      [`arn:aws:logs:${region}:${account}:log-group:/aws/codebuild/${app.name}*`],
    ),
  ]);
  const pipelineRole = await makeRole(clients, `${app.name}-pipeline`, 'codepipeline.amazonaws.com', [
    allow(
      [
        'codecommit:GetBranch',
        'codecommit:GetCommit',
        'codecommit:GetRepository',
        'codecommit:UploadArchive',
        'codecommit:GetUploadArchiveStatus',
        'codecommit:CancelUploadArchive',
        'codecommit:GitPull',
      ],
      [repository],
    ),
    allow(
      ['codebuild:StartBuild', 'codebuild:StopBuild', 'codebuild:BatchGetBuilds'],
      [`arn:aws:codebuild:${region}:${account}:project/${app.name}`],
    ),
    allow(
      [
        's3:GetObject',
        's3:GetObjectVersion',
        's3:PutObject',
        's3:GetBucketVersioning',
        's3:GetBucketLocation',
        's3:ListBucket',
      ],
      [artifactBucket, siteBucket].flatMap((bucket) => [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`]),
    ),
  ]);
  await makeProject(clients, app, buildRole);
  await makePipeline(clients, pipelineOf(app, pipelineRole, artifactBucket, siteBucket));
  return { cloneUrl: repositoryMetadata!.cloneUrlHttp!, artifactBucket, siteBucket, gitUser };
}

interface Statement {
  Effect: 'Allow';
  Action: string[];
  Resource: string[];
}

function allow(Action: string[], Resource: string[]): Statement {
  return { Effect: 'Allow', Action, Resource };
}

function policy(statements: object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
}

/** A user that may use git and nothing else, with a password made for it. The password is shown once, so a second run resets it. */
async function makeGitUser(
  { iam }: DemoClients,
  repositories: string,
): Promise<{ userName: string; password: string }> {
  await unlessThere(iam.createUser({ UserName: USER }), 'EntityAlreadyExistsException', 'EntityAlreadyExists');
  const git = policy([allow(['codecommit:GitPull', 'codecommit:GitPush'], [repositories])]);
  await iam.putUserPolicy({ UserName: USER, PolicyName: 'git', PolicyDocument: git });
  const service = { UserName: USER, ServiceName: 'codecommit.amazonaws.com' };
  const { ServiceSpecificCredentials: existing = [] } = await iam.listServiceSpecificCredentials(service);
  const { ServiceSpecificCredential: made } =
    existing.length === 0
      ? await iam.createServiceSpecificCredential(service)
      : await iam.resetServiceSpecificCredential({
          UserName: USER,
          ServiceSpecificCredentialId: existing[0]!.ServiceSpecificCredentialId,
        });
  return { userName: made!.ServiceUserName!, password: made!.ServicePassword! };
}

async function makeRole({ iam }: DemoClients, name: string, service: string, statements: Statement[]): Promise<string> {
  const trust = policy([{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }]);
  await unlessThere(
    iam.createRole({ RoleName: name, AssumeRolePolicyDocument: trust }),
    'EntityAlreadyExistsException',
    'EntityAlreadyExists',
  );
  await iam.putRolePolicy({ RoleName: name, PolicyName: 'work', PolicyDocument: policy(statements) });
  return (await iam.getRole({ RoleName: name })).Role!.Arn!;
}

/** The artifact bucket is private; the site bucket is a website that anybody may read. */
async function makeBuckets({ s3 }: DemoClients, artifacts: string, site: string): Promise<void> {
  for (const Bucket of [artifacts, site]) await unlessThere(s3.createBucket({ Bucket }), 'BucketAlreadyOwnedByYou');
  await s3.putBucketWebsite({ Bucket: site, WebsiteConfiguration: { IndexDocument: { Suffix: 'index.html' } } });
  await s3.putPublicAccessBlock({
    Bucket: site,
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: true,
      IgnorePublicAcls: true,
      BlockPublicPolicy: false,
      RestrictPublicBuckets: false,
    },
  });
  const readable = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${site}/*` };
  await s3.putBucketPolicy({ Bucket: site, Policy: policy([readable]) });
}

async function makeProject({ codebuild }: DemoClients, app: DemoApp, serviceRole: string): Promise<void> {
  const project = {
    name: app.name,
    description: app.description,
    serviceRole,
    source: { type: 'CODEPIPELINE' as const },
    artifacts: { type: 'CODEPIPELINE' as const },
    environment: {
      type: 'LINUX_CONTAINER' as const,
      computeType: 'BUILD_GENERAL1_SMALL' as const,
      image: 'aws/codebuild/standard:7.0',
    },
    timeoutInMinutes: app.buildTimeoutMinutes,
  };
  const { projects = [] } = await codebuild.batchGetProjects({ names: [app.name] });
  if (projects.length === 0) await codebuild.createProject(project);
  else await codebuild.updateProject(project);
}

async function makePipeline({ codepipeline }: DemoClients, pipeline: PipelineDeclaration): Promise<void> {
  try {
    await codepipeline.createPipeline({ pipeline });
  } catch (error) {
    if ((error as Error).name !== 'PipelineNameInUseException') throw error;
  }
}

function pipelineOf(app: DemoApp, roleArn: string, artifacts: string, site: string): PipelineDeclaration {
  const approve = {
    name: 'Approve',
    actions: [
      {
        name: 'Approve',
        actionTypeId: { category: 'Approval' as const, owner: 'AWS' as const, provider: 'Manual', version: '1' },
        configuration: { CustomData: `Deploy #{Source.CommitId} of ${app.name}?` },
      },
    ],
  };
  return {
    name: app.name,
    roleArn,
    artifactStore: { type: 'S3', location: artifacts },
    pipelineType: 'V2',
    stages: [
      {
        name: 'Source',
        actions: [
          {
            name: 'Source',
            namespace: 'Source',
            actionTypeId: { category: 'Source', owner: 'AWS', provider: 'CodeCommit', version: '1' },
            configuration: { RepositoryName: app.name, BranchName: app.branch },
            outputArtifacts: [{ name: 'source' }],
          },
        ],
      },
      {
        name: 'BuildAndTest',
        actions: [
          {
            name: 'BuildAndTest',
            namespace: 'Build',
            actionTypeId: { category: 'Build', owner: 'AWS', provider: 'CodeBuild', version: '1' },
            configuration: { ProjectName: app.name },
            inputArtifacts: [{ name: 'source' }],
            outputArtifacts: [{ name: 'site' }],
          },
        ],
      },
      ...(app.approval ? [approve] : []),
      {
        name: 'Deploy',
        actions: [
          {
            name: 'Deploy',
            actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'S3', version: '1' },
            configuration: { BucketName: site, Extract: 'true' },
            inputArtifacts: [{ name: 'site' }],
          },
        ],
      },
    ],
  };
}
