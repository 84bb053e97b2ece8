import type { Readable } from 'node:stream';
import type { Clock } from '../kernel/clock.ts';
import { GitFailure } from './failure.ts';

/** The bytes of a client who may not keep us waiting for ever. */
export class PatientInput implements AsyncIterable<Buffer> {
  readonly #source: AsyncIterator<Buffer>;
  readonly #clock: Clock;
  readonly #isBusy: () => boolean;
  #idleMs: number;
  #since: number;

  /**
   * @param stream stays open at the end: it may carry the answer.
   * @param idleMs for so long it is waited for a byte.
   * @param isBusy true while it is not the client's turn to send.
   */
  constructor(stream: Readable, clock: Clock, idleMs: number, isBusy: () => boolean = () => false) {
    this.#source = stream.iterator({ destroyOnReturn: false });
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#isBusy = isBusy;
    this.#since = clock.monotonicMs();
  }

  /** Waits for so long from here on. */
  wait(idleMs: number): void {
    this.#idleMs = idleMs;
  }

  /** Begins to wait anew. */
  restart(): void {
    this.#since = this.#clock.monotonicMs();
  }

  /** @throws {GitFailure} `stopped` when nothing has come for too long. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const { value, done } = await this.#next();
      if (done) return;
      yield value;
    }
  }

  #next(): Promise<IteratorResult<Buffer>> {
    this.restart();
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.#isBusy()) this.restart();
        const leftMs = this.#since + this.#idleMs - this.#clock.monotonicMs();
        if (leftMs > 0) timer = this.#clock.after(leftMs, look);
        else reject(new GitFailure('stopped', `the client has sent nothing for ${this.#idleMs / 1_000} seconds`));
      };
      let timer = this.#clock.after(this.#idleMs, look);
      this.#source
        .next()
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }
}
