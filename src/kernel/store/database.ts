import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { Kysely, type Transaction } from 'kysely';
import {
  type DatabaseKind,
  openSqlite,
  pgliteDialect,
  postgresDialect,
  requireByteCollation,
  runsAllowed,
} from './dialect.ts';

/** Retries without a pause; then they wait longer and longer, so that those in each other's way get apart. */
const QUICK_RETRIES = 3;
const MAX_PAUSE_MS = 50;
const READERS = 8;
const WRITERS = 8;

/** Tables are typed where they are used: every service casts to its own. */
// biome-ignore lint/suspicious/noExplicitAny: a service's tables are known to the service alone
export type AnyDb = Kysely<any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
export type AnyTransaction = Transaction<any>;

/** The transaction that the running code is part of. What it started may outlive it. */
const current = new AsyncLocalStorage<{ open: boolean }>();

/** Runs what belongs to no transaction, even where it is called within one: timers and wake-ups of the kernel. */
export function outsideTransaction<T>(run: () => T): T {
  return current.exit(run);
}

/** The state of an installation: one SQLite file, or a PostgreSQL database shared by any number of nodes. */
export class Database {
  readonly kind: DatabaseKind;
  /** For reads outside a transaction. It cannot write (with PGlite, which has one connection, it could). */
  readonly reader: AnyDb;
  readonly #writer: AnyDb;
  #closed: Promise<void> | undefined;

  private constructor(kind: DatabaseKind, reader: AnyDb, writer: AnyDb) {
    this.kind = kind;
    this.reader = reader;
    this.#writer = writer;
  }

  /** Opens (and makes) an SQLite file. */
  static sqlite(path: string): Database {
    const writer = openSqlite(path, false);
    return new Database('sqlite', openSqlite(path, true), writer);
  }

  /** Opens a PostgreSQL database. @param url `postgres://user:password@host/name` */
  static async postgres(url: string): Promise<Database> {
    const writer = new Kysely<never>({ dialect: await postgresDialect(url, WRITERS, false) });
    const reader = new Kysely<never>({ dialect: await postgresDialect(url, READERS, true) });
    await requireByteCollation(reader);
    return new Database('postgres', reader, writer);
  }

  /** Wraps a PGlite client, for tests of the PostgreSQL dialect. */
  static async pglite(client: unknown): Promise<Database> {
    const db = new Kysely<never>({ dialect: pgliteDialect(client) });
    await requireByteCollation(db);
    return new Database('postgres', db, db);
  }

  /**
   * Runs one write transaction. It is durable when this resolves. On SQLite transactions run one after the other; on
   * PostgreSQL they are serialisable and run again when the database asks for it, so `run` awaits nothing but the
   * database and changes nothing else.
   */
  async transaction<T>(run: (tx: AnyTransaction) => Promise<T>): Promise<T> {
    if (current.getStore()?.open) {
      throw new Error('a transaction is open here: nothing but its own database may be awaited in it');
    }
    for (let attempt = 1; ; attempt++) {
      const scope = { open: true };
      try {
        return await current.run(scope, () => this.#begin().execute(run));
      } catch (error) {
        if (attempt >= runsAllowed(error)) throw error;
      } finally {
        scope.open = false;
      }
      if (attempt > QUICK_RETRIES) await pause(Math.min(2 ** (attempt - QUICK_RETRIES), MAX_PAUSE_MS));
    }
  }

  #begin() {
    const builder = this.#writer.transaction();
    return this.kind === 'postgres' ? builder.setIsolationLevel('serializable') : builder;
  }

  /** The second time it does nothing. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.reader.destroy();
    if (this.#writer !== this.reader) await this.#writer.destroy();
  }
}
