import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ratioResult } from '../comparison.ts';
import { generateRepository } from '../generated-repository.ts';
import { git, timePush } from '../git-client.ts';
import { makeBareRepository } from '../git-daemon.ts';
import { BASELINE, type GitHosts, startGitHosts } from '../git-hosts.ts';
import { timeMs } from '../program.ts';
import type { Result, Row } from '../row.ts';
import { measurePairs } from '../statistics.ts';
import { milliseconds } from '../table.ts';
import type { Workspace } from '../workspace.ts';

const SMALL_PUSHES = 25;
const LARGE_PUSHES = 7;
const LOCAL = 'local bare repository';
const LOCAL_NOTE = 'a push to a folder: no server, no network, no password, and nothing synced or checked';
const NOTE = 'ours is synced to disk before it is acknowledged, the baseline only in part';

/** Pushes of one commit and of many. */
export const push: Row = {
  name: 'push',
  async measure(workspace) {
    const hosts = await startGitHosts(workspace);
    return [...(await oneCommit(workspace, hosts)), ...(await manyCommits(workspace, hosts))];
  },
};

/** Pushes one commit after the other onto a small repository; both get the same commits. */
async function oneCommit(workspace: Workspace, hosts: GitHosts): Promise<Result[]> {
  const generated = await generateRepository(workspace, { commits: 1, files: 10, fileBytes: 2_000 });
  const folder = workspace.path('working-copy');
  await git(workspace, workspace.folder, 'clone', '--quiet', generated, folder);
  const ours = await hosts.ours('one-commit');
  const baseline = await hosts.baseline?.('one-commit');
  const bare = await makeBareRepository(workspace.path('bare.git'));
  const again = await hosts.ours('one-commit-again');
  for (const url of [ours, baseline, again, bare]) if (url !== undefined) await timePush(workspace, folder, url);
  for (let round = 0; round < SMALL_PUSHES; round++) {
    await writeFile(join(folder, 'counter.txt'), `${round}\n`);
    await git(workspace, folder, 'add', 'counter.txt');
    await git(workspace, folder, 'commit', '--quiet', '--message', `change ${round}`);
    await git(workspace, folder, 'branch', `round-${round}`);
  }
  const pushTo = (url: string) => (round: number) =>
    timeMs(() => git(workspace, folder, 'push', '--quiet', url, `round-${round}:main`));
  const pairs = await measurePairs(SMALL_PUSHES, baseline === undefined ? undefined : pushTo(baseline), pushTo(ours));
  const local = await measurePairs(SMALL_PUSHES, pushTo(bare), pushTo(again));
  const target = { measure: 'push of one commit', format: milliseconds };
  return [
    ratioResult({ ...target, baseline: BASELINE, limit: { atMost: 1.3 }, notes: [NOTE] }, pairs),
    ratioResult({ ...target, baseline: LOCAL, limit: { atMost: 1.5 }, notes: [LOCAL_NOTE] }, local),
  ];
}

/** Pushes the same long history into an empty repository, a new one at each round. */
async function manyCommits(workspace: Workspace, hosts: GitHosts): Promise<Result[]> {
  const folder = await generateRepository(workspace, { commits: 1_000, files: 1_000, fileBytes: 9_800 });
  const { ours, baseline } = hosts;
  const timed = async (make: (name: string) => Promise<string>, round: number) =>
    timePush(workspace, folder, await make(`many-commits-${round}`));
  const pairs = await measurePairs(
    LARGE_PUSHES,
    baseline === undefined ? undefined : (round) => timed(baseline, round),
    (round) => timed(ours, round),
  );
  const local = await measurePairs(
    LARGE_PUSHES,
    (round) => timed((name) => makeBareRepository(workspace.path(`${name}.git`)), round),
    (round) => timed((name) => ours(`local-${name}`), round),
  );
  const target = { measure: 'push of 1,000 commits / 15 MB', format: milliseconds };
  return [
    ratioResult({ ...target, baseline: BASELINE, limit: { atMost: 1.3 }, notes: [NOTE] }, pairs),
    ratioResult({ ...target, baseline: LOCAL, limit: { atMost: 1.5 }, notes: [LOCAL_NOTE] }, local),
  ];
}
