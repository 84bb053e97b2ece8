import { ratioResult } from '../comparison.ts';
import { generateRepository, type RepositoryShape } from '../generated-repository.ts';
import { timeClone, timePush } from '../git-client.ts';
import { BASELINE, type GitHosts, startGitHosts } from '../git-hosts.ts';
import { timeMs } from '../program.ts';
import type { Result, Row } from '../row.ts';
import { measurePairs } from '../statistics.ts';
import { milliseconds, perSecond } from '../table.ts';
import type { Workspace } from '../workspace.ts';

const AT_ONCE = 8;
/** Batches of clones that make up one figure of the rate. */
const BATCHES = 4;

/** Clones of a wide and of a long repository. */
export const clone: Row = {
  name: 'clone',
  async measure(workspace) {
    const hosts = await startGitHosts(workspace);
    const files = { commits: 1, files: 3_000, fileBytes: 6_400 };
    const history = { commits: 20_000, files: 1_000, fileBytes: 6_000 };
    return [
      await oneClone(workspace, hosts, 'clone 3,000 files / 15 MB', files, 9),
      await oneClone(workspace, hosts, 'clone 20,000 commits / 100 MB', history, 3),
    ];
  },
};

/** Clones of a small repository, several at once. */
export const clones: Row = {
  name: 'clones',
  async measure(workspace) {
    const hosts = await startGitHosts(workspace);
    const urls = await pushEverywhere(workspace, hosts, 'ten-files', { commits: 1, files: 10, fileBytes: 2_000 });
    const rate = async (url: string) => {
      const ms = await timeMs(async () => {
        for (let batch = 0; batch < BATCHES; batch++) {
          await Promise.all(Array.from({ length: AT_ONCE }, () => timeClone(workspace, url)));
        }
      });
      return (AT_ONCE * BATCHES * 1000) / ms;
    };
    const { ours, baseline } = urls;
    await rate(ours);
    const pairs = await measurePairs(9, baseline === undefined ? undefined : () => rate(baseline), () => rate(ours));
    const format = (value: number) => perSecond(value, 'clones');
    const measure = `${AT_ONCE} clones at once of 10 files`;
    return [ratioResult({ measure, baseline: BASELINE, limit: { atLeast: 1 }, format }, pairs)];
  },
};

async function oneClone(
  workspace: Workspace,
  hosts: GitHosts,
  measure: string,
  shape: RepositoryShape,
  rounds: number,
): Promise<Result> {
  const { ours, baseline } = await pushEverywhere(workspace, hosts, `clone-${shape.commits}`, shape);
  const firstMs = await timeClone(workspace, ours);
  const pairs = await measurePairs(
    rounds,
    baseline === undefined ? undefined : () => timeClone(workspace, baseline),
    () => timeClone(workspace, ours),
  );
  const notes = [`git clone --bare; our first clone after the push took ${milliseconds(firstMs)}`];
  return ratioResult({ measure, baseline: BASELINE, limit: { atMost: 1.05 }, format: milliseconds, notes }, pairs);
}

/** Generates a repository and pushes it to both. */
async function pushEverywhere(
  workspace: Workspace,
  hosts: GitHosts,
  name: string,
  shape: RepositoryShape,
): Promise<{ ours: string; baseline: string | undefined }> {
  const folder = await generateRepository(workspace, shape);
  const ours = await hosts.ours(name);
  const baseline = await hosts.baseline?.(name);
  await timePush(workspace, folder, ours);
  if (baseline !== undefined) await timePush(workspace, folder, baseline);
  return { ours, baseline };
}
