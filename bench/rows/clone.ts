import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { ratioResult } from '../comparison.ts';
import { generateRepository, type RepositoryShape } from '../generated-repository.ts';
import { timeClone, timePush } from '../git-client.ts';
import { DAEMON } from '../git-daemon.ts';
import { BASELINE, type GitHosts, startGitHosts } from '../git-hosts.ts';
import { timeMs } from '../program.ts';
import type { Result, Row } from '../row.ts';
import { measurePairs } from '../statistics.ts';
import { milliseconds, perSecond } from '../table.ts';
import type { Workspace } from '../workspace.ts';

const AT_ONCE = 8;
/** Batches of clones that make up one figure of the rate. */
const BATCHES = 4;
const MOST_MEGABYTES = 50;

/** Clones of a wide, of a long and of a very wide repository. */
export const clone: Row = {
  name: 'clone',
  async measure(workspace) {
    const hosts = await startGitHosts(workspace);
    const files = { commits: 1, files: 3_000, fileBytes: 6_400 };
    const history = { commits: 20_000, files: 1_000, fileBytes: 6_000 };
    const many = { commits: 1, files: 100_000, fileBytes: 200 };
    return [
      ...(await oneClone(workspace, hosts, 'clone 3,000 files / 15 MB', files, 9)),
      ...(await oneClone(workspace, hosts, 'clone 20,000 commits / 100 MB', history, 3)),
      ...(await oneClone(workspace, hosts, 'clone 100,000 files', many, 3)),
    ];
  },
};

/** Clones of a small repository, several at once, and of a large one. */
export const clones: Row = {
  name: 'clones',
  async measure(workspace) {
    const hosts = await startGitHosts(workspace);
    const small = { commits: 1, files: 10, fileBytes: 2_000 };
    const { ours, baseline, daemon } = await pushEverywhere(workspace, hosts, 'ten-files', small);
    const rate = async (url: string) => {
      const ms = await timeMs(async () => {
        for (let batch = 0; batch < BATCHES; batch++) await clonesAtOnce(workspace, url);
      });
      return (AT_ONCE * BATCHES * 1000) / ms;
    };
    await rate(ours);
    const format = (value: number) => perSecond(value, 'clones');
    const measure = `${AT_ONCE} clones at once of 10 files`;
    const pairs = await measurePairs(9, baseline === undefined ? undefined : () => rate(baseline), () => rate(ours));
    const times = await measurePairs(
      5,
      () => timeMs(() => clonesAtOnce(workspace, daemon)),
      () => timeMs(() => clonesAtOnce(workspace, ours)),
    );
    const notes = ['git daemon asks for no password, speaks no HTTP and answers in one connection'];
    return [
      ratioResult({ measure, baseline: BASELINE, limit: { atLeast: 1 }, format }, pairs),
      ratioResult({ measure, baseline: DAEMON, limit: { atMost: 1.15 }, format: milliseconds, notes }, times),
      ...(await largeClones(workspace, hosts)),
    ];
  },
};

async function largeClones(workspace: Workspace, hosts: GitHosts): Promise<Result[]> {
  const shape = { commits: 20_000, files: 1_000, fileBytes: 6_000 };
  const { ours, daemon } = await pushEverywhere(workspace, hosts, 'large', shape);
  await timeClone(workspace, ours);
  const { pid } = hosts.slipway;
  const before = await residentMegabytes(pid);
  const { result, most } = await watching(pid, () =>
    measurePairs(
      2,
      () => timeMs(() => clonesAtOnce(workspace, daemon)),
      () => timeMs(() => clonesAtOnce(workspace, ours)),
    ),
  );
  const grown = Math.max(0, most - before);
  const measure = `${AT_ONCE} clones at once of 100 MB`;
  return [
    ratioResult({ measure, baseline: DAEMON, limit: { atMost: 1.15 }, format: milliseconds }, result),
    {
      measure: `memory that the server takes for ${AT_ONCE} clones of 100 MB`,
      baseline: '-',
      ours: `${grown.toFixed(0)} MB`,
      target: `<= ${MOST_MEGABYTES} MB`,
      met: grown <= MOST_MEGABYTES,
    },
  ];
}

function clonesAtOnce(workspace: Workspace, url: string): Promise<unknown> {
  return Promise.all(Array.from({ length: AT_ONCE }, () => timeClone(workspace, url)));
}

/** Runs something and looks at a process's memory meanwhile. */
async function watching<T>(pid: number, run: () => Promise<T>): Promise<{ result: T; most: number }> {
  let most = 0;
  const over = new AbortController();
  const looking = (async () => {
    while (!over.signal.aborted) {
      most = Math.max(most, await residentMegabytes(pid));
      await wait(50);
    }
  })();
  try {
    return { result: await run(), most };
  } finally {
    over.abort();
    await looking;
  }
}

/** Source: proc(5), VmRSS in KiB. */
async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}

async function oneClone(
  workspace: Workspace,
  hosts: GitHosts,
  measure: string,
  shape: RepositoryShape,
  rounds: number,
): Promise<Result[]> {
  const name = `clone-${shape.commits}-${shape.files}`;
  const { ours, baseline, daemon } = await pushEverywhere(workspace, hosts, name, shape);
  const firstMs = await timeClone(workspace, ours);
  const timed = (url: string) => () => timeClone(workspace, url);
  const pairs = await measurePairs(rounds, baseline === undefined ? undefined : timed(baseline), timed(ours));
  const daemonPairs = await measurePairs(rounds, timed(daemon), timed(ours));
  const notes = [`git clone --bare; our first clone after the push took ${milliseconds(firstMs)}`];
  return [
    ratioResult({ measure, baseline: BASELINE, limit: { atMost: 1.05 }, format: milliseconds, notes }, pairs),
    ratioResult({ measure, baseline: DAEMON, limit: { atMost: 1.1 }, format: milliseconds }, daemonPairs),
  ];
}

/** Generates a repository and pushes it to all. */
async function pushEverywhere(
  workspace: Workspace,
  hosts: GitHosts,
  name: string,
  shape: RepositoryShape,
): Promise<{ ours: string; baseline: string | undefined; daemon: string }> {
  const folder = await generateRepository(workspace, shape);
  const ours = await hosts.ours(name);
  const baseline = await hosts.baseline?.(name);
  const daemon = await hosts.daemon.makeRepository(name);
  for (const url of [ours, baseline, daemon]) if (url !== undefined) await timePush(workspace, folder, url);
  return { ours, baseline, daemon };
}
