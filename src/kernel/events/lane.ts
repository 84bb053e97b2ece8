import type { Clock } from '../clock.ts';
import type { BusEvent, Context } from '../context.ts';
import type { Logger } from '../log.ts';
import type { Consumer } from '../service.ts';

/** Longest time that a consumer may take over one event; then the next one has its turn. */
const TAKE_MS = 60_000;
/** Longest time that an event waits for its turn in memory, where it holds a place that others need. */
const PATIENCE_MS = 5_000;

/** What became of an event: `left` was not begun, because the server stops or the consumer is behind. */
export type Outcome = 'taken' | 'failed' | 'left';

interface Waiting {
  event: BusEvent;
  sinceMs: number;
  settle(outcome: Outcome): void;
}

/** Hands events to one consumer, one after the other, so that a slow or failing one holds up nobody but itself. */
export class Lane {
  readonly #consumer: Consumer;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #contextFor: (consumer: Consumer, event: BusEvent) => Context;
  readonly #queue: Waiting[] = [];
  #running: Promise<void> | undefined;
  #watch: { cancel(): void } | undefined;
  #stopped = false;

  constructor(
    consumer: Consumer,
    parts: { clock: Clock; log: Logger; contextFor(consumer: Consumer, event: BusEvent): Context },
  ) {
    this.#consumer = consumer;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#contextFor = (one, event) => parts.contextFor(one, event);
  }

  /** Delivers the event when its turn comes. Never rejects. */
  push(event: BusEvent): Promise<Outcome> {
    if (this.#stopped) return Promise.resolve('left');
    return new Promise((settle) => {
      this.#queue.push({ event, settle, sinceMs: this.#clock.monotonicMs() });
      if (this.#running === undefined) this.#running = this.#run();
      else this.#watchQueue();
    });
  }

  /** Leaves what waits; resolves when the event in hand has been dealt with. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch?.cancel();
    this.#leave(Number.POSITIVE_INFINITY);
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      next.settle(await this.#deliver(next.event));
    }
    this.#watch?.cancel();
    this.#watch = undefined;
    this.#running = undefined;
  }

  /** Sends back to the table what waits too long. */
  #watchQueue(): void {
    const [oldest] = this.#queue;
    if (oldest === undefined || this.#watch !== undefined) return;
    this.#watch = this.#clock.after(oldest.sinceMs + PATIENCE_MS - this.#clock.monotonicMs(), () => {
      this.#watch = undefined;
      this.#leave(this.#clock.monotonicMs() - PATIENCE_MS);
      this.#watchQueue();
    });
  }

  #leave(sinceMs: number): void {
    while (this.#queue[0] !== undefined && this.#queue[0].sinceMs <= sinceMs) this.#queue.shift()!.settle('left');
  }

  async #deliver(event: BusEvent): Promise<Outcome> {
    const late = Promise.withResolvers<never>();
    const timer = this.#clock.after(TAKE_MS, () => late.reject(new Error(`it took longer than ${TAKE_MS} ms`)));
    try {
      await Promise.race([this.#consumer.handle(event, this.#contextFor(this.#consumer, event)), late.promise]);
      return 'taken';
    } catch (error) {
      this.#log.error(
        { err: error, consumer: this.#consumer.name, event: event.id },
        'an event was not taken; trying again',
      );
      return 'failed';
    } finally {
      timer.cancel();
    }
  }
}
