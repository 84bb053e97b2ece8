import type { GitLimits } from './git-process.ts';
import type { Lease, Repository } from './repository.ts';

const LIMITS: GitLimits = { wallMs: 120_000, cpuSeconds: 90, memoryBytes: 3 * 1024 ** 3 };

/**
 * The best common ancestors of two commits, git's first choice first; none when their histories are unrelated.
 * @throws {GitFailure} `stopped`, `process-failed`.
 */
export async function mergeBases(
  repository: Repository,
  lease: Lease,
  pair: readonly [string, string],
  signal?: AbortSignal,
): Promise<string[]> {
  if (pair[0] === pair[1]) return [pair[0]];
  const printed = await repository.surroundings.git.run(['merge-base', '--all', '--end-of-options', ...pair], {
    gitDir: lease.gitDir,
    limits: LIMITS,
    // 1 says that there is none.
    goodStatuses: [0, 1],
    ...(signal === undefined ? {} : { signal }),
  });
  return printed.toString('latin1').split('\n').filter(Boolean);
}

/**
 * How many commits are in one of two histories and not in the other, counted up to `most`.
 * @throws {GitFailure} `stopped`, `process-failed`.
 */
export async function countDivergence(
  repository: Repository,
  lease: Lease,
  [left, right]: readonly [string, string],
  most: number,
): Promise<number> {
  const printed = await repository.surroundings.git.run(
    ['rev-list', '--count', `--max-count=${most}`, '--end-of-options', `${left}...${right}`],
    { gitDir: lease.gitDir, limits: LIMITS },
  );
  return Number(printed.toString('latin1'));
}
