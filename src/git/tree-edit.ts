import { GitFailure } from './failure.ts';
import { EMPTY_TREE_ID, formatTree, isFolder, type TreeEntry } from './object-format.ts';
import type { ObjectWriter } from './object-writer.ts';
import type { ObjectReader } from './objects.ts';

/** Puts a file at a path, or takes away what is there (`entry: null`). */
export interface TreeEdit {
  /** Without leading or trailing slash. As bytes where it comes from a tree: those need not be UTF-8. */
  path: string | Buffer;
  entry: { mode: string; id: string } | null;
  /** Replaces a folder by a file, and takes away what is not there, without a word. */
  force?: boolean;
}

/**
 * Makes a new tree from an old one, as objects: no work tree is ever written, so a link in the repository leads
 * nowhere. Folders that become empty vanish, as git has no empty folders.
 * @param treeId null for the first commit.
 * @returns the id of the new tree; all new trees are in `writer`.
 * @throws {GitFailure} `path-is-folder`, `path-below-file`, `path-missing` (nothing to take away).
 */
export async function editTree(
  objects: ObjectReader,
  writer: ObjectWriter,
  treeId: string | null,
  edits: readonly TreeEdit[],
): Promise<string> {
  const split = edits.map(({ path, entry, force = false }) => {
    const names = Buffer.from(path as string)
      .toString('latin1')
      .split('/');
    return { names, path: path.toString(), entry, force };
  });
  const id = await editFolder(objects, writer, treeId, split);
  return id ?? writer.add('tree', new Uint8Array(0));
}

interface SplitEdit {
  /** Bytes as Latin-1 characters, so that names that are no UTF-8 stay apart. */
  names: string[];
  path: string;
  entry: { mode: string; id: string } | null;
  force: boolean;
}

/** Answers null when nothing is left of the folder. */
async function editFolder(
  objects: ObjectReader,
  writer: ObjectWriter,
  treeId: string | null,
  edits: readonly SplitEdit[],
): Promise<string | null> {
  const before = treeId === null || treeId === EMPTY_TREE_ID ? [] : await objects.tree(treeId);
  const entries = new Map(before.map((entry) => [entry.rawName.toString('latin1'), entry]));
  for (const [name, group] of groupByFirstName(edits)) {
    const after = await editEntry(objects, writer, entries.get(name), group);
    if (after === null) entries.delete(name);
    else entries.set(name, { ...after, name, rawName: Buffer.from(name, 'latin1') });
  }
  if (entries.size === 0) return null;
  return writer.add('tree', formatTree([...entries.values()]), treeId === null ? [] : [treeId]);
}

function groupByFirstName(edits: readonly SplitEdit[]): Map<string, SplitEdit[]> {
  const groups = new Map<string, SplitEdit[]>();
  for (const { names, ...edit } of edits) {
    const [first = '', ...rest] = names;
    const group = groups.get(first) ?? [];
    group.push({ ...edit, names: rest });
    groups.set(first, group);
  }
  return groups;
}

async function editEntry(
  objects: ObjectReader,
  writer: ObjectWriter,
  before: TreeEntry | undefined,
  edits: readonly SplitEdit[],
): Promise<{ mode: string; id: string } | null> {
  const here = edits.filter((edit) => edit.names.length === 0);
  const below = edits.filter((edit) => edit.names.length > 0);
  const wasFolder = before !== undefined && isFolder(before.mode);
  for (const edit of here) {
    if (edit.force) continue;
    if (edit.entry === null && (before === undefined || wasFolder)) {
      throw new GitFailure('path-missing', `there is no file ${edit.path}`);
    }
    if (edit.entry !== null && wasFolder) throw new GitFailure('path-is-folder', `${edit.path} is a folder`);
  }
  const last = here.at(-1);
  if (below.length === 0) return last?.entry ?? null;
  const blocked = last === undefined ? before !== undefined && !wasFolder : last.entry !== null;
  if (blocked && below.every(({ entry, force }) => force && entry === null)) {
    return last === undefined ? (before ?? null) : last.entry;
  }
  if (blocked) throw new GitFailure('path-below-file', `${below[0]?.path} is below a file`);
  const id = await editFolder(objects, writer, wasFolder ? before.id : null, below);
  return id === null ? null : { mode: '40000', id };
}
