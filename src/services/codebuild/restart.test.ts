import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { type Build, CodeBuild } from '@aws-sdk/client-codebuild';
import { IAM } from '@aws-sdk/client-iam';
import { temporaryFolder } from '../../../test/harness.ts';
import { startServerProcess } from '../../../test/server-process.ts';
import { processTable } from '../../executors/process-table.ts';
import { eventually } from '../../kernel/testing/eventually.ts';
import { services } from '../../services.ts';
import { ALLOW_ALL, buildCommands, phaseOf, ROLE, startBuildServer, TRUST } from './fixtures.ts';

test('a server that stops ends its builds visibly; what waits runs after the next start', async (t) => {
  const { server, project, clients, log } = await startBuildServer(t, services, undefined, {
    settings: { maxConcurrentBuilds: 1 },
  });
  await project('app', buildCommands('echo running', 'sleep $SECONDS_TO_SLEEP'));
  const start = async (seconds: string) => {
    const environmentVariablesOverride = [{ name: 'SECONDS_TO_SLEEP', value: seconds }];
    return (await server.root_.codebuild.startBuild({ projectName: 'app', environmentVariablesOverride })).build!.id!;
  };
  const look = async (id: string) => (await server.root_.codebuild.batchGetBuilds({ ids: [id] })).builds![0]!;
  const running = await start('1000');
  const waiting = await start('0');
  await eventually(async () => (await look(running)).currentPhase === 'BUILD');
  await server.restart();
  const ended = await look(running);
  assert.equal(ended.buildStatus, 'FAULT');
  assert.match(phaseOf(ended, 'BUILD')!.contexts![0]!.message!, /server was stopped while the build was running/);
  assert.match(await log(ended), /Phase complete: BUILD State: FAULT/);
  await eventually(async () => (await look(waiting)).buildComplete === true);
  assert.equal((await look(waiting)).buildStatus, 'SUCCEEDED');
  assert.equal((await clients.codebuild.listBuilds({})).ids?.length, 2, 'nothing ran twice');
});

test('kill -9: the next server ends what the build had started, and the build fails and does not run again', async (t) => {
  const data = join(await temporaryFolder(t), 'data');
  const server = await startServerProcess(t, data);
  const settings = { endpoint: server.url, region: 'us-east-1', credentials: server.keys };
  const [codebuild, iam, logs] = [new CodeBuild(settings), new IAM(settings), new CloudWatchLogs(settings)];
  t.after(() => {
    for (const client of [codebuild, iam, logs]) client.destroy();
  });
  await iam.createRole({ RoleName: 'build', AssumeRolePolicyDocument: JSON.stringify(TRUST) });
  await iam.putRolePolicy({ RoleName: 'build', PolicyName: 'all', PolicyDocument: JSON.stringify(ALLOW_ALL) });
  await codebuild.createProject({
    name: 'app',
    serviceRole: ROLE,
    source: {
      type: 'NO_SOURCE',
      buildspec: buildCommands('echo started', 'trap "" TERM HUP; setsid sleep 1000 & sleep 1000'),
    },
    artifacts: { type: 'NO_ARTIFACTS' },
    environment: { type: 'LINUX_CONTAINER', computeType: 'BUILD_GENERAL1_SMALL', image: 'x' },
  });
  const id = (await codebuild.startBuild({ projectName: 'app' })).build!.id!;
  const look = async (): Promise<Build> => (await codebuild.batchGetBuilds({ ids: [id] })).builds![0]!;
  const logOf = async ({ logs: names }: Build) => {
    if (names?.streamName === undefined) return '';
    const { events = [] } = await logs.getLogEvents({ logGroupName: names.groupName, logStreamName: names.streamName });
    return events.map(({ message }) => message).join('');
  };
  // What a build has come to is written a moment after its log.
  await eventually(async () => (await look()).currentPhase === 'BUILD' && /^started$/m.test(await logOf(await look())));
  await server.kill();
  await server.start();
  await eventually(async () => (await look()).buildComplete === true);
  const lost = await look();
  assert.equal(lost.buildStatus, 'FAULT');
  assert.match(phaseOf(lost, 'BUILD')!.contexts![0]!.message!, /went away while the build was running/);
  assert.match(await logOf(lost), /The server went away while the build was running; .* does not run again\n$/);
  const alive = (await processTable({ variable: `SLIPWAY_RUN=${id.split(':')[1]}` })).filter(({ marked }) => marked);
  assert.deepEqual(alive, []);
  assert.deepEqual((await codebuild.listBuilds({})).ids, [id]);
});
