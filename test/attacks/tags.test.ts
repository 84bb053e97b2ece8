import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PipelineDeclaration } from '@aws-sdk/client-codepipeline';
import { ALLOW_ALL, type Clients, startServer, type TestServer } from '../harness.ts';

const ACCOUNT = '123456789012';
const ROLE = `arn:aws:iam::${ACCOUNT}:role/worker`;
const SECRET = { stage: 'prod' };

/** A kind of resource with tags: how a caller makes one, tags it, untags it, and otherwise touches it. */
interface Kind {
  name: string;
  create(clients: Clients, name: string, tags: Record<string, string>): Promise<unknown>;
  tag(clients: Clients, name: string, tags: Record<string, string>): Promise<unknown>;
  untag(clients: Clients, name: string, keys: string[]): Promise<unknown>;
  /** Calls that are about the resource; each of them must be stopped by its tags. */
  use: Record<string, (clients: Clients, name: string) => Promise<unknown>>;
}

const lower = (tags: Record<string, string>) => Object.entries(tags).map(([key, value]) => ({ key, value }));
const upper = (tags: Record<string, string>) => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
const arnOf = (service: string, resource: string) => `arn:aws:${service}:us-east-1:${ACCOUNT}:${resource}`;

function pipelineNamed(name: string): PipelineDeclaration {
  const aws = { owner: 'AWS', version: '1' } as const;
  const source = {
    name: 'Get',
    actionTypeId: { ...aws, category: 'Source', provider: 'S3' } as const,
    configuration: { S3Bucket: 'a-bucket', S3ObjectKey: 'source.zip', PollForSourceChanges: 'false' },
    outputArtifacts: [{ name: 'source' }],
  };
  const approval = { name: 'Ask', actionTypeId: { ...aws, category: 'Approval', provider: 'Manual' } as const };
  return {
    name,
    roleArn: ROLE,
    artifactStore: { type: 'S3', location: 'a-bucket' },
    stages: [
      { name: 'Source', actions: [source] },
      { name: 'Gate', actions: [approval] },
    ],
  };
}

const project = {
  source: { type: 'NO_SOURCE', buildspec: 'version: 0.2\nphases: {build: {commands: [true]}}' },
  artifacts: { type: 'NO_ARTIFACTS' },
  environment: { type: 'LINUX_CONTAINER', image: 'aws/codebuild/standard:7.0', computeType: 'BUILD_GENERAL1_SMALL' },
  serviceRole: ROLE,
} as const;

const KINDS: readonly Kind[] = [
  {
    name: 'codecommit repository',
    create: ({ codecommit }, repositoryName, tags) => codecommit.createRepository({ repositoryName, tags }),
    tag: ({ codecommit }, name, tags) => codecommit.tagResource({ resourceArn: arnOf('codecommit', name), tags }),
    untag: ({ codecommit }, name, tagKeys) =>
      codecommit.untagResource({ resourceArn: arnOf('codecommit', name), tagKeys }),
    use: {
      GetRepository: ({ codecommit }, repositoryName) => codecommit.getRepository({ repositoryName }),
      BatchGetRepositories: ({ codecommit }, name) => codecommit.batchGetRepositories({ repositoryNames: [name] }),
      ListTagsForResource: ({ codecommit }, name) =>
        codecommit.listTagsForResource({ resourceArn: arnOf('codecommit', name) }),
      DeleteRepository: ({ codecommit }, repositoryName) => codecommit.deleteRepository({ repositoryName }),
    },
  },
  {
    name: 'codebuild project',
    create: ({ codebuild }, name, tags) => codebuild.createProject({ ...project, name, tags: lower(tags) }),
    tag: ({ codebuild }, name, tags) => codebuild.updateProject({ name, tags: lower(tags) }),
    untag: ({ codebuild }, name) => codebuild.updateProject({ name, tags: [] }),
    use: {
      BatchGetProjects: ({ codebuild }, name) => codebuild.batchGetProjects({ names: [name] }),
      UpdateProject: ({ codebuild }, name) => codebuild.updateProject({ name, description: 'mine' }),
      StartBuild: ({ codebuild }, projectName) => codebuild.startBuild({ projectName }),
      StopBuild: ({ codebuild }, name) => codebuild.stopBuild({ id: `${name}:11111111-1111-4111-8111-111111111111` }),
      BatchGetBuilds: ({ codebuild }, name) => codebuild.batchGetBuilds({ ids: [`${name}:1`] }),
      ListBuildsForProject: ({ codebuild }, projectName) => codebuild.listBuildsForProject({ projectName }),
      DeleteProject: ({ codebuild }, name) => codebuild.deleteProject({ name: arnOf('codebuild', `project/${name}`) }),
    },
  },
  {
    name: 'codepipeline pipeline',
    create: ({ codepipeline }, name, tags) =>
      codepipeline.createPipeline({ pipeline: pipelineNamed(name), tags: lower(tags) }),
    tag: ({ codepipeline }, name, tags) =>
      codepipeline.tagResource({ resourceArn: arnOf('codepipeline', name), tags: lower(tags) }),
    untag: ({ codepipeline }, name, tagKeys) =>
      codepipeline.untagResource({ resourceArn: arnOf('codepipeline', name), tagKeys }),
    use: {
      GetPipeline: ({ codepipeline }, name) => codepipeline.getPipeline({ name }),
      GetPipelineState: ({ codepipeline }, name) => codepipeline.getPipelineState({ name }),
      UpdatePipeline: ({ codepipeline }, name) => codepipeline.updatePipeline({ pipeline: pipelineNamed(name) }),
      StartPipelineExecution: ({ codepipeline }, name) => codepipeline.startPipelineExecution({ name }),
      ListPipelineExecutions: ({ codepipeline }, name) => codepipeline.listPipelineExecutions({ pipelineName: name }),
      DisableStageTransition: ({ codepipeline }, pipelineName) =>
        codepipeline.disableStageTransition({
          pipelineName,
          stageName: 'Gate',
          transitionType: 'Inbound',
          reason: 'no',
        }),
      PutApprovalResult: ({ codepipeline }, pipelineName) =>
        codepipeline.putApprovalResult({
          ...{ pipelineName, stageName: 'Gate', actionName: 'Ask' },
          token: '11111111-1111-4111-8111-111111111111',
          result: { summary: '', status: 'Approved' },
        }),
      DeletePipeline: ({ codepipeline }, name) => codepipeline.deletePipeline({ name }),
    },
  },
  {
    name: 'eventbridge rule',
    create: ({ events }, Name, tags) => events.putRule({ Name, EventPattern: '{"source":["app"]}', Tags: upper(tags) }),
    tag: ({ events }, name, tags) =>
      events.tagResource({ ResourceARN: arnOf('events', `rule/${name}`), Tags: upper(tags) }),
    untag: ({ events }, name, TagKeys) =>
      events.untagResource({ ResourceARN: arnOf('events', `rule/${name}`), TagKeys }),
    use: {
      DescribeRule: ({ events }, Name) => events.describeRule({ Name }),
      DisableRule: ({ events }, Name) => events.disableRule({ Name }),
      PutRule: ({ events }, Name) => events.putRule({ Name, EventPattern: '{"source":["other"]}' }),
      PutTargets: ({ events }, Rule) =>
        events.putTargets({ Rule, Targets: [{ Id: '1', Arn: arnOf('logs', 'log-group:/x') }] }),
      ListTargetsByRule: ({ events }, Rule) => events.listTargetsByRule({ Rule }),
      RemoveTargets: ({ events }, Rule) => events.removeTargets({ Rule, Ids: ['1'] }),
      DeleteRule: ({ events }, Name) => events.deleteRule({ Name }),
    },
  },
  {
    name: 'log group',
    create: ({ logs }, logGroupName, tags) =>
      logs.createLogGroup({ logGroupName, ...(Object.keys(tags).length === 0 ? {} : { tags }) }),
    tag: ({ logs }, name, tags) => logs.tagResource({ resourceArn: arnOf('logs', `log-group:${name}`), tags }),
    untag: ({ logs }, name, tagKeys) =>
      logs.untagResource({ resourceArn: arnOf('logs', `log-group:${name}`), tagKeys }),
    use: {
      CreateLogStream: ({ logs }, logGroupName) => logs.createLogStream({ logGroupName, logStreamName: 's' }),
      PutLogEvents: ({ logs }, logGroupName) =>
        logs.putLogEvents({ logGroupName, logStreamName: 's', logEvents: [{ timestamp: 1, message: 'x' }] }),
      GetLogEvents: ({ logs }, logGroupName) => logs.getLogEvents({ logGroupName, logStreamName: 's' }),
      FilterLogEvents: ({ logs }, logGroupName) => logs.filterLogEvents({ logGroupName }),
      PutRetentionPolicy: ({ logs }, logGroupName) => logs.putRetentionPolicy({ logGroupName, retentionInDays: 1 }),
      ListTagsForResource: ({ logs }, name) =>
        logs.listTagsForResource({ resourceArn: arnOf('logs', `log-group:${name}`) }),
      DeleteLogGroup: ({ logs }, logGroupName) => logs.deleteLogGroup({ logGroupName }),
    },
  },
];

const deny = (condition: object) => ({
  Version: '2012-10-17',
  Statement: [...ALLOW_ALL.Statement, { Effect: 'Deny', Action: '*', Resource: '*', Condition: condition }],
});

async function makeRole({ root_: { iam, s3 } }: TestServer): Promise<void> {
  const Service = ['codebuild.amazonaws.com', 'codepipeline.amazonaws.com'];
  const Statement = [{ Effect: 'Allow', Principal: { Service }, Action: 'sts:AssumeRole' }];
  const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
  await iam.createRole({ RoleName: 'worker', AssumeRolePolicyDocument });
  const PolicyDocument = JSON.stringify(ALLOW_ALL);
  await iam.putRolePolicy({ RoleName: 'worker', PolicyName: 'all', PolicyDocument });
  await s3.createBucket({ Bucket: 'a-bucket' });
  await s3.putBucketVersioning({ Bucket: 'a-bucket', VersioningConfiguration: { Status: 'Enabled' } });
}

function isDenied(error: { name: string; message: string }): boolean {
  assert.equal(error.name, 'AccessDeniedException', error.message);
  assert.match(error.message, /with an explicit deny in an identity-based policy$/);
  return true;
}

test('a Deny on tags bites', async (t) => {
  const server = await startServer(t);
  await makeRole(server);
  const root = server.root_;
  const outsider = await server.user('outsider', deny({ StringEquals: { 'aws:ResourceTag/stage': 'prod' } }));
  const conditions = { StringNotEquals: { 'aws:RequestTag/stage': 'dev' }, Null: { 'aws:ResourceTag/stage': 'true' } };
  const untagged = await server.user('untagged', deny(conditions));
  const noKey = await server.user('nokey', deny({ 'ForAnyValue:StringEquals': { 'aws:TagKeys': ['stage'] } }));

  for (const kind of KINDS) {
    await t.test(`on a ${kind.name}, whatever the call`, async () => {
      await kind.create(root, 'secret', SECRET);
      await kind.create(root, 'open', { stage: 'dev' });
      for (const [operation, use] of Object.entries(kind.use)) {
        await assert.rejects(use(outsider, 'secret'), isDenied, operation);
        // The same call on the other one is not a matter of rights: it works, or fails for its own reasons.
        await use(outsider, 'open').catch((error) => assert.notEqual(error.name, 'AccessDeniedException', operation));
      }
      await assert.rejects(kind.untag(outsider, 'secret', ['stage']), isDenied, 'nobody unties himself');
      await assert.rejects(kind.tag(outsider, 'secret', { stage: 'dev' }), isDenied);
    });

    await t.test(`on what a call tags a ${kind.name} with`, async () => {
      await assert.rejects(kind.create(untagged, 'new', {}), isDenied, 'without the tag');
      await assert.rejects(kind.create(untagged, 'new', SECRET), isDenied, 'with another value');
      await assert.rejects(kind.create(noKey, 'new', SECRET), isDenied, 'aws:TagKeys');
      await kind.create(root, 'new', { stage: 'dev' });
      await kind.tag(noKey, 'new', { owner: 'me' });
      await assert.rejects(kind.tag(noKey, 'new', SECRET), isDenied);
    });
  }
});

test('I4: of two tags whose keys differ by case alone, a request shows the one that its resource will', async (t) => {
  const server = await startServer(t);
  const when = (key: string, value: string) => ({ Condition: { StringEquals: { [key]: value } }, Resource: '*' });
  const user = await server.user('red', {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 'codecommit:CreateRepository', ...when('aws:RequestTag/Team', 'red') },
      { Effect: 'Allow', Action: 'codecommit:GetRepository', ...when('aws:ResourceTag/Team', 'blue') },
    ],
  });
  const twins: Record<string, string>[] = [
    { team: 'blue', Team: 'red' },
    { Team: 'red', team: 'blue' },
    { Team: 'blue', team: 'red' },
    { team: 'red', Team: 'blue' },
  ];
  let made = 0;
  for (const [at, tags] of twins.entries()) {
    const repositoryName = `twins-${at}`;
    try {
      await user.codecommit.createRepository({ repositoryName, tags });
      made += 1;
    } catch (error) {
      assert.equal((error as Error).name, 'AccessDeniedException');
      continue;
    }
    await assert.rejects(user.codecommit.getRepository({ repositoryName }), { name: 'AccessDeniedException' });
  }
  assert.equal(made, 2);
});
