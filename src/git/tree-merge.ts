import { setImmediate } from 'node:timers/promises';
import { EMPTY_TREE_ID, formatTree, isFolder, objectIdOf, type TreeEntry } from './object-format.ts';
import type { ObjectWriter } from './object-writer.ts';
import type { ObjectReader } from './objects.ts';

/** Three trees, or entries of the same name in them. */
interface Three<T> {
  base: T;
  ours: T;
  theirs: T;
}

/**
 * Merges two trees where no file was changed by both sides: what differs from the base on one side only is taken from there,
 * path by path, as git does without looking for renames.
 * @param writer gets trees that neither side has
 * @returns the id of the merged tree; null where git has to look, because both sides have changed the same entry
 */
export async function mergeTrees(
  objects: ObjectReader,
  writer: ObjectWriter,
  { base, ours, theirs }: Three<string>,
): Promise<string | null> {
  const merged = await mergeFolder(objects, writer, { base, ours, theirs });
  if (merged !== null) return merged ?? null;
  // git knows the empty tree without having it; others do not.
  if (ours !== EMPTY_TREE_ID && theirs !== EMPTY_TREE_ID) writer.add('tree', new Uint8Array(0));
  return EMPTY_TREE_ID;
}

/** @returns null for a folder of which nothing is left, undefined where git has to look */
async function mergeFolder(
  objects: ObjectReader,
  writer: ObjectWriter,
  ids: Three<string>,
): Promise<string | null | undefined> {
  const { base, ours, theirs } = ids;
  if (ours === theirs || base === theirs) return ours === EMPTY_TREE_ID ? null : ours;
  if (base === ours) return theirs === EMPTY_TREE_ID ? null : theirs;
  // Folders that are in memory are read without waiting for anything: between two of them others have their turn.
  await setImmediate();
  const folders = {
    base: await byName(objects, base),
    ours: await byName(objects, ours),
    theirs: await byName(objects, theirs),
  };
  const entries: TreeEntry[] = [];
  for (const name of new Set([...folders.ours.keys(), ...folders.theirs.keys()])) {
    const entry = await mergeEntry(objects, writer, {
      base: folders.base.get(name),
      ours: folders.ours.get(name),
      theirs: folders.theirs.get(name),
    });
    if (entry === undefined) return undefined;
    if (entry !== null) entries.push(entry);
  }
  if (entries.length === 0) return null;
  const body = formatTree(entries);
  const id = objectIdOf('tree', body);
  if (id !== ours && id !== theirs)
    writer.add(
      'tree',
      body,
      [ours, theirs].filter((one) => one !== EMPTY_TREE_ID),
    );
  return id;
}

async function mergeEntry(
  objects: ObjectReader,
  writer: ObjectWriter,
  { base, ours, theirs }: Three<TreeEntry | undefined>,
): Promise<TreeEntry | null | undefined> {
  if (isSame(ours, theirs) || isSame(base, theirs)) return ours ?? null;
  if (isSame(base, ours)) return theirs ?? null;
  const all = [base, ours, theirs].filter((entry) => entry !== undefined);
  if (!all.every(({ mode }) => isFolder(mode))) return undefined;
  const idOf = (entry: TreeEntry | undefined) => entry?.id ?? EMPTY_TREE_ID;
  const ids = { base: idOf(base), ours: idOf(ours), theirs: idOf(theirs) };
  const id = await mergeFolder(objects, writer, ids);
  return typeof id === 'string' ? { ...(ours ?? theirs)!, id } : id;
}

function isSame(one: TreeEntry | undefined, other: TreeEntry | undefined): boolean {
  return one?.id === other?.id && one?.mode === other?.mode;
}

/** By the bytes of their names, as Latin-1 characters. */
async function byName(objects: ObjectReader, treeId: string): Promise<Map<string, TreeEntry>> {
  const entries = await objects.tree(treeId);
  return new Map(entries.map((entry) => [entry.rawName.toString('latin1'), entry]));
}
