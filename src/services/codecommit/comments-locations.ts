import * as sdk from '@aws-sdk/client-codecommit';
import { isGitFailure } from '../../git/failure.ts';
import { findCommit } from '../../git/history.ts';
import { countLines } from '../../git/line-diff.ts';
import { isFolder } from '../../git/object-format.ts';
import type { ObjectReader, PathEntry } from '../../git/objects.ts';
import type { Lease } from '../../git/repository.ts';
import { fault } from '../../kernel/fault.ts';
import { isSubmodule } from './file-modes.ts';
import { filePathOf, MAX_FILE_BYTES, requireCommitId } from './rules.ts';

/** Two commits that are compared; null where the first commit of all is looked at by itself. */
export interface Comparison {
  before: string | null;
  after: string;
}

/** Where a comment is: the whole comparison, a file, or a line of one version of it. */
export interface Place {
  path: string | null;
  /** Line, from 1. */
  position: number | null;
  version: sdk.RelativeFileVersionEnum | null;
  beforeBlob: string | null;
  afterBlob: string | null;
}

const NOWHERE: Place = { path: null, position: null, version: null, beforeBlob: null, afterBlob: null };

/** @throws PathRequiredException for a location without a path */
export function requirePath(location: sdk.Location | undefined): void {
  if (location === undefined || (location.filePath ?? '') !== '') return;
  throw fault(sdk.PathRequiredException, 'A file path is required.');
}

/**
 * Holds what a caller names by itself against AWS's rules, before anything is looked up.
 * @throws InvalidCommitIdException, BeforeCommitIdAndAfterCommitIdAreSameException, InvalidPathException,
 *   InvalidRelativeFileVersionEnumException
 */
export function checkWhere(before: string | undefined, after: string, location: sdk.Location | undefined): void {
  for (const id of before === undefined ? [after] : [before, after]) requireCommitId(id);
  if (before === after) {
    throw fault(
      sdk.BeforeCommitIdAndAfterCommitIdAreSameException,
      'The before commit ID and the after commit ID must be different.',
    );
  }
  if (location === undefined) return;
  filePathOf(location.filePath ?? '');
  if (location.filePosition === undefined || location.relativeFileVersion !== undefined) return;
  throw fault(
    sdk.InvalidRelativeFileVersionEnumException,
    'A position needs the version of the file, BEFORE or AFTER.',
  );
}

/**
 * The comparison that a caller names; its ids have been checked.
 * @throws CommitIdRequiredException (only the first commit of all has nothing before it), CommitDoesNotExistException
 */
export async function comparisonOf({ objects }: Lease, before: string | undefined, after: string): Promise<Comparison> {
  const commit = await requireCommit(objects, after);
  if (before === undefined) {
    if (commit.parents.length === 0) return { before: null, after };
    throw fault(sdk.CommitIdRequiredException, 'A before commit ID is required: the after commit has a parent.');
  }
  await requireCommit(objects, before);
  return { before, after };
}

/** @throws CommitDoesNotExistException */
export async function requireCommit(objects: ObjectReader, id: string) {
  const commit = await findCommit(objects, id);
  if (commit === null) throw fault(sdk.CommitDoesNotExistException, `Commit ${id} does not exist`);
  return commit;
}

/**
 * Holds a location, which has been checked by itself, against the files of the comparison.
 * @throws PathDoesNotExistException, InvalidFileLocationException,
 *   InvalidRelativeFileVersionEnumException, InvalidFilePositionException
 */
export async function placeOf(
  { objects }: Lease,
  comparison: Comparison,
  location: sdk.Location | undefined,
): Promise<Place> {
  if (location === undefined) return NOWHERE;
  const { filePath, filePosition, relativeFileVersion: version } = location;
  const path = filePathOf(filePath ?? '');
  const before = await fileAt(objects, comparison.before, path);
  const after = await fileAt(objects, comparison.after, path);
  if (before === null && after === null) {
    throw fault(sdk.PathDoesNotExistException, `The path ${path} does not exist in the compared commits`);
  }
  const place = {
    ...NOWHERE,
    path,
    version: version ?? null,
    beforeBlob: before?.id ?? null,
    afterBlob: after?.id ?? null,
  };
  const file = version === 'BEFORE' ? before : after;
  if (version !== undefined && file === null) throw wrongVersion(path, version);
  if (filePosition === undefined) return place;
  await requireLine(objects, path, file!, filePosition);
  return { ...place, position: filePosition };
}

function wrongVersion(path: string, version: string) {
  return fault(
    sdk.InvalidRelativeFileVersionEnumException,
    `There is no ${version} version of ${path} in the comparison`,
  );
}

async function fileAt(objects: ObjectReader, commitId: string | null, path: string): Promise<PathEntry | null> {
  if (commitId === null) return null;
  const entry = await objects.findPath((await objects.commit(commitId)).tree, path);
  if (entry !== null && (isFolder(entry.mode) || isSubmodule(entry.mode))) {
    throw fault(sdk.InvalidFileLocationException, `${path} is not a file`);
  }
  return entry;
}

/** The blob of a file in a commit; null where the commit has no such file. */
export async function findBlob(objects: ObjectReader, commitId: string | null, path: string): Promise<string | null> {
  if (commitId === null) return null;
  const entry = await objects.findPath((await objects.commit(commitId)).tree, path);
  return entry === null || isFolder(entry.mode) || isSubmodule(entry.mode) ? null : entry.id;
}

async function requireLine(objects: ObjectReader, path: string, { id }: PathEntry, line: number): Promise<void> {
  const content = await textOf(objects, id);
  if (content !== null && Number.isInteger(line) && line >= 1 && line <= countLines(content)) return;
  throw fault(sdk.InvalidFilePositionException, `The position ${line} does not exist in ${path}`);
}

/** The bytes of a file that can be looked at line by line; null for one that is too large or not text. */
export async function textOf(objects: ObjectReader, id: string): Promise<Buffer | null> {
  try {
    const content = await objects.blob(id, MAX_FILE_BYTES);
    return content.includes(0) ? null : content;
  } catch (error) {
    if (isGitFailure(error, 'object-too-large') || isGitFailure(error, 'object-missing')) return null;
    throw error;
  }
}
