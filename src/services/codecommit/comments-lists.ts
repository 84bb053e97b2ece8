import * as sdk from '@aws-sdk/client-codecommit';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { type Comparison, type Place, requireCommit } from './comments-locations.ts';
import { Relocation } from './comments-relocation.ts';
import { commentShapes, placeOfRow, placeShape } from './comments-store.ts';
import { readRepository } from './git-cache.ts';
import { ofPullRequest, pullRequestById, pullRequestWithin, repositoryOf } from './pull-requests-access.ts';
import { invalidToken } from './repositories.ts';
import { ofRepository } from './resources.ts';
import { type CommentRow, reviews } from './review-tables.ts';
import { requireCommitId } from './rules.ts';
import { repositoryByName } from './store.ts';
import type { RepositoryRow } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS's default and largest page. */
const PAGE = 100;
const MAX_PAGE = 500;

interface Cursor {
  place: number;
  sequence: number;
}

/** Comments on a comparison, by their places; answers stand with what they answer. */
export const GetCommentsForComparedCommit: Op<'GetCommentsForComparedCommit'> = {
  resource: ofRepository,
  async handle({ repositoryName, beforeCommitId, afterCommitId, nextToken, maxResults = PAGE }, ctx) {
    requirePageSize(maxResults);
    for (const id of [beforeCommitId, afterCommitId]) if (id !== undefined) requireCommitId(id);
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    await requireCommits(ctx, repository, [beforeCommitId, afterCommitId]);
    const scope = `GetCommentsForComparedCommit ${JSON.stringify([repository.id, beforeCommitId, afterCommitId])}`;
    const after = cursorOf<Cursor>(ctx, scope, nextToken, invalidToken);
    const rows = await commentRows(ctx, after)
      .where('repository_id', '=', repository.id)
      .where('pull_request', 'is', null)
      .where('after_commit', '=', afterCommitId)
      .where('before_commit', beforeCommitId === undefined ? 'is' : '=', beforeCommitId ?? null)
      .limit(maxResults + 1)
      .execute();
    const { items, token } = page(ctx, scope, rows, maxResults, cursorAt);
    const commentsForComparedCommitData: sdk.CommentsForComparedCommit[] = [];
    for (const group of await groupsOf(ctx, items)) {
      const { comparison, place, comments } = group;
      commentsForComparedCommitData.push({ repositoryName, ...placeShape(comparison, place), comments });
    }
    return { commentsForComparedCommitData, nextToken: token };
  },
};

/**
 * Comments on a pull request. Without commits each stands where it was made; with them, each whose line is still in the
 * compared versions stands where that line is now.
 */
export const GetCommentsForPullRequest: Op<'GetCommentsForPullRequest'> = {
  resource: ofPullRequest('GetCommentsForPullRequest'),
  async handle(input, ctx) {
    const { pullRequestId, nextToken, maxResults = PAGE } = input;
    checkComparison(input);
    requirePageSize(maxResults);
    const named = await namedRepository(ctx, input);
    const pullRequest =
      named === undefined
        ? await pullRequestById(ctx, ctx, pullRequestId)
        : await pullRequestWithin(ctx, named, pullRequestId);
    const repository = named ?? (await repositoryOf(ctx, pullRequest));
    const comparison = await requestedComparison(ctx, repository, input);
    const scope = `GetCommentsForPullRequest ${JSON.stringify([pullRequest.id, comparison ?? null])}`;
    const after = cursorOf<Cursor>(ctx, scope, nextToken, invalidToken);
    const rows = await commentRows(ctx, after)
      .where('pull_request', '=', pullRequest.id)
      .limit(maxResults + 1)
      .execute();
    const { items, token } = page(ctx, scope, rows, maxResults, cursorAt);
    let groups = await groupsOf(ctx, items);
    if (comparison !== undefined) groups = await relocated(ctx, repository, groups, comparison);
    const commentsForPullRequestData = groups.map((group) => ({
      pullRequestId,
      repositoryName: repository.name,
      ...placeShape(group.comparison, group.place),
      comments: group.comments,
    }));
    return { commentsForPullRequestData, nextToken: token };
  },
};

/**
 * A repository and both commits, or none of them.
 * @throws RepositoryNameRequiredException, CommitIdRequiredException, InvalidCommitIdException
 */
function checkComparison({ repositoryName, beforeCommitId, afterCommitId }: sdk.GetCommentsForPullRequestInput): void {
  const given = [beforeCommitId, afterCommitId].filter((id) => id !== undefined);
  if (repositoryName === undefined && given.length > 0) {
    throw fault(sdk.RepositoryNameRequiredException, 'A repository name is required where commit IDs are given.');
  }
  if (repositoryName !== undefined && given.length < 2) {
    throw fault(sdk.CommitIdRequiredException, 'Both commit IDs are required where a repository name is given.');
  }
  for (const id of given) requireCommitId(id);
}

async function namedRepository(
  ctx: Context,
  { repositoryName }: sdk.GetCommentsForPullRequestInput,
): Promise<RepositoryRow | undefined> {
  return repositoryName === undefined ? undefined : repositoryByName(ctx, ctx, repositoryName);
}

/** @throws CommitDoesNotExistException */
async function requestedComparison(
  ctx: Context,
  repository: RepositoryRow,
  { repositoryName, beforeCommitId: before, afterCommitId: after }: sdk.GetCommentsForPullRequestInput,
): Promise<Comparison | undefined> {
  if (repositoryName === undefined || before === undefined || after === undefined) return undefined;
  await requireCommits(ctx, repository, [before, after]);
  return { before, after };
}

function requirePageSize(maxResults: number): void {
  if (maxResults >= 1 && maxResults <= MAX_PAGE) return;
  throw fault(sdk.InvalidMaxResultsException, `maxResults must be from 1 to ${MAX_PAGE}.`);
}

async function requireCommits(
  ctx: Context,
  repository: RepositoryRow,
  ids: readonly (string | undefined)[],
): Promise<void> {
  const given = ids.filter((id) => id !== undefined);
  await readRepository(ctx, repository, async ({ objects }) => {
    for (const id of given) await requireCommit(objects, id);
  });
}

function commentRows(ctx: Context, after: Cursor | undefined) {
  const query = reviews(ctx).selectFrom('codecommit_comments').selectAll().orderBy('place').orderBy('sequence');
  if (after === undefined) return query;
  return query.where((e) =>
    e.or([e('place', '>', after.place), e.and([e('place', '=', after.place), e('sequence', '>', after.sequence)])]),
  );
}

function cursorAt({ place, sequence }: CommentRow): Cursor {
  return { place: Number(place), sequence: Number(sequence) };
}

interface Group {
  comparison: Comparison;
  place: Place;
  comments: sdk.Comment[];
}

/** Comments at one place, together. */
async function groupsOf(ctx: Context, rows: readonly CommentRow[]): Promise<Group[]> {
  const shapes = await commentShapes(ctx, rows);
  const groups = new Map<number, Group>();
  for (const [at, row] of rows.entries()) {
    const key = Number(row.place);
    const comparison = { before: row.before_commit, after: row.after_commit };
    const group = groups.get(key) ?? { comparison, place: placeOfRow(row), comments: [] };
    group.comments.push(shapes[at]!);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function relocated(
  ctx: Context,
  repository: RepositoryRow,
  groups: readonly Group[],
  comparison: Comparison,
): Promise<Group[]> {
  return readRepository(ctx, repository, async ({ objects }) => {
    const relocation = new Relocation(objects, comparison);
    const moved: Group[] = [];
    for (const group of groups) {
      const place = await relocation.find(group.place);
      moved.push(place === undefined ? group : { ...group, comparison, place });
    }
    return moved;
  });
}
