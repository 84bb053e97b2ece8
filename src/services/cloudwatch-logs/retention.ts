import type { Reconciler } from '../../kernel/service.ts';
import type { LogsTables } from './tables.ts';

export const RETENTION = 'logs.retention';
const DAY_MS = 86_400_000;
const LOOK_AGAIN_MS = 3_600_000;
const MAX_ROWS = 1_000;

/** Deletes what a group's retention period has passed over; a segment goes when its last event has expired. */
export const retention: Reconciler = {
  name: RETENTION,
  async reconcile(groupId, ctx) {
    const group = await ctx
      .db<LogsTables>()
      .selectFrom('logs_groups')
      .selectAll()
      .where('id', '=', groupId)
      .executeTakeFirst();
    if (group === undefined || group.retention_days === null) return undefined;
    const now = ctx.now().getTime();
    const before = now - group.retention_days * DAY_MS;
    const removed = await ctx.tx(async (tx) => {
      const db = tx.db<LogsTables>();
      const expired = await db
        .selectFrom('logs_segments')
        .select(['stream_id', 'first_at', 'first_sequence'])
        .where('group_id', '=', groupId)
        .where('first_at', '<', before)
        .where('last_at', '<', before)
        .limit(MAX_ROWS)
        .execute();
      for (const { stream_id, first_at, first_sequence } of expired) {
        await db
          .deleteFrom('logs_segments')
          .where('stream_id', '=', stream_id)
          .where('first_at', '=', first_at)
          .where('first_sequence', '=', first_sequence)
          .execute();
      }
      return expired.length;
    });
    return { againAt: new Date(removed === MAX_ROWS ? now : now + LOOK_AGAIN_MS) };
  },
  async scan(ctx) {
    const rows = await ctx
      .db<LogsTables>()
      .selectFrom('logs_groups')
      .select('id')
      .where('retention_days', 'is not', null)
      .execute();
    return rows.map(({ id }) => id);
  },
};
