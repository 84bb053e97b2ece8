import type { Clock } from '../clock.ts';
import type { BusEvent, Context } from '../context.ts';
import type { Ids } from '../ids.ts';
import type { Logger } from '../log.ts';
import type { Consumer } from '../service.ts';
import type { AnyTransaction, Database } from '../store/database.ts';
import type { OutboxTable } from '../store/kernel-tables.ts';

const BATCH = 100;
const CLAIM_MS = 60_000;
const POLL_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;

let lastPosition = 0;

/** Positions grow within a process and follow the clock across processes. */
function nextPosition(now: number): number {
  lastPosition = Math.max(lastPosition + 1, now * 1000);
  return lastPosition;
}

/** Puts an event into the outbox within the transaction of the change that it tells of. */
export async function writeToOutbox(tx: AnyTransaction, event: BusEvent, nowMs: number): Promise<void> {
  const row: OutboxTable = {
    id: event.id,
    position: nextPosition(nowMs),
    event: JSON.stringify(event),
    attempts: 0,
    due_at: nowMs,
    claimed_until: 0,
  };
  await tx.insertInto('kernel_outbox').values(row).execute();
}

interface OutboxParts {
  database: Database;
  clock: Clock;
  ids: Ids;
  log: Logger;
  consumers: readonly Consumer[];
  contextFor(consumer: Consumer, event: BusEvent): Context;
}

/**
 * Hands committed events to every consumer, at least once, in order of commits as far as they succeed. An event leaves the
 * outbox when all consumers took it; one that fails is tried again with growing delays and does not hold up the others.
 */
export class OutboxDispatcher {
  readonly #parts: OutboxParts;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #timer: { cancel(): void } | undefined;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  /** Starts delivering; call it after each commit that wrote to the outbox. */
  poke(): void {
    if (this.#stopped) return;
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    this.#timer?.cancel();
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#again) {
        this.#again = false;
        this.poke();
      } else if (!this.#stopped) {
        this.#timer = this.#parts.clock.after(POLL_MS, () => this.poke());
      }
    });
  }

  /** Stops after the event in hand. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log } = this.#parts;
    try {
      while (!this.#stopped) {
        const rows = await this.#claim();
        if (rows.length === 0) return;
        const done: string[] = [];
        const left: string[] = [];
        for (const row of rows) {
          if (this.#stopped) left.push(row.id);
          else if (await this.#deliver(row)) done.push(row.id);
        }
        if (done.length > 0) await this.#remove(done);
        if (left.length > 0) await this.#release(left);
      }
    } catch (error) {
      log.error({ err: error }, 'the outbox could not be read; trying again');
    }
  }

  /** Due events. Other nodes of a PostgreSQL installation leave claimed ones alone; an SQLite file has one owner. */
  async #claim(): Promise<OutboxTable[]> {
    const { database, clock } = this.#parts;
    const now = clock.now().getTime();
    const due = (db: AnyTransaction | Database['reader']) =>
      db
        .selectFrom('kernel_outbox')
        .selectAll()
        .where('due_at', '<=', now)
        .where('claimed_until', '<=', now)
        .orderBy('position')
        .limit(BATCH)
        .execute() as Promise<OutboxTable[]>;
    if (database.kind === 'sqlite') return due(database.reader);
    return database.transaction(async (tx) => {
      const rows = await due(tx);
      const ids = rows.map(({ id }) => id);
      if (ids.length > 0)
        await tx
          .updateTable('kernel_outbox')
          .set({ claimed_until: now + CLAIM_MS })
          .where('id', 'in', ids)
          .execute();
      return rows;
    });
  }

  /** Leaves claimed events to whoever comes next, at once. */
  async #release(ids: string[]): Promise<void> {
    await this.#parts.database.transaction((tx) =>
      tx.updateTable('kernel_outbox').set({ claimed_until: 0 }).where('id', 'in', ids).execute(),
    );
  }

  async #deliver(row: OutboxTable): Promise<boolean> {
    const event = JSON.parse(row.event) as BusEvent;
    for (const consumer of this.#parts.consumers) {
      try {
        await consumer.handle(event, this.#parts.contextFor(consumer, event));
      } catch (error) {
        this.#parts.log.error(
          { err: error, consumer: consumer.name, event: event.id },
          'an event was not taken; trying again',
        );
        await this.#postpone(row);
        return false;
      }
    }
    return true;
  }

  async #postpone(row: OutboxTable): Promise<void> {
    const attempts = row.attempts + 1;
    const delay = Math.min(1_000 * 2 ** Math.min(attempts, 10), MAX_BACKOFF_MS);
    const dueAt = this.#parts.clock.now().getTime() + delay;
    await this.#parts.database.transaction((tx) =>
      tx
        .updateTable('kernel_outbox')
        .set({ attempts, due_at: dueAt, claimed_until: 0 })
        .where('id', '=', row.id)
        .execute(),
    );
  }

  async #remove(ids: string[]): Promise<void> {
    await this.#parts.database.transaction((tx) => tx.deleteFrom('kernel_outbox').where('id', 'in', ids).execute());
  }
}
