import assert from 'node:assert/strict';
import { readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { systemClock } from '../../kernel/clock.ts';
import { Database } from '../../kernel/store/database.ts';
import { bytesType } from '../../kernel/store/dialect.ts';
import { kernelMigrations } from '../../kernel/store/kernel-tables.ts';
import { type Migrations, migrate } from '../../kernel/store/migrate.ts';
import { TEST_DATABASES, testFolder } from '../../kernel/testing/databases.ts';
import { UsageError } from '../usage-error.ts';
import { fillDatabase, openEmpty } from './fill.ts';
import { readRows, type UnpackLimits } from './read-rows.ts';
import { type Rows, sqliteRows, writeRows } from './rows.ts';

const first: Migrations = {
  '0001-things': {
    up: (db, kind) =>
      db.schema
        .createTable('things')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('count', 'bigint')
        .addColumn('data', bytesType(kind))
        .execute(),
  },
};
const later: Migrations = {
  ...first,
  '0002-more': { up: (db) => db.schema.alterTable('things').addColumn('more', 'text').execute() },
};
const owners = (things: Migrations) =>
  new Map([
    ['kernel', kernelMigrations],
    ['x', things],
  ]);

async function rowsFile(folder: string) {
  const path = join(folder, 'source.db');
  const source = Database.sqlite(path);
  await migrate(source, owners(first), systemClock);
  const things = [
    { id: 'a', count: 2 ** 53 - 1, data: Buffer.from([0, 255, 10]) },
    { id: 'ü\n"\u2028', count: null, data: null },
    ...Array.from({ length: 1_200 }, (_, at) => ({
      id: `n${String(at).padStart(5, '0')}`,
      count: -1 - at,
      data: Buffer.alloc(0),
    })),
  ];
  for (const some of [things.slice(0, 900), things.slice(900)]) {
    await source.transaction((tx) => tx.insertInto('things').values(some).execute());
  }
  await source.close();
  const file = join(folder, 'rows.jsonl.gz');
  await writeRows(file, sqliteRows(path));
  return { file, things: things.toSorted((a, b) => (a.id < b.id ? -1 : 1)) };
}

/** The embedded PostgreSQL takes longer to start than all of this; a real one is there where it is named. */
const DIALECTS = TEST_DATABASES.filter(({ name }) => name !== 'PGlite');

for (const dialect of DIALECTS) {
  test(`rows of one dialect are the same in the other, in the schema that they had (${dialect.name})`, async (t) => {
    const { file, things } = await rowsFile(await testFolder(t));
    const database = await dialect.empty(t);
    await fillDatabase(database, owners(later), () => readRows(file));
    const found = (await database.reader.selectFrom('things').selectAll().orderBy('id').execute()) as typeof things;
    assert.deepEqual(
      found.map(({ id, count, data }) => ({ id, count, data: data === null ? null : Buffer.from(data) })),
      things,
    );
    assert.equal('more' in found[0]!, false);
    await migrate(database, owners(later), systemClock);
    assert.equal('more' in (await database.reader.selectFrom('things').selectAll().executeTakeFirstOrThrow()), true);
    await assert.rejects(
      openEmpty(() => database, 'The database'),
      UsageError,
    );
  });

  test(`a backup of a later version, or one that breaks off, leaves the database empty (${dialect.name})`, async (t) => {
    const folder = await testFolder(t);
    const { file } = await rowsFile(folder);
    const database = await dialect.empty(t);
    const earlier = new Map([['kernel', kernelMigrations]]);
    await assert.rejects(
      fillDatabase(database, earlier, () => readRows(file)),
      /later version \(x\/0001-things\)/,
    );
    const broken = join(folder, 'broken.gz');
    const text = gunzipSync(await readFile(file)).toString();
    await writeFile(broken, gzipSync(`${text}["only one"]\n`));
    await assert.rejects(
      fillDatabase(database, owners(first), () => readRows(broken)),
      /is cut off/,
    );
    const dying = async function* (): AsyncGenerator<Rows> {
      yield* readRows(file);
      throw new Error('the disk is gone');
    };
    let looks = 0;
    const source = () => (looks++ === 0 ? readRows(file) : dying());
    await assert.rejects(fillDatabase(database, owners(first), source), /the disk is gone/);
    assert.deepEqual(await database.reader.introspection.getTables(), []);
    await truncate(file, (await stat(file)).size - 100);
    await assert.rejects(fillDatabase(database, owners(first), () => readRows(file)));
    assert.deepEqual(await database.reader.introspection.getTables(), []);
  });
}

test('what is no file of rows is told by its line, and one that unpacks without end is not read to it', async (t) => {
  const folder = await testFolder(t);
  const path = join(folder, 'rows.jsonl.gz');
  const read = async (bytes: Uint8Array, limits?: UnpackLimits) => {
    await writeFile(path, bytes);
    let count = 0;
    for await (const { rows } of readRows(path, limits)) count += rows.length;
    return count;
  };
  const head = '{"table":"t","columns":["a","b"]}\n';
  assert.equal(await read(gzipSync(`${head}[1,"x"]\n[null,{"base64":"AA=="}]`)), 2);
  const bad: [string | Uint8Array, RegExp][] = [
    [`${head}[1,`, /rows\.jsonl\.gz: line 2: /],
    ['[1]\n', /line 1: a row stands before/],
    ['{}\n', /line 1: it is neither a row/],
    ['null\n', /line 1: it is neither a row/],
    ['{"table":"a b","columns":["a"]}\n', /line 1: it is neither/],
    ['{"table":"t","columns":["a","a"]}\n', /line 1: t has no list of columns/],
    ['{"table":"t","columns":{}}\n', /line 1: t has no list of columns/],
    [`${head}[1]\n`, /line 2: a row of t is cut off/],
    [`${head}[1,{"base64":7}]\n`, /line 2: a value is neither/],
    [`${head}[1,true]\n`, /line 2: a value is neither/],
    [Buffer.from([...Buffer.from(head), 0xff]), /no UTF-8/],
  ];
  for (const [text, message] of bad) {
    await assert.rejects(
      read(gzipSync(text)),
      (error: Error) => error instanceof UsageError && message.test(error.message),
    );
  }
  await assert.rejects(read(Buffer.from('no gzip')), /no gzip file that is whole/);
  await assert.rejects(read(gzipSync(head.repeat(100)).subarray(0, 40)), /no gzip file that is whole/);
  // Large rows come in few at a time.
  await writeFile(path, gzipSync(`${head}${`[1,"${'x'.repeat(6 * 1024 * 1024)}"]\n`.repeat(7)}`));
  const sizes = [];
  for await (const { rows } of readRows(path)) sizes.push(rows.length);
  assert.deepEqual(sizes, [3, 3, 1]);
  const limits = { freeBytes: 64 * 1024, ratio: 10, lineBytes: 1024 * 1024 };
  const bomb = gzipSync(`${head}${'[1,"x"]\n'.repeat(100_000)}`);
  await assert.rejects(read(bomb, limits), /unpacks to more than 10 times its size/);
  const longLine = gzipSync(`${head}[1,"${'x'.repeat(2 * 1024 * 1024)}"]\n`);
  await assert.rejects(read(longLine, { ...limits, ratio: 10_000 }), /a line is longer/);
});
