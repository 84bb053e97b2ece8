import type { Clock } from '../clock.ts';
import { eventually } from './eventually.ts';

interface Timer {
  at: number;
  run: () => void;
}

/** A clock that a test moves by hand; timers fire in their order as it passes them. */
export class HandClock implements Clock {
  #now: number;
  readonly #timers = new Set<Timer>();

  constructor(start = Date.UTC(2026, 10, 21)) {
    this.#now = start;
  }

  now(): Date {
    return new Date(this.#now);
  }

  monotonicMs(): number {
    return this.#now;
  }

  after(delayMs: number, run: () => void): { cancel(): void } {
    const timer = { at: this.#now + Math.max(delayMs, 0), run };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Timers that have not fired. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Moves on, firing what becomes due; lets started work come to rest after each timer. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const next = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settled();
    }
    this.#now = end;
    await settled();
  }

  /** Moves on step by step until a condition holds: for work whose own duration is not in this clock's hands. */
  async until(condition: () => boolean | Promise<boolean>, stepMs = 100): Promise<void> {
    await eventually(async () => {
      if (await condition()) return true;
      await this.advance(stepMs);
      return false;
    });
  }
}

/** Lets promises and immediate callbacks run until nothing but timers and input is left to wait for. */
export async function settled(rounds = 20): Promise<void> {
  for (let round = 0; round < rounds; round++) await new Promise((resolve) => setImmediate(resolve));
}
