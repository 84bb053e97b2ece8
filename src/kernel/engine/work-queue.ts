import { sql } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Context } from '../context.ts';
import type { Logger } from '../log.ts';
import type { Reconciler } from '../service.ts';
import type { AnyTransaction, Database } from '../store/database.ts';
import type { WorkTable } from '../store/kernel-tables.ts';

const LEASE_MS = 30_000;
const RENEW_MS = 10_000;
const POLL_MS = 1_000;
const SCAN_MS = 60_000;
const MAX_RUNNING = 64;
const MAX_BACKOFF_MS = 60_000;
const MAX_ERROR_CHARS = 2_000;

/** Writes a wake-up within a transaction. A key that waits already keeps the earlier of the two times. */
export async function writeWake(tx: AnyTransaction, reconciler: string, key: string, atMs: number): Promise<void> {
  await tx
    .insertInto('kernel_work')
    .values({
      reconciler,
      key,
      due_at: atMs,
      wakes: 1,
      attempts: 0,
      lease_owner: null,
      lease_until: 0,
      last_error: null,
    })
    .onConflict((c) =>
      c.columns(['reconciler', 'key']).doUpdateSet({
        due_at: sql`case when kernel_work.due_at < excluded.due_at then kernel_work.due_at else excluded.due_at end`,
        wakes: sql`kernel_work.wakes + 1`,
      }),
    )
    .execute();
}

interface WorkQueueParts {
  database: Database;
  clock: Clock;
  log: Logger;
  /** Name of this process among the nodes. */
  node: string;
  reconcilers: ReadonlyMap<string, Reconciler>;
  contextFor(reconciler: Reconciler): Context;
}

/**
 * Runs reconcilers for the keys that are due: each key in one place at a time, again after a crash, at the time that a
 * timer names. The queue is a table, so a wake-up commits with the change that it follows.
 */
export class WorkQueue {
  readonly #parts: WorkQueueParts;
  readonly #running = new Map<string, Promise<void>>();
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #timer: { cancel(): void } | undefined;
  #renewal: { cancel(): void } | undefined;
  #scanTimer: { cancel(): void } | undefined;
  #stopped = true;

  constructor(parts: WorkQueueParts) {
    this.#parts = parts;
  }

  /** Takes up what an earlier process left, then waits for wake-ups. */
  async start(): Promise<void> {
    this.#stopped = false;
    await this.#scan();
    if (this.#parts.database.kind === 'postgres') this.#renewLater();
    this.poke();
  }

  /** Looks for due keys now; call it after each commit that wrote a wake-up. */
  poke(): void {
    if (this.#stopped) return;
    if (this.#looking !== undefined) {
      this.#lookAgain = true;
      return;
    }
    this.#timer?.cancel();
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      if (this.#lookAgain) {
        this.#lookAgain = false;
        this.poke();
      }
    });
  }

  /** Lets running reconcilers finish and starts no more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#renewal?.cancel();
    this.#scanTimer?.cancel();
    await this.#looking;
    await Promise.allSettled(this.#running.values());
  }

  async #look(): Promise<void> {
    const { clock, log } = this.#parts;
    let waitMs = POLL_MS;
    try {
      const free = MAX_RUNNING - this.#running.size;
      for (const row of free > 0 ? await this.#claim(free) : []) this.#run(row);
      waitMs = Math.min(waitMs, await this.#untilNextMs());
    } catch (error) {
      log.error({ err: error }, 'the work queue could not be read; trying again');
    }
    if (!this.#stopped) this.#timer = clock.after(waitMs, () => this.poke());
  }

  /** Due keys that nobody runs. On SQLite this process is the only one, so its own list is the lease. */
  async #claim(limit: number): Promise<WorkTable[]> {
    const { database, clock, node } = this.#parts;
    const now = clock.now().getTime();
    const due = (db: AnyTransaction | Database['reader']) =>
      db
        .selectFrom('kernel_work')
        .selectAll()
        .where('due_at', '<=', now)
        .where('lease_until', '<=', now)
        .orderBy('due_at')
        .limit(limit + this.#running.size)
        .execute() as Promise<WorkTable[]>;
    const free = (rows: WorkTable[]) => rows.filter((row) => !this.#running.has(slot(row))).slice(0, limit);
    if (database.kind === 'sqlite') return free(await due(database.reader));
    return database.transaction(async (tx) => {
      const rows = free(await due(tx));
      for (const { reconciler, key } of rows) {
        await tx
          .updateTable('kernel_work')
          .set({ lease_owner: node, lease_until: now + LEASE_MS })
          .where('reconciler', '=', reconciler)
          .where('key', '=', key)
          .execute();
      }
      return rows;
    });
  }

  async #untilNextMs(): Promise<number> {
    const { database, clock } = this.#parts;
    const now = clock.now().getTime();
    const row = await database.reader
      .selectFrom('kernel_work')
      .select('due_at')
      .where('due_at', '>', now)
      .orderBy('due_at')
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? POLL_MS : Math.max(1, (row.due_at as number) - now);
  }

  #run(row: WorkTable): void {
    const id = slot(row);
    const run = this.#reconcile(row).finally(() => {
      this.#running.delete(id);
      this.poke();
    });
    this.#running.set(id, run);
  }

  async #reconcile(row: WorkTable): Promise<void> {
    const { reconcilers, log, contextFor, clock } = this.#parts;
    const reconciler = reconcilers.get(row.reconciler);
    let failure: unknown;
    let againAt: Date | undefined;
    try {
      if (reconciler === undefined) throw new Error(`no reconciler ${row.reconciler}`);
      againAt = (await reconciler.reconcile(row.key, contextFor(reconciler)))?.againAt;
    } catch (error) {
      failure = error ?? new Error('unknown');
      log.error(
        { err: error, reconciler: row.reconciler, key: row.key, attempts: row.attempts },
        'a reconciler failed; trying again',
      );
    }
    try {
      await this.#settle(row, againAt, failure);
    } catch (error) {
      log.error(
        { err: error, reconciler: row.reconciler, key: row.key },
        'a reconciled key could not be settled; it runs again',
      );
      await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
    }
  }

  /** Takes the key off the queue, unless it was woken meanwhile, has a timer, or failed. */
  async #settle(row: WorkTable, againAt: Date | undefined, failure: unknown): Promise<void> {
    const { database, clock } = this.#parts;
    const now = clock.now().getTime();
    await database.transaction(async (tx) => {
      const mine = <T extends { where(...args: unknown[]): T }>(query: T): T =>
        query.where('reconciler', '=', row.reconciler).where('key', '=', row.key);
      const current = (await mine(tx.selectFrom('kernel_work').select('wakes') as never as Where).executeTakeFirst()) as
        | { wakes: number }
        | undefined;
      if (current === undefined) return;
      const woken = current.wakes !== row.wakes;
      if (failure === undefined && !woken && againAt === undefined) {
        await mine(tx.deleteFrom('kernel_work') as never as Where).execute();
        return;
      }
      const attempts = failure === undefined ? 0 : row.attempts + 1;
      const backoff = Math.min(250 * 2 ** Math.min(attempts, 10), MAX_BACKOFF_MS);
      const dueAt = failure !== undefined ? now + backoff : woken ? now : againAt!.getTime();
      const last =
        failure === undefined
          ? null
          : String(failure instanceof Error ? failure.stack : failure).slice(0, MAX_ERROR_CHARS);
      const change = { due_at: dueAt, attempts, last_error: last, lease_owner: null, lease_until: 0 };
      await mine(tx.updateTable('kernel_work').set(change) as never as Where).execute();
    });
  }

  /** Keeps the leases of what still runs here; a node that dies loses its own within 30 s. */
  #renewLater(): void {
    const { database, clock, node, log } = this.#parts;
    this.#renewal = clock.after(RENEW_MS, () => {
      const until = clock.now().getTime() + LEASE_MS;
      database
        .transaction((tx) =>
          tx.updateTable('kernel_work').set({ lease_until: until }).where('lease_owner', '=', node).execute(),
        )
        .catch((error: unknown) => log.error({ err: error }, 'leases could not be renewed'))
        .finally(() => {
          if (!this.#stopped) this.#renewLater();
        });
    });
  }

  /** Puts keys into the queue that a reconciler knows of and the queue does not. */
  async #scan(): Promise<void> {
    const { reconcilers, contextFor, clock, database, log } = this.#parts;
    for (const reconciler of reconcilers.values()) {
      try {
        const keys = (await reconciler.scan?.(contextFor(reconciler))) ?? [];
        if (keys.length === 0) continue;
        await database.transaction(async (tx) => {
          for (const key of keys) await writeWakeIfAbsent(tx, reconciler.name, key, clock.now().getTime());
        });
      } catch (error) {
        log.error({ err: error, reconciler: reconciler.name }, 'a scan failed; trying again');
      }
    }
    if (this.#stopped) return;
    this.#scanTimer = clock.after(SCAN_MS, () => {
      void this.#scan().then(() => this.poke());
    });
  }
}

/** The part of Kysely's builders that `settle` uses. */
interface Where {
  where(...args: unknown[]): Where;
  execute(): Promise<unknown>;
  executeTakeFirst(): Promise<unknown>;
}

function slot(row: { reconciler: string; key: string }): string {
  return `${row.reconciler}\0${row.key}`;
}

async function writeWakeIfAbsent(tx: AnyTransaction, reconciler: string, key: string, atMs: number): Promise<void> {
  await tx
    .insertInto('kernel_work')
    .values({
      reconciler,
      key,
      due_at: atMs,
      wakes: 1,
      attempts: 0,
      lease_owner: null,
      lease_until: 0,
      last_error: null,
    })
    .onConflict((c) => c.columns(['reconciler', 'key']).doNothing())
    .execute();
}
