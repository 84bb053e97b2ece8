import { GitFailure } from './failure.ts';

/** A counting semaphore, first come first served: at most `size` holders, at most `queue` waiting. */
export class Slots {
  #free: number;
  readonly #queue: number;
  readonly #waiting: { grant: () => void }[] = [];

  constructor(size: number, queue = 1_000) {
    this.#free = size;
    this.#queue = queue;
  }

  /**
   * Waits for a slot; call the returned function (once or more often) to give it back.
   * @throws {GitFailure} `busy` when too many wait already, `stopped` when the signal fires first.
   */
  async take(signal?: AbortSignal): Promise<() => void> {
    if (signal?.aborted) throw new GitFailure('stopped', 'the client went away');
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next.grant();
    };
  }

  #wait(signal?: AbortSignal): Promise<void> {
    if (this.#waiting.length >= this.#queue) throw new GitFailure('busy', 'too many requests are waiting, try again');
    return new Promise((resolve, reject) => {
      const entry = {
        grant: () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        },
      };
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        reject(new GitFailure('stopped', 'the client went away'));
      };
      this.#waiting.push(entry);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }
}

/** Runs one function at a time, in order of arrival. */
export class Mutex {
  readonly #slots = new Slots(1, Number.MAX_SAFE_INTEGER);

  async run<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.#slots.take();
    try {
      return await work();
    } finally {
      release();
    }
  }
}
