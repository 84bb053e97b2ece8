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
const MAX_LINE_CHARS = 64 * 1024;
/**
 * From so many waiting characters on, events hold several lines: a log that pours needs fewer, larger ones to get
 * through at its own speed.
 */
const POURING_CHARS = 128 * 1024;
const POURING_EVENT_CHARS = 16 * 1024;
/** Beyond this the build waits in its writes until the log is stored. */
const MAX_WAITING_CHARS = 2 * 1024 * 1024;
/** Lines of one moment go out together. */
const GATHER_MS = 40;
/** A line without an end (dots of progress) is shown after this time. */
const UNFINISHED_MS = 500;
/** How much of a build's log is kept. */
export const MAX_LOG_CHARS = 1024 * 1024 * 1024;

/**
 * Turns the bytes of a build into events and hands them on in batches, one batch at a time, so that a fast log makes
 * large batches and a slow one is seen at once. Secrets are taken out on the way.
 */
export class LogWriter {
  readonly #clock: Clock;
  readonly #masker: Masker;
  readonly #put: (events: LogEvent[]) => Promise<void>;
  readonly #maxChars: number;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #waiting = '';
  /** There is a line's end in what waits. */
  #hasLine = false;
  #unfinishedSince = 0;
  #written = 0;
  #isFull = false;
  #putting: Promise<void> | undefined;
  #timer: { cancel(): void; dueAtMs: number } | undefined;
  #failure: Error | undefined;
  /** Called once when the log can no longer be stored. */
  onFailure: (error: Error) => void = () => undefined;

  constructor(
    put: (events: LogEvent[]) => Promise<void>,
    options: { clock: Clock; masker: Masker; maxChars?: number },
  ) {
    this.#put = put;
    this.#clock = options.clock;
    this.#masker = options.masker;
    this.#maxChars = options.maxChars ?? MAX_LOG_CHARS;
  }

  /** True when the last character written was a line's end. */
  get isAtLineStart(): boolean {
    return this.#waiting === '' ? this.#atLineStart : this.#waiting.endsWith('\n');
  }
  #atLineStart = true;

  /** Bytes of a command. The promise holds back a build that writes faster than its log is stored. */
  bytes(chunk: Uint8Array): void | Promise<void> {
    return this.#add(this.#decoder.decode(chunk, { stream: true }));
  }

  /** A line of CodeBuild's own, on a line of its own. */
  line(text: string): void | Promise<void> {
    // A character that was cut in two ends here.
    const cut = this.#decoder.decode();
    const lead = cut === '' && this.isAtLineStart ? '' : `${cut}\n`;
    return this.#add(`${lead}${text}\n`);
  }

  /** Stores everything that waits. @throws what storing threw */
  async flush(): Promise<void> {
    this.#add(this.#decoder.decode());
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#waiting !== '' || this.#putting !== undefined) {
      await (this.#putting ?? this.#store(true));
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #add(text: string): void | Promise<void> {
    if (text === '' || this.#failure !== undefined) return;
    if (this.#isFull && this.#written > this.#maxChars) return;
    this.#written += text.length;
    if (this.#written > this.#maxChars) {
      this.#isFull = true;
      this.#waiting += `\n[The log is longer than ${this.#maxChars} characters; the rest of it is not kept.]\n`;
    } else this.#waiting += text;
    this.#hasLine ||= text.includes('\n');
    this.#storeSoon();
    if (this.#waiting.length > MAX_WAITING_CHARS) return this.#untilRoom();
  }

  async #untilRoom(): Promise<void> {
    while (this.#waiting.length > MAX_WAITING_CHARS && this.#failure === undefined) {
      await (this.#putting ?? this.#store(false));
    }
  }

  /** Whole lines go out soon; a line without an end when it has waited long enough to be shown as it is. */
  #storeSoon(): void {
    if (this.#putting !== undefined) return;
    const delayMs = this.#hasLine || this.#waiting.length > MAX_LINE_CHARS ? GATHER_MS : UNFINISHED_MS;
    const dueAtMs = this.#clock.monotonicMs() + delayMs;
    if (this.#timer !== undefined && this.#timer.dueAtMs <= dueAtMs) return;
    this.#timer?.cancel();
    const { cancel } = this.#clock.after(delayMs, () => {
      this.#timer = undefined;
      void this.#store(false);
    });
    this.#timer = { cancel, dueAtMs };
  }

  /** Starts storing what is ready. @param all also a line without an end */
  #store(all: boolean): Promise<void> {
    this.#putting ??= this.#storeBatch(all).then(
      () => this.#stored(),
      (error: Error) => {
        this.#putting = undefined;
        this.#waiting = '';
        this.#failure = error;
        this.onFailure(error);
      },
    );
    return this.#putting;
  }

  #stored(): void {
    this.#putting = undefined;
    if (this.#waiting !== '') this.#storeSoon();
  }

  async #storeBatch(all: boolean): Promise<void> {
    const text = this.#takeReady(all);
    if (text === '') return;
    for (const batch of batches(this.#masker.mask(text), this.#clock.now().getTime())) await this.#put(batch);
  }

  /** Takes whole lines; the rest waits, unless it has waited long, is very long, or everything is wanted. */
  #takeReady(all: boolean): string {
    const waiting = this.#waiting;
    let end = all ? waiting.length : waiting.lastIndexOf('\n') + 1;
    const now = this.#clock.monotonicMs();
    if (end === 0 && this.#unfinishedSince === 0) this.#unfinishedSince = now;
    const isOld = end === 0 && now - this.#unfinishedSince >= UNFINISHED_MS;
    if (!all && (isOld || waiting.length - end > MAX_LINE_CHARS))
      end = waiting.length - this.#masker.heldAtEnd(waiting);
    // A pair of surrogates is not cut in two.
    if (end < waiting.length && end > 0 && /[\uD800-\uDBFF]/.test(waiting[end - 1]!)) end--;
    if (end > 0) this.#unfinishedSince = 0;
    this.#waiting = waiting.slice(end);
    this.#hasLine = this.#waiting.includes('\n');
    if (end > 0) this.#atLineStart = waiting[end - 1] === '\n';
    return waiting.slice(0, end);
  }
}

/** Cuts a text into events, each a line with its end, and those into calls that CloudWatch Logs takes. */
export function* batches(text: string, timestamp: number): Iterable<LogEvent[]> {
  const eventChars = text.length > POURING_CHARS ? POURING_EVENT_CHARS : 1;
  let batch: LogEvent[] = [];
  let bytes = 0;
  for (let at = 0; at < text.length; ) {
    const end = eventEnd(text, at, eventChars);
    const message = text.slice(at, end);
    at = end;
    const size = Buffer.byteLength(message) + EVENT_OVERHEAD_BYTES;
    if (batch.length === MAX_BATCH_EVENTS || (batch.length > 0 && bytes + size > MAX_BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push({ timestamp, message });
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** Behind the last line that an event of at least `minChars` begins with, or where a very long line is cut. */
function eventEnd(text: string, start: number, minChars: number): number {
  const newline = text.indexOf('\n', Math.min(start + minChars - 1, text.length - 1));
  const end = newline === -1 ? text.length : newline + 1;
  if (end - start <= MAX_LINE_CHARS + minChars) return end;
  const cut = start + MAX_LINE_CHARS;
  return /[\uD800-\uDBFF]/.test(text[cut - 1]!) ? cut - 1 : cut;
}
