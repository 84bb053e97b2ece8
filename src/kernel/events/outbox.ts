import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import type { BusEvent, Context } from '../context.ts';
import type { Ids } from '../ids.ts';
import type { Logger } from '../log.ts';
import type { Consumer } from '../service.ts';
import type { AnyTransaction, Database } from '../store/database.ts';
import type { OutboxTable } from '../store/kernel-tables.ts';
import { Lane, type Outcome } from './lane.ts';

const BATCH = 100;
/** Events that are being delivered; more wait in the table. */
const MAX_IN_HAND = 500;
const CLAIM_MS = 30_000;
const RENEW_MS = 10_000;
const POLL_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;
/** How long a stop waits for consumers that do not come to an end. Their events are delivered again. */
const STOP_MS = 10_000;

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
    due_at: 0, // at once, whatever becomes of the clock
    claimed_until: 0,
    waiting: null,
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
 * outbox when all consumers took it; those that did not are asked again with growing delays, and hold up nobody else.
 */
export class OutboxDispatcher {
  readonly #parts: OutboxParts;
  readonly #lanes: ReadonlyMap<string, Lane>;
  /** Events that are being delivered, by id; they are still in the table. */
  readonly #inHand = new Map<string, Promise<void>>();
  /** What became of events, to be written. */
  readonly #results: { id: string; keep: KeptRow | undefined }[] = [];
  #writing: Promise<void> | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  /** More may be due than can be in hand. */
  #isFull = false;
  #stopped = false;
  #renewedAt = 0;
  #timer: { cancel(): void } | undefined;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.#lanes = new Map(parts.consumers.map((consumer) => [consumer.name, new Lane(consumer, parts)]));
    if (this.#lanes.size < parts.consumers.length) throw new Error('two consumers have the same name');
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

  /** Stops after the events in hand; what waits is left to whoever comes next. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
    const ended = Promise.all([...this.#lanes.values()].map((lane) => lane.stop()));
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = this.#parts.clock.after(STOP_MS, resolve);
    await Promise.race([ended.then(() => Promise.all(this.#inHand.values())), late]);
    timer.cancel();
    await this.#writing;
  }

  async #run(): Promise<void> {
    try {
      await this.#renew();
      while (!this.#stopped) {
        // Deliveries on an embedded database never wait for input or output: this leaves the others their turn.
        await turn();
        const free = Math.min(BATCH, MAX_IN_HAND - this.#inHand.size);
        const rows = free > 0 ? await this.#claim(free) : [];
        for (const row of rows) this.#inHand.set(row.id, this.#handOut(row));
        this.#isFull = this.#inHand.size >= MAX_IN_HAND;
        if (rows.length < free || this.#isFull) return;
      }
    } catch (error) {
      this.#parts.log.error({ err: error }, 'the outbox could not be read; trying again');
    }
  }

  /** Due events. Other nodes of a PostgreSQL installation leave claimed ones alone; an SQLite file has one owner. */
  async #claim(limit: number): Promise<OutboxTable[]> {
    const { database, clock } = this.#parts;
    const now = clock.now().getTime();
    const due = (db: AnyTransaction | Database['reader'], most: number) =>
      db
        .selectFrom('kernel_outbox')
        .selectAll()
        .where('due_at', '<=', now)
        .where('claimed_until', '<=', now)
        .orderBy('due_at') // new ones first: those that were postponed may wait for a consumer that never comes back
        .orderBy('position')
        .limit(most);
    const isFree = ({ id }: OutboxTable) => !this.#inHand.has(id);
    if (database.kind === 'sqlite') {
      const rows = (await due(database.reader, limit + this.#inHand.size).execute()) as OutboxTable[];
      return rows.filter(isFree).slice(0, limit);
    }
    if ((await due(database.reader, 1).execute()).length === 0) return [];
    return database.transaction(async (tx) => {
      const found = (await due(tx, limit).forUpdate().skipLocked().execute()) as OutboxTable[];
      const rows = found.filter(isFree);
      await this.#claimUntil(
        tx,
        rows.map(({ id }) => id),
        now + CLAIM_MS,
      );
      return rows;
    });
  }

  async #claimUntil(tx: AnyTransaction, ids: string[], until: number): Promise<void> {
    if (ids.length === 0) return;
    await tx.updateTable('kernel_outbox').set({ claimed_until: until }).where('id', 'in', ids).execute();
  }

  /** Keeps what is being delivered from other nodes. */
  async #renew(): Promise<void> {
    const { database, clock } = this.#parts;
    const now = clock.now().getTime();
    if (database.kind === 'sqlite' || this.#inHand.size === 0 || now - this.#renewedAt < RENEW_MS) return;
    this.#renewedAt = now;
    await database.transaction((tx) => this.#claimUntil(tx, [...this.#inHand.keys()], now + CLAIM_MS));
  }

  /** Gives an event to every consumer that still waits for it, and notes what came of it. Never rejects. */
  async #handOut(row: OutboxTable): Promise<void> {
    const event = JSON.parse(row.event) as BusEvent;
    const waiting = row.waiting === null ? [...this.#lanes.keys()] : (JSON.parse(row.waiting) as string[]);
    // A consumer that this version does not have any more waits for nothing.
    const names = waiting.filter((name) => this.#lanes.has(name));
    const outcomes = await Promise.all(names.map((name) => this.#lanes.get(name)!.push(event)));
    const left = names.filter((_, index) => outcomes[index] !== 'taken');
    this.#results.push({ id: row.id, keep: left.length === 0 ? undefined : this.#kept(row, left, outcomes) });
    this.#writing ??= this.#writeResults();
    await this.#writing;
    this.#inHand.delete(row.id);
    if (this.#isFull && this.#inHand.size <= MAX_IN_HAND / 2) this.poke();
  }

  /** The row of an event for those that did not take it: after a while where one failed or is behind, else at once. */
  #kept(row: OutboxTable, left: string[], outcomes: readonly Outcome[]): KeptRow {
    const hasFailed = outcomes.includes('failed');
    const attempts = row.attempts + (hasFailed ? 1 : 0);
    const delay = this.#stopped && !hasFailed ? 0 : Math.min(1_000 * 2 ** Math.min(attempts, 10), MAX_BACKOFF_MS);
    const dueAt = this.#parts.clock.now().getTime() + delay;
    return { waiting: JSON.stringify(left), attempts, due_at: dueAt, claimed_until: 0 };
  }

  /** Writes what came of events, those of a while in one transaction. Where it cannot, they are delivered again. */
  async #writeResults(): Promise<void> {
    const { database, log } = this.#parts;
    await Promise.resolve(); // lets those settle that do so at the same moment
    while (this.#results.length > 0) {
      const results = this.#results.splice(0, BATCH);
      const done = results.filter(({ keep }) => keep === undefined).map(({ id }) => id);
      try {
        await database.transaction(async (tx) => {
          if (done.length > 0) await tx.deleteFrom('kernel_outbox').where('id', 'in', done).execute();
          for (const { id, keep } of results) {
            if (keep !== undefined) await tx.updateTable('kernel_outbox').set(keep).where('id', '=', id).execute();
          }
        });
      } catch (error) {
        log.error({ err: error }, 'what became of events could not be written; they are delivered again');
      }
    }
    this.#writing = undefined;
  }
}

type KeptRow = Pick<OutboxTable, 'waiting' | 'attempts' | 'due_at' | 'claimed_until'>;
