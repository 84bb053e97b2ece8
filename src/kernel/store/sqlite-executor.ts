import {
  type CompiledQuery,
  type ConnectionProvider,
  DefaultQueryExecutor,
  type DialectAdapter,
  Kysely,
  type QueryCompiler,
  type QueryResult,
  SqliteDialect,
  SqliteDriver,
} from 'kysely';

/** A compiled statement as Kysely's SQLite dialect uses it. */
export interface Prepared {
  /** True for a statement that gives rows. */
  readonly reader: boolean;
  all(parameters: readonly unknown[]): unknown[];
  run(parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint };
  iterate(parameters: readonly unknown[]): Iterable<unknown>;
}

/** One connection to SQLite. */
export interface SqliteConnection {
  prepare(text: string): Prepared;
  close(): void;
}

/**
 * Runs a query where it stands: SQLite answers at once, so nobody has to wait for a connection. Kysely's own way from a
 * query to its connection and back is a dozen promises long, which costs more than most look-ups.
 */
class DirectExecutor extends DefaultQueryExecutor {
  readonly #parts: Parts;

  constructor(parts: Parts, provider: ConnectionProvider) {
    super(parts.compiler, parts.adapter, provider);
    this.#parts = parts;
  }

  override async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const statement = this.#parts.connection.prepare(sql);
    if (statement.reader) return { rows: statement.all(parameters) as R[] };
    const { changes, lastInsertRowid } = statement.run(parameters);
    return { rows: [], insertId: BigInt(lastInsertRowid), numAffectedRows: BigInt(changes) };
  }
}

/** Hands out the connection to one transaction after the other, and to their statements without a detour. */
class WaitingExecutor extends DefaultQueryExecutor {
  readonly #parts: Parts;

  constructor(parts: Parts, provider: ConnectionProvider) {
    super(parts.compiler, parts.adapter, provider);
    this.#parts = parts;
  }

  /** The executor of a transaction, which holds the connection. */
  override withConnectionProvider(provider: ConnectionProvider): DefaultQueryExecutor {
    return new DirectExecutor(this.#parts, provider);
  }
}

interface Parts {
  readonly connection: SqliteConnection;
  readonly compiler: QueryCompiler;
  readonly adapter: DialectAdapter;
}

class ClosingDriver extends SqliteDriver {
  readonly #connection: SqliteConnection;

  constructor(connection: SqliteConnection) {
    super({ database: connection as never });
    this.#connection = connection;
  }

  override async destroy(): Promise<void> {
    this.#connection.close();
  }
}

/**
 * Kysely on a connection.
 * @param use `reads`: each query by itself, at once. `transactions`: one after the other; their statements at once.
 */
export function sqliteKysely(connection: SqliteConnection, use: 'reads' | 'transactions'): Kysely<never> {
  const dialect = new SqliteDialect({ database: connection as never });
  const parts: Parts = { connection, compiler: dialect.createQueryCompiler(), adapter: dialect.createAdapter() };
  const waiting = new Kysely<never>({ dialect }).getExecutor();
  const provider: ConnectionProvider = { provideConnection: (consumer) => waiting.provideConnection(consumer) };
  const executor = use === 'reads' ? new DirectExecutor(parts, provider) : new WaitingExecutor(parts, provider);
  return new Kysely<never>({ config: { dialect }, dialect, driver: new ClosingDriver(connection), executor });
}
