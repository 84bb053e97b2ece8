import { collected } from '../../git/change.ts';
import type { Roots } from '../../git/truth.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { reviews } from './review-tables.ts';
import { type RepositoryRow, tables } from './tables.ts';

/** A repository is not collected again before: each time all that is kept is written anew. */
const LEAST_BETWEEN_MS = 24 * 3_600_000;
const DAY_MS = 24 * 3_600_000;
/** Ids in one statement. */
const CHUNK = 500;

/** Tips that were left up to here have had their grace; null while nothing is ever taken out. */
function endOfGrace(ctx: Context): number | null {
  const days = ctx.config.gitCollectAfterDays;
  return days === null ? null : ctx.now().getTime() - days * DAY_MS;
}

/** Notes that a reference does not lead to the object any more. */
export async function leaveTip(tx: Tx, repositoryId: string, objectId: string, now: Date): Promise<void> {
  const left_at = now.getTime();
  await tables(tx)
    .insertInto('codecommit_left_tips')
    .values({ repository_id: repositoryId, object_id: objectId, left_at })
    .onConflict((c) => c.columns(['repository_id', 'object_id']).doUpdateSet({ left_at }))
    .execute();
}

/** Repositories that have tips whose grace is over. */
export async function collectableRepositories(ctx: Context): Promise<string[]> {
  const end = endOfGrace(ctx);
  if (end === null) return [];
  const rows = await tables(ctx)
    .selectFrom('codecommit_left_tips as t')
    .innerJoin('codecommit_repositories as r', 'r.id', 't.repository_id')
    .select('t.repository_id')
    .distinct()
    .where('t.left_at', '<=', end)
    .where((e) => e.or([e('r.collected_at', 'is', null), e('r.collected_at', '<=', latestCollection(ctx))]))
    .execute();
  return rows.map(({ repository_id }) => repository_id);
}

function latestCollection(ctx: Context): number {
  return ctx.now().getTime() - LEAST_BETWEEN_MS;
}

/** Those of one repository; none while it was collected a short time ago. */
export async function looseTips(ctx: Context, repositoryId: string): Promise<string[]> {
  const end = endOfGrace(ctx);
  if (end === null) return [];
  const rows = await tables(ctx)
    .selectFrom('codecommit_left_tips as t')
    .innerJoin('codecommit_repositories as r', 'r.id', 't.repository_id')
    .select('t.object_id')
    .where('t.repository_id', '=', repositoryId)
    .where('t.left_at', '<=', end)
    .where((e) => e.or([e('r.collected_at', 'is', null), e('r.collected_at', '<=', latestCollection(ctx))]))
    .execute();
  return rows.map(({ object_id }) => object_id);
}

/** Forgets those tips of `ids` whose grace is over. */
export async function forgetLeftTips(
  tx: Tx,
  ctx: Context,
  repositoryId: string,
  ids: readonly string[],
): Promise<void> {
  const over = overTips(tx, repositoryId, endOfGrace(ctx) ?? -1);
  for (let at = 0; at < ids.length; at += CHUNK) {
    await over.where('object_id', 'in', ids.slice(at, at + CHUNK)).execute();
  }
}

/** Forgets all tips that were left up to then. What has become due since the roots were read was kept: its note stays. */
export async function forgetCollectedTips(tx: Tx, repositoryId: string, { graceEnd }: Roots): Promise<void> {
  await overTips(tx, repositoryId, graceEnd).execute();
}

/** One that was left once more meanwhile stays. */
function overTips(tx: Tx, repositoryId: string, graceEnd: number) {
  return tables(tx)
    .deleteFrom('codecommit_left_tips')
    .where('repository_id', '=', repositoryId)
    .where('left_at', '<=', graceEnd);
}

/**
 * Every object that a row names, references apart: commits of merges, pull requests and comments stay for as long as these
 * do, whatever becomes of the branches. Pipelines and builds hold commits by the grace alone.
 * @param row is read before the roots: who adds one after raises a count that stands in it.
 */
export async function rootsOf(ctx: Context, row: RepositoryRow): Promise<Roots> {
  const ids = new Set<string>();
  const add = (...found: (string | null)[]) => found.forEach((id) => void (id !== null && ids.add(id)));
  const left = tables(ctx).selectFrom('codecommit_left_tips').select('object_id').where('repository_id', '=', row.id);
  const graceEnd = endOfGrace(ctx) ?? -1;
  const young = await left.where('left_at', '>', graceEnd).execute();
  for (const { object_id } of young) add(object_id);
  const merges = tables(ctx).selectFrom('codecommit_merge_commits').where('repository_id', '=', row.id);
  const merged = await merges.select(['commit_id', 'source_id', 'destination_id', 'base_id']).execute();
  for (const { commit_id, source_id, destination_id, base_id } of merged) {
    add(commit_id, source_id, destination_id, base_id);
  }
  for (const id of await reviewedObjects(ctx, row.id)) ids.add(id);
  return { generation: Number(row.generation), mentions: Number(row.mentions), ids: [...ids], graceEnd };
}

async function reviewedObjects(ctx: Context, repositoryId: string): Promise<Set<string>> {
  const ids = new Set<string>();
  const add = (...found: (string | null)[]) => found.forEach((id) => void (id !== null && ids.add(id)));
  const db = reviews(ctx);
  const pullRequests = db.selectFrom('codecommit_pull_requests').where('repository_id', '=', repositoryId);
  for (const one of await pullRequests.select(['source_commit', 'destination_commit', 'merge_commit']).execute()) {
    add(one.source_commit, one.destination_commit, one.merge_commit);
  }
  const ofRepository = pullRequests.select('id');
  const revisions = db.selectFrom('codecommit_revisions').select('source_commit');
  for (const one of await revisions.where('pull_request', 'in', ofRepository).execute()) add(one.source_commit);
  const events = db.selectFrom('codecommit_pull_request_events').select('metadata');
  for (const { metadata } of await events.where('pull_request', 'in', ofRepository).execute()) {
    for (const [, id] of metadata.matchAll(/"([0-9a-f]{40})"/g)) ids.add(id!);
  }
  const comments = db.selectFrom('codecommit_comments').where('repository_id', '=', repositoryId);
  const places = await comments.select(['before_commit', 'after_commit', 'before_blob', 'after_blob']).execute();
  for (const one of places) add(one.before_commit, one.after_commit, one.before_blob, one.after_blob);
  return ids;
}

/**
 * Notes that a row of this transaction names an object that was looked at under `collections`; null where nobody looked.
 * References need no note: they have their own.
 * @throws {GitFailure} `collected` when objects were taken out since
 */
export async function mentionObjects(tx: Tx, repositoryId: string, collections: number | null): Promise<void> {
  const mention = tables(tx)
    .updateTable('codecommit_repositories')
    .set((e) => ({ mentions: e('mentions', '+', 1) }))
    .where('id', '=', repositoryId)
    .$if(collections !== null, (update) => update.where('collections', '=', collections!));
  const { numUpdatedRows } = await mention.executeTakeFirst();
  if (numUpdatedRows === 0n && collections !== null) throw collected();
}
