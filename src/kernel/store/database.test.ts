import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { sql } from 'kysely';
import { TEST_DATABASES, testFolder } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { type AnyTransaction, Database, outsideTransaction } from './database.ts';

async function addNumbers(tx: AnyTransaction, ...numbers: number[]): Promise<void> {
  for (const n of numbers) await tx.insertInto('numbers').values({ n }).execute();
}

async function numbersIn(database: Database): Promise<number[]> {
  const rows = (await database.reader.selectFrom('numbers').select('n').orderBy('n').execute()) as { n: number }[];
  return rows.map(({ n }) => n);
}

for (const dialect of TEST_DATABASES) {
  const on = (what: string) => `${what} (${dialect.name})`;

  async function withNumbers(t: Parameters<typeof dialect.empty>[0]): Promise<Database> {
    const database = await dialect.empty(t);
    await database.transaction(async (tx) => {
      await tx.schema
        .createTable('numbers')
        .addColumn('n', 'bigint', (c) => c.primaryKey())
        .addColumn('text', 'text')
        .execute();
    });
    return database;
  }

  test(on('a transaction is whole or not at all'), async (t) => {
    const database = await withNumbers(t);
    assert.equal(
      await database.transaction(async (tx) => {
        await addNumbers(tx, 1, 2);
        return 'result';
      }),
      'result',
    );
    const failure = new Error('mine');
    await assert.rejects(
      database.transaction(async (tx) => {
        await addNumbers(tx, 3);
        throw failure;
      }),
      (error) => error === failure,
    );
    await assert.rejects(database.transaction((tx) => addNumbers(tx, 4, 4)));
    assert.deepEqual(await numbersIn(database), [1, 2]);
  });

  test(on('transactions at once do not lose each other’s changes'), async (t) => {
    const database = await withNumbers(t);
    await database.transaction((tx) => addNumbers(tx, 1));
    const raise = () =>
      database.transaction(async (tx) => {
        const { n } = (await tx.selectFrom('numbers').select('n').executeTakeFirstOrThrow()) as { n: number };
        await turn();
        await tx
          .updateTable('numbers')
          .set({ n: n + 1 })
          .execute();
      });
    await Promise.all(Array.from({ length: 20 }, raise));
    assert.deepEqual(await numbersIn(database), [21]);
  });

  test(on('a transaction within a transaction is refused, by whatever way it is reached'), async (t) => {
    const database = await withNumbers(t);
    const inner = async () => database.transaction((tx) => addNumbers(tx, 9));
    await assert.rejects(database.transaction(inner), /a transaction is open here/);
    await assert.rejects(
      database.transaction(async () => {
        await turn();
        await inner();
      }),
      /a transaction is open here/,
    );
    await inner();
    assert.deepEqual(await numbersIn(database), [9]);
  });

  test(on('what a transaction started may have one of its own when it is over'), async (t) => {
    const database = await withNumbers(t);
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    let late: Promise<void> | undefined;
    await database.transaction(async (tx) => {
      await addNumbers(tx, 1);
      late = over.then(() => database.transaction((other) => addNumbers(other, 2)));
    });
    end();
    await late;
    assert.deepEqual(await numbersIn(database), [1, 2]);
    let waiting: Promise<void> | undefined;
    await database.transaction(async (tx) => {
      waiting = outsideTransaction(() => database.transaction((other) => addNumbers(other, 4)));
      await addNumbers(tx, 3);
    });
    await waiting;
    assert.deepEqual(await numbersIn(database), [1, 2, 3, 4]);
  });

  test(on('a transaction runs again when the database asks for it, and gives up after a while'), async (t) => {
    const database = await withNumbers(t);
    const busy = (code: string) => Object.assign(new Error('could not serialize access'), { code });
    let runs = 0;
    await database.transaction(async (tx) => {
      await addNumbers(tx, 1);
      runs++;
      if (runs < 6) throw busy(runs % 2 === 0 ? '40001' : '40P01');
    });
    assert.equal(runs, 6);
    assert.deepEqual(await numbersIn(database), [1]);
    runs = 0;
    const other = database.transaction(async () => {
      runs++;
      throw busy('23503');
    });
    await assert.rejects(other, { code: '23503' });
    assert.equal(runs, 1);
    runs = 0;
    const duplicate = database.transaction(async () => {
      runs++;
      throw busy('23505');
    });
    await assert.rejects(duplicate, { code: '23505' }, 'a row that is there for good is told soon');
    assert.equal(runs, 4);
    runs = 0;
    const forever = database.transaction(async () => {
      runs++;
      throw busy('40001');
    });
    await assert.rejects(forever, { code: '40001' });
    assert.equal(runs, 20);
  });

  test(on('a transaction that is over answers no more'), async (t) => {
    const database = await withNumbers(t);
    let kept: AnyTransaction | undefined;
    await database.transaction(async (tx) => {
      kept = tx;
    });
    await assert.rejects(addNumbers(kept!, 1));
    assert.deepEqual(await numbersIn(database), []);
  });

  test(on('numbers up to 2^53, text and absence come back as they were'), async (t) => {
    const database = await withNumbers(t);
    const rows = [
      { n: 0, text: null },
      { n: 2 ** 53 - 1, text: '' },
      { n: 1_764_000_000_000, text: "ü😀'\n\\" },
    ];
    await database.transaction((tx) => tx.insertInto('numbers').values(rows).execute());
    const read = await database.reader.selectFrom('numbers').selectAll().orderBy('n').execute();
    assert.deepEqual(
      read.map((row) => ({ ...row })),
      [rows[0], rows[2], rows[1]],
    );
  });

  test(on('text is compared by bytes'), async (t) => {
    const database = await withNumbers(t);
    const texts = ['b', 'a', 'B', 'ä', 'Z', '_', '-', 'a-', 'aa'];
    await database.transaction((tx) =>
      tx
        .insertInto('numbers')
        .values(texts.map((text, n) => ({ n, text })))
        .execute(),
    );
    const read = (await database.reader.selectFrom('numbers').select('text').orderBy('text').execute()) as {
      text: string;
    }[];
    assert.deepEqual(
      read.map(({ text }) => text),
      [...texts].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
  });

  test(on('a reader sees what is committed and nothing else'), async (t) => {
    const database = await withNumbers(t);
    if (dialect.name === 'PGlite') return void t.diagnostic('it has one connection: readers wait for the transaction');
    await database.transaction(async (tx) => {
      await addNumbers(tx, 1);
      assert.deepEqual(await numbersIn(database), []);
    });
    assert.deepEqual(await numbersIn(database), [1]);
    await assert.rejects(database.reader.insertInto('numbers').values({ n: 2 }).execute(), /read-?only/);
    await assert.rejects(sql`drop table numbers`.execute(database.reader), /read-?only/);
  });
}

test('SQLite: a full disk refuses the write, keeps what was there, and works again when there is room', async (t) => {
  const database = Database.sqlite(join(await testFolder(t), 'x.db'));
  t.after(() => database.close());
  await database.transaction((tx) =>
    tx.schema.createTable('numbers').addColumn('n', 'bigint').addColumn('text', 'text').execute(),
  );
  await database.transaction((tx) => addNumbers(tx, 1));
  const limit = (pages: number) =>
    database.transaction((tx) => sql`pragma max_page_count = ${sql.lit(pages)}`.execute(tx));
  await limit(1);
  const large = (n: number) =>
    database.transaction(async (tx) => {
      await addNumbers(tx, n);
      await tx
        .insertInto('numbers')
        .values({ n: n + 1, text: 'x'.repeat(1_000_000) })
        .execute();
    });
  await assert.rejects(large(2), /database or disk is full/);
  await assert.rejects(large(4), /database or disk is full/);
  assert.deepEqual(await numbersIn(database), [1]);
  await limit(1_000_000);
  await large(6);
  assert.deepEqual(await numbersIn(database), [1, 6, 7]);
});

const postgresUrl = process.env['TEST_POSTGRES_URL'];
if (postgresUrl !== undefined) {
  test('PostgreSQL: connections that break while nobody uses them are replaced', async (t) => {
    const database = await TEST_DATABASES.at(-1)!.empty(t);
    await database.transaction((tx) => sql`select 1`.execute(tx));
    await sql`select 1`.execute(database.reader);
    await database.transaction((tx) =>
      sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`.execute(
        tx,
      ),
    );
    const answers = async () => {
      const { rows } = await sql<{ one: number }>`select 1 as one`.execute(database.reader);
      return rows[0]?.one === 1;
    };
    await eventually(() => answers().catch(() => false));
    await eventually(() => database.transaction(answers).catch(() => false));
  });
}

test('SQLite: a transaction that reads first waits for another process that holds the file, and then writes', async (t) => {
  const path = join(await testFolder(t), 'held.db');
  const database = Database.sqlite(path);
  t.after(() => database.close());
  await database.transaction((tx) => tx.schema.createTable('things').addColumn('id', 'text').execute());
  const script = `
    import { DatabaseSync } from 'node:sqlite';
    const held = new DatabaseSync(process.argv[1]);
    held.exec('BEGIN IMMEDIATE');
    process.stdout.write('held');
    setTimeout(() => held.close(), 300);`;
  const other = spawn(process.execPath, ['--input-type=module', '-e', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(other.stdout, 'data');
  await database.transaction(async (tx) => {
    await tx.selectFrom('things').selectAll().execute();
    await tx.insertInto('things').values({ id: 'a' }).execute();
  });
  if (other.exitCode === null) await once(other, 'exit');
});
