import * as sdk from '@aws-sdk/client-codecommit';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { ConditionKeys, Operation, OperationName } from '../../kernel/service.ts';
import { optionsOf } from './merges.ts';
import { checkMerge, type MadeMerge, type MergeRequest, mergeIntoBranch } from './merges-commit.ts';
import { alreadyClosed, findPullRequest, pullRequestById, pullRequestWithin } from './pull-requests-access.ts';
import { requireApproved } from './pull-requests-approvals.ts';
import { markMerged } from './pull-requests-follow.ts';
import { pullRequestShape } from './pull-requests-store.ts';
import { ofRepository, references } from './resources.ts';
import type { PullRequestRow } from './review-tables.ts';
import { requireCommitId } from './rules.ts';
import { BRANCHES, findRef, findRepository, repositoryByName } from './store.ts';
import type { RefRow, RepositoryRow } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

interface MergeInput {
  pullRequestId: string;
  repositoryName: string;
  sourceCommitId?: string | undefined;
}

type Options = Omit<MergeRequest, 'sourceCommitId' | 'destinationCommitId' | 'sourceName' | 'destinationName'>;

/** Moves the destination to the source, where it is an ancestor of it, and closes the pull request. */
export const MergePullRequestByFastForward: Op<'MergePullRequestByFastForward'> = {
  resource: ofRepository,
  conditions: destinationReference,
  handle: (input, ctx) => mergePullRequest(ctx, input, { option: 'FAST_FORWARD_MERGE' }),
};

/** Puts all changes of the source into one commit on the destination, and closes the pull request. */
export const MergePullRequestBySquash: Op<'MergePullRequestBySquash'> = {
  resource: ofRepository,
  conditions: destinationReference,
  handle: (input, ctx) => mergePullRequest(ctx, input, { option: 'SQUASH_MERGE', ...optionsOf(input) }),
};

/** Makes a merge commit with both branches as parents, and closes the pull request. */
export const MergePullRequestByThreeWay: Op<'MergePullRequestByThreeWay'> = {
  resource: ofRepository,
  conditions: destinationReference,
  handle: (input, ctx) => mergePullRequest(ctx, input, { option: 'THREE_WAY_MERGE', ...optionsOf(input) }),
};

/** The branch that would be moved, for policies that protect it. A pull request of another repository tells nothing here. */
async function destinationReference(input: MergeInput, ctx: Context): Promise<ConditionKeys> {
  const pullRequest = await findPullRequest(ctx, ctx, input.pullRequestId);
  const repository = await findRepository(ctx, ctx, input.repositoryName);
  if (pullRequest === undefined || pullRequest.repository_id !== repository?.id) return {};
  return references([pullRequest.destination_reference]);
}

async function mergePullRequest(
  ctx: Context,
  { repositoryName, pullRequestId, sourceCommitId }: MergeInput,
  options: Options,
): Promise<{ pullRequest: sdk.PullRequest }> {
  if (sourceCommitId !== undefined) requireCommitId(sourceCommitId);
  checkMerge(options);
  const repository = await repositoryByName(ctx, ctx, repositoryName);
  const pullRequest = await pullRequestWithin(ctx, repository, pullRequestId);
  await requireMergeable(ctx, pullRequest, sourceCommitId);
  const source = await branchOf(ctx, repository, pullRequest, pullRequest.source_reference);
  const destination = await branchOf(ctx, repository, pullRequest, pullRequest.destination_reference);
  const request: MergeRequest = {
    ...options,
    sourceCommitId: source.object_id,
    destinationCommitId: destination.object_id,
    sourceName: shortName(source),
    destinationName: shortName(destination),
  };
  await mergeIntoBranch(ctx, repository, shortName(destination), request, async (tx, present, made) => {
    await closeMerged(tx, ctx, present, pullRequestId, { request, made });
  });
  return { pullRequest: await pullRequestShape(ctx, await pullRequestById(ctx, ctx, pullRequestId)) };
}

/**
 * Closes the pull request in the transaction that moves its destination. Whatever was looked at before git merged is
 * looked at again: who comes too late changes nothing.
 */
async function closeMerged(
  tx: Tx,
  ctx: Context,
  repository: RepositoryRow,
  pullRequestId: string,
  { request, made }: { request: MergeRequest; made: MadeMerge },
): Promise<void> {
  const pullRequest = await pullRequestById(tx, ctx, pullRequestId);
  await requireMergeable(tx, pullRequest, request.sourceCommitId);
  await markMerged(tx, ctx, repository, pullRequest, {
    destinationCommit: request.destinationCommitId,
    mergeCommit: made.commitId,
    mergeOption: request.option as 'FAST_FORWARD_MERGE' | 'SQUASH_MERGE' | 'THREE_WAY_MERGE',
  });
}

/** @throws PullRequestAlreadyClosedException, TipOfSourceReferenceIsDifferentException, PullRequestApprovalRulesNotSatisfiedException */
async function requireMergeable(
  source: Context | Tx,
  pullRequest: PullRequestRow,
  sourceCommitId: string | undefined,
): Promise<void> {
  if (pullRequest.status === 'CLOSED') throw alreadyClosed(pullRequest);
  if (sourceCommitId !== undefined && sourceCommitId !== pullRequest.source_commit) {
    throw fault(
      sdk.TipOfSourceReferenceIsDifferentException,
      `The tip of the source branch is ${pullRequest.source_commit}, not ${sourceCommitId}`,
    );
  }
  await requireApproved(source, pullRequest);
}

/** A branch of an open pull request. Whoever does not find it has come too late: it closes when one of them goes. */
async function branchOf(
  ctx: Context,
  repository: RepositoryRow,
  pullRequest: PullRequestRow,
  name: string,
): Promise<RefRow> {
  const ref = await findRef(ctx, repository.id, name);
  if (ref === undefined) throw alreadyClosed(pullRequest);
  return ref;
}

function shortName({ name }: RefRow): string {
  return name.slice(BRANCHES.length);
}
