import type { Context } from '../../kernel/context.ts';
import { templateShape } from './approval-rule-templates.ts';
import { commentShape, placeOfRow, placeShape } from './comments-store.ts';
import { mergeMetadata, ruleShape } from './pull-requests-store.ts';
import { type CommentRow, type PullRequestRow, reviews } from './review-tables.ts';
import type { RepositoryRow } from './tables.ts';

/** What people have said and decided about a repository, in the shapes of the API. */
export async function backupOfReviews(ctx: Context, { id, name }: RepositoryRow) {
  const db = reviews(ctx);
  const pulls = await db
    .selectFrom('codecommit_pull_requests')
    .selectAll()
    .where('repository_id', '=', id)
    .orderBy('number')
    .execute();
  const ids = db.selectFrom('codecommit_pull_requests').select('id').where('repository_id', '=', id);
  const rules = db.selectFrom('codecommit_approval_rules').selectAll().where('pull_request', 'in', ids);
  const revisions = db.selectFrom('codecommit_revisions').selectAll().where('pull_request', 'in', ids);
  const approvals = db.selectFrom('codecommit_approvals').selectAll().where('pull_request', 'in', ids);
  const events = db.selectFrom('codecommit_pull_request_events').selectAll().where('pull_request', 'in', ids);
  const of = {
    rules: byPullRequest(await rules.orderBy('created_at').orderBy('name').execute()),
    revisions: byPullRequest(await revisions.orderBy('created_at').execute()),
    approvals: byPullRequest(await approvals.orderBy('approved_at').execute()),
    events: byPullRequest(await events.orderBy('sequence').execute()),
  };
  const pullRequests = pulls.map((row) => ({
    ...pullRequestOf(row, name),
    approvalRules: (of.rules.get(row.id) ?? []).map(ruleShape),
    revisions: (of.revisions.get(row.id) ?? []).map(({ revision_id, source_commit, created_at, overrider }) => ({
      revisionId: revision_id,
      sourceCommit: source_commit,
      creationDate: date(created_at),
      ...(overrider === null ? {} : { overrider }),
      approvals: (of.approvals.get(row.id) ?? [])
        .filter((approval) => approval.revision_id === revision_id)
        .map(({ user_arn, approved_at }) => ({ userArn: user_arn, approvedDate: date(approved_at) })),
    })),
    pullRequestEvents: (of.events.get(row.id) ?? []).map(({ type, actor_arn, at, metadata }) => ({
      pullRequestEventType: type,
      actorArn: actor_arn,
      eventDate: date(at),
      ...(JSON.parse(metadata) as object),
    })),
  }));
  const numbers = new Map(pulls.map((row) => [row.id, String(row.number)]));
  const comments = await commentsOf(ctx, id, numbers);
  const templates = await db
    .selectFrom('codecommit_approval_templates')
    .innerJoin('codecommit_template_repositories', 'template_id', 'id')
    .selectAll('codecommit_approval_templates')
    .where('repository_id', '=', id)
    .orderBy('name')
    .execute();
  return { pullRequests, comments, approvalRuleTemplates: templates.map(templateShape) };
}

function pullRequestOf(row: PullRequestRow, repositoryName: string) {
  return {
    pullRequestId: String(row.number),
    title: row.title,
    ...(row.description === null ? {} : { description: row.description }),
    creationDate: date(row.created_at),
    lastActivityDate: date(row.activity_at),
    pullRequestStatus: row.status,
    authorArn: row.author_arn,
    revisionId: row.revision_id,
    pullRequestTargets: [
      {
        repositoryName,
        sourceReference: row.source_reference,
        sourceCommit: row.source_commit,
        destinationReference: row.destination_reference,
        destinationCommit: row.destination_commit,
        mergeMetadata: mergeMetadata(row),
      },
    ],
  };
}

/** Every comment with its place and the reactions to it, in the order in which they were made. */
async function commentsOf(ctx: Context, repositoryId: string, numbers: ReadonlyMap<string, string>) {
  const db = reviews(ctx);
  const rows = await db
    .selectFrom('codecommit_comments')
    .selectAll()
    .where('repository_id', '=', repositoryId)
    .orderBy('sequence')
    .execute();
  const ids = db.selectFrom('codecommit_comments').select('id').where('repository_id', '=', repositoryId);
  const reactions = await db
    .selectFrom('codecommit_reactions')
    .selectAll()
    .where('comment_id', 'in', ids)
    .orderBy('reacted_at')
    .execute();
  const byComment = Map.groupBy(reactions, ({ comment_id }) => comment_id);
  return rows.map((row: CommentRow) => ({
    ...commentShape(row),
    ...(row.pull_request === null ? {} : { pullRequestId: numbers.get(row.pull_request)! }),
    ...placeShape({ before: row.before_commit, after: row.after_commit }, placeOfRow(row)),
    reactions: (byComment.get(row.id) ?? []).map(({ user_arn, reaction, reacted_at }) => ({
      reaction,
      userArn: user_arn,
      reactionDate: date(reacted_at),
    })),
  }));
}

function byPullRequest<T extends { pull_request: string }>(rows: readonly T[]): Map<string, T[]> {
  return Map.groupBy(rows, ({ pull_request }) => pull_request);
}

/** Rows have times as epoch milliseconds, which PostgreSQL gives as text. */
function date(milliseconds: number): Date {
  return new Date(Number(milliseconds));
}
