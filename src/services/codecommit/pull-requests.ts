import * as sdk from '@aws-sdk/client-codecommit';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { addTemplateRules } from './approval-rules-made.ts';
import { actor } from './events.ts';
import { ofPullRequest, openPullRequestById, pullRequestById, repositoryOf } from './pull-requests-access.ts';
import { addRevision, closeUnmerged, newRevisionId } from './pull-requests-follow.ts';
import { changePullRequest, pullRequestShape, tell } from './pull-requests-store.ts';
import { type Target, targetOf } from './pull-requests-targets.ts';
import { invalidToken } from './repositories.ts';
import { givenToken, requestHash } from './request-tokens.ts';
import { ofRepository, repositoryResource } from './resources.ts';
import { requireOwnArn } from './review-people.ts';
import { type PullRequestRow, reviews } from './review-tables.ts';
import { repositoryByName } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS's limit of open pull requests in a repository. */
const MAX_OPEN = 1_000;
/** AWS does not say how many pull requests a page holds. */
const PAGE = 100;

export const CreatePullRequest: Op<'CreatePullRequest'> = {
  resource: ({ targets }, ctx) => {
    const names = new Set(targets.map((target) => target?.repositoryName ?? ''));
    return names.size === 0 ? '*' : [...names].map((name) => repositoryResource(ctx, name));
  },
  async handle({ title, description, targets, clientRequestToken }, ctx) {
    requireTitle(title);
    const wanted = requireOneTarget(targets);
    const token = givenToken(clientRequestToken);
    const repository = await repositoryByName(ctx, ctx, wanted.repositoryName);
    const hash = requestHash({ title, description, targets });
    const row = await ctx.tx(async (tx) => {
      const known = await findByToken(tx, ctx, token, hash);
      if (known !== undefined) return known;
      const target = await targetOf(tx, repository, wanted);
      await requireRoom(tx, repository.id);
      return create(tx, ctx, target, { title, description: description || null, token, hash });
    });
    return { pullRequest: await pullRequestShape(ctx, row) };
  },
};

function requireTitle(title: string): void {
  if (title.trim() === '') throw fault(sdk.TitleRequiredException, 'A pull request title is required.');
}

/** @throws TargetsRequiredException, TargetRequiredException, MultipleRepositoriesInPullRequestException, InvalidTargetsException */
function requireOneTarget(targets: readonly sdk.Target[]): { repositoryName: string } & sdk.Target {
  const [target] = targets;
  if (targets.length === 0) throw fault(sdk.TargetsRequiredException, 'A pull request target is required.');
  if (targets.some((one) => one === null || one === undefined)) {
    throw fault(sdk.TargetRequiredException, 'A pull request target cannot be empty.');
  }
  if (new Set(targets.map(({ repositoryName }) => repositoryName)).size > 1) {
    throw fault(sdk.MultipleRepositoriesInPullRequestException, 'A pull request cannot include several repositories.');
  }
  if (targets.length > 1) throw fault(sdk.InvalidTargetsException, 'A pull request has exactly one target.');
  return { ...target!, repositoryName: target!.repositoryName! };
}

/** The pull request that the caller has made with that token. @throws IdempotencyParameterMismatchException */
async function findByToken(
  tx: Tx,
  ctx: Context,
  token: string | null,
  hash: string,
): Promise<PullRequestRow | undefined> {
  if (token === null) return undefined;
  const known = await reviews(tx)
    .selectFrom('codecommit_pull_requests')
    .selectAll()
    .where('account', '=', ctx.account)
    .where('region', '=', ctx.region)
    .where('client_request_token', '=', token)
    .where('author_arn', '=', actor(ctx.caller))
    .executeTakeFirst();
  if (known === undefined || known.request_sha256 === hash) return known;
  throw fault(
    sdk.IdempotencyParameterMismatchException,
    'The client request token has been used with other parameters.',
  );
}

async function requireRoom(tx: Tx, repositoryId: string): Promise<void> {
  const { count } = await reviews(tx)
    .selectFrom('codecommit_pull_requests')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('repository_id', '=', repositoryId)
    .where('status', '=', 'OPEN')
    .executeTakeFirstOrThrow();
  if (Number(count) < MAX_OPEN) return;
  throw fault(
    sdk.MaximumOpenPullRequestsExceededException,
    `The repository has the maximum number of ${MAX_OPEN} open pull requests.`,
  );
}

interface Draft {
  title: string;
  description: string | null;
  token: string | null;
  hash: string;
}

async function create(tx: Tx, ctx: Context, target: Target, draft: Draft): Promise<PullRequestRow> {
  const { repository, source, destination } = target;
  const now = ctx.now().getTime();
  const row: PullRequestRow = {
    id: ctx.ids.uuid(),
    account: repository.account,
    region: repository.region,
    number: await nextNumber(tx, ctx),
    repository_id: repository.id,
    title: draft.title,
    description: draft.description,
    status: 'OPEN',
    author_arn: actor(ctx.caller),
    source_reference: source.name,
    destination_reference: destination.name,
    source_commit: source.object_id,
    destination_commit: destination.object_id,
    revision_id: newRevisionId(ctx),
    client_request_token: draft.token,
    request_sha256: draft.token === null ? null : draft.hash,
    created_at: now,
    activity_at: now,
    is_merged: 0,
    merged_by: null,
    merge_commit: null,
    merge_option: null,
  };
  await reviews(tx).insertInto('codecommit_pull_requests').values(row).execute();
  await addRevision(tx, row);
  const metadata = {
    pullRequestCreatedEventMetadata: {
      repositoryName: repository.name,
      sourceCommitId: row.source_commit,
      destinationCommitId: row.destination_commit,
    },
  };
  await tell(tx, ctx, repository, row, { type: 'PULL_REQUEST_CREATED', metadata }, { event: 'pullRequestCreated' });
  await addTemplateRules(tx, ctx, repository, row);
  return row;
}

/** Numbers grow by one in an account and region, and are never used again. */
async function nextNumber(tx: Tx, { account, region }: Context): Promise<number> {
  const { last } = await reviews(tx)
    .insertInto('codecommit_pull_request_counters')
    .values({ account, region, last: 1 })
    .onConflict((c) =>
      c.columns(['account', 'region']).doUpdateSet((e) => ({
        last: e('codecommit_pull_request_counters.last', '+', 1),
      })),
    )
    .returning('last')
    .executeTakeFirstOrThrow();
  return Number(last);
}

export const GetPullRequest: Op<'GetPullRequest'> = {
  resource: ofPullRequest('GetPullRequest'),
  async handle({ pullRequestId }, ctx) {
    return { pullRequest: await pullRequestShape(ctx, await pullRequestById(ctx, ctx, pullRequestId)) };
  },
};

interface Cursor {
  activityAt: number;
  number: number;
}

/** Lists by the time of the latest activity, the newest first. */
export const ListPullRequests: Op<'ListPullRequests'> = {
  resource: ofRepository,
  async handle({ repositoryName, authorArn, pullRequestStatus, nextToken, maxResults = PAGE }, ctx) {
    if (maxResults < 1) throw fault(sdk.InvalidMaxResultsException, 'maxResults must be greater than zero.');
    if (authorArn !== undefined) {
      requireOwnArn(authorArn, ctx.account, sdk.InvalidAuthorArnException, sdk.AuthorDoesNotExistException);
    }
    const repository = await repositoryByName(ctx, ctx, repositoryName);
    const scope = `ListPullRequests ${JSON.stringify([repository.id, authorArn, pullRequestStatus])}`;
    const after = cursorOf<Cursor>(ctx, scope, nextToken, invalidToken);
    const limit = Math.min(maxResults, PAGE);
    let query = reviews(ctx)
      .selectFrom('codecommit_pull_requests')
      .select(['number', 'activity_at'])
      .where('repository_id', '=', repository.id);
    if (authorArn !== undefined) query = query.where('author_arn', '=', authorArn);
    if (pullRequestStatus !== undefined) query = query.where('status', '=', pullRequestStatus);
    if (after !== undefined) {
      query = query.where((e) =>
        e.or([
          e('activity_at', '<', after.activityAt),
          e.and([e('activity_at', '=', after.activityAt), e('number', '<', after.number)]),
        ]),
      );
    }
    const rows = await query
      .orderBy('activity_at', 'desc')
      .orderBy('number', 'desc')
      .limit(limit + 1)
      .execute();
    const cursor = (row: (typeof rows)[number]): Cursor => ({
      activityAt: Number(row.activity_at),
      number: Number(row.number),
    });
    const { items, token } = page(ctx, scope, rows, limit, cursor);
    return { pullRequestIds: items.map(({ number }) => String(number)), nextToken: token };
  },
};

export const UpdatePullRequestTitle: Op<'UpdatePullRequestTitle'> = {
  resource: ofPullRequest('UpdatePullRequestTitle'),
  async handle({ pullRequestId, title }, ctx) {
    requireTitle(title);
    const row = await ctx.tx(async (tx) => {
      return changePullRequest(tx, ctx, await openPullRequestById(tx, ctx, pullRequestId), { title });
    });
    return { pullRequest: await pullRequestShape(ctx, row) };
  },
};

export const UpdatePullRequestDescription: Op<'UpdatePullRequestDescription'> = {
  resource: ofPullRequest('UpdatePullRequestDescription'),
  async handle({ pullRequestId, description }, ctx) {
    const row = await ctx.tx(async (tx) => {
      const pullRequest = await openPullRequestById(tx, ctx, pullRequestId);
      return changePullRequest(tx, ctx, pullRequest, { description: description || null });
    });
    return { pullRequest: await pullRequestShape(ctx, row) };
  },
};

/** Closes a pull request; what is closed stays closed. */
export const UpdatePullRequestStatus: Op<'UpdatePullRequestStatus'> = {
  resource: ofPullRequest('UpdatePullRequestStatus'),
  async handle({ pullRequestId, pullRequestStatus: status }, ctx) {
    const row = await ctx.tx(async (tx) => {
      const pullRequest = await pullRequestById(tx, ctx, pullRequestId);
      if (status === pullRequest.status) return pullRequest;
      if (status === 'CLOSED') return closeUnmerged(tx, ctx, await repositoryOf(tx, pullRequest), pullRequest);
      throw fault(
        sdk.InvalidPullRequestStatusUpdateException,
        'The only valid change of the status is from OPEN to CLOSED.',
      );
    });
    return { pullRequest: await pullRequestShape(ctx, row) };
  },
};
