import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { eventually } from '../../kernel/testing/eventually.ts';
import { services } from '../../services.ts';
import { buildCommands, phaseOf, ROLE, setRolePolicy, startBuildServer } from './fixtures.ts';

const start = (t: TestContext) => startBuildServer(t, services);
const ALLOW = (Action: string | string[]) => ({ Effect: 'Allow', Action, Resource: '*' });

test('a build goes through all phases, in order, with times and contexts', async (t) => {
  const { project, build, clients } = await start(t);
  await project('app', buildCommands('echo hello'));
  const done = await build('app');
  assert.equal(done.buildStatus, 'SUCCEEDED');
  assert.equal(done.buildComplete, true);
  assert.equal(done.currentPhase, 'COMPLETED');
  assert.equal(done.buildNumber, 1);
  assert.match(done.id!, /^app:[0-9a-f-]{36}$/);
  assert.equal(done.arn, `arn:aws:codebuild:us-east-1:123456789012:build/${done.id}`);
  assert.deepEqual(
    done.phases!.map(({ phaseType, phaseStatus }) => `${phaseType} ${phaseStatus ?? ''}`),
    [
      ...[
        ...['SUBMITTED', 'QUEUED', 'PROVISIONING', 'DOWNLOAD_SOURCE', 'INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD'],
        ...['UPLOAD_ARTIFACTS', 'FINALIZING'],
      ].map((type) => `${type} SUCCEEDED`),
      'COMPLETED ',
    ],
  );
  let before: Date = done.startTime!;
  for (const { phaseType, startTime, endTime, durationInSeconds, contexts } of done.phases!) {
    assert.ok(startTime! >= before, phaseType!);
    before = endTime ?? startTime!;
    if (phaseType === 'BUILD') assert.deepEqual(contexts, [{ statusCode: '', message: '' }]);
    if (phaseType !== 'COMPLETED') assert.equal(durationInSeconds, Math.floor((+endTime! - +startTime!) / 1000));
  }
  const second = await build('app');
  assert.equal(second.buildNumber, 2);
  const { ids } = await clients.codebuild.listBuildsForProject({ projectName: 'app' });
  assert.deepEqual(ids, [second.id, done.id]);
});

test('the log has what CodeBuild says and what the commands print, in order', async (t) => {
  const { project, build, log } = await start(t);
  await project('app', buildCommands('echo one; echo two >&2', 'printf "no end"', 'echo $((1 + 1))'));
  const text = await log(await build('app'));
  const stamped = text.replace(/\[Container\] \d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{6} /g, '> ');
  assert.match(stamped, /^> Running with the process executor .*the image aws\/codebuild\/standard:7\.0 is not used\n/);
  const from = stamped.indexOf('> Entering phase BUILD');
  assert.equal(
    stamped.slice(from, stamped.indexOf('> Entering phase POST_BUILD')),
    '> Entering phase BUILD\n> Running command echo one; echo two >&2\none\ntwo\n\n' +
      '> Running command printf "no end"\nno end\n\n> Running command echo $((1 + 1))\n2\n\n' +
      '> Phase complete: BUILD State: SUCCEEDED\n> Phase context status code:  Message: \n',
  );
});

test('a failing command fails the build and says which, how and with what last words', async (t) => {
  const { project, build, log } = await start(t);
  await project(
    'app',
    'version: 0.2\nphases:\n  build:\n    commands: ["echo fine", "seq 1 30; echo the reason >&2; exit 3", "echo never"]\n' +
      '  post_build:\n    commands: ["echo succeeding=$CODEBUILD_BUILD_SUCCEEDING"]\n',
  );
  const failed = await build('app');
  assert.equal(failed.buildStatus, 'FAILED');
  assert.equal(phaseOf(failed, 'BUILD')?.phaseStatus, 'FAILED');
  const [context] = phaseOf(failed, 'BUILD')!.contexts!;
  assert.equal(context?.statusCode, 'COMMAND_EXECUTION_ERROR');
  const [reason, ...lastLines] = context!.message!.split('\n');
  assert.equal(reason, 'Error while executing command: seq 1 30; echo the reason >&2; exit 3. Reason: exit status 3');
  assert.deepEqual(lastLines, ['22', '23', '24', '25', '26', '27', '28', '29', '30', 'the reason']);
  assert.equal(phaseOf(failed, 'POST_BUILD')?.phaseStatus, 'SUCCEEDED');
  assert.equal(phaseOf(failed, 'UPLOAD_ARTIFACTS')?.phaseStatus, 'SUCCEEDED');
  const text = await log(failed);
  assert.match(text, /succeeding=0\n/);
  assert.doesNotMatch(text, /^never$/m);
  assert.match(text, /Command did not exit successfully seq 1 30; echo the reason >&2; exit 3 exit status 3\n/);
  assert.match(text, /Phase context status code: COMMAND_EXECUTION_ERROR Message: Error while executing command: seq/);
});

test('INSTALL fails: nothing else runs and nothing is uploaded', async (t) => {
  const { project, build } = await start(t);
  await project('app', 'version: 0.2\nphases:\n  install: {commands: ["false"]}\n  build: {commands: [echo no]}');
  const failed = await build('app');
  assert.deepEqual(
    failed.phases!.slice(3).map(({ phaseType, phaseStatus }) => `${phaseType} ${phaseStatus ?? ''}`),
    ['DOWNLOAD_SOURCE SUCCEEDED', 'INSTALL FAILED', 'FINALIZING SUCCEEDED', 'COMPLETED '],
  );
});

test('a shell that is killed from within fails the build', async (t) => {
  const { project, build } = await start(t);
  await project('app', buildCommands('kill -9 $$'));
  const failed = await build('app');
  assert.equal(failed.buildStatus, 'FAILED');
  const phase = failed.phases!.find(({ phaseStatus }) => phaseStatus === 'FAILED');
  assert.match(phase!.contexts![0]!.message!, /shell of the build ended unexpectedly/);
});

test('environment: StartBuild over project over buildspec, literally; CODEBUILD_ variables; exported variables', async (t) => {
  const { project, build, log } = await start(t);
  await project(
    'app',
    `version: 0.2
env:
  variables: {A: buildspec, B: buildspec, C: buildspec, LITERAL: "$PATH\`id\`"}
  exported-variables: [A, RESULT]
phases:
  build:
    commands:
      - echo "$A $B $C"; printf '%s\\n' "$LITERAL"
      - echo "$CODEBUILD_BUILD_ID $CODEBUILD_BUILD_NUMBER $CODEBUILD_INITIATOR $AWS_REGION $CODEBUILD_BUILD_IMAGE"
      - test "$PWD" = "$CODEBUILD_SRC_DIR" && echo in the source folder
  post_build:
    commands: [export RESULT="two words"]`,
    {
      environment: {
        type: 'LINUX_CONTAINER',
        computeType: 'BUILD_GENERAL1_SMALL',
        image: 'image:1',
        environmentVariables: [
          { name: 'B', value: 'project' },
          { name: 'C', value: 'project' },
        ],
      },
    },
  );
  const done = await build('app', { environmentVariablesOverride: [{ name: 'C', value: 'start', type: 'PLAINTEXT' }] });
  const text = await log(done);
  assert.match(text, /^buildspec project start\n\$PATH`id`\n/m);
  assert.match(text, new RegExp(`^${done.id} 1 root us-east-1 image:1$`, 'm'));
  assert.match(text, /^in the source folder$/m);
  assert.deepEqual(done.exportedEnvironmentVariables, [
    { name: 'A', value: 'buildspec' },
    { name: 'RESULT', value: 'two words' },
  ]);
});

test('the log arrives while the build runs; StopBuild ends it with all its processes', async (t) => {
  const { project, clients, ended, log } = await start(t);
  await project('app', buildCommands('echo first', 'trap "" TERM; setsid sleep 1000 & sleep 1000', 'echo never'));
  const { build: started } = await clients.codebuild.startBuild({ projectName: 'app' });
  const look = async () => (await clients.codebuild.batchGetBuilds({ ids: [started!.id!] })).builds![0]!;
  await eventually(async () => {
    const running = await look();
    // The log and the phases are written apart: either may be there first.
    const isBuilding = running.logs?.streamName !== undefined && running.currentPhase === 'BUILD';
    return isBuilding && /^first$/m.test(await log(running));
  });
  const running = await look();
  assert.equal(running.buildStatus, 'IN_PROGRESS');
  assert.equal(running.currentPhase, 'BUILD');
  await clients.codebuild.stopBuild({ id: started!.id! });
  const stopped = await ended(started!.id!);
  assert.equal(stopped.buildStatus, 'STOPPED');
  assert.equal(phaseOf(stopped, 'BUILD')?.phaseStatus, 'STOPPED');
  assert.equal(phaseOf(stopped, 'BUILD')?.contexts?.[0]?.statusCode, 'BUILD_STOPPED');
  assert.deepEqual(stopped.phases!.at(-1)?.phaseType, 'COMPLETED');
  assert.doesNotMatch(await log(stopped), /^never$/m);
  const again = await clients.codebuild.stopBuild({ id: started!.id! });
  assert.equal(again.build?.buildStatus, 'STOPPED');
});

const BUILDSPECS: [what: string, buildspec: string, message: RegExp][] = [
  ['malformed', 'version: 0.2\nphases:\n  build:\n    commands: [\n', /line \d+, column \d+/],
  ['of another version', 'version: 7\nphases: {}\n', /Invalid buildspec version: 7/],
  [
    'with secrets',
    'version: 0.2\nenv: {secrets-manager: {A: b}}\nphases: {build: {commands: [a]}}\n',
    /secrets-manager is not supported/,
  ],
  ['that is missing', 'nowhere.yml', /stat \/codebuild\/output\/src\d+\/src\/nowhere\.yml: no such file or directory/],
  ['outside of the source', '../../../etc/passwd', /leads out of the workspace|no such file/],
];
for (const [what, buildspecOverride, message] of BUILDSPECS) {
  test(`a buildspec ${what} fails DOWNLOAD_SOURCE with YAML_FILE_ERROR`, async (t) => {
    const { project, build, log } = await start(t);
    await project('app', buildCommands('echo x'));
    const failed = await build('app', { buildspecOverride });
    const phase = phaseOf(failed, 'DOWNLOAD_SOURCE');
    assert.equal(failed.buildStatus, 'FAILED');
    assert.equal(phase?.phaseStatus, 'FAILED');
    assert.equal(phase?.contexts?.[0]?.statusCode, 'YAML_FILE_ERROR');
    assert.match(phase!.contexts![0]!.message!, message);
    assert.match(await log(failed), /Phase context status code: YAML_FILE_ERROR Message: /);
  });
}

test('a role that may not write logs fails the build in PROVISIONING, before anything runs', async (t) => {
  const { project, build, clients, log } = await start(t);
  await project('app', buildCommands('echo x'));
  for (const allowed of [[], ['logs:CreateLogGroup', 'logs:CreateLogStream']]) {
    await setRolePolicy(clients, { Version: '2012-10-17', Statement: [ALLOW(['none:None', ...allowed])] });
    const failed = await build('app');
    const phase = phaseOf(failed, 'PROVISIONING');
    assert.equal(failed.buildStatus, 'FAILED');
    assert.equal(phase?.contexts?.[0]?.statusCode, 'ACCESS_DENIED');
    assert.match(
      phase!.contexts![0]!.message!,
      /^Service role arn:aws:iam::123456789012:role\/build does not allow AWS CodeBuild to create Amazon CloudWatch Logs log streams for build arn:aws:codebuild:.* Error message: User: arn:aws:sts::123456789012:assumed-role\/build\/AWSCodeBuild-[0-9a-f-]+ is not authorized to perform: logs:\w+ on resource/,
    );
    assert.equal(phaseOf(failed, 'INSTALL'), undefined);
  }
  await setRolePolicy(clients, { Version: '2012-10-17', Statement: [ALLOW('logs:*')] });
  assert.match(await log(await build('app')), /^x$/m);
});

test('a role that does not trust CodeBuild fails PROVISIONING', async (t) => {
  const { project, build, clients } = await start(t);
  await project('app', buildCommands('echo x'));
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
  };
  await clients.iam.updateAssumeRolePolicy({ RoleName: 'build', PolicyDocument: JSON.stringify(trust) });
  const failed = await build('app');
  assert.equal(failed.buildStatus, 'FAILED');
  assert.deepEqual(phaseOf(failed, 'PROVISIONING')?.contexts, [
    { statusCode: 'ACCESS_DENIED', message: `CodeBuild is not authorized to perform: sts:AssumeRole on ${ROLE}` },
  ]);
});

test('I9: a trust policy sees the project that the role is assumed for', async (t) => {
  const { project, build, clients } = await start(t);
  await project('right', buildCommands('echo x'));
  await project('wrong', buildCommands('echo x'));
  const trust = {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Service: 'codebuild.amazonaws.com' },
        Action: 'sts:AssumeRole',
        Condition: {
          StringEquals: {
            'aws:SourceArn': 'arn:aws:codebuild:us-east-1:123456789012:project/right',
            'aws:SourceAccount': '123456789012',
          },
        },
      },
    ],
  };
  await clients.iam.updateAssumeRolePolicy({ RoleName: 'build', PolicyDocument: JSON.stringify(trust) });
  assert.equal((await build('right')).buildStatus, 'SUCCEEDED');
  assert.equal(phaseOf(await build('wrong'), 'PROVISIONING')?.phaseStatus, 'FAILED');
});

test('I10: giving a build another role needs iam:PassRole on it', async (t) => {
  const { server, project } = await start(t);
  await project('app', buildCommands('echo x'));
  const bob = await server.user('bob', { Version: '2012-10-17', Statement: [ALLOW('codebuild:*')] });
  await bob.codebuild.startBuild({ projectName: 'app' });
  await assert.rejects(bob.codebuild.startBuild({ projectName: 'app', serviceRoleOverride: ROLE }), {
    name: 'AccessDeniedException',
    message: /iam:PassRole/,
  });
  await assert.rejects(bob.codebuild.updateProject({ name: 'app', serviceRole: ROLE }), {
    name: 'AccessDeniedException',
  });
});

test('I11: builds of another region are not found, and projects decide who may touch a build', async (t) => {
  const { server, project, build, clients } = await start(t);
  await project('mine', buildCommands('echo x'));
  const { id } = await build('mine');
  const elsewhere = server.clients(clients.keys, 'eu-west-1').codebuild;
  assert.deepEqual((await elsewhere.batchGetBuilds({ ids: [id!] })).buildsNotFound, [id]);
  for (const call of [elsewhere.stopBuild({ id: id! }), elsewhere.retryBuild({ id: id! })]) {
    await assert.rejects(call, { name: 'ResourceNotFoundException' });
  }
  assert.deepEqual((await elsewhere.batchDeleteBuilds({ ids: [id!] })).buildsNotDeleted, [
    { id, statusCode: 'BUILD_NOT_FOUND' },
  ]);
  const onlyOther = {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 'codebuild:*', Resource: 'arn:aws:codebuild:us-east-1:123456789012:project/other' },
    ],
  };
  const { codebuild } = await server.user('carol', onlyOther);
  const calls = [
    codebuild.batchGetBuilds({ ids: [id!] }),
    codebuild.stopBuild({ id: id! }),
    codebuild.retryBuild({ id: id! }),
    codebuild.batchDeleteBuilds({ ids: [id!] }),
    codebuild.startBuild({ projectName: 'mine' }),
    codebuild.listBuildsForProject({ projectName: 'mine' }),
  ];
  for (const call of calls) await assert.rejects(call, { name: 'AccessDeniedException' });
});

test('retry runs a build again as it was; batch delete takes only what is over', async (t) => {
  const { project, build, clients, ended } = await start(t);
  const { codebuild } = clients;
  await project('app', buildCommands('echo "$A"'));
  const first = await build('app', { environmentVariablesOverride: [{ name: 'A', value: 'kept' }] });
  const retried = await ended((await codebuild.retryBuild({ id: first.id! })).build!.id!);
  assert.equal(retried.buildNumber, 2);
  assert.deepEqual(retried.environment?.environmentVariables, [{ name: 'A', type: 'PLAINTEXT', value: 'kept' }]);
  await project('slow', buildCommands('sleep 1000'));
  const { build: slow } = await codebuild.startBuild({ projectName: 'slow' });
  const { buildsDeleted, buildsNotDeleted } = await codebuild.batchDeleteBuilds({
    ids: [first.arn!, slow!.id!, 'app:none'],
  });
  assert.deepEqual(buildsDeleted, [first.id]);
  assert.deepEqual(buildsNotDeleted, [
    { id: slow!.id, statusCode: 'BUILD_IN_PROGRESS' },
    { id: 'app:none', statusCode: 'BUILD_NOT_FOUND' },
  ]);
  const { builds = [], buildsNotFound } = await codebuild.batchGetBuilds({ ids: [first.id!, retried.id!] });
  assert.deepEqual([builds.map(({ id }) => id), buildsNotFound], [[retried.id], [first.id]]);
  await codebuild.stopBuild({ id: slow!.id! });
  await ended(slow!.id!);
});

test('an idempotency token starts one build; with other parameters it is refused', async (t) => {
  const { project, clients } = await start(t);
  const { codebuild } = clients;
  await project('app', buildCommands('echo x'));
  const call = (sourceVersion?: string) =>
    codebuild.startBuild({
      projectName: 'app',
      idempotencyToken: 'token',
      ...(sourceVersion === undefined ? {} : { sourceVersion }),
    });
  const [one, two] = await Promise.all([call(), call()]);
  assert.equal(one.build?.id, two.build?.id);
  assert.equal((await call()).build?.id, one.build?.id);
  await assert.rejects(call('other'), { name: 'InvalidInputException', message: /parameter mismatch/ });
  assert.equal((await codebuild.listBuilds({})).ids?.length, 1);
});

test('what a build cannot do is refused by name when it is started', async (t) => {
  const { project, clients } = await start(t);
  const { codebuild } = clients;
  await project('app', buildCommands('echo x'));
  await assert.rejects(codebuild.startBuild({ projectName: 'none' }), {
    name: 'ResourceNotFoundException',
    message: 'Project cannot be found: arn:aws:codebuild:us-east-1:123456789012:project/none',
  });
  const refused = [
    { debugSessionEnabled: true },
    { sourceTypeOverride: 'GITHUB' as const, sourceLocationOverride: 'https://example.com/x' },
    { sourceTypeOverride: 'CODEPIPELINE' as const },
    { artifactsOverride: { type: 'CODEPIPELINE' as const } },
    { environmentVariablesOverride: [{ name: 'CODEBUILD_BUILD_ID', value: 'forged' }] },
    { environmentVariablesOverride: [{ name: 'A', value: 'name', type: 'PARAMETER_STORE' as const }] },
    { fleetOverride: { fleetArn: 'arn:aws:codebuild:us-east-1:123456789012:fleet/x' } },
    {
      gitSubmodulesConfigOverride: { fetchSubmodules: true },
      sourceTypeOverride: 'CODECOMMIT' as const,
      sourceLocationOverride: 'x',
    },
    { encryptionKeyOverride: 'alias/mine' },
  ];
  for (const input of refused) {
    await assert.rejects(codebuild.startBuild({ projectName: 'app', ...input }), { name: 'InvalidInputException' });
  }
  assert.deepEqual((await codebuild.listBuilds({})).ids, []);
});
