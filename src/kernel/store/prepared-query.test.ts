import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Kysely } from 'kysely';
import { Database } from './database.ts';
import { preparedQuery } from './prepared-query.ts';

interface Tables {
  things: { kind: string; name: string; size: number | null };
}

let folder: string;
let database: Database;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-prepared-'));
  database = Database.sqlite(join(folder, 'db'));
  await database.transaction(async (tx) => {
    await tx.schema
      .createTable('things')
      .addColumn('kind', 'text')
      .addColumn('name', 'text')
      .addColumn('size', 'integer')
      .execute();
    const things = ['a', 'b', 'c'].map((name, size) => ({ kind: 'letter', name, size }));
    await tx.insertInto('things').values(things).execute();
  });
});

after(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

/** Values stand in another order than in the query, one twice, and the limit is the query's own. */
const larger = preparedQuery((db: Kysely<Tables>, size: number, kind: string) =>
  db
    .selectFrom('things')
    .select('name')
    .where('kind', '=', kind)
    .where('size', '>', size)
    .where('size', '!=', size)
    .orderBy('name')
    .limit(1),
);

test('a query that was made once takes the values of each call, on the reader and within a transaction', async () => {
  let made = 0;
  const named = preparedQuery((db: Kysely<Tables>, name: string) => {
    made += 1;
    return db.selectFrom('things').selectAll().where('name', '=', name);
  });
  const reader = database.reader as unknown as Kysely<Tables>;
  assert.deepEqual(
    (await named(reader, 'b')).map(({ size }) => size),
    [1],
  );
  assert.deepEqual((await named(reader, "b' or 1=1 --")).length, 0);
  await database.transaction(async (tx) => {
    const db = tx as unknown as Kysely<Tables>;
    await tx.insertInto('things').values({ kind: 'digit', name: '1', size: 7 }).execute();
    assert.deepEqual(
      (await named(db, '1')).map(({ size }) => size),
      [7],
      'it sees what its transaction wrote',
    );
    assert.deepEqual(await named(reader, '1'), [], 'and nobody else does before the commit');
  });
  await database.transaction(async (tx) => {
    assert.equal((await named(tx as unknown as Kysely<Tables>, 'c'))[0]?.size, 2);
  });
  assert.equal((await named(reader, '1'))[0]?.size, 7);
  assert.equal(made, 2, 'once for the reader, once for all transactions');
});

test('values go where the query has them, and its own constants stay', async () => {
  const reader = database.reader as unknown as Kysely<Tables>;
  assert.deepEqual(await larger(reader, 0, 'letter'), [Object.assign(Object.create(null), { name: 'b' })]);
  assert.deepEqual(
    (await larger(reader, 1, 'letter')).map(({ name }) => name),
    ['c'],
  );
  assert.deepEqual(await larger(reader, 0, 'nothing'), []);
});

test('what a failed transaction did is undone, statements of others wait for it, and the reader cannot write', async () => {
  const order: string[] = [];
  const failing = database.transaction(async (tx) => {
    await tx.insertInto('things').values({ kind: 'lost', name: 'x', size: null }).execute();
    order.push('first begun');
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    order.push('first failed');
    throw new Error('no');
  });
  const next = database.transaction(async (tx) => {
    order.push('second begun');
    const changed = await tx.updateTable('things').set({ size: 9 }).where('kind', '=', 'letter').executeTakeFirst();
    assert.equal(changed.numUpdatedRows, 3n);
    return tx.selectFrom('things').selectAll().where('kind', '=', 'lost').execute();
  });
  await assert.rejects(failing, /no/);
  assert.deepEqual(await next, []);
  assert.deepEqual(order, ['first begun', 'first failed', 'second begun']);
  await assert.rejects(database.reader.deleteFrom('things').execute(), /readonly/);
});
