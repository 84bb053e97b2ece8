import * as sdk from '@aws-sdk/client-codecommit';
import { isFolder } from '../../git/object-format.ts';
import type { ObjectWriter } from '../../git/object-writer.ts';
import type { PathEntry } from '../../git/objects.ts';
import { editTree, type TreeEdit } from '../../git/tree-edit.ts';
import { fault } from '../../kernel/fault.ts';
import type { FileConflict } from './conflicts-find.ts';
import { fileModeOf, gitMode } from './file-modes.ts';
import { acceptedLines } from './hunks.ts';
import { type Merge, type MergeSpec, requireFewFiles } from './merges-evaluate.ts';
import { filePathOf, newFilePathOf, requireCombinedSize, requireFileSize } from './rules.ts';

/** AWS limits the entries and does not say to how many; a commit may have as many. */
const MAX_ENTRIES = 100;

/** What the caller wants done with files in conflict, by path. */
export interface Resolution {
  replace: ReadonlyMap<string, Replacement>;
  remove: ReadonlySet<string>;
  modes: ReadonlyMap<string, sdk.FileModeTypeEnum>;
}

type Replacement =
  | { keep: 'base' | 'source' | 'destination'; mode: sdk.FileModeTypeEnum | undefined }
  | { keep: undefined; content: Uint8Array; mode: sdk.FileModeTypeEnum | undefined };

/**
 * Reads and checks the caller's resolution by itself.
 * @throws InvalidConflictResolutionException, MaximumConflictResolutionEntriesExceededException,
 *   MultipleConflictResolutionEntriesException, ReplacementTypeRequiredException, ReplacementContentRequiredException,
 *   InvalidReplacementContentException, FileContentSizeLimitExceededException, PathRequiredException, InvalidPathException,
 *   FileModeRequiredException, InvalidFileModeException
 */
export function readResolution(
  input: sdk.ConflictResolution | undefined,
  strategy: sdk.ConflictResolutionStrategyTypeEnum | undefined,
): Resolution {
  const { replaceContents = [], deleteFiles = [], setFileModes = [] } = input ?? {};
  const entries = replaceContents.length + deleteFiles.length + setFileModes.length;
  if (input !== undefined && strategy !== 'AUTOMERGE') {
    throw invalidResolution('A conflict resolution can be given with the strategy AUTOMERGE only.');
  }
  if (entries > MAX_ENTRIES) {
    throw fault(
      sdk.MaximumConflictResolutionEntriesExceededException,
      `At most ${MAX_ENTRIES} conflict resolution entries can be specified.`,
    );
  }
  const replace = new Map<string, Replacement>();
  const remove = new Set<string>();
  const modes = new Map<string, sdk.FileModeTypeEnum>();
  for (const entry of replaceContents) {
    const path = newFilePathOf(entry.filePath ?? '');
    if (replace.has(path)) throw severalEntries(path);
    replace.set(path, replacementOf(entry, path));
  }
  for (const { filePath } of deleteFiles) {
    const path = filePathOf(filePath ?? '');
    if (replace.has(path) || remove.has(path)) throw severalEntries(path);
    remove.add(path);
  }
  for (const { filePath, fileMode } of setFileModes) {
    const path = filePathOf(filePath ?? '');
    // Contents and mode are two conflicts of one file, so each may have an entry.
    if (modes.has(path) || remove.has(path) || replace.get(path)?.mode !== undefined) throw severalEntries(path);
    modes.set(path, plainMode(fileMode)!);
  }
  requireCombinedSize([...replace.values()].flatMap((one) => (one.keep === undefined ? [one.content] : [])));
  return { replace, remove, modes };
}

function replacementOf(entry: sdk.ReplaceContentEntry, path: string): Replacement {
  const { replacementType, content, fileMode } = entry;
  const mode = plainMode(fileMode);
  if (replacementType === 'USE_NEW_CONTENT') {
    if (content === undefined) {
      throw fault(sdk.ReplacementContentRequiredException, `USE_NEW_CONTENT needs content for ${path}`);
    }
    requireFileSize(content);
    return { keep: undefined, content, mode };
  }
  if (content !== undefined) {
    throw fault(sdk.InvalidReplacementContentException, `Content for ${path} needs the type USE_NEW_CONTENT`);
  }
  const keep = { KEEP_BASE: 'base', KEEP_SOURCE: 'source', KEEP_DESTINATION: 'destination' } as const;
  return { keep: keep[replacementType!], mode };
}

/** A file cannot be made a link by its mode. */
function plainMode(mode: sdk.FileModeTypeEnum | undefined): sdk.FileModeTypeEnum | undefined {
  if (mode === 'SYMLINK') throw fault(sdk.InvalidFileModeException, 'The file mode must be EXECUTABLE or NORMAL.');
  return mode;
}

function severalEntries(path: string) {
  return fault(
    sdk.MultipleConflictResolutionEntriesException,
    `More than one conflict resolution entry exists for ${path}. A conflict can have only one.`,
  );
}

function invalidResolution(message: string) {
  return fault(sdk.InvalidConflictResolutionException, message);
}

/** @throws ManualMergeRequiredException */
export function manualMergeRequired(conflicts: readonly FileConflict[] = []) {
  const [first] = conflicts;
  const detail = first === undefined ? '' : ` The first of ${conflicts.length} conflicts is in ${first.path}.`;
  return fault(
    sdk.ManualMergeRequiredException,
    `The branches cannot be merged automatically. You must manually merge them and resolve any conflicts.${detail}`,
  );
}

/**
 * The tree of the merge, with every conflict resolved by the strategy or the caller. New objects are in `writer`.
 * @throws ManualMergeRequiredException, InvalidConflictResolutionException
 */
export async function resolvedTree(
  merge: Merge,
  spec: MergeSpec,
  resolution: Resolution,
  writer: ObjectWriter,
): Promise<string> {
  const { trees, found } = merge;
  const chosen = new Map<FileConflict, PathEntry | null>();
  if (spec.strategy === 'ACCEPT_SOURCE' || spec.strategy === 'ACCEPT_DESTINATION') {
    const side = spec.strategy === 'ACCEPT_SOURCE' ? 'source' : 'destination';
    if (spec.detailLevel === 'LINE_LEVEL') requireFewFiles(found.length);
    for (const conflict of found) chosen.set(conflict, await accepted(merge, conflict, side, spec, writer));
  } else {
    requireKnownPaths(found, resolution);
    const open = found.filter((conflict) => !isResolved(conflict, resolution));
    if (open.length > 0) throw manualMergeRequired(open);
    for (const conflict of found) chosen.set(conflict, await byCaller(merge, conflict, resolution, writer));
  }
  requireConsistency(chosen);
  const edits = [...chosen].flatMap(([conflict, entry]) => editsOf(conflict, entry));
  return edits.length === 0 ? trees.treeId : editTree(trees.objects, writer, trees.treeId, edits);
}

/** The accepted side's version; at line level, of a text, only where the lines are in conflict. */
async function accepted(
  merge: Merge,
  conflict: FileConflict,
  side: 'source' | 'destination',
  spec: MergeSpec,
  writer: ObjectWriter,
): Promise<PathEntry | null> {
  const { versions, content } = conflict;
  const whole = versions[side];
  if (spec.detailLevel !== 'LINE_LEVEL' || !content || whole === null) return whole;
  const lines = await acceptedLines(merge, conflict, side);
  if (lines === null) return whole;
  return { mode: modeOf(conflict, undefined) ?? whole.mode, id: writer.add('blob', lines) };
}

/** Every entry must be about a conflict. */
function requireKnownPaths(found: readonly FileConflict[], { replace, remove, modes }: Resolution): void {
  const paths = new Set(found.map(({ path }) => path));
  for (const path of [...replace.keys(), ...remove, ...modes.keys()]) {
    if (!paths.has(path)) throw invalidResolution(`There is no conflict in ${path}`);
  }
}

function isResolved(conflict: FileConflict, { replace, remove, modes }: Resolution): boolean {
  const { path, content, objectType, mode } = conflict;
  const replacement = replace.get(path);
  if (remove.has(path)) return true;
  if ((content || objectType) && replacement === undefined) return false;
  // A version that is kept is kept with its mode.
  return !mode || modes.has(path) || replacement?.mode !== undefined || replacement?.keep !== undefined;
}

async function byCaller(
  merge: Merge,
  conflict: FileConflict,
  { replace, remove, modes }: Resolution,
  writer: ObjectWriter,
): Promise<PathEntry | null> {
  const { path, versions } = conflict;
  if (remove.has(path)) return null;
  const replacement = replace.get(path);
  const asked = replacement?.mode ?? modes.get(path);
  if (replacement === undefined) return { mode: gitMode(asked!), id: await mergedBlob(merge, conflict) };
  if (replacement.keep === undefined) {
    const mode = asked === undefined ? (modeOf(conflict, undefined) ?? '100644') : gitMode(asked);
    return { mode, id: writer.add('blob', replacement.content) };
  }
  const kept = versions[replacement.keep];
  if (kept === null || asked === undefined) return kept;
  if (fileModeOf(kept.mode) === 'SYMLINK' || isFolder(kept.mode) || kept.mode === '160000') {
    throw fault(sdk.InvalidFileModeException, `${path} is no plain file, so it cannot have the mode ${asked}`);
  }
  return { mode: gitMode(asked), id: kept.id };
}

/** The contents that git has merged, of a file whose mode alone is in conflict. */
async function mergedBlob({ trees }: Merge, { path, versions }: FileConflict): Promise<string> {
  return (await trees.objects.findPath(trees.treeId, path))?.id ?? versions.source!.id;
}

/** The mode that one side or both have given a file; undefined where they differ or there is no file. */
function modeOf({ versions, mode }: FileConflict, otherwise: string | undefined): string | undefined {
  if (mode) return otherwise;
  const plain = (entry: PathEntry | null) =>
    entry !== null && ['NORMAL', 'EXECUTABLE'].includes(fileModeOf(entry.mode)) && entry.mode.startsWith('100')
      ? gitMode(fileModeOf(entry.mode))
      : undefined;
  const [base, source, destination] = [plain(versions.base), plain(versions.source), plain(versions.destination)];
  if (source === undefined || destination === undefined) return source ?? destination;
  return source === base ? destination : source;
}

/** A file cannot be kept where something below it is kept, too. */
function requireConsistency(chosen: ReadonlyMap<FileConflict, PathEntry | null>): void {
  const files = new Set<string>();
  for (const [{ rawPath }, entry] of chosen) {
    if (entry !== null && !isFolder(entry.mode)) files.add(rawPath.toString('latin1'));
  }
  for (const [{ rawPath, path }, entry] of chosen) {
    if (entry === null) continue;
    const raw = rawPath.toString('latin1');
    for (let at = raw.lastIndexOf('/'); at > 0; at = raw.lastIndexOf('/', at - 1)) {
      if (files.has(raw.slice(0, at))) throw invalidResolution(`${path} would be below a file that is kept, too`);
    }
  }
}

function editsOf({ rawPath, displaced, versions }: FileConflict, entry: PathEntry | null): TreeEdit[] {
  const cleared = displaced.map((path): TreeEdit => ({ path, entry: null, force: true }));
  const isFolderThere = [versions.source, versions.destination].some((side) => side !== null && isFolder(side.mode));
  // git has left a folder where it belongs, with what both sides have done to it; deleting means the file.
  if (isFolderThere && (entry === null || isFolder(entry.mode))) return cleared;
  return [...cleared, { path: rawPath, entry, force: true }];
}
