import type { Reconciler } from '../../kernel/service.ts';
import type { KernelTables } from '../../kernel/store/kernel-tables.ts';

export const RETENTION = 'cloudtrail.retention';
const KEY = 'events';
const DAY_MS = 86_400_000;
/** As long as AWS shows events. */
const KEPT_DAYS = 90;
const LOOK_AGAIN_MS = 3_600_000;
/** So many rows go in one transaction, so that no call waits long for it. */
const ROWS_AT_ONCE = 2_000;

/** Deletes events that are older than 90 days. */
export const retention: Reconciler = {
  name: RETENTION,
  async reconcile(_key, ctx) {
    const now = ctx.now().getTime();
    const removed = await ctx.tx(async (tx) => {
      const db = tx.db<KernelTables>();
      const old = await db
        .selectFrom('kernel_audit')
        .select('id')
        .where('at', '<', now - KEPT_DAYS * DAY_MS)
        .limit(ROWS_AT_ONCE)
        .execute();
      const ids = old.map(({ id }) => id);
      if (ids.length > 0) await db.deleteFrom('kernel_audit').where('id', 'in', ids).execute();
      return ids.length;
    });
    return { againAt: new Date(removed === ROWS_AT_ONCE ? now : now + LOOK_AGAIN_MS) };
  },
  scan: async () => [KEY],
};
