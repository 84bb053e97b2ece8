import * as sdk from '@aws-sdk/client-codecommit';
import type { Context } from '../../kernel/context.ts';
import { fault, isFault } from '../../kernel/fault.ts';
import { cursorOf, nextToken } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { describeFile, fileOfMerge, metadataOf } from './conflicts-describe.ts';
import { readRepository } from './git-cache.ts';
import { type Merge, type MergeSpec, mergeBaseOf, requireFewFiles, withMerge } from './merges-evaluate.ts';
import { invalidToken } from './repositories.ts';
import { ofRepository } from './resources.ts';
import { filePathOf } from './rules.ts';
import { requireSpecifier, requireSpecifiers, resolveCommit } from './specifiers.ts';
import { repositoryByName } from './store.ts';
import type { RepositoryRow } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS does not say how many files and hunks a page holds. */
const FILES = 100;
const HUNKS = 100;
const MOST = 1_000;

/** The commits stand in the token, so that all pages are of the same merge though a branch may move. */
interface Cursor {
  sourceCommitId: string;
  destinationCommitId: string;
  /** Files on the pages before. */
  file: number;
  /** Hunks of the next file that were on the pages before. */
  hunk: number;
}

/** Whether two commits can be merged in a certain way, and the files that stand against it. */
export const GetMergeConflicts: Op<'GetMergeConflicts'> = {
  resource: ofRepository,
  async handle(input, ctx) {
    const limit = limitOf(input.maxConflictFiles, FILES, sdk.InvalidMaxConflictFilesException);
    // This operation tells which of the two is no name at all.
    requireSpecifier(input.sourceCommitSpecifier, sdk.InvalidSourceCommitSpecifierException);
    requireSpecifier(input.destinationCommitSpecifier, sdk.InvalidDestinationCommitSpecifierException);
    const repository = await repositoryByName(ctx, ctx, input.repositoryName);
    const { cursor, scope } = await start(ctx, repository, input, {});
    const spec = specOf(input, cursor);
    if (input.mergeOption === 'FAST_FORWARD_MERGE') return forwardConflicts(ctx, repository, spec);
    return withMerge(ctx, repository, spec, async (merge) => {
      const page = merge.conflicts.slice(cursor.file, cursor.file + limit);
      requireFewFiles(page.length);
      const conflictMetadataList: sdk.ConflictMetadata[] = [];
      for (const conflict of page) conflictMetadataList.push(await metadataOf(merge, spec, conflict));
      const next = cursor.file + limit;
      return {
        mergeable: merge.conflicts.length === 0,
        ...commitsOf(spec, merge),
        conflictMetadataList,
        ...(next < merge.conflicts.length ? { nextToken: nextToken(ctx, scope, { ...cursor, file: next }) } : {}),
      };
    });
  },
};

/** A fast-forward has no conflicts: it is possible, or it is not. */
function forwardConflicts(ctx: Context, repository: RepositoryRow, spec: MergeSpec) {
  return readRepository(ctx, repository, async (lease, opened) => {
    const baseCommitId = await mergeBaseOf(ctx, lease, opened, spec);
    const mergeable = baseCommitId === spec.destinationCommitId;
    const { sourceCommitId, destinationCommitId } = spec;
    return { mergeable, sourceCommitId, destinationCommitId, baseCommitId, conflictMetadataList: [] };
  });
}

/** One file of a merge, hunk by hunk. */
export const DescribeMergeConflicts: Op<'DescribeMergeConflicts'> = {
  resource: ofRepository,
  async handle(input, ctx) {
    requireMergeCommit(input.mergeOption);
    const path = filePathOf(input.filePath);
    const limit = limitOf(input.maxMergeHunks, HUNKS, sdk.InvalidMaxMergeHunksException);
    requireSpecifiers(input);
    const repository = await repositoryByName(ctx, ctx, input.repositoryName);
    const { cursor, scope } = await start(ctx, repository, input, { filePath: path });
    const spec = specOf(input, cursor);
    return withMerge(ctx, repository, spec, async (merge) => {
      const { conflictMetadata, mergeHunks } = await describeFile(merge, spec, await fileOfMerge(merge, path));
      const next = cursor.hunk + limit;
      return {
        conflictMetadata,
        mergeHunks: mergeHunks.slice(cursor.hunk, next),
        ...commitsOf(spec, merge),
        ...(next < mergeHunks.length ? { nextToken: nextToken(ctx, scope, { ...cursor, hunk: next }) } : {}),
      };
    });
  },
};

/** Files of a merge, hunk by hunk: those in conflict, or those that are named. A file may go on on the next page. */
export const BatchDescribeMergeConflicts: Op<'BatchDescribeMergeConflicts'> = {
  resource: ofRepository,
  async handle(input, ctx) {
    requireMergeCommit(input.mergeOption);
    const files = limitOf(input.maxConflictFiles, FILES, sdk.InvalidMaxConflictFilesException);
    const hunks = limitOf(input.maxMergeHunks, HUNKS, sdk.InvalidMaxMergeHunksException);
    requireSpecifiers(input);
    const repository = await repositoryByName(ctx, ctx, input.repositoryName);
    const { cursor, scope } = await start(ctx, repository, input, { filePaths: input.filePaths });
    const spec = specOf(input, cursor);
    return withMerge(ctx, repository, spec, async (merge) => {
      const { next, ...page } = await describePage(merge, spec, input.filePaths, cursor, { files, hunks });
      const token = next === undefined ? {} : { nextToken: nextToken(ctx, scope, next) };
      return { ...page, ...commitsOf(spec, merge), ...token };
    });
  },
};

async function describePage(
  merge: Merge,
  spec: MergeSpec,
  named: readonly string[] | undefined,
  cursor: Cursor,
  room: { files: number; hunks: number },
) {
  const paths = named === undefined || named.length === 0 ? merge.conflicts.map(({ path }) => path) : named;
  requireFewFiles(paths.length);
  const conflicts: sdk.Conflict[] = [];
  const errors: sdk.BatchDescribeMergeConflictsError[] = [];
  let [{ file, hunk }, left] = [cursor, room.hunks];
  while (file < paths.length && conflicts.length + errors.length < room.files && left > 0) {
    const described = await describeNamed(merge, spec, paths[file]!);
    if ('exceptionName' in described) errors.push(described);
    else {
      const mergeHunks = described.mergeHunks.slice(hunk, hunk + left);
      conflicts.push({ ...described, mergeHunks });
      left -= mergeHunks.length;
      hunk += mergeHunks.length;
      if (hunk < described.mergeHunks.length) break;
    }
    [file, hunk] = [file + 1, 0];
  }
  return { conflicts, errors, next: file < paths.length ? { ...cursor, file, hunk } : undefined };
}

/** A file that cannot be described does not keep the others from it. */
async function describeNamed(
  merge: Merge,
  spec: MergeSpec,
  given: string,
): Promise<Required<sdk.Conflict> | sdk.BatchDescribeMergeConflictsError> {
  try {
    // Names that git has are taken as they are; only the caller's may be wrong.
    const path = merge.found.some((conflict) => conflict.path === given) ? given : filePathOf(given);
    return await describeFile(merge, spec, await fileOfMerge(merge, path));
  } catch (error) {
    if (!isFault(error)) throw error;
    return { filePath: given, exceptionName: error.name, message: error.message };
  }
}

/** The ways in which two commits can be merged. */
export const GetMergeOptions: Op<'GetMergeOptions'> = {
  resource: ofRepository,
  async handle(input, ctx) {
    requireSpecifiers(input);
    const repository = await repositoryByName(ctx, ctx, input.repositoryName);
    const { cursor } = await start(ctx, repository, input, {});
    const spec = specOf(input, cursor);
    return withMerge(ctx, repository, spec, async (merge) => {
      const mergeOptions: sdk.MergeOptionTypeEnum[] = [];
      if (merge.baseCommitId === spec.destinationCommitId) mergeOptions.push('FAST_FORWARD_MERGE');
      if (merge.conflicts.length === 0) mergeOptions.push('SQUASH_MERGE', 'THREE_WAY_MERGE');
      return { mergeOptions, ...commitsOf(spec, merge) };
    });
  },
};

function commitsOf({ sourceCommitId, destinationCommitId }: MergeSpec, { baseCommitId }: Merge) {
  return { sourceCommitId, destinationCommitId, baseCommitId };
}

interface ConflictsInput {
  sourceCommitSpecifier: string;
  destinationCommitSpecifier: string;
  mergeOption?: sdk.MergeOptionTypeEnum | undefined;
  conflictDetailLevel?: sdk.ConflictDetailLevelTypeEnum | undefined;
  conflictResolutionStrategy?: sdk.ConflictResolutionStrategyTypeEnum | undefined;
  nextToken?: string | undefined;
}

function specOf(input: ConflictsInput, { sourceCommitId, destinationCommitId }: Cursor): MergeSpec {
  const { conflictDetailLevel: detailLevel, conflictResolutionStrategy: strategy } = input;
  return { sourceCommitId, destinationCommitId, detailLevel, strategy };
}

/** Where the page begins: at what the token says, or at the commits that the specifiers mean now. */
async function start(
  ctx: Context,
  repository: RepositoryRow,
  input: ConflictsInput,
  more: { filePath?: string; filePaths?: readonly string[] | undefined },
): Promise<{ cursor: Cursor; scope: string }> {
  const { sourceCommitSpecifier: source, destinationCommitSpecifier: destination } = input;
  const { mergeOption, conflictDetailLevel, conflictResolutionStrategy } = input;
  const names = [repository.id, source, destination, mergeOption, conflictDetailLevel, conflictResolutionStrategy];
  const scope = `MergeConflicts ${JSON.stringify([...names, more])}`;
  const given = cursorOf<Cursor>(ctx, scope, input.nextToken, invalidToken);
  if (given !== undefined) return { cursor: given, scope };
  const commits = await readRepository(ctx, repository, async (lease) => ({
    sourceCommitId: await resolveCommit(lease, source),
    destinationCommitId: await resolveCommit(lease, destination),
  }));
  return { cursor: { ...commits, file: 0, hunk: 0 }, scope };
}

/** @throws InvalidMergeOptionException: a fast-forward has nothing to describe */
function requireMergeCommit(option: sdk.MergeOptionTypeEnum): void {
  if (option !== 'FAST_FORWARD_MERGE') return;
  throw fault(sdk.InvalidMergeOptionException, 'The merge option must be SQUASH_MERGE or THREE_WAY_MERGE.');
}

function limitOf(
  given: number | undefined,
  otherwise: number,
  invalid: typeof sdk.InvalidMaxConflictFilesException | typeof sdk.InvalidMaxMergeHunksException,
): number {
  if (given === undefined) return otherwise;
  if (given < 1) throw fault(invalid, 'The value must be greater than zero.');
  return Math.min(given, MOST);
}
