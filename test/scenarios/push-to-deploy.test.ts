import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startServer, type TestServer, temporaryFolder } from '../harness.ts';
import { failureOf, layRoad, type Road, until } from './road.ts';

async function road(t: TestContext): Promise<{ server: TestServer; road: Road }> {
  const server = await startServer(t);
  return { server, road: await layRoad(server.url, server.root, join(await temporaryFolder(t), 'work')) };
}

/** The example's buildspec with other build commands. */
function buildspec(build: string[], artifacts = "  files: ['**/*']\n  base-directory: dist\n"): string {
  return `version: 0.2\nphases:\n  build:\n    commands:\n${build.map((line) => `      - ${line}\n`).join('')}artifacts:\n${artifacts}`;
}

test('a push becomes a page: source, build and test, approval, deploy; and the next push by itself', async (t) => {
  const { server, road: on } = await road(t);
  const first = await on.push();
  const execution = await on.execution(first);
  const { status, actions } = await on.finish(execution);
  assert.equal(status, 'Succeeded', failureOf(actions, 'BuildAndTest'));
  assert.deepEqual(actions.map(({ actionName }) => actionName).sort(), ['Approve', 'BuildAndTest', 'Deploy', 'Source']);
  const page = await on.page();
  assert.equal(page.status, 200);
  assert.ok(page.body.includes(first), 'the page names the commit that was pushed');
  const source = actions.find(({ actionName }) => actionName === 'Source');
  assert.equal(source?.output?.outputVariables?.['CommitId'], first);
  const build = actions.find(({ actionName }) => actionName === 'BuildAndTest');
  assert.equal(build?.output?.outputVariables?.['PAGE_TITLE'], 'Hello from Slipway');

  // The log of the build is where CloudWatch Logs keeps it.
  const buildId = build!.output!.executionResult!.externalExecutionId!;
  const { builds = [] } = await server.root_.codebuild.batchGetBuilds({ ids: [buildId] });
  assert.equal(builds[0]?.buildStatus, 'SUCCEEDED');
  assert.equal(builds[0]?.resolvedSourceVersion, first);
  const { groupName, streamName } = builds[0]!.logs!;
  const { events = [] } = await server.root_.logs.getLogEvents({
    logGroupName: groupName,
    logStreamName: streamName!,
    startFromHead: true,
  });
  const log = events.map(({ message }) => message).join('');
  assert.match(log, /Running command node --test/);
  assert.match(log, /wrote \d+ characters to dist\/index\.html/);

  // Each arrow of the road shows in CloudTrail.
  const called = async (name: string) => {
    const { Events = [] } = await server.root_.cloudtrail.lookupEvents({
      LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: name }],
    });
    return Events.map(({ CloudTrailEvent }) => JSON.parse(CloudTrailEvent!));
  };
  assert.equal((await called('GitPush'))[0].userIdentity.userName, 'demo');
  const [startBuild] = await called('StartBuild');
  assert.equal(startBuild.userIdentity.sessionContext.sessionIssuer.userName, 'hello-web-pipeline');
  assert.ok((await called('AssumeRole')).length >= 2);

  const second = await on.push({ 'visit.txt': '2\n' });
  const next = await on.finish(await on.execution(second));
  assert.equal(next.status, 'Succeeded');
  assert.match((await on.page()).body, /Deployment number 2/);
});

test('a failing command fails the build, the action, the stage and the pipeline, and says which and why', async (t) => {
  const { server, road: on } = await road(t);
  const good = await on.finish(await on.execution(await on.push()));
  assert.equal(good.status, 'Succeeded', failureOf(good.actions, 'BuildAndTest'));
  const before = await on.page();
  const commit = await on.push({
    'buildspec.yml': buildspec(['echo about to break', 'mkdir -p dist; echo oh no >&2; exit 3', 'echo never']),
  });
  const execution = await on.execution(commit);
  const { status, actions } = await on.finish(execution);
  assert.equal(status, 'Failed');
  const failure = failureOf(actions, 'BuildAndTest');
  assert.match(failure, /^Failed: /);
  assert.match(failure, /exit 3/);
  assert.match(failure, /oh no/);
  assert.equal(
    actions.some(({ actionName }) => actionName === 'Deploy' || actionName === 'Approve'),
    false,
  );
  assert.deepEqual(await on.page(), before);
  const { stageStates = [] } = await server.root_.codepipeline.getPipelineState({ name: 'hello-web' });
  assert.equal(stageStates.find(({ stageName }) => stageName === 'BuildAndTest')?.latestExecution?.status, 'Failed');
  const buildId = actions.find(({ actionName }) => actionName === 'BuildAndTest')!.output!.executionResult!
    .externalExecutionId!;
  const { builds = [] } = await server.root_.codebuild.batchGetBuilds({ ids: [buildId] });
  assert.equal(builds[0]?.buildStatus, 'FAILED');
  const failed = builds[0]?.phases?.find(({ phaseStatus }) => phaseStatus === 'FAILED');
  assert.equal(failed?.phaseType, 'BUILD');
  assert.equal(failed?.contexts?.[0]?.statusCode, 'COMMAND_EXECUTION_ERROR');
});

test('failing tests of the app stop it before anything is deployed', async (t) => {
  const { road: on } = await road(t);
  const broken =
    "import { test } from 'node:test';\nimport assert from 'node:assert';\ntest('broken on purpose', () => assert.equal(1, 2));\n";
  const { status, actions } = await on.finish(await on.execution(await on.push({ 'test/broken.test.js': broken })));
  assert.equal(status, 'Failed');
  assert.match(failureOf(actions, 'BuildAndTest'), /node --test/);
  // Who may not list a bucket is not told what is missing in it.
  assert.equal((await on.page()).status, 403);
});

test('a missing artifact, a malformed buildspec and an absent one each fail with their reason', async (t) => {
  const { road: on } = await road(t);
  const cases: [Record<string, string>, RegExp][] = [
    [
      { 'buildspec.yml': buildspec(['echo built nothing'], "  files: ['nothing/**']\n") },
      /no matching|not found|No matching/i,
    ],
    [{ 'buildspec.yml': 'version: 0.2\nphases:\n  build:\n    commands: [\n' }, /YAML_FILE_ERROR[\s\S]*line \d+/],
    [{ 'buildspec.yml': 'version: 7\n' }, /YAML_FILE_ERROR|version/],
  ];
  for (const [files, reason] of cases) {
    const { status, actions } = await on.finish(await on.execution(await on.push(files)));
    assert.equal(status, 'Failed');
    assert.match(failureOf(actions, 'BuildAndTest'), reason);
  }
});

test('roles are really assumed: without a permission the action fails with that message', async (t) => {
  const { server, road: on } = await road(t);
  await server.root_.iam.deleteRolePolicy({ RoleName: 'hello-web-pipeline', PolicyName: 'work' });
  const { status, actions } = await on.finish(await on.execution(await on.push()));
  assert.equal(status, 'Failed');
  assert.match(
    failureOf(actions, 'Source'),
    /assumed-role\/hello-web-pipeline\/\S+ is not authorized to perform: codecommit:\w+ on resource: arn:aws:codecommit:us-east-1:123456789012:hello-web/,
  );
});

test('a trust policy that does not name the service fails the action', async (t) => {
  const { server, road: on } = await road(t);
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
  };
  await server.root_.iam.updateAssumeRolePolicy({ RoleName: 'hello-web-build', PolicyDocument: JSON.stringify(trust) });
  const { status, actions } = await on.finish(await on.execution(await on.push()));
  assert.equal(status, 'Failed');
  assert.match(failureOf(actions, 'BuildAndTest'), /sts:AssumeRole|not authorized|assume/i);
});

test('a push that is refused moves nothing and starts nothing', async (t) => {
  const { server, road: on } = await road(t);
  await on.push();
  const deny = { Version: '2012-10-17', Statement: [{ Effect: 'Deny', Action: 'codecommit:GitPush', Resource: '*' }] };
  await server.root_.iam.putUserPolicy({
    UserName: 'demo',
    PolicyName: 'no-push',
    PolicyDocument: JSON.stringify(deny),
  });
  const { branch: before } = await server.root_.codecommit.getBranch({
    repositoryName: 'hello-web',
    branchName: 'main',
  });
  await assert.rejects(on.push({ 'visit.txt': '9\n' }), /403/);
  const { branch: after } = await server.root_.codecommit.getBranch({
    repositoryName: 'hello-web',
    branchName: 'main',
  });
  assert.deepEqual(after, before);
});

test('rejecting the approval fails the pipeline and deploys nothing; its token works once', async (t) => {
  const { server, road: on } = await road(t);
  const { codepipeline } = server.root_;
  const execution = await on.execution(await on.push());
  const token = await until(async () => {
    const { stageStates = [] } = await codepipeline.getPipelineState({ name: 'hello-web' });
    return stageStates.find(({ stageName }) => stageName === 'Approve')?.actionStates?.[0]?.latestExecution?.token;
  }, 'the approval');
  const answer = { pipelineName: 'hello-web', stageName: 'Approve', actionName: 'Approve' };
  await assert.rejects(
    codepipeline.putApprovalResult({
      ...answer,
      token: '00000000-0000-0000-0000-000000000000',
      result: { status: 'Approved', summary: '' },
    }),
    {
      name: 'InvalidApprovalTokenException',
    },
  );
  await codepipeline.putApprovalResult({ ...answer, token, result: { status: 'Rejected', summary: 'not today' } });
  const { status, actions } = await on.finish(execution, { approve: false });
  assert.equal(status, 'Failed');
  assert.match(failureOf(actions, 'Approve'), /not today|Rejected/i);
  await assert.rejects(
    codepipeline.putApprovalResult({ ...answer, token, result: { status: 'Approved', summary: '' } }),
    /Approval/,
  );
  // Who may not list a bucket is not told what is missing in it.
  assert.equal((await on.page()).status, 403);
});
