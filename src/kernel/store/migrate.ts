import type { Clock } from '../clock.ts';
import type { AnyTransaction, Database } from './database.ts';
import type { DatabaseKind } from './dialect.ts';

/** One step of a schema; forward only. `kind` is for the few types that differ (`bytesType(kind)`). */
export interface Migration {
  up(db: AnyTransaction, kind: DatabaseKind): Promise<void>;
}

/** Steps by name; run in the order of their names (`0001-repositories`). */
export type Migrations = Readonly<Record<string, Migration>>;

const MAX_ATTEMPTS = 5;
/** What PostgreSQL answers to the second of two nodes that make the same table at once: unique violation, duplicate table. */
const MADE_ELSEWHERE = new Set(['23505', '42P07']);

/**
 * Brings the schema up to date, every owner's steps in its own order, all in one transaction. Of nodes that start at the
 * same time one does it, and the others find it done.
 */
export async function migrate(
  database: Database,
  owners: ReadonlyMap<string, Migrations>,
  clock: Clock,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await migrateOnce(database, owners, clock);
      return;
    } catch (error) {
      if (attempt >= MAX_ATTEMPTS || !MADE_ELSEWHERE.has((error as { code: string }).code)) throw error;
    }
  }
}

async function migrateOnce(database: Database, owners: ReadonlyMap<string, Migrations>, clock: Clock): Promise<void> {
  await database.transaction(async (tx) => {
    await tx.schema
      .createTable('kernel_migrations')
      .ifNotExists()
      .addColumn('owner', 'text', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('applied_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('kernel_migrations_key', ['owner', 'name'])
      .execute();
    const rows = (await tx.selectFrom('kernel_migrations').select(['owner', 'name']).execute()) as {
      owner: string;
      name: string;
    }[];
    const applied = new Set(rows.map(({ owner, name }) => `${owner}/${name}`));
    for (const [owner, migrations] of owners) {
      for (const name of Object.keys(migrations).sort()) {
        if (applied.has(`${owner}/${name}`)) continue;
        await migrations[name]!.up(tx, database.kind);
        await tx.insertInto('kernel_migrations').values({ owner, name, applied_at: clock.now().getTime() }).execute();
      }
    }
  });
}
