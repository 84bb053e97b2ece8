import type { GitLimits } from './git-process.ts';
import { findCommit, insertByDate, type LoggedCommit } from './history.ts';
import type { ObjectReader } from './objects.ts';
import type { Lease, Repository } from './repository.ts';

const LIMITS: GitLimits = { wallMs: 120_000, cpuSeconds: 90, memoryBytes: 3 * 1024 ** 3 };

/** Commits read one by one before git is asked to search. */
export const NEAR_COMMITS = 256;
/** On which side's history a commit is; what is older than a common one is of no interest. */
const LEFT = 1;
const RIGHT = 2;
const BOTH = LEFT | RIGHT;
const STALE = 4;

/**
 * The only best common ancestor of two commits, if it is near: the walk that git makes, newest commits first.
 * @returns null when there is none, undefined where git has to look: it is far, or there are several
 */
export async function nearMergeBase(
  objects: ObjectReader,
  pair: readonly [string, string],
): Promise<string | null | undefined> {
  if (pair[0] === pair[1]) return pair[0];
  const sides = new Map<string, number>([
    [pair[0], LEFT],
    [pair[1], RIGHT],
  ]);
  const queue: LoggedCommit[] = [];
  const common = new Set<string>();
  for (const id of pair) {
    const commit = await findCommit(objects, id);
    if (commit === null) return undefined;
    insertByDate(queue, { id, ...commit });
  }
  for (let read = queue.length; queue.some(({ id }) => (sides.get(id)! & STALE) === 0); ) {
    const { id, parents } = queue.pop()!;
    let seen = sides.get(id)!;
    if (seen === BOTH) common.add(id);
    if ((seen & BOTH) === BOTH) seen |= STALE;
    for (const parent of parents) {
      const before = sides.get(parent) ?? 0;
      if ((before & seen) === seen) continue;
      if (++read > NEAR_COMMITS) return undefined;
      sides.set(parent, before | seen);
      insertByDate(queue, { id: parent, ...(await objects.commit(parent)) });
    }
  }
  const [first, ...others] = [...common].filter((id) => (sides.get(id)! & STALE) === 0);
  return others.length > 0 ? undefined : (first ?? null);
}

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
  const near = await nearMergeBase(lease.objects, pair);
  if (near !== undefined) return near === null ? [] : [near];
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
