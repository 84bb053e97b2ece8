import * as sdk from '@aws-sdk/client-codecommit';
import type { PathEntry } from '../../git/objects.ts';
import { fault } from '../../kernel/fault.ts';
import { type FileConflict, objectTypeOf, VersionLookUp, type Versions } from './conflicts-find.ts';
import { fileModeOf } from './file-modes.ts';
import {
  countContentConflicts,
  type HunkOptions,
  hunksOf,
  type LoadedFiles,
  loadVersions,
  requireLoaded,
  stagesOf,
} from './hunks.ts';
import type { Merge, MergeSpec } from './merges-evaluate.ts';

/** What stands in a file's three versions, and how they clash. */
export async function metadataOf(merge: Merge, spec: MergeSpec, conflict: FileConflict): Promise<sdk.ConflictMetadata> {
  return metadata(conflict, await loadVersions(merge, conflict.versions, stagesOf(merge, conflict)), spec);
}

/**
 * One file of a merge with its hunks, in conflict or not.
 * @throws MaximumFileContentToLoadExceededException for a file beyond 6 MB
 */
export async function describeFile(merge: Merge, spec: MergeSpec, file: FileConflict): Promise<Required<sdk.Conflict>> {
  const files = await loadVersions(merge, file.versions, stagesOf(merge, file));
  requireLoaded(files);
  const hunks = hunksOf(files, hunkOptions(file, spec));
  return { conflictMetadata: metadata(file, files, spec), mergeHunks: hunks };
}

function hunkOptions(file: FileConflict, spec: MergeSpec): HunkOptions {
  const byFile = spec.detailLevel !== 'LINE_LEVEL';
  const isConflict = isOpen(file, spec) && (file.content || file.objectType);
  if (spec.strategy === 'ACCEPT_SOURCE') return { isConflict, byFile, accepted: 'source' };
  if (spec.strategy === 'ACCEPT_DESTINATION') return { isConflict, byFile, accepted: 'destination' };
  return { isConflict, byFile, accepted: isConflict ? undefined : changedSide(file.versions) };
}

/** The side whose version the merged file has where only one has changed it. */
function changedSide({ base, source }: Versions): 'source' | 'destination' {
  return source?.id === base?.id ? 'destination' : 'source';
}

/** False where a strategy has decided already. */
function isOpen({ content, mode, objectType }: FileConflict, { strategy }: MergeSpec): boolean {
  return strategy !== 'ACCEPT_SOURCE' && strategy !== 'ACCEPT_DESTINATION' && (content || mode || objectType);
}

/**
 * The file of that name, whether it is in conflict or not.
 * @throws FileDoesNotExistException when it is in none of the three trees
 */
export async function fileOfMerge(merge: Merge, path: string): Promise<FileConflict> {
  const known = merge.found.find((conflict) => conflict.path === path);
  if (known !== undefined) return known;
  const rawPath = Buffer.from(path);
  const versions = await new VersionLookUp(merge.trees.objects, merge.roots).at(rawPath.toString('latin1'));
  const isFile = (entry: PathEntry | null) => entry !== null && objectTypeOf(entry) !== 'DIRECTORY';
  if (!isFile(versions.base) && !isFile(versions.source) && !isFile(versions.destination)) {
    throw fault(sdk.FileDoesNotExistException, `The file ${path} does not exist in any of the commits`);
  }
  return { path, rawPath, versions, displaced: [], content: false, mode: false, objectType: false };
}

function metadata(file: FileConflict, files: LoadedFiles, spec: MergeSpec): sdk.ConflictMetadata {
  const { path, versions } = file;
  const open = isOpen(file, spec);
  const [content, mode, objectType] = [open && file.content, open && file.mode, open && file.objectType];
  const contents = content ? countContentConflicts(files, spec.detailLevel !== 'LINE_LEVEL') : 0;
  return {
    filePath: path,
    fileSizes: perSide((side) => files[side]?.size),
    fileModes: perSide((side) => plainMode(versions[side])),
    objectTypes: perSide((side) => (versions[side] === null ? undefined : objectTypeOf(versions[side]))),
    numberOfConflicts: contents + Number(mode) + Number(objectType),
    isBinaryFile: perSide((side) => (files[side]?.size === undefined ? undefined : files[side].isBinary)),
    contentConflict: content,
    fileModeConflict: mode,
    objectTypeConflict: objectType,
    mergeOperations: {
      ...operation('source', versions.base, versions.source),
      ...operation('destination', versions.base, versions.destination),
    },
  };
}

function perSide<T>(value: (side: keyof Versions) => T | undefined): { source?: T; destination?: T; base?: T } {
  const sides: { source?: T; destination?: T; base?: T } = {};
  for (const side of ['source', 'destination', 'base'] as const) {
    const one = value(side);
    if (one !== undefined) sides[side] = one;
  }
  return sides;
}

/** Folders and submodules have no file mode. */
function plainMode(entry: PathEntry | null): sdk.FileModeTypeEnum | undefined {
  if (entry === null) return undefined;
  const type = objectTypeOf(entry);
  return type === 'FILE' || type === 'SYMBOLIC_LINK' ? fileModeOf(entry.mode) : undefined;
}

/** What a side has done to the base's version; nothing where it has left it alone. */
function operation(
  side: 'source' | 'destination',
  before: PathEntry | null,
  after: PathEntry | null,
): sdk.MergeOperations {
  if (before === null) return after === null ? {} : { [side]: 'A' };
  if (after === null) return { [side]: 'D' };
  return before.id === after.id && before.mode === after.mode ? {} : { [side]: 'M' };
}
