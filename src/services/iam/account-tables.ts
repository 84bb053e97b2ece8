import type { Kysely } from 'kysely';
import type { Context, Tx } from '../../kernel/context.ts';
import type { Migrations } from '../../kernel/store/migrate.ts';

/** An account of this installation. */
export interface AccountRow {
  /** 12 digits. */
  id: string;
  name: string;
  email: string;
  /** As AWS Organizations says it: `ACTIVE` or `SUSPENDED`. */
  status: string;
  /** Epoch milliseconds. */
  created_at: number;
}

export interface AccountTables {
  iam_accounts: AccountRow;
}

/** The table of accounts, outside or inside a transaction. */
export function accountTables(source: Context | Tx): Kysely<AccountTables> {
  return source.db<AccountTables>();
}

export const accountMigrations: Migrations = {
  '0101-accounts': {
    async up({ schema }) {
      await schema
        .createTable('iam_accounts')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('email', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .execute();
    },
  },
};
