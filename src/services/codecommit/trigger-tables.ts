import type { Kysely } from 'kysely';
import type { Context, Tx } from '../../kernel/context.ts';
import type { Migrations } from '../../kernel/store/migrate.ts';

/** The triggers of one repository, as they were put. */
export interface TriggerSetRow {
  repository_id: string;
  /** Changes with every PutRepositoryTriggers. */
  configuration_id: string;
  /** `RepositoryTrigger[]` as JSON. */
  triggers: string;
}

/** One message on its way to one destination. The row goes when it was taken and stays for a while when it never was. */
export interface TriggerDispatchRow {
  /** `<event>/<part>` */
  id: string;
  account: string;
  region: string;
  repository_name: string;
  trigger_name: string;
  destination_arn: string;
  /** The JSON text that the destination gets. */
  message: string;
  created_at: number;
  attempts: number;
  /** `WAITING` or `FAILED`. */
  status: string;
  /** Why the last attempt failed. */
  error: string | null;
}

export interface TriggerTables {
  codecommit_trigger_sets: TriggerSetRow;
  codecommit_trigger_dispatches: TriggerDispatchRow;
}

export const triggerMigrations: Migrations = {
  '0104-triggers': {
    async up(db) {
      await db.schema
        .createTable('codecommit_trigger_sets')
        .addColumn('repository_id', 'text', (c) => c.primaryKey())
        .addColumn('configuration_id', 'text', (c) => c.notNull())
        .addColumn('triggers', 'text', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('codecommit_trigger_dispatches')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('repository_name', 'text', (c) => c.notNull())
        .addColumn('trigger_name', 'text', (c) => c.notNull())
        .addColumn('destination_arn', 'text', (c) => c.notNull())
        .addColumn('message', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('attempts', 'integer', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('error', 'text')
        .execute();
      await db.schema
        .createIndex('codecommit_trigger_dispatches_status')
        .on('codecommit_trigger_dispatches')
        .columns(['status', 'created_at'])
        .execute();
    },
  },
};

/** The tables of triggers, outside or inside a transaction. */
export function triggerTables(source: Context | Tx): Kysely<TriggerTables> {
  return source.db<TriggerTables>();
}
