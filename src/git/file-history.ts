import { failureOf, type GitLimits } from './git-process.ts';
import type { Lease, Repository } from './repository.ts';

/** A commit that has put a new version of a file in place. */
export interface FileRevision {
  commitId: string;
  /** Where the file stood in this commit: renames are followed. */
  path: string;
  blobId: string;
  /** Commits with the next versions of the file. Several where branches went their own ways. */
  children: string[];
}

/** One commit that has touched a path, with history simplified to such commits. */
interface Touch {
  id: string;
  parents: string[];
  /** null where the path is gone, or is no file. */
  blobId: string | null;
}

const LIMITS: GitLimits = { wallMs: 60_000, cpuSeconds: 50, memoryBytes: 3 * 1024 ** 3 };
/** Names that a file may have had. */
const MAX_RENAMES = 100;
/** Files compared by content, on either side, before git only looks for the same content under another name. */
const RENAME_LIMIT = 400;
const RECORD = 0x02;

/**
 * The versions of a file from a commit backwards, the latest first, as `git log --follow` finds them, but with every line of
 * history. Read only as far as it is asked for.
 * @param path without leading slash; reaches git only behind `--`, and as a literal.
 * @throws {GitFailure} `stopped` when git takes too long, `process-failed`
 */
export async function* fileHistory(
  repository: Repository,
  lease: Lease,
  from: { commitId: string; path: string },
  signal?: AbortSignal,
): AsyncGenerator<FileRevision> {
  const children = new Map<string, Set<string>>();
  const open = [{ start: from.commitId, path: from.path, child: undefined as string | undefined }];
  for (let renames = 0; renames <= MAX_RENAMES; renames += 1) {
    const line = open.shift();
    if (line === undefined) return;
    let isFirst = true;
    for await (const touch of touches(repository, lease, line, signal)) {
      const own = childrenOf(children, touch.id);
      if (isFirst && line.child !== undefined) own.add(line.child);
      isFirst = false;
      if (touch.blobId !== null) {
        yield { commitId: touch.id, path: line.path, blobId: touch.blobId, children: [...own] };
      }
      // What came back after a deletion follows what was there before it.
      const passed = touch.blobId === null ? own : [touch.id];
      for (const parent of touch.parents) for (const child of passed) childrenOf(children, parent).add(child);
      if (touch.parents.length > 0 || touch.blobId === null) continue;
      const former = await formerName(repository, lease, { commitId: touch.id, path: line.path }, signal);
      if (former !== null) open.push({ ...former, child: touch.id });
    }
  }
}

function childrenOf(children: Map<string, Set<string>>, id: string): Set<string> {
  const known = children.get(id) ?? new Set();
  children.set(id, known);
  return known;
}

async function* touches(
  repository: Repository,
  lease: Lease,
  { start, path }: { start: string; path: string },
  signal: AbortSignal | undefined,
): AsyncGenerator<Touch> {
  const child = repository.surroundings.git.spawn(
    [
      ...['-c', 'log.showRoot=true', '-c', 'log.showSignature=false'],
      ...['log', '--topo-order', '--parents', '--format=%x02%H %P', '--raw', '--no-abbrev', '--no-renames', '-z'],
      ...['--diff-merges=first-parent', '--end-of-options', start, '--', path],
    ],
    { gitDir: lease.gitDir, limits: LIMITS, ...(signal === undefined ? {} : { signal }) },
  );
  child.stdin.end();
  try {
    for await (const record of recordsOf(child.stdout)) yield readTouch(record, path);
    const end = await child.ended;
    if (end.status !== 0) throw failureOf(end, 'log');
  } finally {
    // Whoever has seen enough leaves a git that would go on.
    child.kill();
    await child.ended;
  }
}

/** Cuts the output at the byte that begins each commit. */
async function* recordsOf(output: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let kept: Buffer = Buffer.alloc(0);
  for await (const chunk of output) {
    kept = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
    for (let end = kept.indexOf(RECORD, 1); end > 0; end = kept.indexOf(RECORD, 1)) {
      yield kept.subarray(1, end);
      kept = kept.subarray(end);
    }
  }
  if (kept.length > 0) yield kept.subarray(1);
}

/** `<id> <parents>`, NUL, and for each changed path `:<modes> <ids> <letter>`, NUL, the path, NUL. */
function readTouch(record: Buffer, path: string): Touch {
  const [head = '', ...fields] = record.toString('utf8').split('\0');
  const [id = '', ...parents] = head.trim().split(' ');
  let blobId: string | null = null;
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [, mode, , after] = fields[at]!.trim().split(' ');
    const isFile = mode !== '000000' && mode !== '160000';
    if (fields[at + 1] === path && isFile) blobId = after!;
  }
  return { id, parents, blobId };
}

/** Where a file came from that a commit has added: its name in the first parent, if git takes it for a rename. */
async function formerName(
  repository: Repository,
  lease: Lease,
  { commitId, path }: { commitId: string; path: string },
  signal: AbortSignal | undefined,
): Promise<{ start: string; path: string } | null> {
  const [parent] = (await lease.objects.commit(commitId)).parents;
  if (parent === undefined) return null;
  const printed = await repository.surroundings.git.run(
    [
      ...['diff-tree', '-r', '-z', '--raw', '-M', `-l${RENAME_LIMIT}`, '--diff-filter=R', '--no-commit-id'],
      ...['--end-of-options', parent, commitId],
    ],
    { gitDir: lease.gitDir, limits: LIMITS, ...(signal === undefined ? {} : { signal }) },
  );
  const fields = printed.toString('utf8').split('\0');
  for (let at = 0; at + 2 < fields.length; at += 3) {
    if (fields[at + 2] === path) return { start: parent, path: fields[at + 1]! };
  }
  return null;
}
