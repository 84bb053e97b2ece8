import { sql } from 'kysely';
import type { Migrations } from './migrate.ts';

/** Events that were committed and not yet handed to every consumer. */
export interface OutboxTable {
  id: string;
  position: number;
  event: string;
  attempts: number;
  due_at: number;
  claimed_until: number;
  /** Names of the consumers that have not taken it, as JSON; null while nobody has been asked. */
  waiting: string | null;
}
/** Wake-ups, timers and leases of the reconcilers. */
export interface WorkTable {
  reconciler: string;
  key: string;
  due_at: number;
  wakes: number;
  attempts: number;
  lease_owner: string | null;
  lease_until: number;
  last_error: string | null;
}
/** One row a call: the audit trail that CloudTrail shows. */
export interface AuditTable {
  id: string;
  at: number;
  account: string;
  region: string;
  event_source: string;
  event_name: string;
  read_only: number;
  access_key_id: string | null;
  user_name: string | null;
  resources: string;
  error_code: string | null;
  record: string;
  /** 0 for data events (objects, log lines), which LookupEvents does not show. */
  management: number;
  /** When the row got its outcome; null while its call runs, and for ever where the process died meanwhile. */
  settled_at: number | null;
}
export interface TagTable {
  arn: string;
  key: string;
  value: string;
}
export interface KernelTables {
  kernel_outbox: OutboxTable;
  kernel_work: WorkTable;
  kernel_audit: AuditTable;
  kernel_tags: TagTable;
}

export const kernelMigrations: Migrations = {
  '0001-kernel': {
    async up(db) {
      await db.schema
        .createTable('kernel_outbox')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('position', 'bigint', (c) => c.notNull())
        .addColumn('event', 'text', (c) => c.notNull())
        .addColumn('attempts', 'integer', (c) => c.notNull())
        .addColumn('due_at', 'bigint', (c) => c.notNull())
        .addColumn('claimed_until', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('kernel_outbox_due').on('kernel_outbox').columns(['due_at', 'position']).execute();
      await db.schema
        .createTable('kernel_work')
        .addColumn('reconciler', 'text', (c) => c.notNull())
        .addColumn('key', 'text', (c) => c.notNull())
        .addColumn('due_at', 'bigint', (c) => c.notNull())
        .addColumn('wakes', 'bigint', (c) => c.notNull())
        .addColumn('attempts', 'integer', (c) => c.notNull())
        .addColumn('lease_owner', 'text')
        .addColumn('lease_until', 'bigint', (c) => c.notNull())
        .addColumn('last_error', 'text')
        .addPrimaryKeyConstraint('kernel_work_key', ['reconciler', 'key'])
        .execute();
      await db.schema.createIndex('kernel_work_due').on('kernel_work').columns(['due_at']).execute();
      await db.schema
        .createTable('kernel_audit')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('account', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('event_source', 'text', (c) => c.notNull())
        .addColumn('event_name', 'text', (c) => c.notNull())
        .addColumn('read_only', 'integer', (c) => c.notNull())
        .addColumn('access_key_id', 'text')
        .addColumn('user_name', 'text')
        .addColumn('resources', 'text', (c) => c.notNull())
        .addColumn('error_code', 'text')
        .addColumn('record', 'text', (c) => c.notNull())
        .execute();
      await db.schema
        .createIndex('kernel_audit_at')
        .on('kernel_audit')
        .columns(['account', 'region', 'at', 'id'])
        .execute();
      await db.schema
        .createTable('kernel_tags')
        .addColumn('arn', 'text', (c) => c.notNull())
        .addColumn('key', 'text', (c) => c.notNull())
        .addColumn('value', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('kernel_tags_key', ['arn', 'key'])
        .execute();
    },
  },
  '0002-outbox-waiting': {
    async up(db) {
      await db.schema.alterTable('kernel_outbox').addColumn('waiting', 'text').execute();
    },
  },
  '0003-audit-age': {
    async up(db) {
      await db.schema.createIndex('kernel_audit_age').on('kernel_audit').columns(['at']).execute();
    },
  },
  '0004-audit-names': {
    async up(db) {
      await db.schema
        .createIndex('kernel_audit_name')
        .on('kernel_audit')
        .columns(['account', 'region', 'event_name', 'at', 'id'])
        .execute();
    },
  },
  '0005-audit-settled': {
    async up(db) {
      await db.schema
        .alterTable('kernel_audit')
        .addColumn('management', 'integer', (c) => c.notNull().defaultTo(1))
        .execute();
      await db.schema.alterTable('kernel_audit').addColumn('settled_at', 'bigint').execute();
      await sql`update kernel_audit set settled_at = at,
        management = case when record like '%"managementEvent":false%' then 0 else 1 end`.execute(db);
      // What is looked up are management events; what is delivered is taken in the order in which it was written.
      const lookedUp: Record<string, string[]> = {
        kernel_audit_at: ['account', 'region', 'at', 'id'],
        kernel_audit_name: ['account', 'region', 'event_name', 'at', 'id'],
      };
      for (const [name, columns] of Object.entries(lookedUp)) {
        await db.schema.dropIndex(name).execute();
        const index = db.schema.createIndex(name).on('kernel_audit').columns(columns);
        await index.where(sql`management`, '=', sql`1`).execute();
      }
      await db.schema.createIndex('kernel_audit_settled').on('kernel_audit').columns(['settled_at', 'id']).execute();
    },
  },
};
