import * as sdk from '@aws-sdk/client-codecommit';
import { isFolder } from '../../git/object-format.ts';
import type { ObjectWriter } from '../../git/object-writer.ts';
import { ObjectReader } from '../../git/objects.ts';
import { editTree, type TreeEdit } from '../../git/tree-edit.ts';
import { fault } from '../../kernel/fault.ts';
import type { Base } from './branch-commits.ts';
import type { Merge } from './merges-evaluate.ts';

const KEEPER = '.gitkeep';

/** True for the file that keeps a folder from vanishing. */
export function isKeeper(path: string): boolean {
  return path === KEEPER || path.endsWith(`/${KEEPER}`);
}

/**
 * The edits that keep folders which the given edits would leave empty: a `.gitkeep` in each. A folder that still has a
 * folder is not empty, as that one is kept, too.
 * @throws InvalidDeletionParameterException when the `.gitkeep` itself shall go
 */
export async function keptFolders({ objects, tree, writer }: Base, edits: readonly TreeEdit[]): Promise<TreeEdit[]> {
  if (tree === null) return [];
  const removed = new Set(edits.filter(({ entry }) => entry === null).map(({ path }) => path.toString()));
  const kept: TreeEdit[] = [];
  for (const folder of new Set([...removed].map(folderOf))) {
    if (folder === '') continue;
    const entry = await objects.findPath(tree, folder);
    if (entry === null) continue;
    const stays = (await objects.tree(entry.id)).some(({ name }) => !removed.has(`${folder}/${name}`));
    const comes = edits.some((edit) => edit.entry !== null && edit.path.toString().startsWith(`${folder}/`));
    if (stays || comes) continue;
    const path = `${folder}/${KEEPER}`;
    if (removed.has(path)) {
      throw fault(sdk.InvalidDeletionParameterException, `${path} cannot be deleted and kept at once`);
    }
    kept.push({ path, entry: { mode: '100644', id: writer.add('blob', Buffer.alloc(0)) } });
  }
  return kept;
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}

/**
 * The tree of a merge with a `.gitkeep` in each folder of the destination that the merge would make vanish.
 * @returns the id of the new tree; new objects are in `writer`.
 */
export async function keepersOf({ trees, roots }: Merge, treeId: string, writer: ObjectWriter): Promise<string> {
  const objects = new ObjectReader(() => writer.over(trees.source()));
  const paths: Buffer[] = [];
  await collectVanished(objects, roots.destination, treeId, [], paths);
  if (paths.length === 0) return treeId;
  const entry = { mode: '100644', id: writer.add('blob', Buffer.alloc(0)) };
  const edits = paths.map((path) => ({ path, entry }));
  return editTree(objects, writer, treeId, edits);
}

/** Paths of keepers for the folders that are in one tree and not in the other. `after: null` is a folder that is gone. */
async function collectVanished(
  objects: ObjectReader,
  before: string,
  after: string | null,
  above: readonly Buffer[],
  found: Buffer[],
): Promise<void> {
  if (before === after) return;
  const [old, young] = [await objects.tree(before), after === null ? [] : await objects.tree(after)];
  const folders = old.filter(({ mode }) => isFolder(mode));
  if (after === null && folders.length === 0) found.push(Buffer.concat([...above, Buffer.from(KEEPER)]));
  // A folder may hold a hundred thousand others: looked for one by one, they would take the square of that.
  const byName = new Map(young.map((entry) => [entry.rawName.toString('latin1'), entry]));
  for (const { rawName, id } of folders) {
    const same = byName.get(rawName.toString('latin1'));
    // A file has taken the folder's place.
    if (same !== undefined && !isFolder(same.mode)) continue;
    await collectVanished(objects, id, same?.id ?? null, [...above, rawName, Buffer.from('/')], found);
  }
}
