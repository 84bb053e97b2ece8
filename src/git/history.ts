import { isGitFailure } from './failure.ts';
import { failureOf, type GitLimits } from './git-process.ts';
import { type Commit, secondsOf } from './object-format.ts';
import type { ObjectReader } from './objects.ts';
import type { Lease, Repository } from './repository.ts';

export interface LoggedCommit extends Commit {
  id: string;
}

/** Commits read one by one before git is asked to search. */
const NEAR_COMMITS = 256;
const LIMITS: GitLimits = { wallMs: 300_000, cpuSeconds: 240, memoryBytes: 3 * 1024 ** 3 };

/** Commits that are reachable from `starts`, newest committer date first, each once. */
export async function* walkCommits(objects: ObjectReader, starts: readonly string[]): AsyncGenerator<LoggedCommit> {
  const seen = new Set(starts);
  const queue: LoggedCommit[] = [];
  for (const id of seen) insertByDate(queue, { id, ...(await objects.commit(id)) });
  for (let commit = queue.pop(); commit !== undefined; commit = queue.pop()) {
    yield commit;
    for (const parent of commit.parents) {
      if (seen.has(parent)) continue;
      seen.add(parent);
      insertByDate(queue, { id: parent, ...(await objects.commit(parent)) });
    }
  }
}

/** Puts a commit into a queue in ascending order of date; history is nearly sorted, so the place is near the end. */
export function insertByDate(queue: LoggedCommit[], commit: LoggedCommit): void {
  const seconds = secondsOf(commit.committer);
  let at = queue.length;
  while (at > 0 && secondsOf(queue[at - 1]!.committer) > seconds) at -= 1;
  queue.splice(at, 0, commit);
}

/**
 * True when `ancestor` is `descendant` or one of the commits that it builds on.
 * @param options.objects and `options.env` see objects outside the repository, such as a pack in quarantine.
 */
export async function isAncestor(
  repository: Repository,
  lease: Lease,
  pair: { ancestor: string; descendant: string },
  options: { objects?: ObjectReader; env?: Record<string, string>; signal?: AbortSignal | undefined } = {},
): Promise<boolean> {
  let looked = 0;
  for await (const commit of walkCommits(options.objects ?? lease.objects, [pair.descendant])) {
    if (commit.id === pair.ancestor || commit.parents.includes(pair.ancestor)) return true;
    looked += 1;
    if (looked >= NEAR_COMMITS) return searchAncestor(repository, lease.gitDir, pair, options);
  }
  return false;
}

async function searchAncestor(
  repository: Repository,
  gitDir: string,
  pair: { ancestor: string; descendant: string },
  options: { env?: Record<string, string>; signal?: AbortSignal | undefined },
): Promise<boolean> {
  const child = repository.surroundings.git.spawn(
    ['merge-base', '--is-ancestor', '--end-of-options', pair.ancestor, pair.descendant],
    {
      gitDir,
      limits: LIMITS,
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
  );
  child.stdin.end();
  child.stdout.resume();
  const end = await child.ended;
  // 1 is an answer, not an error. (`rev-list a ^b` would be wrong where clocks were.)
  if (end.status === 0 || end.status === 1) return end.status === 0;
  throw failureOf(end, 'merge-base');
}

/** True when `id` is a commit of the repository. */
export async function hasCommit(objects: ObjectReader, id: string): Promise<boolean> {
  return (await objects.findInfo(id))?.type === 'commit';
}

/** A commit, or null when there is none of that id. */
export async function findCommit(objects: ObjectReader, id: string): Promise<Commit | null> {
  try {
    return await objects.commit(id);
  } catch (error) {
    if (isGitFailure(error, 'object-missing') || isGitFailure(error, 'object-wrong-type')) return null;
    throw error;
  }
}
