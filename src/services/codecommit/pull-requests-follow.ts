import type { Context, Tx } from '../../kernel/context.ts';
import { actor, type MovedRef } from './events.ts';
import { changePullRequest, mergeMetadata, tell } from './pull-requests-store.ts';
import { type PullRequestRow, reviews } from './review-tables.ts';
import { BRANCHES, findRef } from './store.ts';
import type { RepositoryRow } from './tables.ts';

/** Names in one query. */
const CHUNK = 500;
const REVISION_BYTES = 32;

/**
 * Brings open pull requests after their branches, in the transaction that moves them: new commits make a new revision,
 * whose approvals are yet to come; a destination that was fast-forwarded to the source is a merge, whoever pushed it; and
 * a branch that goes closes what it was for. Source: CodeCommit User Guide, "Merge a pull request", "Close a pull request".
 */
export async function followMovedRefs(
  tx: Tx,
  ctx: Context,
  repository: RepositoryRow,
  moved: readonly MovedRef[],
): Promise<void> {
  const branches = moved.filter(
    ({ name, before, after }) => name.startsWith(BRANCHES) && before !== null && before !== after,
  );
  for (let at = 0; at < branches.length; at += CHUNK) {
    const chunk = branches.slice(at, at + CHUNK);
    await reviseBySource(
      tx,
      ctx,
      repository,
      chunk.filter(({ after }) => after !== null),
    );
  }
  for (let at = 0; at < branches.length; at += CHUNK) {
    const chunk = branches.slice(at, at + CHUNK);
    await mergeByDestination(
      tx,
      ctx,
      repository,
      chunk.filter(({ after, forced }) => after !== null && !forced),
    );
    await closeByDeletion(
      tx,
      ctx,
      repository,
      chunk.filter(({ after }) => after === null),
    );
  }
}

async function reviseBySource(
  tx: Tx,
  ctx: Context,
  repository: RepositoryRow,
  refs: readonly MovedRef[],
): Promise<void> {
  if (refs.length === 0) return;
  const tips = new Map(refs.map(({ name, after }) => [name, after!]));
  const rows = await open(tx, repository)
    .where('source_reference', 'in', [...tips.keys()])
    .execute();
  for (const row of rows) {
    const source_commit = tips.get(row.source_reference)!;
    // An imported pull request is where its branch will be before the branch is.
    if (row.source_commit === source_commit) continue;
    const destination = await findRef(tx, repository.id, row.destination_reference);
    const destination_commit = destination?.object_id ?? row.destination_commit;
    const revision = newRevisionId(ctx);
    const changed = await changePullRequest(tx, ctx, row, { source_commit, destination_commit, revision_id: revision });
    await addRevision(tx, changed);
    const metadata = {
      pullRequestSourceReferenceUpdatedEventMetadata: {
        repositoryName: repository.name,
        beforeCommitId: destination_commit,
        afterCommitId: source_commit,
      },
    };
    const type = 'PULL_REQUEST_SOURCE_REFERENCE_UPDATED';
    await tell(tx, ctx, repository, changed, { type, metadata }, { event: 'pullRequestSourceBranchUpdated' });
  }
}

async function mergeByDestination(
  tx: Tx,
  ctx: Context,
  repository: RepositoryRow,
  refs: readonly MovedRef[],
): Promise<void> {
  for (const { name, before, after } of refs) {
    const rows = await open(tx, repository)
      .where('destination_reference', '=', name)
      .where('source_commit', '=', after!)
      .execute();
    for (const row of rows) {
      await markMerged(tx, ctx, repository, row, {
        destinationCommit: before!,
        mergeCommit: after!,
        mergeOption: 'FAST_FORWARD_MERGE',
      });
    }
  }
}

async function closeByDeletion(
  tx: Tx,
  ctx: Context,
  repository: RepositoryRow,
  refs: readonly MovedRef[],
): Promise<void> {
  if (refs.length === 0) return;
  const tips = new Map(refs.map(({ name, before }) => [name, before!]));
  const names = [...tips.keys()];
  const rows = await open(tx, repository)
    .where((e) => e.or([e('source_reference', 'in', names), e('destination_reference', 'in', names)]))
    .execute();
  for (const row of rows) await closeUnmerged(tx, ctx, repository, row, tips.get(row.destination_reference));
}

function open(tx: Tx, repository: RepositoryRow) {
  return reviews(tx)
    .selectFrom('codecommit_pull_requests')
    .selectAll()
    .where('repository_id', '=', repository.id)
    .where('status', '=', 'OPEN')
    .orderBy('number');
}

/** How a pull request was merged. `mergeCommit` is where the destination is now. */
export interface Merge {
  destinationCommit: string;
  mergeCommit: string;
  mergeOption: 'FAST_FORWARD_MERGE' | 'SQUASH_MERGE' | 'THREE_WAY_MERGE';
}

/** Closes an open pull request as merged by the caller. */
export async function markMerged(
  tx: Tx,
  ctx: Context,
  repository: RepositoryRow,
  row: PullRequestRow,
  { destinationCommit, mergeCommit, mergeOption }: Merge,
): Promise<PullRequestRow> {
  const merged = await changePullRequest(tx, ctx, row, {
    status: 'CLOSED',
    destination_commit: destinationCommit,
    is_merged: 1,
    merged_by: actor(ctx.caller),
    merge_commit: mergeCommit,
    merge_option: mergeOption,
  });
  const metadata = {
    pullRequestMergedStateChangedEventMetadata: {
      repositoryName: repository.name,
      destinationReference: row.destination_reference,
      mergeMetadata: mergeMetadata(merged),
    },
  };
  const type = 'PULL_REQUEST_MERGE_STATE_CHANGED';
  await tell(tx, ctx, repository, merged, { type, metadata }, { event: 'pullRequestMergeStatusUpdated', mergeOption });
  return merged;
}

/** Closes an open pull request without a merge. @param lastDestination where its destination was, if that has just gone. */
export async function closeUnmerged(
  tx: Tx,
  ctx: Context,
  repository: RepositoryRow,
  row: PullRequestRow,
  lastDestination?: string,
): Promise<PullRequestRow> {
  const destination = await findRef(tx, repository.id, row.destination_reference);
  const destination_commit = lastDestination ?? destination?.object_id ?? row.destination_commit;
  const closed = await changePullRequest(tx, ctx, row, { status: 'CLOSED', destination_commit });
  const metadata = { pullRequestStatusChangedEventMetadata: { pullRequestStatus: 'CLOSED' as const } };
  const type = 'PULL_REQUEST_STATUS_CHANGED';
  await tell(tx, ctx, repository, closed, { type, metadata }, { event: 'pullRequestStatusChanged' });
  return closed;
}

/** Keeps the state of the source that approvals are given to. */
export async function addRevision(
  tx: Tx,
  { id, revision_id, source_commit, activity_at }: PullRequestRow,
): Promise<void> {
  const row = { pull_request: id, revision_id, source_commit, created_at: Number(activity_at), overrider: null };
  await reviews(tx).insertInto('codecommit_revisions').values(row).execute();
}

/** 64 hexadecimal digits, as AWS's are. */
export function newRevisionId({ ids }: Context): string {
  return ids.bytes(REVISION_BYTES).toString('hex');
}
