import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type * as codecommitSdk from '@aws-sdk/client-codecommit';
import { type Clients, startServer, type TestServer } from '../harness.ts';

const document = (...Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
const allow = (Action: unknown, Resource: unknown = '*') => document({ Effect: 'Allow', Action, Resource });
const trust = (Principal: unknown, Condition?: object) =>
  document({ Effect: 'Allow', Principal, Action: 'sts:AssumeRole', ...(Condition === undefined ? {} : { Condition }) });

async function assume(server: TestServer, who: Clients, RoleArn: string, more: object = {}): Promise<Clients> {
  const { Credentials: keys } = await who.sts.assumeRole({ RoleArn, RoleSessionName: 'visit', ...more });
  return server.clients({
    accessKeyId: keys!.AccessKeyId!,
    secretAccessKey: keys!.SecretAccessKey!,
    sessionToken: keys!.SessionToken!,
  });
}

/** One of everything, under the same names in each account (buckets are named in the whole installation). */
async function furnish(
  { iam, codecommit, codebuild, codepipeline, events, logs, s3, cloudtrail }: Clients,
  suffix: string,
) {
  await iam.createUser({ UserName: 'mallory' });
  await iam.createGroup({ GroupName: 'team' });
  await iam.createPolicy({ PolicyName: 'policy', PolicyDocument: allow('s3:*') });
  const { Role: role } = await iam.createRole({
    RoleName: 'service',
    AssumeRolePolicyDocument: trust({ Service: ['codebuild.amazonaws.com', 'codepipeline.amazonaws.com'] }),
  });
  await iam.createInstanceProfile({ InstanceProfileName: 'profile' });
  await codecommit.createRepository({ repositoryName: 'app' });
  await s3.createBucket({ Bucket: `artifacts-${suffix}` });
  await s3.putObject({ Bucket: `artifacts-${suffix}`, Key: 'secret', Body: suffix });
  await logs.createLogGroup({ logGroupName: '/app' });
  await logs.createLogStream({ logGroupName: '/app', logStreamName: 'one' });
  await events.putRule({ Name: 'rule', EventPattern: JSON.stringify({ source: ['aws.codecommit'] }) });
  await codebuild.createProject({
    name: 'build',
    serviceRole: role!.Arn!,
    source: { type: 'NO_SOURCE', buildspec: 'version: 0.2\nphases: {build: {commands: [true]}}\n' },
    artifacts: { type: 'NO_ARTIFACTS' },
    environment: { type: 'LINUX_CONTAINER', image: 'aws/codebuild/standard:7.0', computeType: 'BUILD_GENERAL1_SMALL' },
  });
  await codepipeline.createPipeline({
    pipeline: {
      name: 'release',
      roleArn: role!.Arn!,
      artifactStore: { type: 'S3', location: `artifacts-${suffix}` },
      stages: [
        {
          name: 'Source',
          actions: [
            {
              name: 'Source',
              actionTypeId: { category: 'Source', owner: 'AWS', provider: 'CodeCommit', version: '1' },
              configuration: { RepositoryName: 'app', BranchName: 'main', PollForSourceChanges: 'false' },
              outputArtifacts: [{ name: 'src' }],
            },
          ],
        },
        {
          name: 'Build',
          actions: [
            {
              name: 'Build',
              actionTypeId: { category: 'Build', owner: 'AWS', provider: 'CodeBuild', version: '1' },
              configuration: { ProjectName: 'build' },
              inputArtifacts: [{ name: 'src' }],
            },
          ],
        },
      ],
    },
  });
  await cloudtrail.lookupEvents({});
}

/** Everything that a root user can list, as one text. */
async function inventory({ iam, codecommit, codebuild, codepipeline, events, logs, s3, cloudtrail }: Clients) {
  const lists = {
    users: (await iam.listUsers({})).Users,
    groups: (await iam.listGroups({})).Groups,
    roles: (await iam.listRoles({})).Roles,
    policies: (await iam.listPolicies({ Scope: 'Local' })).Policies,
    profiles: (await iam.listInstanceProfiles({})).InstanceProfiles,
    aliases: (await iam.listAccountAliases({})).AccountAliases,
    repositories: (await codecommit.listRepositories({})).repositories,
    buckets: (await s3.listBuckets({})).Buckets,
    groupsOfLogs: (await logs.describeLogGroups({})).logGroups,
    rules: (await events.listRules({})).Rules,
    projects: (await codebuild.listProjects({})).projects,
    builds: (await codebuild.listBuilds({})).ids,
    pipelines: (await codepipeline.listPipelines({})).pipelines,
  };
  const { Events = [] } = await cloudtrail.lookupEvents({});
  return { lists, trail: Events.map(({ CloudTrailEvent }) => JSON.parse(CloudTrailEvent!)) };
}

test('A10: nothing of one account is seen in another', async (t) => {
  const server = await startServer(t);
  const a = { id: '123456789012', root: server.root_ };
  const b = await server.account('b');
  const empty = await inventory(b.root);
  for (const [name, list] of Object.entries(empty.lists)) assert.deepEqual(list ?? [], [], name);
  await furnish(a.root, 'a');
  await a.root.iam.createAccountAlias({ AccountAlias: 'company-a' });
  const stillEmpty = await inventory(b.root);
  for (const [name, list] of Object.entries(stillEmpty.lists)) assert.deepEqual(list ?? [], [], name);
  await furnish(b.root, 'b');
  for (const [mine, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const { lists, trail } = await inventory(mine.root);
    for (const [name, list] of Object.entries(lists)) {
      if (name !== 'aliases' && name !== 'builds') assert.equal(list?.length, 1, name);
    }
    assert.ok(!JSON.stringify(lists).includes(other.id));
    assert.ok(trail.length >= 15);
    assert.ok(trail.every(({ recipientAccountId }) => recipientAccountId === mine.id));
    assert.ok(!JSON.stringify(trail).includes(`:${other.id}:`));
  }
  await refused(b.root);
});

/** What belongs to account a, asked for by its full name from account b. */
async function refused({ iam, codecommit, codepipeline, s3, events }: Clients) {
  const A = '123456789012';
  for (const call of [
    () => s3.getObject({ Bucket: 'artifacts-a', Key: 'secret' }),
    () => s3.listObjectsV2({ Bucket: 'artifacts-a' }),
    () => s3.putObject({ Bucket: 'artifacts-a', Key: 'mine', Body: '' }),
    () => s3.deleteBucket({ Bucket: 'artifacts-a' }),
    () => s3.getBucketPolicy({ Bucket: 'artifacts-a' }),
  ]) {
    await assert.rejects(call(), { name: 'AccessDenied' });
  }
  await assert.rejects(s3.createBucket({ Bucket: 'artifacts-a' }), { name: 'BucketAlreadyExists' });
  await assert.rejects(iam.createAccountAlias({ AccountAlias: 'company-a' }), { name: 'EntityAlreadyExistsException' });
  await assert.rejects(iam.getPolicy({ PolicyArn: `arn:aws:iam::${A}:policy/policy` }), /AccessDenied|NoSuchEntity/);
  await assert.rejects(iam.attachUserPolicy({ UserName: 'mallory', PolicyArn: `arn:aws:iam::${A}:policy/policy` }));
  for (const call of [
    () => codecommit.listTagsForResource({ resourceArn: `arn:aws:codecommit:us-east-1:${A}:app` }),
    () => events.listTagsForResource({ ResourceARN: `arn:aws:events:us-east-1:${A}:rule/rule` }),
    () => codepipeline.listTagsForResource({ resourceArn: `arn:aws:codepipeline:us-east-1:${A}:release` }),
  ]) {
    await assert.rejects(call(), (error: Error) => !/^(InternalFailure|NotImplemented)/.test(error.name));
  }
}

test('a role of another account: both sides must allow, with the ExternalId; both trails have it', async (t) => {
  const server = await startServer(t);
  const b = await server.account('vendor customer');
  const deployer = await server.user(
    'deployer',
    JSON.parse(allow('sts:AssumeRole', `arn:aws:iam::${b.id}:role/Deploy`)),
  );
  const idle = await server.user('idle', JSON.parse(allow('s3:*')));
  const RoleArn = `arn:aws:iam::${b.id}:role/Deploy`;
  await assert.rejects(assume(server, deployer, RoleArn), { name: 'AccessDenied' }, 'there is no such role');
  await b.root.iam.createRole({
    RoleName: 'Deploy',
    AssumeRolePolicyDocument: trust({ AWS: '123456789012' }, { StringEquals: { 'sts:ExternalId': 'c-17' } }),
  });
  await b.root.iam.putRolePolicy({ RoleName: 'Deploy', PolicyName: 'p', PolicyDocument: allow('codecommit:*') });
  for (const ExternalId of [undefined, 'c-18']) {
    await assert.rejects(assume(server, deployer, RoleArn, { ExternalId }), { name: 'AccessDenied' });
  }
  await assert.rejects(assume(server, idle, RoleArn, { ExternalId: 'c-17' }), { name: 'AccessDenied' });
  await assert.rejects(assume(server, server.root_, RoleArn, { ExternalId: 'c-17' }), {
    name: 'AccessDenied',
    message: 'Roles may not be assumed by root accounts.',
  });
  const session = await assume(server, deployer, RoleArn, { ExternalId: 'c-17' });
  assert.equal((await session.sts.getCallerIdentity({})).Account, b.id);
  await session.codecommit.createRepository({ repositoryName: 'theirs' });
  assert.equal((await b.root.codecommit.listRepositories({})).repositories?.length, 1);
  assert.equal((await server.root_.codecommit.listRepositories({})).repositories?.length, 0);
  const trail = async ({ cloudtrail }: Clients) => {
    const { Events = [] } = await cloudtrail.lookupEvents({
      LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'AssumeRole' }],
    });
    return Events.map(({ CloudTrailEvent }) => JSON.parse(CloudTrailEvent!)).filter(({ errorCode }) => !errorCode);
  };
  const [mine] = await trail(server.root_);
  assert.equal(mine.userIdentity.userName, 'deployer');
  const [theirs] = await trail(b.root);
  assert.equal(theirs.recipientAccountId, b.id);
  const { Arn } = await deployer.sts.getCallerIdentity({});
  assert.deepEqual(Object.keys(theirs.userIdentity).sort(), ['accountId', 'principalId', 'type']);
  assert.equal(theirs.userIdentity.type, 'AWSAccount');
  assert.ok(!JSON.stringify(theirs.userIdentity).includes(Arn!));
  // The role goes, and so does every session of it.
  await b.root.iam.deleteRolePolicy({ RoleName: 'Deploy', PolicyName: 'p' });
  await b.root.iam.deleteRole({ RoleName: 'Deploy' });
  await assert.rejects(session.sts.getCallerIdentity({}), { name: 'InvalidClientTokenId' });
});

test('a trusted user of another account who is deleted leaves no trust to the next one of his name', async (t) => {
  const server = await startServer(t);
  const b = await server.account('b');
  const first = await server.user('robin');
  await b.root.iam.createRole({
    RoleName: 'R',
    AssumeRolePolicyDocument: trust({ AWS: 'arn:aws:iam::123456789012:user/robin' }),
  });
  await assume(server, first, `arn:aws:iam::${b.id}:role/R`);
  const { iam } = server.root_;
  await iam.deleteAccessKey({ UserName: 'robin', AccessKeyId: first.keys.accessKeyId });
  await iam.deleteUserPolicy({ UserName: 'robin', PolicyName: 'inline' });
  await iam.deleteUser({ UserName: 'robin' });
  const second = await server.user('robin');
  await assert.rejects(assume(server, second, `arn:aws:iam::${b.id}:role/R`), { name: 'AccessDenied' });
});

test('a bucket policy lets another account in, whose own policies decide who of it', async (t) => {
  const server = await startServer(t);
  const b = await server.account('b');
  const reader = await server.user('reader', JSON.parse(allow('s3:GetObject')), b.root);
  const idle = await server.user('idle', JSON.parse(allow('codecommit:*')), b.root);
  const { s3 } = server.root_;
  await s3.createBucket({ Bucket: 'shared' });
  await s3.putObject({ Bucket: 'shared', Key: 'k', Body: 'hello' });
  const get = ({ s3: their }: Clients) => their.getObject({ Bucket: 'shared', Key: 'k' });
  await assert.rejects(get(reader), { name: 'AccessDenied' });
  await s3.putBucketPolicy({
    Bucket: 'shared',
    Policy: document({
      Effect: 'Allow',
      Principal: { AWS: `arn:aws:iam::${b.id}:root` },
      Action: 's3:GetObject',
      Resource: 'arn:aws:s3:::shared/*',
    }),
  });
  assert.equal(await (await get(reader)).Body!.transformToString(), 'hello');
  await get(b.root);
  await assert.rejects(get(idle), { name: 'AccessDenied' });
  await assert.rejects(reader.s3.putObject({ Bucket: 'shared', Key: 'k', Body: 'x' }), { name: 'AccessDenied' });
});

test('a service that assumes a role of another account works in that account', async (t) => {
  const server = await startServer(t);
  const b = await server.account('b');
  await b.root.codecommit.createRepository({ repositoryName: 'theirs' });
  await b.root.iam.createRole({
    RoleName: 'Action',
    AssumeRolePolicyDocument: trust(
      { Service: 'codepipeline.amazonaws.com' },
      { StringEquals: { 'aws:SourceAccount': '123456789012' } },
    ),
  });
  await b.root.iam.putRolePolicy({ RoleName: 'Action', PolicyName: 'p', PolicyDocument: allow('codecommit:*') });
  const service = server.kernel.serviceContext('codepipeline.amazonaws.com');
  const role = await service.as(`arn:aws:iam::${b.id}:role/Action`, {
    service: 'codepipeline.amazonaws.com',
    sessionName: 'release',
    sourceArn: 'arn:aws:codepipeline:us-east-1:123456789012:release',
  });
  const { repositories } = await role.call<typeof codecommitSdk, 'ListRepositories'>(
    'codecommit',
    'ListRepositories',
    {},
  );
  assert.deepEqual(
    repositories?.map(({ repositoryName }) => repositoryName),
    ['theirs'],
  );
  const foreign = server.kernel.serviceContext('codepipeline.amazonaws.com', '999999999999');
  const options = { service: 'codepipeline.amazonaws.com', sessionName: 'release' };
  await assert.rejects(foreign.as(`arn:aws:iam::${b.id}:role/Action`, options), { name: 'AccessDenied' });
});

test('a closed account is shut: keys, sessions, roles and git passwords; opened again they work', async (t: TestContext) => {
  const server = await startServer(t);
  const b = await server.account('b');
  const user = await server.user('u', undefined, b.root);
  await b.root.iam.createRole({ RoleName: 'R', AssumeRolePolicyDocument: trust({ AWS: ['123456789012', b.id] }) });
  const session = await assume(server, user, `arn:aws:iam::${b.id}:role/R`);
  const outside = await server.user('outside');
  await assume(server, outside, `arn:aws:iam::${b.id}:role/R`);
  const { setAccountStatus } = await import('../../src/services/iam/accounts.ts');
  const ctx = server.kernel.serviceContext('organizations.amazonaws.com');
  await setAccountStatus(ctx, b.id, 'SUSPENDED');
  for (const who of [b.root, user, session]) {
    await assert.rejects(who.sts.getCallerIdentity({}), { name: 'InvalidClientTokenId' });
  }
  await assert.rejects(assume(server, outside, `arn:aws:iam::${b.id}:role/R`), { name: 'AccessDenied' });
  await setAccountStatus(ctx, b.id, 'ACTIVE');
  for (const who of [b.root, user, session]) assert.equal((await who.sts.getCallerIdentity({})).Account, b.id);
});
