import { systemClock } from '../../kernel/clock.ts';
import type { AnyTransaction, Database } from '../../kernel/store/database.ts';
import { type Migrations, migrate } from '../../kernel/store/migrate.ts';
import { UsageError } from '../usage-error.ts';
import type { Rows } from './rows.ts';

const MIGRATIONS = 'kernel_migrations';
/** Values in one statement: SQLite takes 32,766, and texts of statements are kept. */
const MAX_VALUES = 20_000;

/** A database that holds nothing yet. @throws UsageError when it does */
export async function openEmpty(open: () => Database | Promise<Database>, what: string): Promise<Database> {
  let database: Database;
  try {
    database = await open();
  } catch (error) {
    throw new UsageError(`${what} cannot be opened: ${(error as Error).message}`);
  }
  const tables = await database.reader.introspection.getTables();
  if (tables.length === 0) return database;
  await database.close();
  throw new UsageError(`${what} is not empty.`);
}

/**
 * Makes the tables of a backup, as they were in the version that took it, and fills them; the server brings them up to date
 * at its next start. What fails leaves the database empty.
 * @param owners all steps that this version knows
 * @param source gives the rows anew at each call
 * @throws UsageError for a backup of a later version
 */
export async function fillDatabase(
  database: Database,
  owners: ReadonlyMap<string, Migrations>,
  source: () => AsyncIterable<Rows>,
): Promise<void> {
  const applied = await appliedSteps(source());
  try {
    await migrate(database, stepsOf(owners, applied), systemClock);
    await database.transaction(async (tx) => {
      await tx.deleteFrom(MIGRATIONS).execute();
      for await (const some of source()) await insertOrTell(tx, some);
    });
  } catch (error) {
    await dropAll(database);
    throw error;
  }
}

/** The steps that had run, as `owner/name`. */
async function appliedSteps(source: AsyncIterable<Rows>): Promise<Set<string>> {
  const applied = new Set<string>();
  for await (const { table, columns, rows } of source) {
    if (table !== MIGRATIONS) continue;
    const [owner, name] = [columns.indexOf('owner'), columns.indexOf('name')];
    for (const row of rows) applied.add(`${row[owner]}/${row[name]}`);
  }
  return applied;
}

function stepsOf(owners: ReadonlyMap<string, Migrations>, applied: ReadonlySet<string>): Map<string, Migrations> {
  const left = new Set(applied);
  const chosen = new Map<string, Migrations>();
  for (const [owner, steps] of owners) {
    const ran = Object.entries(steps).filter(([name]) => left.delete(`${owner}/${name}`));
    chosen.set(owner, Object.fromEntries(ran));
  }
  if (left.size === 0) return chosen;
  throw new UsageError(
    `The backup was taken by a later version (${[...left].slice(0, 3).join(', ')}). Restore it with that one.`,
  );
}

/** What the database refuses of a table is told with its words. @throws UsageError */
async function insertOrTell(tx: AnyTransaction, rows: Rows): Promise<void> {
  try {
    await insert(tx, rows);
  } catch (error) {
    const { message } = error as Error;
    throw new UsageError(`Rows of ${rows.table} cannot be restored: ${message}. Nothing was restored.`, {
      cause: error,
    });
  }
}

async function insert(tx: AnyTransaction, { table, columns, rows }: Rows): Promise<void> {
  const size = Math.max(1, Math.floor(MAX_VALUES / columns.length));
  for (let at = 0; at < rows.length; at += size) {
    const values = rows
      .slice(at, at + size)
      .map((row) => Object.fromEntries(columns.map((column, index) => [column, row[index]])));
    await tx.insertInto(table).values(values).execute();
  }
}

async function dropAll(database: Database): Promise<void> {
  const tables = await database.reader.introspection.getTables();
  await database.transaction(async (tx) => {
    for (const { name } of tables) await tx.schema.dropTable(name).execute();
  });
}
