import { isGitFailure } from '../../git/failure.ts';
import { GRACE_MS } from '../../git/upkeep.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import type { Reconciler } from '../../kernel/service.ts';
import { gitStoreOf, lockedRepository, repositoryKeysOf } from './git-cache.ts';
import { removeLfsObjects } from './lfs-rows.ts';
import { removeReviews } from './reviews-removal.ts';
import { collectableRepositories } from './roots.ts';
import { findRepositoryById } from './store.ts';
import { tables } from './tables.ts';
import { triggerTables } from './trigger-tables.ts';

/** A repository with more packs than this is folded even if nobody uses it on this node. */
const MOST_PACKS = 16;
/** A push that ran while its repository was deleted may leave a blob behind; by then it is over. */
const LAST_SWEEP_MS = 3_600_000;

/**
 * Folds packs that a killed or stopped server has left unfolded, and deletes the blobs of those that were folded a while
 * ago; takes out objects that nothing has led to for the time of grace. A node that uses a repository does so by itself a few seconds after each change.
 */
export const upkeep: Reconciler = {
  name: 'codecommit.upkeep',
  async reconcile(repositoryId, ctx) {
    if ((await findRepositoryById(ctx, repositoryId)) === undefined) return undefined;
    const store = await gitStoreOf(ctx);
    try {
      await store.maintain(await lockedRepository(ctx, repositoryId));
    } catch (error) {
      // Without the key, upkeep waits for the next use of the repository, which brings it.
      if (!isGitFailure(error, 'key-refused')) throw error;
    }
    return undefined;
  },
  async scan(ctx) {
    const rows = await tables(ctx)
      .selectFrom('codecommit_packs')
      .select('repository_id')
      .groupBy('repository_id')
      .having((e) => e.fn.countAll<number>(), '>', MOST_PACKS)
      .execute();
    const due = await tables(ctx)
      .selectFrom('codecommit_dropped_packs')
      .select('repository_id')
      .distinct()
      .where('dropped_at', '<=', ctx.now().getTime() - GRACE_MS)
      .execute();
    const found = [...rows, ...due].map(({ repository_id }) => repository_id);
    return [...new Set([...found, ...(await collectableRepositories(ctx))])];
  },
};

/** Removes the rows of a repository and has its bytes removed after the commit. */
export async function removeRepository(tx: Tx, repositoryId: string, now: Date): Promise<void> {
  const db = tables(tx);
  await db.deleteFrom('codecommit_repositories').where('id', '=', repositoryId).execute();
  await db.deleteFrom('codecommit_refs').where('repository_id', '=', repositoryId).execute();
  await db.deleteFrom('codecommit_packs').where('repository_id', '=', repositoryId).execute();
  await db.deleteFrom('codecommit_merge_commits').where('repository_id', '=', repositoryId).execute();
  await removeLfsObjects(tx, repositoryId);
  await removeReviews(tx, repositoryId);
  await triggerTables(tx).deleteFrom('codecommit_trigger_sets').where('repository_id', '=', repositoryId).execute();
  await db.deleteFrom('codecommit_left_tips').where('repository_id', '=', repositoryId).execute();
  await db.deleteFrom('codecommit_dropped_packs').where('repository_id', '=', repositoryId).execute();
  await db
    .insertInto('codecommit_removals')
    .values({ repository_id: repositoryId, removed_at: now.getTime() })
    .execute();
  await tx.wake(REMOVAL, repositoryId);
}

const REMOVAL = 'codecommit.removal';

/** Deletes the packs and the cache of a deleted repository: at once, and once more when no push can be under way. */
export const removal: Reconciler = {
  name: REMOVAL,
  async reconcile(repositoryId, ctx) {
    const row = await tables(ctx)
      .selectFrom('codecommit_removals')
      .selectAll()
      .where('repository_id', '=', repositoryId)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    await removeBytes(ctx, repositoryId);
    const lastSweep = Number(row.removed_at) + LAST_SWEEP_MS;
    if (ctx.now().getTime() < lastSweep) return { againAt: new Date(lastSweep) };
    await ctx.tx(async (tx) => {
      await tables(tx).deleteFrom('codecommit_removals').where('repository_id', '=', repositoryId).execute();
    });
    return undefined;
  },
  async scan(ctx) {
    const due = ctx.now().getTime() - LAST_SWEEP_MS;
    const rows = await tables(ctx)
      .selectFrom('codecommit_removals')
      .select('repository_id')
      .where('removed_at', '<=', due)
      .execute();
    return rows.map(({ repository_id }) => repository_id);
  },
};

async function removeBytes(ctx: Context, repositoryId: string): Promise<void> {
  const store = await gitStoreOf(ctx);
  await store.remove((await lockedRepository(ctx, repositoryId)).truth);
  (await repositoryKeysOf(ctx)).forget(repositoryId);
  const keys: string[] = [];
  for await (const key of ctx.blobs.list(`git/${repositoryId}`)) keys.push(key);
  for (const key of keys) await ctx.blobs.delete(key);
}
