import type { Readable } from 'node:stream';
import type { Clock } from '../kernel/clock.ts';
import type { RunSink } from './executor.ts';
import type { LogReader } from './log-pipes.ts';

/** The longest record of the side channel: an exported variable of this size is a mistake. */
const MAX_RECORD_BYTES = 1024 * 1024;
/** How much a second's budget may be exceeded before the reader pauses: pauses then last a few ms, not one each chunk. */
const BURST_MS = 50;

/** Hands the log on, no faster than the sink takes it and than `bytesPerSecond`. */
export class LogPump {
  /** The log's next chunk is not waited for: the sink or the pace holds it back. */
  isBusy = false;
  readonly #sink: RunSink;
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;

  constructor(sink: RunSink, clock: Clock, bytesPerSecond: number = Number.POSITIVE_INFINITY) {
    this.#sink = sink;
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Resolves at the end of the log. */
  async run(log: LogReader): Promise<void> {
    let paidUntilMs = this.#clock.monotonicMs();
    await log.run(async (chunk) => {
      this.isBusy = true;
      await this.#sink.log(chunk);
      const nowMs = this.#clock.monotonicMs();
      paidUntilMs = Math.max(paidUntilMs, nowMs) + (chunk.byteLength * 1000) / this.#bytesPerSecond;
      const aheadMs = paidUntilMs - nowMs;
      if (aheadMs > BURST_MS) await new Promise<void>((resume) => this.#clock.after(aheadMs, resume));
      this.isBusy = false;
    });
  }
}

/** Hands on the records of the side channel, each ended by a NUL. Resolves at the end of the channel. */
export async function pumpReports(channel: Readable, sink: RunSink): Promise<void> {
  try {
    await pumpRecords(channel, sink);
  } finally {
    sink.reportsEnded?.();
  }
}

async function pumpRecords(channel: Readable, sink: RunSink): Promise<void> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const chunk of readUntilDestroyed(channel)) {
    let from = 0;
    for (let nul = chunk.indexOf(0); nul !== -1; nul = chunk.indexOf(0, from)) {
      sink.report(Buffer.concat([...held, chunk.subarray(from, nul)]));
      held = [];
      heldBytes = 0;
      from = nul + 1;
    }
    held.push(chunk.subarray(from));
    heldBytes += chunk.byteLength - from;
    if (heldBytes > MAX_RECORD_BYTES) throw new Error('a record of the side channel is too long');
  }
}

/** Our own `destroy()` is an end like any other. */
async function* readUntilDestroyed(stream: Readable): AsyncIterable<Buffer> {
  try {
    yield* stream as AsyncIterable<Buffer>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}
