import type * as sdk from '@aws-sdk/client-codecommit';
import type { MergedTrees } from '../../git/merge-tree.ts';
import { isFolder } from '../../git/object-format.ts';
import type { ObjectReader, PathEntry } from '../../git/objects.ts';
import { fileModeOf, isSubmodule } from './file-modes.ts';

/** What stands at one path in each of the three trees of a merge. */
export interface Versions {
  base: PathEntry | null;
  source: PathEntry | null;
  destination: PathEntry | null;
}

/** A path that both sides have changed, each in its own way. */
export interface FileConflict {
  /** As clients see it. */
  path: string;
  /** As git has it. */
  rawPath: Buffer;
  versions: Versions;
  /** Names that git made up in the merged tree for a version that had to make way. */
  displaced: Buffer[];
  content: boolean;
  mode: boolean;
  objectType: boolean;
}

/** In AWS's words. */
export function objectTypeOf(entry: PathEntry): sdk.ObjectTypeEnum {
  if (isFolder(entry.mode)) return 'DIRECTORY';
  if (isSubmodule(entry.mode)) return 'GIT_LINK';
  return entry.mode === '120000' ? 'SYMBOLIC_LINK' : 'FILE';
}

/**
 * The conflicts of a merge, by path.
 * @param byFile also counts files whose lines git could merge: both sides have changed them.
 */
export async function findConflicts(
  trees: MergedTrees,
  roots: { base: string; source: string; destination: string },
  byFile: boolean,
): Promise<FileConflict[]> {
  const lookUp = new VersionLookUp(trees.objects, roots);
  const found = new Map<string, FileConflict>();
  for (const rawPath of new Set(trees.unmerged.map((entry) => entry.rawPath))) {
    const { path, versions } = await originalOf(lookUp, rawPath);
    const known = found.get(path);
    const displaced = path === rawPath ? [] : [Buffer.from(rawPath, 'latin1')];
    if (known === undefined) found.set(path, { ...describe(path, versions), displaced });
    else known.displaced.push(...displaced);
  }
  for (const rawPath of byFile ? trees.contentMerged : []) {
    if (found.has(rawPath)) continue;
    const conflict = describe(rawPath, await lookUp.at(rawPath));
    // With a base that git has made of several, one side may have changed nothing against the one that is shown.
    found.set(rawPath, { ...conflict, content: true });
  }
  return [...found.values()].sort((a, b) => Buffer.compare(a.rawPath, b.rawPath));
}

/** The path that an unmerged entry is about: a file that made way for a folder is called `<path>~<commit>`. */
async function originalOf(lookUp: VersionLookUp, rawPath: string): Promise<{ path: string; versions: Versions }> {
  const versions = await lookUp.at(rawPath);
  const [, original] = /^(.+)~[0-9a-f]{40}(?:_\d+)?$/s.exec(rawPath) ?? [];
  const isKnown = versions.base !== null || versions.source !== null || versions.destination !== null;
  if (original === undefined || isKnown) return { path: rawPath, versions };
  return { path: original, versions: await lookUp.at(original) };
}

function describe(rawPath: string, versions: Versions): FileConflict {
  const { base, source, destination } = versions;
  const bytes = Buffer.from(rawPath, 'latin1');
  const types = [source, destination].map((entry) => (entry === null ? null : objectTypeOf(entry)));
  const objectType = types[0] !== null && types[1] !== null && types[0] !== types[1];
  const isFileInBase = base !== null && objectTypeOf(base) === 'FILE';
  const modes = [source, destination, isFileInBase ? base : null].map((entry) => entry && fileModeOf(entry.mode));
  const mode =
    types.every((type) => type === 'FILE') && modes[0] !== modes[1] && modes[2] !== modes[0] && modes[2] !== modes[1];
  const content = !objectType && (source?.id !== destination?.id || !mode);
  return { path: bytes.toString(), rawPath: bytes, versions, displaced: [], content, mode, objectType };
}

/** What stands at a path in the trees of a merge; each folder is read once. */
export class VersionLookUp {
  readonly #objects: ObjectReader;
  readonly #roots: { base: string; source: string; destination: string };
  readonly #folders = new Map<string, ReadonlyMap<string, PathEntry>>();

  constructor(objects: ObjectReader, roots: { base: string; source: string; destination: string }) {
    this.#objects = objects;
    this.#roots = roots;
  }

  /** @param rawPath bytes as Latin-1 characters. */
  async at(rawPath: string): Promise<Versions> {
    return {
      base: await this.#find(this.#roots.base, rawPath),
      source: await this.#find(this.#roots.source, rawPath),
      destination: await this.#find(this.#roots.destination, rawPath),
    };
  }

  async #find(root: string, rawPath: string): Promise<PathEntry | null> {
    let at: PathEntry = { mode: '40000', id: root };
    for (const name of rawPath.split('/')) {
      if (!isFolder(at.mode)) return null;
      const entry = (await this.#folder(at.id)).get(name);
      if (entry === undefined) return null;
      at = entry;
    }
    return at;
  }

  async #folder(id: string): Promise<ReadonlyMap<string, PathEntry>> {
    let folder = this.#folders.get(id);
    if (folder === undefined) {
      const entries = await this.#objects.tree(id);
      folder = new Map(entries.map(({ rawName, mode, id }) => [rawName.toString('latin1'), { mode, id }]));
      this.#folders.set(id, folder);
    }
    return folder;
  }
}
