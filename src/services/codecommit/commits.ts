import * as sdk from '@aws-sdk/client-codecommit';
import { findCommit } from '../../git/history.ts';
import type { Commit } from '../../git/object-format.ts';
import { isObjectId } from '../../git/ref-name.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { readRepository } from './git-cache.ts';
import { ofRepository } from './resources.ts';
import { requireCommitId } from './rules.ts';
import { repositoryByName } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const MAX_BATCH = 100;

export const GetCommit: Op<'GetCommit'> = {
  resource: ofRepository,
  async handle({ repositoryName, commitId }, ctx) {
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    requireCommitId(commitId);
    const commit = await readRepository(ctx, repository, ({ objects }) => findCommit(objects, commitId));
    if (commit === null) throw fault(sdk.CommitIdDoesNotExistException, `Commit ${commitId} does not exist`);
    return { commit: commitOf(commitId, commit) };
  },
};

export const BatchGetCommits: Op<'BatchGetCommits'> = {
  resource: ofRepository,
  async handle({ repositoryName, commitIds }, ctx) {
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    if (commitIds.length > MAX_BATCH) {
      throw fault(sdk.CommitIdsLimitExceededException, `At most ${MAX_BATCH} commit IDs can be specified.`);
    }
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

/** Dates are as git keeps them: seconds since 1970 and the offset from UTC. */
function commitOf(commitId: string, { tree, parents, message, author, committer, additional }: Commit): sdk.Commit {
  return { commitId, treeId: tree, parents, message, author, committer, additionalData: additional };
}
