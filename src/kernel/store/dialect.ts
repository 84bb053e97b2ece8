/** The only place where the two database dialects differ. */
import { DatabaseSync } from 'node:sqlite';
import { type ColumnDataType, type Dialect, type Kysely, PGliteDialect, PostgresDialect, sql } from 'kysely';
import { type Prepared, type SqliteConnection, sqliteKysely } from './sqlite-executor.ts';

export type DatabaseKind = 'sqlite' | 'postgres';

/** Type of a column that holds bytes. */
export function bytesType(kind: DatabaseKind): ColumnDataType {
  return kind === 'sqlite' ? 'blob' : 'bytea';
}

const CACHED_STATEMENTS = 500;

/** What Kysely binds, as `node:sqlite` takes it. */
function bindable(value: unknown): string | number | bigint | null | Uint8Array {
  if (typeof value === 'boolean') return value ? 1 : 0;
  return (value ?? null) as string | number | bigint | null | Uint8Array;
}

/** `node:sqlite` in the shape that Kysely's SQLite dialect expects, with compiled statements kept. */
class SqliteHandle implements SqliteConnection {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, Prepared>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  prepare(text: string): Prepared {
    // SQLite itself rolls back on some errors, a full disk for one: a second time would be an error that hides the first.
    if (text === 'rollback' && !this.#database.isTransaction) return NOTHING;
    const known = this.#prepared.get(text);
    if (known !== undefined) return known;
    // A transaction that begins as a reader is refused at once, without a wait, when it comes to write while another process
    // (a backup that begins) holds the file.
    const prepared = this.#compile(text === 'begin' ? 'begin immediate' : text);
    if (this.#prepared.size >= CACHED_STATEMENTS) this.#prepared.clear();
    this.#prepared.set(text, prepared);
    return prepared;
  }

  #compile(text: string): Prepared {
    const statement = this.#database.prepare(text);
    return {
      reader: statement.columns().length > 0,
      all: (parameters) => statement.all(...parameters.map(bindable)),
      run: (parameters) => statement.run(...parameters.map(bindable)),
      iterate: (parameters) => statement.iterate(...parameters.map(bindable)),
    };
  }

  close(): void {
    this.#prepared.clear();
    this.#database.close();
  }
}

const NOTHING: Prepared = {
  reader: false,
  all: () => [],
  run: () => ({ changes: 0, lastInsertRowid: 0 }),
  iterate: () => [],
};

/**
 * One connection to an SQLite file: write-ahead log, every commit synced to the disk (`synchronous=FULL`).
 * @param readOnly for the connection that answers reads while another one writes.
 */
export function openSqlite(path: string, readOnly: boolean): Kysely<never> {
  const database = new DatabaseSync(path, { readOnly, timeout: 5_000 });
  if (!readOnly) database.exec('PRAGMA journal_mode=WAL; PRAGMA journal_size_limit=67108864;');
  database.exec('PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;');
  // Pages that many commits change (the ends of the audit trail's indexes) go to the file once in 16 MB of log, not in 4.
  database.exec('PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-8000;');
  return sqliteKysely(new SqliteHandle(database), readOnly ? 'reads' : 'transactions');
}

/**
 * A pool of connections to PostgreSQL. 64-bit integers come back as numbers: ours stay below 2^53.
 * @param readOnly for the connections that answer reads outside transactions.
 */
export async function postgresDialect(url: string, poolSize: number, readOnly: boolean): Promise<Dialect> {
  // Loaded when it is used: most installations keep their state in SQLite and start faster without it.
  const { default: pg } = await import('pg');
  pg.types.setTypeParser(pg.types.builtins.INT8, Number);
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    ...(readOnly ? { options: '-c default_transaction_read_only=on' } : {}),
  });
  // A connection that breaks while nobody uses it (the database restarts) is replaced by the pool when the next one is
  // needed; unheard, the event would end the process.
  pool.on('error', () => undefined);
  return new PostgresDialect({ pool });
}

/** PGlite, an embedded PostgreSQL: for tests of the PostgreSQL dialect only. */
export function pgliteDialect(client: unknown): Dialect {
  return new PGliteDialect({ pglite: client as never });
}

const statements = new Map<string, string>();

/**
 * Text of a statement that inserts rows, or changes some columns where the key is there. The texts are kept: use few
 * different numbers of rows.
 */
export function upsertStatement(
  kind: DatabaseKind,
  table: string,
  columns: readonly string[],
  key: string,
  changed: readonly string[],
  rows: number,
): string {
  const name = `${kind} ${table} ${rows}`;
  let text = statements.get(name);
  if (text === undefined) {
    let count = 0;
    const placeholder = () => (kind === 'sqlite' ? '?' : `$${++count}`);
    const row = () => `(${columns.map(placeholder).join(', ')})`;
    const changes = changed.map((column) => `${column} = excluded.${column}`).join(', ');
    const values = Array.from({ length: rows }, row).join(', ');
    text = `insert into ${table} (${columns.join(', ')}) values ${values} on conflict (${key}) do update set ${changes}`;
    statements.set(name, text);
  }
  return text;
}

/** PostgreSQL must compare text by bytes, as SQLite does: lists are paged by name. @throws when it does not */
export async function requireByteCollation(db: Kysely<never>): Promise<void> {
  const { rows } = await sql<{ byBytes: boolean }>`select 'B' < 'a' as "byBytes"`.execute(db);
  if (rows[0]?.byBytes !== true) {
    throw new Error(
      "The database must compare text by bytes: create it with LC_COLLATE 'C' (createdb --locale=C -T template0).",
    );
  }
}

const MAX_RUNS = 20;
/** A row that is there for good stops every run: that is a bug, and few runs tell it. */
const MAX_RUNS_BY_DUPLICATE = 4;

/**
 * How often a transaction that ends with this error may run: PostgreSQL asks for another run, or another transaction has
 * made the same row after this one had found it missing. The next run finds it, and answers in its own words.
 */
export function runsAllowed(error: unknown): number {
  const code = (error as { code?: unknown }).code;
  if (code === '40001' || code === '40P01') return MAX_RUNS;
  return code === '23505' ? MAX_RUNS_BY_DUPLICATE : 1;
}

/** True for text that PostgreSQL does not store (U+0000), which is its sender's mistake. */
export function isUnstorable(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === '22021';
}
