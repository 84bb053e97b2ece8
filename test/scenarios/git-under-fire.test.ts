import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { GitClient } from '../../src/git/harness.ts';
import { temporaryFolder } from '../harness.ts';
import { startServerProcess } from '../server-process.ts';
import { type Clients, clientsOf, overSsh, remoteOf } from './git-under-fire-clients.ts';
import { committing, Ledger, MERGES, merging, movedKey, pushing, reviewKey } from './git-under-fire-writers.ts';
import { until } from './road.ts';

/** A release run takes hundreds: `SLIPWAY_TEST_KILLS=200`. */
const KILLS = Number(process.env['SLIPWAY_TEST_KILLS'] ?? 3);
const SEED = Number(process.env['SLIPWAY_TEST_SEED'] ?? 20_261_128);
const LONGEST_LIFE_MS = 1_500;
/** What one life may take, its end and the checks of what it has seen included. */
const LIMIT_MS = 60_000 + KILLS * 15_000;
const app = { repositoryName: 'app' };

test('kill -9 at any moment: what four writers were told is there, nothing leads nowhere, each change is one event', {
  timeout: LIMIT_MS,
}, async (t) => {
  const data = await temporaryFolder(t);
  const server = await startServerProcess(t, join(data, 'slipway'));
  const clients = clientsOf(t, server);
  await clients.codecommit.createRepository(app);
  await logEvents(clients);
  const seed = { ...app, branchName: 'main', filePath: 'seed', fileContent: Buffer.from('seed') };
  await clients.codecommit.putFile(seed);
  const remote = await remoteOf(server, clients);
  const ssh = await overSsh(t, server, clients);
  const random = randomOf(SEED);
  const [ledger, over] = [new Ledger(), new AbortController()];
  const desk = { ledger, signal: over.signal };
  const client = async () => new GitClient(await temporaryFolder(t));
  const writers = Promise.all([
    pushing('pushes over HTTP', 'by-http', remote, await client(), desk),
    pushing('pushes over SSH', 'by-ssh', ssh.remote, ssh.client, desk),
    committing('by-commit', clients.codecommit, desk),
    merging('by-merge', clients.codecommit, desk),
  ]);
  // A writer that hears what he should not ends the test at once.
  const failed = writers.then(() => undefined);
  for (let kill = 0; kill < KILLS; kill += 1) {
    const [before, lifeMs] = [ledger.told.length, random() * LONGEST_LIFE_MS];
    // Each life sees at least one change; then it ends at any moment.
    const changed = until(
      async () => (ledger.told.length > before ? true : undefined),
      'a change that is acknowledged',
    );
    await Promise.race([changed, failed]);
    await wait(lifeMs);
    await server.kill();
    await server.start();
  }
  const isWhole = async () => (MERGES.every((how) => ledger.told.some((one) => one.how === how)) ? true : undefined);
  await Promise.race([until(isWhole, 'a merge of each kind'), failed]);
  over.abort();
  await writers;
  const seen = await eventsOf(clients.logs, ledger);
  t.diagnostic(
    `seed ${SEED}: ${KILLS} kills; ${ledger.told.length} acknowledged: ${ledger.counts()}; ${seen.size} events`,
  );
  await checkRepository(t, remote, ledger, seen);
  for (const [change, ids] of seen) assert.equal(ids.size, 1, `${change} was told more than once`);
  assert.equal(server.errors().match(/"level":(50|60)/g), null, server.errors());
});

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

/** What happened, by what the events say of it, each with the ids of the events. */
type Seen = Map<string, Set<string>>;

/** Every commit that was acknowledged or told by an event is in its branch, and git finds nothing wrong. */
async function checkRepository(t: TestContext, remote: string, { told }: Ledger, seen: Seen): Promise<void> {
  const mirror = new GitClient(await temporaryFolder(t));
  await mirror.run('clone', '-q', '--mirror', remote, '.');
  await mirror.run('fsck', '--full', '--strict');
  const there = new Set<string>();
  for (const branch of (await mirror.run('for-each-ref', '--format=%(refname:short)', 'refs/heads')).split('\n')) {
    const history = await mirror.run('rev-list', `refs/heads/${branch}`);
    for (const commit of history.split('\n')) there.add(movedKey(branch, commit));
  }
  for (const { how, key, branch } of told) assert.ok(branch === undefined || there.has(key), `${how}: ${key}`);
  for (const key of seen.keys())
    assert.ok(key.startsWith('#') || there.has(key), `an event of what is not there: ${key}`);
}

/** Waits for the events of all that was acknowledged. One event may be delivered more than once, with its one id. */
async function eventsOf(logs: CloudWatchLogs, { told }: Ledger): Promise<Seen> {
  const seen: Seen = new Map();
  const read = async () => {
    let nextToken: string | undefined;
    do {
      const page = await logs.filterLogEvents({ logGroupName: 'changes', nextToken });
      for (const { message } of page.events ?? []) {
        const { id, detail } = JSON.parse(message!) as { id: string; detail: Record<string, string> };
        const key = keyOf(detail);
        if (key !== undefined) seen.set(key, (seen.get(key) ?? new Set()).add(id));
      }
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
  };
  let missing: string[] = [];
  const look = async () => {
    await read();
    missing = told.flatMap(({ key }) => (seen.has(key) ? [] : [key]));
    return missing.length === 0 ? true : undefined;
  };
  await until(look, 'the events of all changes').catch((error: Error) => {
    throw new Error(`${error.message}: ${missing.length} are missing, ${missing.slice(0, 5)}`);
  });
  return seen;
}

/** undefined for events of what nobody was told by itself, such as that an open pull request has a new revision. */
function keyOf(detail: Record<string, string>): string | undefined {
  const { event, referenceName, commitId, pullRequestId } = detail;
  if (event === 'pullRequestCreated' || event === 'pullRequestMergeStatusUpdated')
    return reviewKey(pullRequestId!, event);
  return event!.startsWith('reference') ? movedKey(referenceName!, commitId) : undefined;
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
