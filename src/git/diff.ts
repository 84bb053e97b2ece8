import { setImmediate } from 'node:timers/promises';
import { GitFailure } from './failure.ts';
import { isFolder, type TreeEntry } from './object-format.ts';
import type { ObjectReader, PathEntry } from './objects.ts';

/** One side of a change. */
export interface ChangedFile {
  path: string;
  mode: string;
  id: string;
}

/** A file that differs between two trees: added without `before`, deleted without `after`. */
export interface FileChange {
  before: ChangedFile | null;
  after: ChangedFile | null;
}

/** What is compared: an entry of a tree and the path that it is shown under. `entry: null` is nothing. */
export interface DiffSide {
  path: string;
  entry: PathEntry | null;
}

/** Entries looked at by one comparison; ten objects can unfold to billions of folders. */
const MAX_ENTRIES = 1_000_000;
/** Entries between two turns of everybody else: folders that are in memory are walked without waiting for anything. */
const ENTRIES_AT_ONCE = 5_000;

/**
 * The files that differ, in git's order, without looking for renames. Folders that are the same on both sides are not
 * read, and nothing is read ahead, so a caller that wants one page pays for one page.
 * @throws {GitFailure} `tree-too-large` when a million entries were looked at.
 */
export function diffEntries(objects: ObjectReader, before: DiffSide, after: DiffSide): AsyncGenerator<FileChange> {
  return diffWithin(objects, before, after, { left: MAX_ENTRIES });
}

async function* diffWithin(
  objects: ObjectReader,
  before: DiffSide,
  after: DiffSide,
  budget: { left: number },
): AsyncGenerator<FileChange> {
  budget.left -= 1;
  if (budget.left < 0) throw new GitFailure('tree-too-large', `more than ${MAX_ENTRIES} files and folders differ`);
  if (budget.left % ENTRIES_AT_ONCE === 0) await setImmediate();
  if (before.entry?.id === after.entry?.id && before.entry?.mode === after.entry?.mode) return;
  const change = { before: fileOf(before), after: fileOf(after) };
  if (change.before !== null || change.after !== null) yield change;
  const [oldEntries, youngEntries] = [await entriesOf(objects, before), await entriesOf(objects, after)];
  for (const [left, right] of pair(oldEntries, youngEntries)) {
    const name = (left ?? right)!.name;
    const old = { path: join(before.path, name), entry: left ?? null };
    const young = { path: join(after.path, name), entry: right ?? null };
    yield* diffWithin(objects, old, young, budget);
  }
}

function fileOf({ path, entry }: DiffSide): ChangedFile | null {
  return entry === null || isFolder(entry.mode) ? null : { path, mode: entry.mode, id: entry.id };
}

async function entriesOf(objects: ObjectReader, { entry }: DiffSide): Promise<TreeEntry[]> {
  return entry !== null && isFolder(entry.mode) ? objects.tree(entry.id) : [];
}

/** Walks two sorted lists side by side. A file and a folder of the same name are two entries, as git sorts them. */
function* pair(
  left: readonly TreeEntry[],
  right: readonly TreeEntry[],
): Generator<[TreeEntry | undefined, TreeEntry | undefined]> {
  let [l, r] = [0, 0];
  while (l < left.length || r < right.length) {
    const [a, b] = [left[l], right[r]];
    const order = a === undefined ? 1 : b === undefined ? -1 : Buffer.compare(sortKey(a), sortKey(b));
    yield [order <= 0 ? a : undefined, order >= 0 ? b : undefined];
    if (order <= 0) l += 1;
    if (order >= 0) r += 1;
  }
}

function sortKey(entry: TreeEntry): Buffer {
  return isFolder(entry.mode) ? Buffer.concat([entry.rawName, Buffer.from('/')]) : entry.rawName;
}

function join(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}
