import { CompiledQuery } from 'kysely';
import { type AuditEntry, rowOf } from './audit-record.ts';
import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';
import { type AnyTransaction, type Database, outsideTransaction } from './store/database.ts';
import { type DatabaseKind, upsertStatement } from './store/dialect.ts';
import type { AuditTable } from './store/kernel-tables.ts';
import { commonFault } from './wire/errors.ts';

/** Each batch is a commit, which waits for the disk: under load a longer delay makes fewer of them. */
const FLUSH_DELAY_MS = 200;
const RETRY_MS = 1_000;
const FLUSH_ROWS = 500;
const MAX_PENDING = 10_000;

/**
 * The record of every call. A mutating call's row is written in the transaction of its change; its outcome, and the rows
 * of calls that change nothing, follow in batches within 200 ms. What cannot be written waits, up to a limit from which on
 * calls are refused.
 */
export class AuditTrail {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #log: Logger;
  #pending: AuditEntry[] = [];
  #timer: { cancel(): void } | undefined;
  #stopped = false;
  #flushing: Promise<void> | undefined;
  #hasFailed = false;

  constructor(database: Database, clock: Clock, log: Logger) {
    this.#database = database;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * A change carries its own record in its transaction, so it needs no check. Records of reads and refusals wait in memory
   * while the trail cannot be written; when too many wait, calls are refused. @throws ServiceUnavailable
   */
  assertWritable(): void {
    if (this.#pending.length >= MAX_PENDING) {
      throw commonFault('ServiceUnavailable', 'The audit trail cannot be written; the call was refused.');
    }
  }

  /** Writes the row within the transaction that makes the change; its outcome follows by `add`. */
  async beginIn(tx: AnyTransaction, entry: AuditEntry): Promise<void> {
    await upsert(tx, this.#database.kind, [entry], null);
  }

  /** Writes the whole row within the transaction that makes the change: nothing follows. */
  async writeIn(tx: AnyTransaction, entry: AuditEntry): Promise<void> {
    await upsert(tx, this.#database.kind, [entry], this.#clock.now().getTime());
  }

  /** Writes, or completes, the row soon. */
  add(entry: AuditEntry): void {
    // The database is closed: whatever calls now has changed nothing, and nobody hears its answer.
    if (this.#stopped) return;
    this.#pending.push(entry);
    if (this.#hasFailed) return; // it is tried again in a while
    if (this.#pending.length === FLUSH_ROWS) outsideTransaction(() => void this.#flushSoon());
    else this.#timer ??= this.#flushAfter(FLUSH_DELAY_MS);
  }

  /** Writes everything that waits and takes no more: the database is about to be closed. */
  async stop(): Promise<void> {
    await this.flush();
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #flushAfter(delayMs: number): { cancel(): void } {
    return outsideTransaction(() => this.#clock.after(delayMs, () => void this.#flushSoon()));
  }

  async #flushSoon(): Promise<void> {
    try {
      await this.flush();
    } catch (error) {
      this.#log.error({ err: error }, 'the audit trail could not be written; trying again');
      this.#timer ??= this.#flushAfter(RETRY_MS);
    }
  }

  /** Writes everything that waits; LookupEvents calls it first, so that a caller sees his own calls. */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#pending.length === 0) return;
    this.#flushing = this.#writePending();
    try {
      await this.#flushing;
    } finally {
      this.#flushing = undefined;
    }
  }

  async #writePending(): Promise<void> {
    const batch = this.#pending;
    this.#pending = [];
    try {
      await this.#database.transaction(async (tx) => {
        await upsert(tx, this.#database.kind, batch, this.#clock.now().getTime());
      });
      this.#hasFailed = false;
    } catch (error) {
      this.#hasFailed = true;
      this.#pending = [...batch, ...this.#pending];
      throw error;
    }
  }
}

const COLUMNS = [
  'id',
  'at',
  'account',
  'region',
  'event_source',
  'event_name',
  'read_only',
  'access_key_id',
  'user_name',
  'resources',
  'error_code',
  'record',
  'management',
  'settled_at',
] as const satisfies (keyof AuditTable)[];
/** What the outcome of a call changes in the row of its beginning. */
const OUTCOME = ['record', 'error_code', 'resources', 'settled_at'] as const;
/** Rows a statement. A few fixed sizes, so that each is compiled once. */
const STATEMENT_ROWS = [100, 10, 1];

/** Written without the query builder: there is one for every call. */
async function upsert(
  tx: AnyTransaction,
  kind: DatabaseKind,
  entries: readonly AuditEntry[],
  settledAt: number | null,
): Promise<void> {
  // An entry may stand twice in a batch (begun and completed); the database takes each id once a statement.
  const rows = [...new Map(entries.map((entry) => [entry.id, entry])).values()].map((entry) => rowOf(entry, settledAt));
  let at = 0;
  for (const size of STATEMENT_ROWS) {
    const text = upsertStatement(kind, 'kernel_audit', COLUMNS, 'id', OUTCOME, size);
    for (; rows.length - at >= size; at += size) {
      const values = rows.slice(at, at + size).flatMap((row) => COLUMNS.map((column) => row[column]));
      await tx.executeQuery(CompiledQuery.raw(text, values));
    }
  }
}
