import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { ActionDeclaration, ActionExecutionDetail } from '@aws-sdk/client-codepipeline';
import type { TestServer } from '../../../test/harness.ts';
import {
  ACCOUNT,
  action,
  allow,
  approval,
  bucketServer,
  ended,
  latestExecution,
  objectSource,
  pipelineOf,
  policy,
  siteDeploy,
  stage,
  trust,
  until,
  zipOf,
} from './fixtures.ts';

const BUILD_ROLE = `arn:aws:iam::${ACCOUNT}:role/build`;

async function buildServer(t: TestContext): Promise<TestServer> {
  const server = await bucketServer(t);
  const { iam, codebuild } = server.root_;
  await iam.createRole({ RoleName: 'build', AssumeRolePolicyDocument: trust('codebuild.amazonaws.com') });
  await iam.putRolePolicy({ RoleName: 'build', PolicyName: 'work', PolicyDocument: policy(allow(['s3:*', 'logs:*'])) });
  await codebuild.createProject({
    name: 'app',
    serviceRole: BUILD_ROLE,
    source: { type: 'CODEPIPELINE' },
    artifacts: { type: 'CODEPIPELINE' },
    environment: { type: 'LINUX_CONTAINER', computeType: 'BUILD_GENERAL1_SMALL', image: 'aws/codebuild/standard:7.0' },
  });
  return server;
}

/** Puts a source object whose buildspec runs these commands. */
async function putSource(
  { root_ }: TestServer,
  buildspec: string,
  Key = 'app.zip',
  files: Record<string, string> = {},
): Promise<void> {
  await root_.s3.putObject({ Bucket: 'sources', Key, Body: await zipOf({ 'buildspec.yml': buildspec, ...files }) });
}

const spec = (...lines: string[]): string => ['version: 0.2', ...lines, ''].join('\n');

function build(more: Partial<ActionDeclaration> = {}): ActionDeclaration {
  return action('Build', 'CodeBuild', 'Compile', {
    configuration: { ProjectName: 'app' },
    inputArtifacts: [{ name: 'SourceOutput' }],
    outputArtifacts: [{ name: 'BuildOutput' }],
    namespace: 'Built',
    ...more,
  });
}

async function run(server: TestServer): Promise<{ status: string; actions: ActionExecutionDetail[] }> {
  const id = await latestExecution(server);
  const status = await ended(server, id);
  const { actionExecutionDetails = [] } = await server.root_.codepipeline.listActionExecutions({
    pipelineName: 'p',
    filter: { pipelineExecutionId: id },
  });
  return { status, actions: actionExecutionDetails };
}

const messageOf = (one: ActionExecutionDetail | undefined): string =>
  one?.output?.executionResult?.errorDetails?.message ?? '';

describe('a CodeBuild action', () => {
  test('builds its input, puts out its artifact and its variables, and the next action takes both', async (t) => {
    const server = await buildServer(t);
    const { codepipeline, codebuild, s3 } = server.root_;
    await putSource(
      server,
      spec(
        'env:',
        '  exported-variables: [GREETING]',
        'phases:',
        '  build:',
        '    commands:',
        '      - export GREETING="hello $NAME"',
        '      - mkdir dist && echo "<p>$GREETING</p>" > dist/index.html',
        'artifacts:',
        '  base-directory: dist',
        "  files: ['**/*']",
      ),
    );
    const variables = JSON.stringify([
      { name: 'NAME', value: '#{Src.ETag}"; rm -rf $HOME; echo "', type: 'PLAINTEXT' },
    ]);
    const deploy = siteDeploy({
      inputArtifacts: [{ name: 'BuildOutput' }],
      configuration: { BucketName: 'site', Extract: 'true', ObjectKey: 'v1', CacheControl: 'max-age=60' },
    });
    const ask = approval('Ask', { runOrder: 2, configuration: { CustomData: '#{Built.GREETING}' } });
    await codepipeline.createPipeline({
      pipeline: pipelineOf([
        stage('Source', objectSource({ namespace: 'Src' })),
        stage('Build', build({ configuration: { ProjectName: 'app', EnvironmentVariables: variables } })),
        stage('Deploy', deploy, ask),
      ]),
    });
    const id = await latestExecution(server);
    const asked = await until(async () => {
      const { actionExecutionDetails = [] } = await codepipeline.listActionExecutions({
        pipelineName: 'p',
        filter: { pipelineExecutionId: id },
      });
      const failed = actionExecutionDetails.find(({ status }) => status === 'Failed');
      assert.equal(failed, undefined, messageOf(failed));
      return actionExecutionDetails[0]?.actionName === 'Ask' &&
        actionExecutionDetails[0].input?.resolvedConfiguration !== undefined
        ? actionExecutionDetails
        : undefined;
    }, 'the approval');
    const { ETag: etag } = await s3.headObject({ Bucket: 'sources', Key: 'app.zip' });
    const greeting = `hello ${etag!.replaceAll('"', '')}"; rm -rf $HOME; echo "`;
    assert.equal(asked[0]!.input!.resolvedConfiguration!['CustomData'], greeting, 'P7: a value stays a value');
    const compiled = asked.find(({ actionName }) => actionName === 'Compile')!;
    assert.deepEqual(compiled.output!.outputVariables, { GREETING: greeting });
    assert.match(compiled.output!.outputArtifacts![0]!.s3location!.key!, /^p\/BuildOutpu\/[A-Za-z0-9]{7}$/);
    const page = await s3.getObject({ Bucket: 'site', Key: 'v1/index.html' });
    assert.deepEqual([await page.Body!.transformToString(), page.CacheControl], [`<p>${greeting}</p>\n`, 'max-age=60']);
    const { builds = [] } = await codebuild.batchGetBuilds({
      ids: [compiled.output!.executionResult!.externalExecutionId!],
    });
    assert.deepEqual([builds[0]!.buildStatus, builds[0]!.initiator], ['SUCCEEDED', 'codepipeline/p-']);
  });

  test('that fails says which command failed and shows its last lines', async (t) => {
    const server = await buildServer(t);
    const { codepipeline } = server.root_;
    await putSource(
      server,
      spec(
        'phases:',
        '  build:',
        '    commands:',
        '      - echo fine',
        '      - echo "it is broken" >&2; exit 3',
        'artifacts:',
        "  files: ['**/*']",
      ),
    );
    await codepipeline.createPipeline({
      pipeline: pipelineOf([stage('Source', objectSource()), stage('Build', build())]),
    });
    const { status, actions } = await run(server);
    assert.equal(status, 'Failed');
    const message = messageOf(actions[0]);
    assert.match(
      message,
      /^Build terminated with state: FAILED\. Phase: BUILD, Code: COMMAND_EXECUTION_ERROR, Message: Error while executing command: echo "it is broken" >&2; exit 3\. Reason: exit status 3/,
    );
    assert.match(message, /it is broken/);
    assert.deepEqual(actions[0]!.output!.outputArtifacts, []);
  });

  test('without output artifacts runs tests', async (t) => {
    const server = await buildServer(t);
    const { codepipeline } = server.root_;
    await putSource(
      server,
      spec('phases:', '  build:', '    commands: [test -f buildspec.yml]', 'artifacts:', "  files: ['**/*']"),
    );
    const check = action('Test', 'CodeBuild', 'Check', {
      configuration: { ProjectName: 'app' },
      inputArtifacts: [{ name: 'SourceOutput' }],
    });
    await codepipeline.createPipeline({
      pipeline: pipelineOf([stage('Source', objectSource()), stage('Test', check)]),
    });
    const { status, actions } = await run(server);
    assert.equal(status, 'Succeeded', messageOf(actions[0]));
    assert.deepEqual(actions[0]!.output!.outputArtifacts, []);
  });

  test('takes several sources and puts out several artifacts', async (t) => {
    const server = await buildServer(t);
    const { codepipeline, s3 } = server.root_;
    await putSource(
      server,
      spec(
        'phases:',
        '  build:',
        '    commands:',
        '      - cp "$CODEBUILD_SRC_DIR_LibOutput/lib.txt" one.txt',
        '      - echo two > two.txt',
        'artifacts:',
        '  files: [one.txt]',
        '  secondary-artifacts:',
        '    First: { files: [one.txt] }',
        '    Second: { files: [two.txt] }',
      ),
    );
    await putSource(server, 'not used', 'lib.zip', { 'lib.txt': 'from the library' });
    const library = objectSource({
      name: 'Library',
      configuration: { S3Bucket: 'sources', S3ObjectKey: 'lib.zip', PollForSourceChanges: 'false' },
      outputArtifacts: [{ name: 'LibOutput' }],
    });
    const both = build({
      configuration: { ProjectName: 'app', PrimarySource: 'SourceOutput' },
      inputArtifacts: [{ name: 'LibOutput' }, { name: 'SourceOutput' }],
      outputArtifacts: [{ name: 'First' }, { name: 'Second' }],
    });
    const copies = ['First', 'Second'].map((name) => siteDeploy({ name: `Copy${name}`, inputArtifacts: [{ name }] }));
    await codepipeline.createPipeline({
      pipeline: pipelineOf([
        stage('Source', objectSource(), library),
        stage('Build', both),
        stage('Deploy', ...copies),
      ]),
    });
    const { status, actions } = await run(server);
    assert.equal(status, 'Succeeded', actions.map(messageOf).join());
    const text = async (Key: string) => (await s3.getObject({ Bucket: 'site', Key })).Body!.transformToString();
    assert.deepEqual([await text('one.txt'), await text('two.txt')], ['from the library', 'two\n']);
  });

  test('fails with the denial where its role may not start builds, or with what is wrong with the project', async (t) => {
    const server = await buildServer(t);
    const { codepipeline, iam, codebuild } = server.root_;
    await putSource(server, spec('phases:', '  build:', '    commands: [true]'));
    await iam.putRolePolicy({ RoleName: 'pipeline', PolicyName: 'work', PolicyDocument: policy(allow(['s3:*'])) });
    await codepipeline.createPipeline({
      pipeline: pipelineOf([stage('Source', objectSource()), stage('Build', build())]),
    });
    const denied = await run(server);
    assert.equal(denied.status, 'Failed');
    assert.match(
      messageOf(denied.actions[0]),
      /assumed-role\/pipeline\/\S+ is not authorized to perform: codebuild:StartBuild on resource: arn:aws:codebuild:us-east-1:123456789012:project\/app/,
    );
    await iam.putRolePolicy({
      RoleName: 'pipeline',
      PolicyName: 'work',
      PolicyDocument: policy(allow(['s3:*', 'codebuild:*'])),
    });
    await codebuild.deleteProject({ name: 'app' });
    await codepipeline.startPipelineExecution({ name: 'p' });
    const gone = await run(server);
    assert.equal(gone.status, 'Failed');
    assert.match(messageOf(gone.actions[0]), /app/);
  });

  test('that is abandoned stops its build', async (t) => {
    const server = await buildServer(t);
    const { codepipeline, codebuild } = server.root_;
    await putSource(server, spec('phases:', '  build:', '    commands: [sleep 300]'));
    await codepipeline.createPipeline({
      pipeline: pipelineOf([stage('Source', objectSource()), stage('Build', build())]),
    });
    const pipelineExecutionId = await latestExecution(server);
    const buildId = await until(async () => {
      const { actionExecutionDetails = [] } = await codepipeline.listActionExecutions({ pipelineName: 'p' });
      return actionExecutionDetails.find(({ actionName }) => actionName === 'Compile')?.output?.executionResult
        ?.externalExecutionId;
    }, 'the build');
    await codepipeline.stopPipelineExecution({ pipelineName: 'p', pipelineExecutionId, abandon: true });
    assert.equal(await ended(server, pipelineExecutionId), 'Stopped');
    const status = await until(async () => {
      const { builds = [] } = await codebuild.batchGetBuilds({ ids: [buildId] });
      return builds[0]!.buildStatus === 'IN_PROGRESS' ? undefined : builds[0]!.buildStatus;
    }, 'the end of the build');
    assert.equal(status, 'STOPPED');
  });

  test('P1: goes on after a restart of the server, with the one build that it started', async (t) => {
    const server = await buildServer(t);
    const { codepipeline } = server.root_;
    await putSource(server, spec('phases:', '  build:', '    commands: [sleep 1]', 'artifacts:', "  files: ['**/*']"));
    await codepipeline.createPipeline({
      pipeline: pipelineOf([stage('Source', objectSource()), stage('Build', build())]),
    });
    await until(async () => {
      const { actionExecutionDetails = [] } = await codepipeline.listActionExecutions({ pipelineName: 'p' });
      return actionExecutionDetails.find(({ actionName }) => actionName === 'Compile')?.output?.executionResult
        ?.externalExecutionId;
    }, 'the build');
    await server.restart();
    const { status, actions } = await run(server);
    const { ids = [] } = await server.root_.codebuild.listBuildsForProject({ projectName: 'app' });
    assert.equal(ids.length, 1);
    if (status !== 'Succeeded') assert.match(messageOf(actions[0]), /^Build terminated with state: /);
  });
});
