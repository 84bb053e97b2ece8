import * as sdk from '@aws-sdk/client-codecommit';
import type { Context, Tx } from '../../kernel/context.ts';
import { type Fault, fault, isFault } from '../../kernel/fault.ts';
import type { ResourceRef } from '../../kernel/service.ts';
import { type Place, repositoryArn, repositoryResource } from './resources.ts';
import { type PullRequestRow, reviews } from './review-tables.ts';
import { findRepositoryById } from './store.ts';
import { type RepositoryRow, tables } from './tables.ts';

/**
 * What IAM evaluates for a call that names a pull request only: its repository. Whoever may neither make the call there
 * nor see the pull request gets the very answer that a number without a pull request gets.
 * @param action without its prefix.
 */
export function ofPullRequest(action: string) {
  return async ({ pullRequestId }: { pullRequestId: string }, ctx: Context): Promise<ResourceRef> => {
    const pullRequest = await findPullRequest(ctx, ctx, pullRequestId);
    const repositoryId = pullRequest?.repository_id;
    return hiddenResource(ctx, repositoryId, [action, 'GetPullRequest'], () => doesNotExist(pullRequestId));
  };
}

/**
 * The repository behind an id that tells nothing by itself.
 * @param actions whoever may do one of them there may know where the id leads; the first one is the call's own.
 * @param missing the fault for whoever may do the call anywhere, but not there.
 */
export async function hiddenResource(
  ctx: Context,
  repositoryId: string | undefined,
  actions: readonly [string, ...string[]],
  missing: () => Fault,
): Promise<ResourceRef> {
  const repository = repositoryId === undefined ? undefined : await findRepositoryById(ctx, repositoryId);
  if (repository !== undefined) {
    const resource = repositoryResource(ctx, repository.name);
    for (const action of actions) if (await may(ctx, action, resource)) return resource;
  }
  const anywhere = { arn: repositoryArn(ctx, '*') };
  if (await may(ctx, actions[0], anywhere)) throw missing();
  return anywhere;
}

/** Whether the caller may do that on that. */
export async function may(ctx: Context, action: string, resource: ResourceRef): Promise<boolean> {
  try {
    await ctx.authorize(`codecommit:${action}`, resource);
    return true;
  } catch (error) {
    if (isFault(error, 'AccessDenied')) return false;
    throw error;
  }
}

/** @throws InvalidPullRequestIdException */
export function requirePullRequestId(pullRequestId: string): void {
  if (/^[1-9]\d{0,14}$/.test(pullRequestId)) return;
  throw fault(sdk.InvalidPullRequestIdException, `${pullRequestId.slice(0, 100)} is not a valid pull request ID`);
}

/** The pull request of that number in an account and region. @throws InvalidPullRequestIdException */
export async function findPullRequest(
  source: Context | Tx,
  { account, region }: Place,
  pullRequestId: string,
): Promise<PullRequestRow | undefined> {
  requirePullRequestId(pullRequestId);
  return reviews(source)
    .selectFrom('codecommit_pull_requests')
    .selectAll()
    .where('account', '=', account)
    .where('region', '=', region)
    .where('number', '=', Number(pullRequestId))
    .executeTakeFirst();
}

/** @throws InvalidPullRequestIdException, PullRequestDoesNotExistException */
export async function pullRequestById(
  source: Context | Tx,
  place: Place,
  pullRequestId: string,
): Promise<PullRequestRow> {
  const pullRequest = await findPullRequest(source, place, pullRequestId);
  if (pullRequest === undefined) throw doesNotExist(pullRequestId);
  return pullRequest;
}

/** As {@link pullRequestById}. @throws PullRequestAlreadyClosedException unless it is open */
export async function openPullRequestById(
  source: Context | Tx,
  place: Place,
  pullRequestId: string,
): Promise<PullRequestRow> {
  const pullRequest = await pullRequestById(source, place, pullRequestId);
  if (pullRequest.status === 'OPEN') return pullRequest;
  throw alreadyClosed(pullRequest);
}

export function alreadyClosed({ number }: PullRequestRow) {
  return fault(sdk.PullRequestAlreadyClosedException, `Pull request ${number} is already closed`);
}

/**
 * The pull request, which must be one of the repository. One of another repository is there only for those who may see it.
 * @throws PullRequestDoesNotExistException, RepositoryNotAssociatedWithPullRequestException
 */
export async function pullRequestWithin(
  ctx: Context,
  repository: RepositoryRow,
  pullRequestId: string,
): Promise<PullRequestRow> {
  const pullRequest = await pullRequestById(ctx, ctx, pullRequestId);
  if (pullRequest.repository_id === repository.id) return pullRequest;
  const other = await findRepositoryById(ctx, pullRequest.repository_id);
  const isSeen = other !== undefined && (await may(ctx, 'GetPullRequest', repositoryResource(ctx, other.name)));
  if (!isSeen) throw doesNotExist(pullRequestId);
  throw fault(
    sdk.RepositoryNotAssociatedWithPullRequestException,
    `The repository ${repository.name} has no pull request ${pullRequestId}`,
  );
}

export function doesNotExist(pullRequestId: string) {
  return fault(sdk.PullRequestDoesNotExistException, `Pull request ${pullRequestId} does not exist`);
}

/** The repository of a pull request, which goes with it. */
export async function repositoryOf(
  source: Context | Tx,
  { repository_id, number }: PullRequestRow,
): Promise<RepositoryRow> {
  const repository = await tables(source)
    .selectFrom('codecommit_repositories')
    .selectAll()
    .where('id', '=', repository_id)
    .executeTakeFirst();
  if (repository === undefined) throw doesNotExist(String(number));
  return repository;
}
