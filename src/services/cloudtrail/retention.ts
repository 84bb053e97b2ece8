import type { Context } from '../../kernel/context.ts';
import type { Reconciler } from '../../kernel/service.ts';
import type { KernelTables } from '../../kernel/store/kernel-tables.ts';

export const RETENTION = 'cloudtrail.retention';
const KEY = 'events';
const DAY_MS = 86_400_000;
/** A call whose outcome is not known after so long was cut off by the end of its process. */
const CUT_OFF_MS = 15 * 60_000;
const LOOK_AGAIN_MS = 3_600_000;
/** So many rows go in one transaction, so that no call waits long for it. */
const ROWS_AT_ONCE = 2_000;

/** Deletes events that are older than the setting says, and settles those of calls that were cut off. */
export const retention: Reconciler = {
  name: RETENTION,
  async reconcile(_key, ctx) {
    const now = ctx.now().getTime();
    const removed = await ctx.tx(async (tx) => {
      const db = tx.db<KernelTables>();
      const old = await db
        .selectFrom('kernel_audit')
        .select('id')
        .where('at', '<', now - ctx.config.auditRetentionDays * DAY_MS)
        .limit(ROWS_AT_ONCE)
        .execute();
      const ids = old.map(({ id }) => id);
      if (ids.length > 0) await db.deleteFrom('kernel_audit').where('id', 'in', ids).execute();
      return ids.length;
    });
    await settleCutOff(ctx, now);
    return { againAt: new Date(removed === ROWS_AT_ONCE ? now : now + LOOK_AGAIN_MS) };
  },
  scan: async () => [KEY],
};

/** So that trails deliver them: the change stands, though nobody has heard of it. */
async function settleCutOff(ctx: Context, now: number): Promise<void> {
  await ctx.tx((tx) =>
    tx
      .db<KernelTables>()
      .updateTable('kernel_audit')
      .set({ settled_at: now })
      .where('settled_at', 'is', null)
      .where('at', '<', now - CUT_OFF_MS)
      .execute(),
  );
}
