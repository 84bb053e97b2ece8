import type { Context, Tx } from '../../kernel/context.ts';
import type { KeyTable, KmsTables } from './tables.ts';

/** The primary key of a set of related multi-Region keys; undefined once it is gone. */
export async function primaryOf(
  source: Context | Tx,
  row: Pick<KeyTable, 'account' | 'id'>,
): Promise<KeyTable | undefined> {
  const db = source.db<KmsTables>();
  return db
    .selectFrom('kms_keys')
    .selectAll()
    .where('id', '=', row.id)
    .where('account', '=', row.account)
    .where('multi_region', '=', 'PRIMARY')
    .executeTakeFirst();
}
