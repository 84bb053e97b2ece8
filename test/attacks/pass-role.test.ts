import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PipelineDeclaration } from '@aws-sdk/client-codepipeline';
import { ALLOW_ALL, type Clients, startServer, type TestServer } from '../harness.ts';

const ACCOUNT = '123456789012';
const roleArn = (name: string, account = ACCOUNT) => `arn:aws:iam::${account}:role/${name}`;
const ADMIN = roleArn('admin');

const project = {
  source: { type: 'NO_SOURCE', buildspec: 'version: 0.2\nphases: {build: {commands: [true]}}' },
  artifacts: { type: 'NO_ARTIFACTS' },
  environment: { type: 'LINUX_CONTAINER', image: 'aws/codebuild/standard:7.0', computeType: 'BUILD_GENERAL1_SMALL' },
} as const;

/** @param actionRole role of the approval action */
function pipelineWith(name: string, role: string, actionRole?: string): PipelineDeclaration {
  const aws = { owner: 'AWS', version: '1' } as const;
  const source = {
    name: 'Get',
    actionTypeId: { ...aws, category: 'Source', provider: 'S3' } as const,
    configuration: { S3Bucket: 'a-bucket', S3ObjectKey: 'source.zip', PollForSourceChanges: 'false' },
    outputArtifacts: [{ name: 'source' }],
    ...(actionRole === undefined ? {} : { roleArn: actionRole }),
  };
  const approval = { name: 'Ask', actionTypeId: { ...aws, category: 'Approval', provider: 'Manual' } as const };
  return {
    name,
    roleArn: role,
    artifactStore: { type: 'S3', location: 'a-bucket' },
    stages: [
      { name: 'Source', actions: [source] },
      { name: 'Gate', actions: [approval] },
    ],
  };
}

/** Every way in which a role is handed to a service: by a caller, a role, for a resource of that name. */
const PATHS: Record<
  string,
  { service: string; resource: string; pass: (by: Clients, role: string) => Promise<unknown> }
> = {
  'codebuild CreateProject': {
    service: 'codebuild.amazonaws.com',
    resource: `arn:aws:codebuild:us-east-1:${ACCOUNT}:project/new`,
    pass: ({ codebuild }, serviceRole) => codebuild.createProject({ ...project, name: 'new', serviceRole }),
  },
  'codebuild UpdateProject': {
    service: 'codebuild.amazonaws.com',
    resource: `arn:aws:codebuild:us-east-1:${ACCOUNT}:project/old`,
    pass: ({ codebuild }, serviceRole) => codebuild.updateProject({ name: 'old', serviceRole }),
  },
  'codebuild StartBuild': {
    service: 'codebuild.amazonaws.com',
    resource: `arn:aws:codebuild:us-east-1:${ACCOUNT}:project/old`,
    pass: ({ codebuild }, serviceRoleOverride) => codebuild.startBuild({ projectName: 'old', serviceRoleOverride }),
  },
  'codepipeline CreatePipeline': {
    service: 'codepipeline.amazonaws.com',
    resource: `arn:aws:codepipeline:us-east-1:${ACCOUNT}:new`,
    pass: ({ codepipeline }, role) => codepipeline.createPipeline({ pipeline: pipelineWith('new', role) }),
  },
  'codepipeline CreatePipeline, role of an action': {
    service: 'codepipeline.amazonaws.com',
    resource: `arn:aws:codepipeline:us-east-1:${ACCOUNT}:new2`,
    pass: ({ codepipeline }, role) =>
      codepipeline.createPipeline({ pipeline: pipelineWith('new2', roleArn('worker'), role) }),
  },
  'codepipeline UpdatePipeline': {
    service: 'codepipeline.amazonaws.com',
    resource: `arn:aws:codepipeline:us-east-1:${ACCOUNT}:old`,
    pass: ({ codepipeline }, role) => codepipeline.updatePipeline({ pipeline: pipelineWith('old', role) }),
  },
  'codepipeline UpdatePipeline, role of an action': {
    service: 'codepipeline.amazonaws.com',
    resource: `arn:aws:codepipeline:us-east-1:${ACCOUNT}:old`,
    pass: ({ codepipeline }, role) =>
      codepipeline.updatePipeline({ pipeline: pipelineWith('old', roleArn('worker'), role) }),
  },
  'events PutRule': {
    service: 'events.amazonaws.com',
    resource: `arn:aws:events:us-east-1:${ACCOUNT}:rule/new`,
    pass: ({ events }, RoleArn) => events.putRule({ Name: 'new', EventPattern: '{"source":["app"]}', RoleArn }),
  },
  'events PutTargets': {
    service: 'events.amazonaws.com',
    resource: `arn:aws:events:us-east-1:${ACCOUNT}:rule/old`,
    pass: ({ events }, RoleArn) =>
      events.putTargets({
        Rule: 'old',
        Targets: [{ Id: '1', Arn: `arn:aws:codepipeline:us-east-1:${ACCOUNT}:old`, RoleArn }],
      }),
  },
  'iam AddRoleToInstanceProfile': {
    service: 'ec2.amazonaws.com',
    resource: `arn:aws:iam::${ACCOUNT}:instance-profile/old`,
    pass: ({ iam }, role) =>
      iam.addRoleToInstanceProfile({ InstanceProfileName: 'old', RoleName: role.split('/').at(-1)! }),
  },
};

async function prepare(server: TestServer): Promise<void> {
  const { iam, s3, codebuild, codepipeline, events } = server.root_;
  const services = ['codebuild', 'codepipeline', 'events', 'ec2'].map((name) => `${name}.amazonaws.com`);
  const trusted = { Service: services, AWS: ACCOUNT };
  const Statement = [{ Effect: 'Allow', Principal: trusted, Action: 'sts:AssumeRole' }];
  const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
  for (const RoleName of ['worker', 'admin']) {
    await iam.createRole({ RoleName, AssumeRolePolicyDocument });
    await iam.putRolePolicy({ RoleName, PolicyName: 'all', PolicyDocument: JSON.stringify(ALLOW_ALL) });
  }
  await s3.createBucket({ Bucket: 'a-bucket' });
  await s3.putBucketVersioning({ Bucket: 'a-bucket', VersioningConfiguration: { Status: 'Enabled' } });
  await codebuild.createProject({ ...project, name: 'old', serviceRole: roleArn('worker') });
  await codepipeline.createPipeline({ pipeline: pipelineWith('old', roleArn('worker')) });
  await events.putRule({ Name: 'old', EventPattern: '{"source":["app"]}' });
  await iam.createInstanceProfile({ InstanceProfileName: 'old' });
}

const notPassing = { Effect: 'Allow', NotAction: 'iam:PassRole', Resource: '*' };
const passing = (resource: string, condition?: object) => ({
  Effect: 'Allow',
  Action: 'iam:PassRole',
  Resource: resource,
  ...(condition === undefined ? {} : { Condition: condition }),
});
const policy = (...Statement: object[]) => ({ Version: '2012-10-17', Statement });

test('I10: no service gets a role from a caller who may not pass it', async (t) => {
  const server = await startServer(t);
  await prepare(server);
  const mallory = await server.user('mallory', policy(notPassing, passing(roleArn('worker'))));
  const set = (Statement: object[]) =>
    server.root_.iam.putUserPolicy({
      UserName: 'alice',
      PolicyName: 'inline',
      PolicyDocument: JSON.stringify(policy(...Statement)),
    });
  const alice = await server.user('alice');
  for (const [path, { service, resource, pass }] of Object.entries(PATHS)) {
    await t.test(path, async () => {
      const denied = (user: string) => (error: Error) => {
        assert.match(error.name, /^AccessDenied/);
        const who = `User: arn:aws:iam::${ACCOUNT}:user/${user} is not authorized to perform: iam:PassRole`;
        const why = 'because no identity-based policy allows the iam:PassRole action';
        assert.equal(error.message, `${who} on resource: ${ADMIN} ${why}`);
        return true;
      };
      await assert.rejects(pass(mallory, ADMIN), denied('mallory'));
      await set([
        notPassing,
        passing(ADMIN, { StringEquals: { 'iam:PassedToService': 'lambda.amazonaws.com' } }),
        passing(roleArn('worker')),
      ]);
      await assert.rejects(pass(alice, ADMIN), denied('alice'), 'for another service');
      await set([
        notPassing,
        passing(ADMIN, { ArnLike: { 'iam:AssociatedResourceArn': `${resource}-other` } }),
        passing(roleArn('worker')),
      ]);
      await assert.rejects(pass(alice, ADMIN), denied('alice'), 'for another resource');
      const condition = {
        StringEquals: { 'iam:PassedToService': service },
        ArnEquals: { 'iam:AssociatedResourceArn': resource },
      };
      await set([notPassing, passing(ADMIN, condition), passing(roleArn('worker'))]);
      await pass(alice, ADMIN);
    });
  }

  await t.test('a role of another account is not passed to anybody', async () => {
    const theirs = roleArn('admin', '999999999999');
    for (const path of [
      'codebuild CreateProject',
      'codebuild StartBuild',
      'events PutRule',
      'events PutTargets',
      'codepipeline UpdatePipeline',
    ]) {
      await assert.rejects(PATHS[path]!.pass(server.root_, theirs), /Cross-account pass role is not allowed/, path);
    }
    await assert.rejects(
      PATHS['codepipeline UpdatePipeline, role of an action']!.pass(mallory, theirs),
      /not authorized to perform: iam:PassRole on resource: arn:aws:iam::999999999999:role\/admin/,
      'an action of a pipeline may work as one, with the right to pass it',
    );
  });
});

test('I9: a role that names the resource it serves is not assumed for another one', async (t) => {
  const { root_ } = await startServer(t);
  const { iam, codebuild, events } = root_;
  const trust = (service: string, condition: object) =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole', Condition: condition }],
    });
  const build = 'codebuild.amazonaws.com';
  const mine = `arn:aws:codebuild:us-east-1:${ACCOUNT}:project/mine`;
  const roles: Record<string, object> = {
    'by-arn': { ArnLike: { 'aws:SourceArn': mine } },
    'by-account': { StringEquals: { 'aws:SourceAccount': ACCOUNT } },
    'by-other-account': { StringEquals: { 'aws:SourceAccount': '999999999999' } },
    'by-other-org': { StringEquals: { 'aws:SourceOrgID': 'o-1234567890' } },
  };
  for (const [RoleName, condition] of Object.entries(roles)) {
    await iam.createRole({ RoleName, AssumeRolePolicyDocument: trust(build, condition) });
  }
  const create = (name: string, role: string) =>
    codebuild.createProject({ ...project, name, serviceRole: roleArn(role) });
  const refused = { name: 'InvalidInputException', message: /not authorized to perform: sts:AssumeRole/ };
  await assert.rejects(create('theirs', 'by-arn'), refused);
  await create('mine', 'by-arn');
  await create('any', 'by-account');
  await assert.rejects(create('other', 'by-other-account'), refused);
  await assert.rejects(create('other', 'by-other-org'), refused, 'there is no organization');
  await assert.rejects(codebuild.updateProject({ name: 'any', serviceRole: roleArn('by-arn') }), refused);
  await events.putRule({ Name: 'r', EventPattern: '{"source":["app"]}' });
});
