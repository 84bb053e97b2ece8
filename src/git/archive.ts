import type { Readable } from 'node:stream';
import { GitFailure } from './failure.ts';
import type { GitLimits } from './git-process.ts';
import { isFolder } from './object-format.ts';
import type { ObjectReader } from './objects.ts';
import { isObjectId } from './ref-name.ts';
import type { Repository } from './repository.ts';
import { wholeOutput } from './whole-output.ts';

export interface ArchiveOptions {
  commitId: string;
  format: 'zip' | 'tar';
  /** 0 stores, 1 is quick, 9 is small. Zip only. */
  level?: number;
  /** Files and folders; beyond it nothing is written. */
  maxEntries?: number;
  signal?: AbortSignal;
}

/** Pieces of a tree that a build can do with; the "git bomb" of ten objects unfolds to billions. */
const MAX_ENTRIES = 1_000_000;
const MAX_DEPTH = 512;
const LIMITS: GitLimits = { wallMs: 3_600_000, cpuSeconds: 3_600, memoryBytes: 4 * 1024 ** 3 };

/**
 * The files of a commit as an archive. Every file comes out byte for byte as it was committed: what a `.gitattributes`
 * says about exports, line ends, keywords and encodings is overruled by the cache's own attributes. Names, links and
 * modes are the pusher's, so whoever unpacks it must stay inside its folder.
 *
 * The stream fails when git fails, so half an archive never looks whole.
 * @throws {GitFailure} `object-missing`, `object-wrong-type`, `tree-too-large`, `busy`.
 */
export async function archiveCommit(repository: Repository, options: ArchiveOptions): Promise<Readable> {
  if (!isObjectId(options.commitId)) throw new GitFailure('object-missing', 'there is no such commit');
  const leave = await repository.surroundings.uploads.take(options.signal);
  try {
    const lease = await repository.lease({ refs: false });
    try {
      const { tree } = await lease.objects.commit(options.commitId);
      await countEntries(lease.objects, tree, options.maxEntries ?? MAX_ENTRIES);
      return start(repository, lease.gitDir, options, () => {
        lease.release();
        leave();
      });
    } catch (error) {
      lease.release();
      throw error;
    }
  } catch (error) {
    leave();
    throw error;
  }
}

function start(repository: Repository, gitDir: string, options: ArchiveOptions, release: () => void): Readable {
  const args = ['archive', `--format=${options.format}`];
  if (options.format === 'zip' && options.level !== undefined) args.push(`-${options.level}`);
  const child = repository.surroundings.git.spawn([...args, '--end-of-options', options.commitId], {
    gitDir,
    limits: LIMITS,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  child.stdin.end();
  return wholeOutput(child, 'archive', release);
}

/**
 * Number of files and folders below a tree. Each distinct tree is read once, however often it occurs.
 * @throws {GitFailure} `tree-too-large` beyond `max`.
 */
export async function countEntries(objects: ObjectReader, treeId: string, max: number): Promise<number> {
  const counted = new Map<string, number>();
  const count = async (id: string, depth: number): Promise<number> => {
    const known = counted.get(id);
    if (known !== undefined) return known;
    if (depth > MAX_DEPTH) throw new GitFailure('tree-too-large', 'folders are nested too deeply');
    let sum = 0;
    for (const entry of await objects.tree(id)) {
      sum += 1;
      if (isFolder(entry.mode)) sum += await count(entry.id, depth + 1);
      if (sum > max) throw new GitFailure('tree-too-large', `the tree holds more than ${max} files and folders`);
    }
    counted.set(id, sum);
    return sum;
  };
  return count(treeId, 0);
}
