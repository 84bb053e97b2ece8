import * as sdk from '@aws-sdk/client-codecommit';
import { type ChangedFile, type DiffSide, diffEntries, type FileChange } from '../../git/diff.ts';
import { isGitFailure } from '../../git/failure.ts';
import { isFolder } from '../../git/object-format.ts';
import type { ObjectReader } from '../../git/objects.ts';
import type { Lease } from '../../git/repository.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, nextToken } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { readRepository } from './git-cache.ts';
import { invalidToken } from './repositories.ts';
import { ofRepository } from './resources.ts';
import { gitPath } from './rules.ts';
import { requireSpecifier, resolveCommit } from './specifiers.ts';
import { repositoryByName } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS does not say how many differences a page holds. */
const PAGE = 100;
const MAX_PAGE = 1_000;

/** The commits stand in the token, so that all pages compare the same ones though a branch may move. */
interface Cursor {
  before: string | undefined;
  after: string;
  /** Differences on the pages before. */
  seen: number;
}

/**
 * Files that differ between two commits, in the order of git; without `before`, every file is an addition. A path that is
 * given for one side alone limits both.
 */
export const GetDifferences: Op<'GetDifferences'> = {
  resource: ofRepository,
  async handle(input, ctx) {
    const { repositoryName, beforeCommitSpecifier, afterCommitSpecifier, MaxResults: max = PAGE } = input;
    if (max < 1) throw fault(sdk.InvalidMaxResultsException, 'MaxResults must be greater than zero.');
    const beforePath = gitPath(input.beforePath ?? input.afterPath ?? '');
    const afterPath = gitPath(input.afterPath ?? input.beforePath ?? '');
    const named = { before: input.beforePath !== undefined, after: input.afterPath !== undefined };
    for (const specifier of [beforeCommitSpecifier, afterCommitSpecifier]) requireSpecifier(specifier);
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    const names = [repository.id, beforeCommitSpecifier, afterCommitSpecifier, beforePath, afterPath, named];
    const scope = `GetDifferences ${JSON.stringify(names)}`;
    const given = cursorOf<Cursor>(ctx, scope, input.NextToken, invalidToken);
    return readRepository(ctx, repository, async (lease) => {
      const cursor = given ?? (await firstCursor(lease, beforeCommitSpecifier, afterCommitSpecifier));
      const before = await sideOf(lease.objects, cursor.before, beforePath, named.before);
      const after = await sideOf(lease.objects, cursor.after, afterPath, named.after);
      const limit = Math.min(max, MAX_PAGE);
      const differences = await collect(diffEntries(lease.objects, before, after), cursor.seen, limit + 1);
      if (differences.length <= limit) return { differences };
      const next: Cursor = { ...cursor, seen: cursor.seen + limit };
      return { differences: differences.slice(0, limit), NextToken: nextToken(ctx, scope, next) };
    });
  },
};

async function firstCursor(lease: Lease, before: string | undefined, after: string): Promise<Cursor> {
  return {
    before: before === undefined ? undefined : await resolveCommit(lease, before),
    after: await resolveCommit(lease, after),
    seen: 0,
  };
}

/**
 * One side, where a folder is the root of the paths that are shown, as in AWS's example of a renamed folder. A path that
 * only the other side named may be missing here.
 * @throws PathDoesNotExistException
 */
async function sideOf(
  objects: ObjectReader,
  commitId: string | undefined,
  path: string,
  named: boolean,
): Promise<DiffSide> {
  if (commitId === undefined) return { path: '', entry: null };
  const entry = await objects.findPath((await objects.commit(commitId)).tree, path);
  if (entry === null && named) {
    throw fault(sdk.PathDoesNotExistException, `The path ${path} does not exist in ${commitId}`);
  }
  return { path: entry === null || isFolder(entry.mode) ? '' : path, entry };
}

async function collect(changes: AsyncIterable<FileChange>, skip: number, limit: number): Promise<sdk.Difference[]> {
  const found: sdk.Difference[] = [];
  let passed = 0;
  try {
    for await (const change of changes) {
      passed += 1;
      if (passed > skip) found.push(differenceOf(change));
      if (found.length === limit) break;
    }
  } catch (error) {
    // No modelled error fits; a tree that unfolds to millions of files is no honest one.
    if (!isGitFailure(error, 'tree-too-large')) throw error;
    throw fault(sdk.InvalidPathException, `The comparison is too large: ${error.message}`);
  }
  return found;
}

function differenceOf({ before, after }: FileChange): sdk.Difference {
  return {
    ...(before === null ? {} : { beforeBlob: blobOf(before) }),
    ...(after === null ? {} : { afterBlob: blobOf(after) }),
    changeType: before === null ? 'A' : after === null ? 'D' : 'M',
  };
}

function blobOf({ id, path, mode }: ChangedFile): sdk.BlobMetadata {
  return { blobId: id, path, mode };
}
