import type * as sdk from '@aws-sdk/client-codecommit';
import type { Updateable } from 'kysely';
import type { Context, Tx } from '../../kernel/context.ts';
import { actor, type PullRequestChange, pullRequestStateChange } from './events.ts';
import { knownId } from './import-ids.ts';
import { repositoryOf } from './pull-requests-access.ts';
import { mergeBaseOf } from './pull-requests-merge-base.ts';
import { type ApprovalRuleRow, type PullRequestRow, reviews } from './review-tables.ts';
import { findRef } from './store.ts';
import type { RepositoryRow } from './tables.ts';

/** An entry of a pull request's history, with the members that its type has. */
export interface HistoryEntry {
  type: sdk.PullRequestEventType;
  metadata: Partial<sdk.PullRequestEvent>;
}

/** Changes the row, and marks the activity. @returns the row as it is then. */
export async function changePullRequest(
  tx: Tx,
  ctx: Context,
  pullRequest: PullRequestRow,
  set: Updateable<PullRequestRow> = {},
): Promise<PullRequestRow> {
  // Clocks step back; what happened later must not be listed as earlier.
  const activity_at = Math.max(ctx.now().getTime(), Number(pullRequest.activity_at));
  const change = { ...set, activity_at };
  await reviews(tx).updateTable('codecommit_pull_requests').set(change).where('id', '=', pullRequest.id).execute();
  return { ...pullRequest, ...change } as PullRequestRow;
}

/** Writes what happened into the pull request's history and sends its event; both are committed with the change. */
export async function tell(
  tx: Tx,
  ctx: Context,
  repository: RepositoryRow,
  pullRequest: PullRequestRow,
  entry: HistoryEntry,
  change: PullRequestChange,
): Promise<void> {
  const { last } = await reviews(tx)
    .selectFrom('codecommit_pull_request_events')
    .select((e) => e.fn.max('sequence').as('last'))
    .where('pull_request', '=', pullRequest.id)
    .executeTakeFirstOrThrow();
  const row = {
    pull_request: pullRequest.id,
    sequence: Number(last ?? 0) + 1,
    type: entry.type,
    actor_arn: actor(ctx.caller),
    at: Number(pullRequest.activity_at),
    metadata: JSON.stringify(entry.metadata),
  };
  await reviews(tx).insertInto('codecommit_pull_request_events').values(row).execute();
  await tx.emit(pullRequestStateChange(repository, pullRequest, change, ctx.caller));
}

/** Rules of a pull request, the oldest first. */
export function approvalRulesOf(source: Context | Tx, pullRequest: PullRequestRow): Promise<ApprovalRuleRow[]> {
  return reviews(source)
    .selectFrom('codecommit_approval_rules')
    .selectAll()
    .where('pull_request', '=', pullRequest.id)
    .orderBy('created_at')
    .orderBy('name')
    .execute();
}

/** What clients see of a pull request. */
export async function pullRequestShape(ctx: Context, row: PullRequestRow): Promise<sdk.PullRequest> {
  const repository = await repositoryOf(ctx, row);
  const rules = await approvalRulesOf(ctx, row);
  const destinationCommit = await destinationTip(ctx, row);
  const mergeBase = await mergeBaseOf(ctx, repository, destinationCommit, row.source_commit);
  return {
    pullRequestId: String(row.number),
    title: row.title,
    ...(row.description === null ? {} : { description: row.description }),
    lastActivityDate: new Date(Number(row.activity_at)),
    creationDate: new Date(Number(row.created_at)),
    pullRequestStatus: row.status,
    authorArn: row.author_arn,
    pullRequestTargets: [
      {
        repositoryName: repository.name,
        sourceReference: row.source_reference,
        destinationReference: row.destination_reference,
        destinationCommit,
        sourceCommit: row.source_commit,
        ...(mergeBase === undefined ? {} : { mergeBase }),
        mergeMetadata: mergeMetadata(row),
      },
    ],
    ...(row.client_request_token === null ? {} : { clientRequestToken: row.client_request_token }),
    revisionId: row.revision_id,
    approvalRules: rules.map(ruleShape),
  };
}

/** While a pull request is open, the branch itself says where it would be merged. */
export async function destinationTip(source: Context | Tx, row: PullRequestRow): Promise<string> {
  if (row.status === 'CLOSED') return row.destination_commit;
  return (await findRef(source, row.repository_id, row.destination_reference))?.object_id ?? row.destination_commit;
}

/** The merge of a pull request, or that there was none. */
export function mergeMetadata(row: PullRequestRow): sdk.MergeMetadata {
  if (row.is_merged !== 1) return { isMerged: false };
  return {
    isMerged: true,
    mergedBy: row.merged_by!,
    // An imported one may have been merged by a push, of which AWS tells neither.
    ...(row.merge_commit === null ? {} : { mergeCommitId: row.merge_commit }),
    ...(row.merge_option === null ? {} : { mergeOption: row.merge_option as sdk.MergeOptionTypeEnum }),
  };
}

/** What clients see of an approval rule. */
export function ruleShape(row: ApprovalRuleRow): sdk.ApprovalRule {
  return {
    approvalRuleId: knownId(row.id),
    approvalRuleName: row.name,
    approvalRuleContent: row.content,
    ruleContentSha256: row.content_sha256,
    creationDate: new Date(Number(row.created_at)),
    lastModifiedDate: new Date(Number(row.modified_at)),
    lastModifiedUser: row.modified_by,
    ...(row.template_id === null
      ? {}
      : {
          originApprovalRuleTemplate: {
            approvalRuleTemplateId: row.template_id,
            approvalRuleTemplateName: row.template_name!,
          },
        }),
  };
}
