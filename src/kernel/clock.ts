/** The only source of time. Tests pass a clock that they move by hand; nothing else reads `Date.now()`. */
export interface Clock {
  /** Wall-clock time. */
  now(): Date;
  /** Milliseconds that never go backwards, for measuring durations. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs`; the handle cancels it. Never keeps the process alive. */
  after(delayMs: number, run: () => void): { cancel(): void };
}

/** Longest delay that a Node timer keeps without overflowing to 1 ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(Math.max(delayMs, 0), MAX_TIMER_MS));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
