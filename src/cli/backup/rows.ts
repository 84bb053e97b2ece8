import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { UsageError } from '../usage-error.ts';

/** What a column holds in either dialect. */
export type Value = string | number | null | Uint8Array;

/** Some rows of a table. A table comes in as many of these as it takes; one without rows once, without any. */
export interface Rows {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Value[])[];
}

export const FETCHED_ROWS = 500;
/** SQLite takes 32,766 values in a statement. */
export const MAX_VALUES = 20_000;

/**
 * Writes rows as gzipped JSON lines: `{"table":"t","columns":["a","b"]}` and then a line `[value, value]` for each row, bytes
 * as `{"base64":"..."}`. @returns the SHA-256 of the file, hex
 */
export async function writeRows(path: string, source: AsyncIterable<Rows>): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx', 0o600);
  try {
    const packed = Readable.from(textOf(source)).pipe(createGzip({ level: 4 }));
    for await (const chunk of packed as AsyncIterable<Buffer>) {
      hash.update(chunk);
      for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

async function* textOf(source: AsyncIterable<Rows>): AsyncGenerator<string> {
  let table: string | undefined;
  for await (const some of source) {
    const head = some.table === table ? '' : `${JSON.stringify({ table: some.table, columns: some.columns })}\n`;
    table = some.table;
    yield head + some.rows.map((row) => `${JSON.stringify(row.map(encoded))}\n`).join('');
  }
}

function encoded(value: Value): unknown {
  return value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value;
}

/** The rows of an SQLite file that nobody writes to. */
export async function* sqliteRows(path: string): AsyncGenerator<Rows> {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const named = database
      .prepare("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' order by name")
      .all() as { name: string }[];
    for (const { name: table } of named) {
      const statement = database.prepare(`select * from "${table}"`);
      const columns = statement.columns().map(({ name }) => name);
      let rows: Value[][] = [];
      for (const row of statement.iterate() as Iterable<Record<string, Value>>) {
        rows.push(columns.map((column) => row[column] ?? null));
        if (rows.length * columns.length < MAX_VALUES && rows.length < FETCHED_ROWS) continue;
        yield { table, columns, rows };
        rows = [];
      }
      yield { table, columns, rows };
    }
  } finally {
    database.close();
  }
}

/** A look at a PostgreSQL database that stays at one moment, whatever others write meanwhile. */
export interface Snapshot {
  rows(): AsyncGenerator<Rows>;
  close(): Promise<void>;
}

/** @throws UsageError where the database does not answer or holds no installation */
export async function postgresSnapshot(url: string): Promise<Snapshot> {
  const { default: pg } = await import('pg');
  pg.types.setTypeParser(pg.types.builtins.INT8, Number);
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    await client.query('begin isolation level repeatable read read only');
    // The moment is that of the first look.
    const { rowCount } = await client.query(
      "select 1 from pg_tables where schemaname = current_schema() and tablename = 'kernel_migrations'",
    );
    if (rowCount === 0) throw new UsageError('There is no installation in the database.');
  } catch (error) {
    await client.end();
    if (error instanceof UsageError) throw error;
    throw new UsageError(`The database does not answer: ${(error as Error).message}`);
  }
  return {
    async *rows() {
      const { rows: tables } = await client.query<{ tablename: string }>(
        'select tablename from pg_tables where schemaname = current_schema() order by tablename',
      );
      for (const { tablename: table } of tables) {
        const name = client.escapeIdentifier(table);
        await client.query(`declare backup_cursor no scroll cursor for select * from ${name}`);
        for (let isFirst = true; ; isFirst = false) {
          const text = `fetch ${FETCHED_ROWS} from backup_cursor`;
          const { rows, fields } = await client.query<Value[]>({ text, rowMode: 'array' });
          if (rows.length === 0 && !isFirst) break;
          yield { table, columns: fields.map((field) => field.name), rows };
          if (rows.length < FETCHED_ROWS) break;
        }
        await client.query('close backup_cursor');
      }
    },
    close: () => client.end(),
  };
}
