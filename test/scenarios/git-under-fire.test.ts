import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { IAM } from '@aws-sdk/client-iam';
import { GitClient } from '../../src/git/harness.ts';
import { temporaryFolder } from '../harness.ts';
import { type ServerProcess, startServerProcess } from '../server-process.ts';
import { until } from './road.ts';

/** A release run takes hundreds: `SLIPWAY_TEST_KILLS=50`. */
const KILLS = Number(process.env['SLIPWAY_TEST_KILLS'] ?? 4);
const SEED = Number(process.env['SLIPWAY_TEST_SEED'] ?? 20_261_128);
const WRITERS = 4;
const LONGEST_LIFE_MS = 1_500;
const app = { repositoryName: 'app' };

/** What a writer was told: branch and commit, in order. */
interface Told {
  branch: string;
  commit: string;
}

interface Clients {
  codecommit: CodeCommit;
  events: EventBridge;
  iam: IAM;
  logs: CloudWatchLogs;
}

test('kill -9 at any moment: what four writers were told is there, nothing leads nowhere, each change is one event', async (t) => {
  const data = await temporaryFolder(t);
  const server = await startServerProcess(t, join(data, 'slipway'));
  const clients = clientsOf(t, server);
  await clients.codecommit.createRepository(app);
  await logEvents(clients);
  const remote = await remoteOf(server, clients);
  const random = randomOf(SEED);
  const told: Told[] = [];
  const over = new AbortController();
  const writers = Array.from({ length: WRITERS }, (_, number) =>
    number % 2 === 0
      ? pushing(t, `push-${number}`, remote, told, over.signal)
      : calling(`call-${number}`, clients.codecommit, told, over.signal),
  );
  for (let kill = 0; kill < KILLS; kill += 1) {
    const [before, lifeMs] = [told.length, random() * LONGEST_LIFE_MS];
    // Each life sees at least one change; then it ends at any moment.
    await until(async () => (told.length > before ? true : undefined), 'a change that is acknowledged');
    await wait(lifeMs);
    await server.kill();
    await server.start();
  }
  over.abort();
  await Promise.all(writers);
  t.diagnostic(`seed ${SEED}: ${KILLS} kills, ${told.length} acknowledged changes`);
  await checkRepository(t, remote, told);
  await checkEvents(clients.logs, told);
});

function clientsOf(t: TestContext, { url, keys }: ServerProcess): Clients {
  // The port stays; a call that meets a dead server fails at once, and the writer goes on.
  const settings = { endpoint: url, region: 'us-east-1', credentials: keys, maxAttempts: 1 };
  const clients = {
    codecommit: new CodeCommit(settings),
    events: new EventBridge(settings),
    iam: new IAM(settings),
    logs: new CloudWatchLogs(settings),
  };
  t.after(() => Object.values(clients).forEach((client) => void client.destroy()));
  return clients;
}

/** Has every event of the repository written to a log group. */
async function logEvents({ events, iam, logs }: Clients): Promise<void> {
  const statement = (more: object) =>
    JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...more }] });
  const { Role } = await iam.createRole({
    RoleName: 'events',
    AssumeRolePolicyDocument: statement({ Principal: { Service: 'events.amazonaws.com' }, Action: 'sts:AssumeRole' }),
  });
  await iam.putRolePolicy({
    RoleName: 'events',
    PolicyName: 'logs',
    PolicyDocument: statement({ Action: 'logs:*', Resource: '*' }),
  });
  await logs.createLogGroup({ logGroupName: 'changes' });
  await events.putRule({ Name: 'changes', EventPattern: JSON.stringify({ source: ['aws.codecommit'] }) });
  const Arn = 'arn:aws:logs:us-east-1:123456789012:log-group:changes';
  await events.putTargets({ Rule: 'changes', Targets: [{ Id: '1', Arn, RoleArn: Role!.Arn! }] });
}

async function remoteOf(server: ServerProcess, { iam }: Clients): Promise<string> {
  await iam.createUser({ UserName: 'writer' });
  await iam.putUserPolicy({
    UserName: 'writer',
    PolicyName: 'all',
    PolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
    }),
  });
  const { ServiceSpecificCredential: made } = await iam.createServiceSpecificCredential({
    UserName: 'writer',
    ServiceName: 'codecommit.amazonaws.com',
  });
  const url = new URL(`${server.url}/v1/repos/app`);
  url.username = encodeURIComponent(made!.ServiceUserName!);
  url.password = encodeURIComponent(made!.ServicePassword!);
  return url.href;
}

/** Pushes one commit after the other to its own branch. */
async function pushing(
  t: TestContext,
  branch: string,
  remote: string,
  told: Told[],
  signal: AbortSignal,
): Promise<void> {
  const client = new GitClient(await temporaryFolder(t));
  await client.run('init', '-q', '-b', branch);
  for (let number = 0; !signal.aborted; number += 1) {
    await client.commitFile(`file-${number % 10}`, `${branch} ${number}\n`);
    const commit = await client.run('rev-parse', 'HEAD');
    while (!signal.aborted && (await client.attempt(['push', '-q', remote, branch])).status !== 0) await wait(20);
    if (!signal.aborted) told.push({ branch, commit });
  }
}

/** Puts one file after the other on its own branch by the API. */
async function calling(branch: string, codecommit: CodeCommit, told: Told[], signal: AbortSignal): Promise<void> {
  for (let number = 0; !signal.aborted; ) {
    const fileContent = Buffer.from(`${branch} ${number}`);
    try {
      // What was not answered may have happened: the writer looks where the branch is.
      const tip = await tipOf(codecommit, branch);
      const put = { ...app, branchName: branch, filePath: `${branch}/file-${number}`, fileContent };
      const { commitId } = await codecommit.putFile(tip === undefined ? put : { ...put, parentCommitId: tip });
      told.push({ branch, commit: commitId! });
      number += 1;
    } catch (error) {
      const { name, message } = error as Error;
      if (name === 'SameFileContentException') number += 1;
      // In a repository with branches, the first one of a writer is made from another's tip.
      else if (name === 'BranchDoesNotExistException') await makeBranch(codecommit, branch).catch(() => wait(20));
      else if (/Exception$/.test(name)) assert.match(name, /Outdated|Throttling|ParentCommitIdRequired/, message);
      else await wait(20);
    }
  }
}

async function tipOf(codecommit: CodeCommit, branchName: string): Promise<string | undefined> {
  try {
    return (await codecommit.getBranch({ ...app, branchName })).branch!.commitId;
  } catch (error) {
    if ((error as Error).name !== 'BranchDoesNotExistException') throw error;
    return undefined;
  }
}

async function makeBranch(codecommit: CodeCommit, branchName: string): Promise<void> {
  const { branches } = await codecommit.listBranches(app);
  const commitId = await tipOf(codecommit, branches![0]!);
  await codecommit.createBranch({ ...app, branchName, commitId });
}

/** Every commit that was acknowledged is in its branch, and git finds nothing wrong. */
async function checkRepository(t: TestContext, remote: string, told: readonly Told[]): Promise<void> {
  const mirror = new GitClient(await temporaryFolder(t));
  await mirror.run('clone', '-q', '--mirror', remote, '.');
  await mirror.run('fsck', '--full', '--strict');
  for (const branch of new Set(told.map((one) => one.branch))) {
    const history = new Set((await mirror.run('rev-list', `refs/heads/${branch}`)).split('\n'));
    for (const { commit } of told.filter((one) => one.branch === branch)) assert.ok(history.has(commit), commit);
  }
}

/** Each acknowledged change is told by exactly one event; a stream of the log is one event by its id. */
async function checkEvents(logs: CloudWatchLogs, told: readonly Told[]): Promise<void> {
  const read = async () => {
    const ids = new Map<string, Set<string>>();
    let nextToken: string | undefined;
    do {
      const page = await logs.filterLogEvents({ logGroupName: 'changes', nextToken });
      for (const { message } of page.events ?? []) {
        const { id, detail } = JSON.parse(message!) as { id: string; detail: Record<string, string> };
        const change = `${detail['referenceName']} ${detail['commitId']}`;
        ids.set(change, (ids.get(change) ?? new Set()).add(id));
      }
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    return ids;
  };
  const ids = await until(async () => {
    const found = await read();
    return told.every(({ branch, commit }) => found.has(`${branch} ${commit}`)) ? found : undefined;
  }, 'the events of all changes');
  for (const [change, events] of ids) assert.equal(events.size, 1, change);
}

/** The same numbers from 0 to 1 for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
