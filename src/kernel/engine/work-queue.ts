import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import type { Context } from '../context.ts';
import type { Logger } from '../log.ts';
import type { Reconciler } from '../service.ts';
import type { Database } from '../store/database.ts';
import type { WorkTable } from '../store/kernel-tables.ts';
import {
  abandonedKeys,
  dueKeys,
  NEVER,
  type Settlement,
  settleKey,
  takeKey,
  takeOverAll,
  writeWakeIfAbsent,
} from './work-table.ts';

const LEASE_MS = 30_000;
const RENEW_MS = 10_000;
const POLL_MS = 1_000;
const SCAN_MS = 60_000;
const MAX_RUNNING = 64;
const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 60_000;
const MAX_ERROR_CHARS = 2_000;
/** How long a stop waits for reconcilers that do not come to an end. Their keys run again after the next start. */
const STOP_MS = 30_000;

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
  #scanning: Promise<void> = Promise.resolve();
  #timer: { cancel(): void } | undefined;
  #renewal: { cancel(): void } | undefined;
  #scanTimer: { cancel(): void } | undefined;
  #stopped = true;

  constructor(parts: WorkQueueParts) {
    this.#parts = parts;
  }

  /** Takes up what an earlier process left, then waits for wake-ups. */
  async start(): Promise<void> {
    const { database, clock } = this.#parts;
    this.#stopped = false;
    if (database.kind === 'sqlite') await database.transaction((tx) => takeOverAll(tx, clock.now().getTime()));
    else this.#renewLater();
    this.#scanning = this.#scan();
    await this.#scanning;
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
    for (const timer of [this.#timer, this.#renewal, this.#scanTimer]) timer?.cancel();
    await this.#looking;
    await this.#scanning;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = this.#parts.clock.after(STOP_MS, () => {
      this.#parts.log.error({ keys: [...this.#running.keys()] }, 'reconcilers did not come to an end');
      resolve();
    });
    await Promise.race([Promise.all(this.#running.values()), late]);
    timer.cancel();
  }

  async #look(): Promise<void> {
    const { clock, log } = this.#parts;
    let waitMs = POLL_MS;
    // Work on an embedded database never waits for input or output: without this, work that makes work would leave
    // nothing else a turn.
    await turn();
    try {
      const free = MAX_RUNNING - this.#running.size;
      for (const row of free > 0 ? await this.#claim(free) : []) this.#run(row);
      waitMs = Math.min(waitMs, await this.#untilNextMs());
    } catch (error) {
      log.error({ err: error }, 'the work queue could not be read; trying again');
    }
    if (!this.#stopped) this.#timer = clock.after(waitMs, () => this.poke());
  }

  /** Takes due keys for this node. An SQLite file has one node, whose leases end with it. */
  async #claim(limit: number): Promise<WorkTable[]> {
    const { database, clock, node } = this.#parts;
    const now = clock.now().getTime();
    const isSqlite = database.kind === 'sqlite';
    const seen = [await dueKeys(database.reader, now, 1).execute()];
    if (!isSqlite) seen.push(await abandonedKeys(database.reader, now, 1).execute());
    if (this.#stopped || seen.every((rows) => rows.length === 0)) return [];
    return database.transaction(async (tx) => {
      const due = dueKeys(tx, now, limit);
      const found = (await (isSqlite ? due : due.forUpdate().skipLocked()).execute()) as WorkTable[];
      if (!isSqlite && found.length < limit) {
        const abandoned = abandonedKeys(tx, now, limit - found.length)
          .forUpdate()
          .skipLocked();
        found.push(...((await abandoned.execute()) as WorkTable[]));
      }
      // A key may stand twice, and one that this node works on may have outlived its lease.
      const rows = [...new Map(found.map((row) => [slot(row), row])).values()].filter(
        (row) => !this.#running.has(slot(row)),
      );
      for (const row of rows) await takeKey(tx, row, node, isSqlite ? NEVER : now + LEASE_MS);
      return rows;
    });
  }

  async #untilNextMs(): Promise<number> {
    const { database, clock } = this.#parts;
    const now = clock.now().getTime();
    const row = (await database.reader
      .selectFrom('kernel_work')
      .select('due_at')
      .where('due_at', '>', now)
      .orderBy('due_at')
      .limit(1)
      .executeTakeFirst()) as Pick<WorkTable, 'due_at'> | undefined;
    return row === undefined ? POLL_MS : Math.max(1, row.due_at - now);
  }

  #run(row: WorkTable): void {
    const id = slot(row);
    const run = this.#reconcile(row).finally(() => {
      this.#running.delete(id);
      this.poke();
    });
    this.#running.set(id, run);
  }

  /** One run and what comes of it. Never rejects. */
  async #reconcile(row: WorkTable): Promise<void> {
    const { reconcilers, log, contextFor, clock } = this.#parts;
    const reconciler = reconcilers.get(row.reconciler);
    let settlement: Settlement;
    try {
      if (reconciler === undefined) throw new Error(`no reconciler ${row.reconciler}`);
      const again = await reconciler.reconcile(row.key, contextFor(reconciler));
      settlement = { againAtMs: again?.againAt.getTime() };
    } catch (error) {
      const { reconciler: name, key, attempts } = row;
      log.error({ err: error, reconciler: name, key, attempts }, 'a reconciler failed; trying again');
      const backoff = Math.min(FIRST_BACKOFF_MS * 2 ** Math.min(attempts + 1, 10), MAX_BACKOFF_MS);
      const text = String(error instanceof Error ? error.stack : error).slice(0, MAX_ERROR_CHARS);
      settlement = { againAtMs: clock.now().getTime() + backoff, error: text };
    }
    await this.#settle(row, settlement);
  }

  /** Writes what came of a run, until it can be written. */
  async #settle(row: WorkTable, settlement: Settlement): Promise<void> {
    const { database, clock, log, node } = this.#parts;
    for (;;) {
      try {
        await database.transaction((tx) => settleKey(tx, row, node, settlement));
        return;
      } catch (error) {
        const { reconciler, key } = row;
        log.error({ err: error, reconciler, key }, 'a reconciled key could not be settled; trying again');
        if (this.#stopped) return;
      }
      await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
    }
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

  /** Puts keys into the queue that a reconciler knows of and the queue does not. Never rejects. */
  async #scan(): Promise<void> {
    const { reconcilers, contextFor, clock, database, log } = this.#parts;
    for (const reconciler of reconcilers.values()) {
      if (this.#stopped) return;
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
      this.#scanning = this.#scan().then(() => this.poke());
    });
  }
}

function slot(row: { reconciler: string; key: string }): string {
  return `${row.reconciler}\0${row.key}`;
}
