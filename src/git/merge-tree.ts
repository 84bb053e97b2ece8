import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { GitLimits } from './git-process.ts';
import { LooseObjects } from './loose-objects.ts';
import { isFolder, parseTree } from './object-format.ts';
import type { ObjectSource } from './object-source.ts';
import { ObjectWriter } from './object-writer.ts';
import { ObjectReader, type PathEntry } from './objects.ts';
import type { Lease, Repository } from './repository.ts';
import { mergeTrees } from './tree-merge.ts';

/** An entry that git could not merge, as it would stand in the index: stage 1 is the base, 2 ours, 3 theirs. */
export interface UnmergedEntry {
  mode: string;
  id: string;
  stage: 1 | 2 | 3;
  /** As git has it: bytes as Latin-1 characters. A file that had to make way for a folder has a made-up name. */
  rawPath: string;
}

/** What git makes of two commits. */
export interface MergedTrees {
  /** Files in conflict hold git's conflict markers. */
  treeId: string;
  unmerged: UnmergedEntry[];
  /** Files whose lines git has merged, cleanly or not; as `rawPath` above. */
  contentMerged: ReadonlySet<string>;
  /** Reads the new objects and those of the repository. */
  objects: ObjectReader;
  source(): ObjectSource;
  /**
   * Puts the new objects that a tree leads to into `writer`: git's and those of `scratch`, where the tree was edited after
   * the merge.
   */
  collect(treeId: string, scratch: ObjectWriter, writer: ObjectWriter): Promise<void>;
}

const LIMITS: GitLimits = { wallMs: 120_000, cpuSeconds: 90, memoryBytes: 3 * 1024 ** 3 };
/** No renames: a path is merged with the same path. Nothing of the repository's own settings counts. */
const SETTINGS = ['merge.renames=false', 'merge.directoryRenames=false', 'merge.conflictStyle=merge'];
const OUTPUT_CAP_BYTES = 256 * 1024 * 1024;

/** What is merged: two commits, the only base that they have, if it is one, and the root trees. */
export interface MergePair {
  ours: string;
  theirs: string;
  /** Of ours and theirs. */
  roots: { ours: string; theirs: string };
  /** Null where there are several bases: git makes one of them. */
  baseRoot: string | null;
}

/**
 * Merges two commits. Where no file was changed by both, their trees say how, and no process is started; else it is git's own
 * `merge-tree`: no work tree, and the new objects in a folder of their own that is gone after `work`. Only object ids reach
 * git.
 * @throws {GitFailure} `stopped` when it takes too long, `process-failed`.
 */
export async function withMergedTrees<T>(
  repository: Repository,
  lease: Lease,
  pair: MergePair,
  work: (merged: MergedTrees) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const simple = await mergeSimply(lease, pair);
  return simple === null ? withGitsTrees(repository, lease, pair, work, signal) : work(simple);
}

/** Null where git has to look. */
async function mergeSimply({ objects, source }: Lease, { roots, baseRoot }: MergePair): Promise<MergedTrees | null> {
  if (baseRoot === null) return null;
  const made = new ObjectWriter();
  const treeId = await mergeTrees(objects, made, { ...roots, base: baseRoot });
  if (treeId === null) return null;
  const all = () => made.over(source());
  return {
    treeId,
    unmerged: [],
    contentMerged: new Set(),
    objects: new ObjectReader(all),
    source: all,
    collect: (id, scratch, writer) => {
      const isNew = (one: string) => scratch.has(one) || made.has(one);
      return collectNew({ source: scratch.over(all()), isNew, writer, objects }, folderOf(id), Object.values(roots));
    },
  };
}

function folderOf(id: string): PathEntry {
  return { mode: '40000', id };
}

async function withGitsTrees<T>(
  repository: Repository,
  lease: Lease,
  pair: MergePair,
  work: (merged: MergedTrees) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const { ids, folder: cache, git } = repository.surroundings;
  const folder = join(cache, 'quarantine', ids.uuid());
  await mkdir(folder, { recursive: true });
  try {
    const printed = await git.run(
      [
        ...[...SETTINGS, 'core.looseCompression=1'].flatMap((setting) => ['-c', setting]),
        ...['merge-tree', '--write-tree', '-z', '--messages'],
        ...['--end-of-options', pair.ours, pair.theirs],
      ],
      {
        gitDir: lease.gitDir,
        env: {
          GIT_OBJECT_DIRECTORY: folder,
          // Quoted, because a colon in a folder's name would end the path.
          GIT_ALTERNATE_OBJECT_DIRECTORIES: JSON.stringify(join(lease.gitDir, 'objects')),
        },
        limits: LIMITS,
        capBytes: OUTPUT_CAP_BYTES,
        // 1 says that there are conflicts.
        goodStatuses: [0, 1],
        ...(signal === undefined ? {} : { signal }),
      },
    );
    const loose = await LooseObjects.open(folder, lease.source);
    const objects = new ObjectReader(() => loose);
    const collect = (treeId: string, scratch: ObjectWriter, writer: ObjectWriter) => {
      const isNew = (id: string) => scratch.has(id) || loose.isNew(id);
      const place = { source: scratch.over(loose), isNew, writer, objects: lease.objects };
      return collectNew(place, folderOf(treeId), Object.values(pair.roots));
    };
    return await work({ ...parseMergeTree(printed), objects, source: () => loose, collect });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Reads the output of `git merge-tree --write-tree -z --messages`. Source: git-merge-tree(1), "OUTPUT". */
export function parseMergeTree(printed: Buffer): Pick<MergedTrees, 'treeId' | 'unmerged' | 'contentMerged'> {
  const [treeId = '', ...fields] = printed.toString('latin1').split('\0');
  const unmerged: UnmergedEntry[] = [];
  let at = 0;
  for (; ; at += 1) {
    const match = /^(\d{6}) ([0-9a-f]{40}) ([123])\t(.*)$/s.exec(fields[at] ?? '');
    if (match === null) break;
    const [, mode, id, stage, rawPath] = match as unknown as [string, string, string, string, string];
    unmerged.push({ mode, id, stage: Number(stage) as 1 | 2 | 3, rawPath });
  }
  // An empty field stands before the messages; each is a number of paths, the paths, a kind and a text.
  const contentMerged = new Set<string>();
  for (at += 1; at < fields.length - 1; ) {
    const paths = Number(fields[at]);
    if (fields[at + paths + 1] === 'Auto-merging') contentMerged.add(fields[at + 1]!);
    at += paths + 3;
  }
  return { treeId, unmerged, contentMerged };
}

/** Where new objects are, and where they shall go. */
interface Collecting {
  source: ObjectSource;
  isNew(id: string): boolean;
  writer: ObjectWriter;
  /** Of the repository. */
  objects: ObjectReader;
}

/** @param beside trees of the repository at the same place: a new tree has most of its entries from them */
async function collectNew(place: Collecting, { mode, id }: PathEntry, beside: readonly string[]): Promise<void> {
  const { source, isNew, writer, objects } = place;
  if (!isNew(id) || writer.has(id)) return;
  const { type, body } = (await source.contents(id, Number.MAX_SAFE_INTEGER))!;
  writer.add(type, body, type === 'tree' ? beside : []);
  if (!isFolder(mode)) return;
  const others = await Promise.all(beside.map((tree) => objects.tree(tree)));
  for (const entry of parseTree(body).filter((one) => isNew(one.id))) {
    const below = others.flatMap((entries) => {
      const same = entries.find(({ mode: other, rawName }) => isFolder(other) && rawName.equals(entry.rawName));
      return same === undefined ? [] : [same.id];
    });
    await collectNew(place, entry, below);
  }
}
