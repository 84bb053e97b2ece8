import * as sdk from '@aws-sdk/client-codecommit';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { cursorOf, page } from '../../kernel/page.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { ofPullRequest, pullRequestById, repositoryOf } from './pull-requests-access.ts';
import { mergeBaseOf } from './pull-requests-merge-base.ts';
import { invalidToken } from './repositories.ts';
import { requireOwnArn } from './review-people.ts';
import { type PullRequestEventRow, reviews } from './review-tables.ts';
import type { RepositoryRow } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** AWS's default and largest page. */
const PAGE = 100;

/** What happened to a pull request, the oldest first. */
export const DescribePullRequestEvents: Op<'DescribePullRequestEvents'> = {
  resource: ofPullRequest('DescribePullRequestEvents'),
  async handle({ pullRequestId, pullRequestEventType: type, actorArn, nextToken, maxResults = PAGE }, ctx) {
    if (maxResults < 1 || maxResults > PAGE) {
      throw fault(sdk.InvalidMaxResultsException, `maxResults must be from 1 to ${PAGE}.`);
    }
    if (actorArn !== undefined) {
      requireOwnArn(actorArn, ctx.account, sdk.InvalidActorArnException, sdk.ActorDoesNotExistException);
    }
    const pullRequest = await pullRequestById(ctx, ctx, pullRequestId);
    const scope = `DescribePullRequestEvents ${JSON.stringify([pullRequest.id, type, actorArn])}`;
    const after = cursorOf<number>(ctx, scope, nextToken, invalidToken) ?? 0;
    let query = reviews(ctx)
      .selectFrom('codecommit_pull_request_events')
      .selectAll()
      .where('pull_request', '=', pullRequest.id)
      .where('sequence', '>', after);
    if (type !== undefined) query = query.where('type', '=', type);
    if (actorArn !== undefined) query = query.where('actor_arn', '=', actorArn);
    const rows = await query
      .orderBy('sequence')
      .limit(maxResults + 1)
      .execute();
    const { items, token } = page(ctx, scope, rows, maxResults, ({ sequence }) => Number(sequence));
    const repository = await repositoryOf(ctx, pullRequest);
    const pullRequestEvents: sdk.PullRequestEvent[] = [];
    for (const row of items) pullRequestEvents.push(await eventShape(ctx, repository, pullRequestId, row));
    return { pullRequestEvents, nextToken: token };
  },
};

async function eventShape(
  ctx: Context,
  repository: RepositoryRow,
  pullRequestId: string,
  row: PullRequestEventRow,
): Promise<sdk.PullRequestEvent> {
  const metadata = JSON.parse(row.metadata) as Partial<sdk.PullRequestEvent>;
  const created = metadata.pullRequestCreatedEventMetadata;
  if (created !== undefined) {
    await addMergeBase(ctx, repository, created, created.destinationCommitId!, created.sourceCommitId!);
  }
  const updated = metadata.pullRequestSourceReferenceUpdatedEventMetadata;
  if (updated !== undefined) {
    await addMergeBase(ctx, repository, updated, updated.beforeCommitId!, updated.afterCommitId!);
  }
  return {
    pullRequestId,
    eventDate: new Date(Number(row.at)),
    pullRequestEventType: row.type as sdk.PullRequestEventType,
    actorArn: row.actor_arn,
    ...metadata,
  };
}

async function addMergeBase(
  ctx: Context,
  repository: RepositoryRow,
  metadata: { mergeBase?: string | undefined },
  destination: string,
  source: string,
): Promise<void> {
  const mergeBase = await mergeBaseOf(ctx, repository, destination, source);
  if (mergeBase !== undefined) metadata.mergeBase = mergeBase;
}
