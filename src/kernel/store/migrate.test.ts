import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { systemClock } from '../clock.ts';
import { TEST_DATABASES } from '../testing/databases.ts';
import type { Database } from './database.ts';
import { bytesType } from './dialect.ts';
import { kernelMigrations } from './kernel-tables.ts';
import { type Migrations, migrate } from './migrate.ts';

const run = (database: Database, owners: Record<string, Migrations>) =>
  migrate(database, new Map(Object.entries(owners)), systemClock);

for (const dialect of TEST_DATABASES) {
  const on = (what: string) => `${what} (${dialect.name})`;

  test(on('steps run once, in the order of their names, and new ones later'), async (t) => {
    const database = await dialect.empty(t);
    const ran: string[] = [];
    const step = (name: string) => ({ up: async () => void ran.push(name) });
    await run(database, { b: { '0002-x': step('b2'), '0001-x': step('b1') }, a: { '0001-x': step('a1') } });
    assert.deepEqual(ran, ['b1', 'b2', 'a1']);
    await run(database, { b: { '0001-x': step('b1'), '0002-x': step('b2') }, a: { '0001-x': step('a1') } });
    assert.deepEqual(ran, ['b1', 'b2', 'a1']);
    await run(database, { b: { '0001-x': step('b1'), '0002-x': step('b2'), '0003-y': step('b3') } });
    assert.deepEqual(ran, ['b1', 'b2', 'a1', 'b3']);
  });

  test(on('a step that fails leaves the schema as it was'), async (t) => {
    const database = await dialect.empty(t);
    const good: Migrations = {
      '0001-good': { up: (db) => db.schema.createTable('good').addColumn('id', 'text').execute() },
    };
    const bad: Migrations = {
      ...good,
      '0002-bad': { up: (db) => sql`create nonsense`.execute(db).then(() => undefined) },
    };
    await assert.rejects(run(database, { x: bad }), /syntax/);
    await assert.rejects(database.reader.selectFrom('good').selectAll().execute(), /good/);
    await run(database, { x: good });
    assert.deepEqual(await database.reader.selectFrom('good').selectAll().execute(), []);
  });

  test(on('bytes and the kernel’s own tables'), async (t) => {
    const database = await dialect.empty(t);
    const bytes: Migrations = {
      '0001-bytes': {
        up: (db, kind) => db.schema.createTable('bytes').addColumn('data', bytesType(kind)).execute(),
      },
    };
    await run(database, { kernel: kernelMigrations, x: bytes });
    await run(database, { kernel: kernelMigrations, x: bytes });
    const data = Buffer.from([0, 255, 10, 0]);
    await database.transaction((tx) => tx.insertInto('bytes').values({ data }).execute());
    const [row] = (await database.reader.selectFrom('bytes').selectAll().execute()) as { data: Uint8Array }[];
    assert.deepEqual(Buffer.from(row!.data), data);
  });

  test(on('nodes that start at once make the schema once'), async (t) => {
    const database = await dialect.empty(t);
    let made = 0;
    const steps: Migrations = {
      '0001-once': {
        async up(db) {
          await db.schema.createTable('once').addColumn('id', 'text').execute();
          made++;
        },
      },
    };
    await Promise.all(Array.from({ length: 4 }, () => run(database, { kernel: kernelMigrations, x: steps })));
    assert.ok(made >= 1);
    assert.equal(
      (await database.reader.selectFrom('kernel_migrations').selectAll().execute()).length,
      1 + Object.keys(kernelMigrations).length,
    );
  });
}
