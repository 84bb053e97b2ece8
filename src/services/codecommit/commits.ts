import * as sdk from '@aws-sdk/client-codecommit';
import { isGitFailure } from '../../git/failure.ts';
import { type FileRevision, fileHistory } from '../../git/file-history.ts';
import { findCommit } from '../../git/history.ts';
import type { Commit } from '../../git/object-format.ts';
import { isObjectId } from '../../git/ref-name.ts';
import { fault, isFault } from '../../kernel/fault.ts';
import { cursorOf, nextToken } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { readRepository } from './git-cache.ts';
import { invalidToken } from './repositories.ts';
import { ofRepository } from './resources.ts';
import { filePathOf, requireCommitId } from './rules.ts';
import { requireSpecifier, resolveCommit } from './specifiers.ts';
import { repositoryByName } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const MAX_BATCH = 100;
/** AWS does not say how many versions a page holds. */
const HISTORY_PAGE = 100;
const MAX_HISTORY_PAGE = 1_000;

export const GetCommit: Op<'GetCommit'> = {
  resource: ofRepository,
  async handle({ repositoryName, commitId }, ctx) {
    requireCommitId(commitId);
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    const commit = await readRepository(ctx, repository, ({ objects }) => findCommit(objects, commitId));
    if (commit === null) throw fault(sdk.CommitIdDoesNotExistException, `Commit ${commitId} does not exist`);
    return { commit: commitOf(commitId, commit) };
  },
};

export const BatchGetCommits: Op<'BatchGetCommits'> = {
  resource: ofRepository,
  async handle({ repositoryName, commitIds }, ctx) {
    if (commitIds.length > MAX_BATCH) {
      throw fault(sdk.CommitIdsLimitExceededException, `At most ${MAX_BATCH} commit IDs can be specified.`);
    }
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    return readRepository(ctx, repository, async ({ objects }) => {
      const commits: sdk.Commit[] = [];
      const errors: sdk.BatchGetCommitsError[] = [];
      for (const commitId of commitIds) {
        const commit = isObjectId(commitId) ? await findCommit(objects, commitId) : null;
        if (commit !== null) commits.push(commitOf(commitId, commit));
        else errors.push(errorOf(commitId));
      }
      return { commits, errors };
    });
  },
};

function errorOf(commitId: string): sdk.BatchGetCommitsError {
  if (!isObjectId(commitId)) {
    return { commitId, errorCode: 'InvalidCommitIdException', errorMessage: `${commitId} is not a valid commit ID` };
  }
  return { commitId, errorCode: 'CommitIdDoesNotExistException', errorMessage: `Commit ${commitId} does not exist` };
}

/** The cursor counts versions; the commit stands in it, so that all pages are of the same history. */
interface HistoryCursor {
  commitId: string;
  seen: number;
}

/** The versions of a file, the latest first. Renames are followed. */
export const ListFileCommitHistory: Op<'ListFileCommitHistory'> = {
  resource: ofRepository,
  async handle(input, ctx) {
    const { repositoryName, commitSpecifier, maxResults = HISTORY_PAGE } = input;
    if (maxResults < 1) throw fault(sdk.InvalidMaxResultsException, 'maxResults must be greater than zero.');
    requireSpecifier(commitSpecifier);
    const row = await repositoryByName(ctx, ctx, repositoryName);
    const path = historyPath(input.filePath);
    const scope = `ListFileCommitHistory ${JSON.stringify([row.id, commitSpecifier, path])}`;
    const given = cursorOf<HistoryCursor>(ctx, scope, input.nextToken, invalidToken);
    return readRepository(ctx, row, async (lease, repository) => {
      const { commitId, seen } = given ?? { commitId: await resolveCommit(lease, commitSpecifier), seen: 0 };
      const limit = Math.min(maxResults, MAX_HISTORY_PAGE);
      if (path === null) return { revisionDag: [] };
      const history = fileHistory(repository, lease, { commitId, path }, ctx.signal);
      const { revisions, isMore } = await historyPage(history, seen, limit);
      const revisionDag: sdk.FileVersion[] = [];
      for (const { commitId: id, path, blobId, children } of revisions) {
        const commit = commitOf(id, await lease.objects.commit(id));
        revisionDag.push({ commit, blobId, path, revisionChildren: children });
      }
      return isMore
        ? { revisionDag, nextToken: nextToken(ctx, scope, { commitId, seen: seen + limit }) }
        : { revisionDag };
    });
  },
};

/** This operation has no error for a bad path: nothing has ever stood at one, which is what null says. */
function historyPath(path: string): string | null {
  try {
    return filePathOf(path);
  } catch (error) {
    if (!isFault(error)) throw error;
    return null;
  }
}

/** Revisions behind the first `skip`, at most `limit`. @throws TipsDivergenceExceededException where git was stopped */
export async function historyPage(history: AsyncIterable<FileRevision>, skip: number, limit: number) {
  const revisions: FileRevision[] = [];
  let passed = 0;
  try {
    for await (const revision of history) {
      passed += 1;
      if (passed > skip + limit) break;
      if (passed > skip) revisions.push(revision);
    }
  } catch (error) {
    if (!isGitFailure(error, 'stopped')) throw error;
    throw fault(sdk.TipsDivergenceExceededException, 'The history of the file is too long to be looked through.');
  }
  return { revisions, isMore: passed > skip + limit };
}

/** Dates are as git keeps them: seconds since 1970 and the offset from UTC. */
function commitOf(commitId: string, { tree, parents, message, author, committer, additional }: Commit): sdk.Commit {
  return { commitId, treeId: tree, parents, message, author, committer, additionalData: additional };
}
