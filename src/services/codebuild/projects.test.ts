import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { CreateProjectCommandInput } from '@aws-sdk/client-codebuild';
import { startServer } from '../../../test/harness.ts';

const ROLE = 'arn:aws:iam::123456789012:role/build';
const PROJECT: CreateProjectCommandInput = {
  name: 'app',
  serviceRole: ROLE,
  source: { type: 'NO_SOURCE', buildspec: 'version: 0.2' },
  artifacts: { type: 'NO_ARTIFACTS' },
  environment: { type: 'LINUX_CONTAINER', computeType: 'BUILD_GENERAL1_SMALL', image: 'aws/codebuild/standard:7.0' },
};

async function start(t: TestContext) {
  const server = await startServer(t);
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'codebuild.amazonaws.com' }, Action: 'sts:AssumeRole' }],
  };
  await server.root_.iam.createRole({ RoleName: 'build', AssumeRolePolicyDocument: JSON.stringify(trust) });
  return { server, codebuild: server.root_.codebuild };
}

test('a project is made once, shown whole, changed in part and deleted', async (t) => {
  const { codebuild } = await start(t);
  const { project } = await codebuild.createProject({ ...PROJECT, tags: [{ key: 'team', value: 'red' }] });
  assert.equal(project?.arn, 'arn:aws:codebuild:us-east-1:123456789012:project/app');
  assert.equal(project?.timeoutInMinutes, 60);
  assert.deepEqual(project?.tags, [{ key: 'team', value: 'red' }]);
  await assert.rejects(codebuild.createProject(PROJECT), { name: 'ResourceAlreadyExistsException' });
  await codebuild.updateProject({ name: 'app', description: 'new' });
  const { projects = [], projectsNotFound } = await codebuild.batchGetProjects({
    names: ['app', 'none', project!.arn!],
  });
  assert.equal(projects.length, 1);
  assert.equal(projects[0]?.description, 'new');
  assert.equal(projects[0]?.source?.buildspec, 'version: 0.2');
  assert.deepEqual(projectsNotFound, ['none']);
  const elsewhere = 'arn:aws:codebuild:eu-west-1:123456789012:project/app';
  assert.deepEqual((await codebuild.batchGetProjects({ names: [elsewhere] })).projectsNotFound, [elsewhere]);
  await assert.rejects(codebuild.listBuildsForProject({ projectName: elsewhere }), {
    name: 'ResourceNotFoundException',
    message: `Project cannot be found: ${elsewhere}`,
  });
  const theirs = 'arn:aws:codebuild:us-east-1:999999999999:project/app';
  await assert.rejects(codebuild.batchGetProjects({ names: [theirs] }), { name: 'AccessDeniedException' });
  await codebuild.deleteProject({ name: 'app' });
  await codebuild.deleteProject({ name: 'app' });
  await assert.rejects(codebuild.updateProject({ name: 'app', description: 'x' }), {
    name: 'ResourceNotFoundException',
  });
});

test('what cannot be carried out is refused by name, not ignored', async (t) => {
  const { codebuild } = await start(t);
  const cases: [Partial<CreateProjectCommandInput>, RegExp][] = [
    [{ source: { type: 'GITHUB', location: 'https://example.com/x' } }, /source type GITHUB is not implemented/],
    [{ source: { type: 'NO_SOURCE' } }, /buildspec must be given/],
    [{ source: { type: 'CODEPIPELINE' } }, /CODEPIPELINE/],
    [{ source: { type: 'S3' } }, /location must not be empty/],
    [{ artifacts: { type: 'S3' } }, /location must not be empty/],
    [
      { environment: { ...PROJECT.environment!, environmentVariables: [{ name: 'CODEBUILD_X', value: '1' }] } },
      /reserved/,
    ],
    [
      {
        environment: {
          ...PROJECT.environment!,
          environmentVariables: [{ name: 'A', value: '1', type: 'PARAMETER_STORE' }],
        },
      },
      /PARAMETER_STORE are not implemented/,
    ],
    [{ cache: { type: 'S3', location: 'b/c' } }, /cache type S3/],
    [{ vpcConfig: { vpcId: 'vpc-1' } }, /vpcConfig is not implemented/],
    [{ serviceRole: 'nobody' }, /service role/i],
    [{ name: 'a b' }, /pattern/],
  ];
  for (const [change, message] of cases) {
    await assert.rejects(codebuild.createProject({ ...PROJECT, ...change }), {
      name: 'InvalidInputException',
      message,
    });
  }
  assert.deepEqual((await codebuild.listProjects({})).projects, []);
});

test('I10: handing a role to a project needs iam:PassRole on it', async (t) => {
  const { server } = await start(t);
  const alice = await server.user('alice', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'codebuild:*', Resource: '*' }],
  });
  await assert.rejects(
    alice.codebuild.createProject(PROJECT),
    /is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role\/build/,
  );
  await server.root_.codebuild.createProject(PROJECT);
  await alice.codebuild.updateProject({ name: 'app', description: 'fine' });
  await assert.rejects(
    alice.codebuild.updateProject({ name: 'app', serviceRole: 'arn:aws:iam::123456789012:role/admin' }),
    /iam:PassRole/,
  );
});

test('projects are listed in either order, page by page', async (t) => {
  const { codebuild } = await start(t);
  const names = Array.from({ length: 120 }, (_, n) => `p-${String(n).padStart(3, '0')}`);
  for (const name of names) await codebuild.createProject({ ...PROJECT, name });
  for (const sortOrder of ['ASCENDING', 'DESCENDING'] as const) {
    const found: string[] = [];
    let nextToken: string | undefined;
    do {
      const page = await codebuild.listProjects({ sortBy: 'NAME', sortOrder, nextToken });
      found.push(...page.projects!);
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    assert.deepEqual(found, sortOrder === 'ASCENDING' ? names : [...names].reverse());
  }
});

test('a role that CodeBuild may not assume is refused when the project is made', async (t) => {
  const { server, codebuild } = await start(t);
  const message = (role: string) => `CodeBuild is not authorized to perform: sts:AssumeRole on ${role}`;
  const none = 'arn:aws:iam::123456789012:role/none';
  await assert.rejects(codebuild.createProject({ ...PROJECT, serviceRole: none }), {
    name: 'InvalidInputException',
    message: message(none),
  });
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
  };
  await server.root_.iam.createRole({ RoleName: 'other', AssumeRolePolicyDocument: JSON.stringify(trust) });
  await codebuild.createProject(PROJECT);
  const other = 'arn:aws:iam::123456789012:role/other';
  await assert.rejects(codebuild.updateProject({ name: 'app', serviceRole: other }), { message: message(other) });
});
