import type { Context, Tx } from '../../kernel/context.ts';
import type { Migrations } from '../../kernel/store/migrate.ts';

/** A large file of a repository; its bytes are the blob of {@link lfsBlobKey}, sealed with the repository's data key. */
export interface LfsObjectRow {
  repository_id: string;
  /** SHA-256 of the content, hex. */
  oid: string;
  size: number;
  created_at: number;
}

interface LfsTables {
  codecommit_lfs_objects: LfsObjectRow;
}

export const lfsMigrations: Migrations = {
  '0020-lfs': {
    async up(db) {
      await db.schema
        .createTable('codecommit_lfs_objects')
        .addColumn('repository_id', 'text', (c) => c.notNull())
        .addColumn('oid', 'text', (c) => c.notNull())
        .addColumn('size', 'bigint', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('codecommit_lfs_objects_key', ['repository_id', 'oid'])
        .execute();
    },
  },
};

/** Below the repository's own prefix, so that its bytes go with it. */
export function lfsBlobKey(repositoryId: string, oid: string): string {
  return `git/${repositoryId}/lfs/${oid}`;
}

/** Sizes by id of those that are there. */
export async function lfsSizes(
  ctx: Context,
  repositoryId: string,
  oids: readonly string[],
): Promise<Map<string, number>> {
  if (oids.length === 0) return new Map();
  const rows = await ctx
    .db<LfsTables>()
    .selectFrom('codecommit_lfs_objects')
    .select(['oid', 'size'])
    .where('repository_id', '=', repositoryId)
    .where('oid', 'in', [...oids])
    .execute();
  return new Map(rows.map(({ oid, size }) => [oid, Number(size)]));
}

/** Notes that the blob is there. */
export async function addLfsObject(tx: Tx, row: LfsObjectRow): Promise<void> {
  await tx
    .db<LfsTables>()
    .insertInto('codecommit_lfs_objects')
    .values(row)
    .onConflict((c) => c.columns(['repository_id', 'oid']).doNothing())
    .execute();
}

export async function removeLfsObjects(tx: Tx, repositoryId: string): Promise<void> {
  await tx.db<LfsTables>().deleteFrom('codecommit_lfs_objects').where('repository_id', '=', repositoryId).execute();
}
