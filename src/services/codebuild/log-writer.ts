import type { Clock } from '../../kernel/clock.ts';
import type { Masker } from './masking.ts';

/** One event of the log. */
export interface LogEvent {
  timestamp: number;
  message: string;
}

/** CloudWatch Logs' limits for a PutLogEvents call, with room for its own counting. */
const MAX_BATCH_EVENTS = 10_000;
const MAX_BATCH_BYTES = 1_000_000;
const EVENT_OVERHEAD_BYTES = 26;
/** A line longer than this is cut into several events. */
const MAX_LINE_BYTES = 64 * 1024;
/**
 * From so many waiting bytes on, events hold several lines: a log that pours needs fewer, larger ones to get through at
 * its own speed.
 */
const POURING_BYTES = 128 * 1024;
const POURING_EVENT_BYTES = 16 * 1024;
/** Beyond this the build waits in its writes until the log is stored. */
const MAX_WAITING_BYTES = 2 * 1024 * 1024;
/** Lines of one moment go out together. */
const GATHER_MS = 100;
/** A line without an end (dots of progress) is shown after this time. */
const UNFINISHED_MS = 500;
/** How much of a build's log is kept. */
const MAX_LOG_BYTES = 1024 * 1024 * 1024;
const NEWLINE = 10;

export interface LogWriterOptions {
  clock: Clock;
  masker: Masker;
  maxBytes?: number;
}

/**
 * Turns the bytes of a build into events and hands them on in batches, one batch at a time, so that a fast log makes
 * large batches and a slow one is seen at once. Secrets are taken out on the way. What waits stays bytes in one buffer:
 * a log that pours would otherwise fill the heap with strings that live just long enough to be kept.
 */
export class LogWriter {
  readonly #clock: Clock;
  readonly #masker: Masker;
  readonly #put: (events: LogEvent[]) => Promise<void>;
  readonly #maxBytes: number;
  #buffer = Buffer.allocUnsafeSlow(4 * 1024);
  #waiting = 0;
  #hasLine = false;
  #unfinishedSince = 0;
  #written = 0;
  #isFull = false;
  #putting: Promise<void> | undefined;
  #timer: { cancel(): void; dueAtMs: number } | undefined;
  #failure: Error | undefined;
  /** True when the last byte written was a line's end. */
  #isAtLineStart = true;
  /** Called once when the log can no longer be stored. */
  onFailure: (error: Error) => void = () => undefined;

  constructor(put: (events: LogEvent[]) => Promise<void>, options: LogWriterOptions) {
    this.#put = put;
    this.#clock = options.clock;
    this.#masker = options.masker;
    this.#maxBytes = options.maxBytes ?? MAX_LOG_BYTES;
  }

  /** Bytes of a command; copied. The promise holds back a build that writes faster than its log is stored. */
  bytes(chunk: Uint8Array): void | Promise<void> {
    if (this.#isFull) return;
    this.#written += chunk.length;
    if (this.#written <= this.#maxBytes) return this.#add(chunk);
    this.#isFull = true;
    return this.#add(
      Buffer.from(`\n[The log is longer than ${this.#maxBytes} bytes; what else the commands print is not kept.]\n`),
    );
  }

  /** A line of CodeBuild's own, on a line of its own; also in a log that is full. */
  line(text: string): void | Promise<void> {
    return this.#add(Buffer.from(`${this.#isAtLineStart ? '' : '\n'}${text}\n`));
  }

  #add(chunk: Uint8Array): void | Promise<void> {
    if (chunk.length === 0 || this.#failure !== undefined) return;
    this.#append(chunk);
    this.#storeSoon();
    if (this.#waiting > MAX_WAITING_BYTES) return this.#untilRoom();
  }

  /** Stores everything that waits. @throws what storing threw */
  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#waiting > 0 || this.#putting !== undefined) await (this.#putting ?? this.#store(true));
    if (this.#failure !== undefined) throw this.#failure;
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#waiting + chunk.length;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, this.#waiting);
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#waiting);
    this.#waiting = needed;
    this.#hasLine ||= chunk.includes(NEWLINE);
    this.#isAtLineStart = chunk.at(-1) === NEWLINE;
  }

  async #untilRoom(): Promise<void> {
    while (this.#waiting > MAX_WAITING_BYTES && this.#failure === undefined) {
      await (this.#putting ?? this.#store(false));
    }
  }

  /** Whole lines go out soon; a line without an end when it has waited long enough to be shown as it is. */
  #storeSoon(): void {
    if (this.#putting !== undefined) return;
    const delayMs = this.#hasLine || this.#waiting > MAX_LINE_BYTES ? GATHER_MS : UNFINISHED_MS;
    const dueAtMs = this.#clock.monotonicMs() + delayMs;
    if (this.#timer !== undefined && this.#timer.dueAtMs <= dueAtMs) return;
    this.#timer?.cancel();
    const timer = this.#clock.after(delayMs, () => {
      this.#timer = undefined;
      void this.#store(false);
    });
    this.#timer = { cancel: () => timer.cancel(), dueAtMs };
  }

  /** Starts storing what is ready. @param all also a line without an end */
  #store(all: boolean): Promise<void> {
    this.#putting ??= this.#storeBatch(all).then(
      () => {
        this.#putting = undefined;
        if (this.#waiting > POURING_BYTES) void this.#store(false);
        else if (this.#waiting > 0) this.#storeSoon();
      },
      (error: Error) => {
        this.#putting = undefined;
        this.#waiting = 0;
        this.#failure = error;
        this.onFailure(error);
      },
    );
    return this.#putting;
  }

  async #storeBatch(all: boolean): Promise<void> {
    const batch = this.#takeBatch(this.#readyBytes(all));
    if (batch.length > 0) await this.#put(batch);
  }

  /** How much can go out: whole lines; more when a line has waited long, is very long, or everything is wanted. */
  #readyBytes(all: boolean): number {
    if (all) return this.#waiting;
    const lines = this.#hasLine ? this.#buffer.lastIndexOf(NEWLINE, this.#waiting - 1) + 1 : 0;
    if (lines > 0) {
      this.#unfinishedSince = 0;
      return lines;
    }
    const now = this.#clock.monotonicMs();
    this.#unfinishedSince ||= now;
    const isOld = now - this.#unfinishedSince >= UNFINISHED_MS;
    if (!isOld && this.#waiting <= MAX_LINE_BYTES) return 0;
    this.#unfinishedSince = 0;
    return this.#wholeBefore(this.#waiting);
  }

  /** The last place up to `end` where neither a character nor, perhaps, a secret is cut in two. */
  #wholeBefore(end: number): number {
    let start = end;
    while (start > 0 && end - start < 3 && (this.#buffer[start - 1]! & 0xc0) === 0x80) start--;
    // A lead byte says how many bytes follow; fewer than that is a cut character.
    const lead = start > 0 ? this.#buffer[start - 1]! : 0;
    const wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    const whole = wanted > end - start + 1 ? start - 1 : end;
    const tail = this.#buffer.toString('utf8', Math.max(0, whole - MAX_LINE_BYTES), whole);
    const held = this.#masker.heldAtEnd(tail);
    return held === 0 ? whole : whole - Buffer.byteLength(tail.slice(-held));
  }

  /** Takes the first events of what is ready, as many as one call holds. */
  #takeBatch(ready: number): LogEvent[] {
    const timestamp = this.#clock.now().getTime();
    const minBytes = ready > POURING_BYTES ? POURING_EVENT_BYTES : 1;
    const batch: LogEvent[] = [];
    let taken = 0;
    for (let bytes = 0; taken < ready && batch.length < MAX_BATCH_EVENTS; ) {
      const end = this.#eventEnd(taken, ready, minBytes);
      const message = this.#masker.mask(this.#buffer.toString('utf8', taken, end));
      bytes += Buffer.byteLength(message) + EVENT_OVERHEAD_BYTES;
      if (batch.length > 0 && bytes > MAX_BATCH_BYTES) break;
      batch.push({ timestamp, message });
      taken = end;
    }
    this.#buffer.copyWithin(0, taken, this.#waiting);
    this.#waiting -= taken;
    this.#hasLine = this.#buffer.subarray(0, this.#waiting).includes(NEWLINE);
    return batch;
  }

  /** Behind the last line that an event of at least `minBytes` begins with, or where a very long line is cut. */
  #eventEnd(start: number, ready: number, minBytes: number): number {
    const newline = this.#buffer.indexOf(NEWLINE, Math.min(start + minBytes, ready) - 1);
    const end = newline === -1 || newline >= ready ? ready : newline + 1;
    if (end - start <= MAX_LINE_BYTES + minBytes) return end;
    return Math.max(this.#wholeBefore(start + MAX_LINE_BYTES), start + 1);
  }
}
