import { AsyncLocalStorage } from 'node:async_hooks';
import { Kysely, type Transaction } from 'kysely';
import {
  type DatabaseKind,
  isRetryable,
  pgliteDialect,
  postgresDialect,
  requireByteCollation,
  sqliteDialect,
} from './dialect.ts';

const MAX_RETRIES = 20;
const POOL_SIZE = 16;

/** Tables are typed where they are used: every service casts to its own. */
// biome-ignore lint/suspicious/noExplicitAny: a service's tables are known to the service alone
export type AnyDb = Kysely<any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
export type AnyTransaction = Transaction<any>;

const open = new AsyncLocalStorage<true>();

/** The state of an installation: one SQLite file, or a PostgreSQL database shared by any number of nodes. */
export class Database {
  readonly kind: DatabaseKind;
  /** For reads outside a transaction. On SQLite it cannot write. */
  readonly reader: AnyDb;
  readonly #writer: AnyDb;

  private constructor(kind: DatabaseKind, reader: AnyDb, writer: AnyDb) {
    this.kind = kind;
    this.reader = reader;
    this.#writer = writer;
  }

  /** Opens (and makes) an SQLite file. */
  static sqlite(path: string): Database {
    const writer = new Kysely<never>({ dialect: sqliteDialect(path, false) });
    return new Database('sqlite', new Kysely({ dialect: sqliteDialect(path, true) }), writer);
  }

  /** Opens a PostgreSQL database. @param url `postgres://user:password@host/name` */
  static async postgres(url: string): Promise<Database> {
    const db = new Kysely<never>({ dialect: await postgresDialect(url, POOL_SIZE) });
    await requireByteCollation(db);
    return new Database('postgres', db, db);
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
    if (open.getStore())
      throw new Error('a transaction is open here: nothing but its own database may be awaited in it');
    for (let attempt = 1; ; attempt++) {
      try {
        return await open.run(true, () => this.#begin().execute(run));
      } catch (error) {
        if (!isRetryable(error) || attempt >= MAX_RETRIES) throw error;
      }
    }
  }

  #begin() {
    const builder = this.#writer.transaction();
    return this.kind === 'postgres' ? builder.setIsolationLevel('serializable') : builder;
  }

  async close(): Promise<void> {
    await this.reader.destroy();
    if (this.#writer !== this.reader) await this.#writer.destroy();
  }
}
