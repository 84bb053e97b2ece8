import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { ownDatabase } from '../../../test/postgres.ts';
import { systemClock } from '../clock.ts';
import { Database } from '../store/database.ts';
import { kernelMigrations } from '../store/kernel-tables.ts';
import { migrate } from '../store/migrate.ts';

/** A dialect to run storage tests on. */
export interface TestDatabase {
  readonly name: string;
  /** An empty database of the test's own. */
  empty(t: TestContext): Promise<Database>;
  /** The same with the kernel's tables. */
  open(t: TestContext): Promise<Database>;
}

async function withTables(database: Database): Promise<Database> {
  await migrate(database, new Map([['kernel', kernelMigrations]]), systemClock);
  return database;
}

/** A folder that goes away with the test. */
export async function testFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function emptySqlite(t: TestContext): Promise<Database> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-test-'));
  const database = Database.sqlite(join(folder, 'test.db'));
  t.after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });
  return database;
}

interface PgliteClient {
  exec(text: string): Promise<unknown>;
  close(): Promise<void>;
}

let pglite: Promise<PgliteClient> | undefined;

/** One instance a test file: it takes seconds to start and half a gigabyte. */
async function sharedPglite(): Promise<PgliteClient> {
  pglite ??= import('@electric-sql/pglite').then(async ({ PGlite }) => (await PGlite.create()) as PgliteClient);
  return pglite;
}

async function emptyPglite(): Promise<Database> {
  const client = await sharedPglite();
  await client.exec('drop schema public cascade; create schema public;');
  // The database does not own the client: it goes on to the next test.
  return Database.pglite(
    new Proxy(client, { get: (target, key) => (key === 'close' ? async () => undefined : bound(target, key)) }),
  );
}

function bound(target: object, key: string | symbol): unknown {
  const value = Reflect.get(target, key) as unknown;
  return typeof value === 'function' ? value.bind(target) : value;
}

async function emptyPostgres(t: TestContext): Promise<Database> {
  const own = await ownDatabase();
  if (own === undefined) throw new Error('no PostgreSQL server is named');
  const database = await Database.postgres(own.url);
  t.after(async () => {
    await database.close();
    await own.drop();
  });
  return database;
}

function testDatabase(name: string, empty: (t: TestContext) => Promise<Database>): TestDatabase {
  return { name, empty, open: async (t) => withTables(await empty(t)) };
}

/** The dialects that storage tests run on; with `TEST_POSTGRES_URL` a real server stands in for the embedded one. */
export const TEST_DATABASES: readonly TestDatabase[] = [
  testDatabase('SQLite', emptySqlite),
  process.env['TEST_POSTGRES_URL'] ? testDatabase('PostgreSQL', emptyPostgres) : testDatabase('PGlite', emptyPglite),
];

after(async () => (await pglite)?.close());
