import * as sdk from '@aws-sdk/client-codecommit';
import type { TreeEdit } from '../../git/tree-edit.ts';
import { fault } from '../../kernel/fault.ts';
import type { Base } from './branch-commits.ts';

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
  const removed = new Set(edits.filter(({ entry }) => entry === null).map(({ path }) => path));
  const kept: TreeEdit[] = [];
  for (const folder of new Set([...removed].map(folderOf))) {
    if (folder === '') continue;
    const entry = await objects.findPath(tree, folder);
    if (entry === null) continue;
    const stays = (await objects.tree(entry.id)).some(({ name }) => !removed.has(`${folder}/${name}`));
    const comes = edits.some((edit) => edit.entry !== null && edit.path.startsWith(`${folder}/`));
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
