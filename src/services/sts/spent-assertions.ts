import { createHash } from 'node:crypto';
import type { Context } from '../../kernel/context.ts';
import type { Migrations } from '../../kernel/store/migrate.ts';

interface Tables {
  sts_spent_assertions: {
    /** SHA-256 of what was presented for which role. */
    id: string;
    expires_at: number;
  };
}

const SWEPT_AT_ONCE = 50;

export const migrations: Migrations = {
  '0001-spent-assertions': {
    async up({ schema }) {
      await schema
        .createTable('sts_spent_assertions')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('expires_at', 'bigint', (c) => c.notNull())
        .execute();
      await schema.createIndex('sts_spent_assertions_expiry').on('sts_spent_assertions').column('expires_at').execute();
    },
  },
};

/**
 * Notes that an assertion was presented, until it counts no more by itself.
 * @returns false where it was presented before
 */
export async function spendAssertion(ctx: Context, parts: readonly string[], expiresAt: number): Promise<boolean> {
  const id = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  return ctx.tx(async (tx) => {
    const db = tx.db<Tables>();
    const inserted = await db
      .insertInto('sts_spent_assertions')
      .values({ id, expires_at: expiresAt })
      .onConflict((c) => c.column('id').doNothing())
      .executeTakeFirst();
    const old = db
      .selectFrom('sts_spent_assertions')
      .select('id')
      .where('expires_at', '<', ctx.now().getTime())
      .limit(SWEPT_AT_ONCE);
    await db.deleteFrom('sts_spent_assertions').where('id', 'in', old).execute();
    return inserted.numInsertedOrUpdatedRows === 1n;
  });
}
