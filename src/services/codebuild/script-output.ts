import { parseReport, type Report } from './script.ts';

/** What comes out of a script, in order. */
export interface OutputHandlers {
  /** Bytes of the log, cut anywhere. */
  text(chunk: Buffer): void | Promise<void>;
  /** A report at its place in the log. @param atMs when it was made */
  report(report: Report, atMs: number): void | Promise<void>;
}

const MARK = 0x1e;
/** Marker, nonce, colon, up to 15 digits, marker. */
const MAX_NUMBER_CHARS = 16;

/**
 * Brings the two streams of a script together again: its log, and the reports of its side channel. A mark in the log
 * names the report that belongs there; whatever else looks like one is text.
 */
export class ScriptOutput {
  readonly #prefix: Buffer;
  readonly #handlers: OutputHandlers;
  readonly #nowMs: () => number;
  readonly #reports = new Map<number, { report: Report; atMs: number }>();
  #awaited: { sequence: number; arrived: () => void } | undefined;
  #next = 1;
  #held: Buffer = Buffer.alloc(0);
  #noMoreReports = false;

  constructor(nonce: string, handlers: OutputHandlers, nowMs: () => number) {
    this.#prefix = Buffer.from(`\x1e${nonce}:`);
    this.#handlers = handlers;
    this.#nowMs = nowMs;
  }

  /** A record of the side channel. Records that the script does not write are dropped: a command must have sent them. */
  report(record: Buffer): void {
    const report = parseReport(record.toString('utf8'));
    if (report === undefined || report.sequence < this.#next || this.#reports.has(report.sequence)) return;
    this.#reports.set(report.sequence, { report, atMs: this.#nowMs() });
    if (this.#awaited?.sequence === report.sequence) this.#awaited.arrived();
  }

  /** The side channel has ended. Releases a mark that waits for a report which nobody made. */
  reportsEnded(): void {
    this.#noMoreReports = true;
    this.#awaited?.arrived();
  }

  /** A chunk of the log; calls must not overlap. */
  async log(chunk: Buffer): Promise<void> {
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = Buffer.alloc(0);
    for (;;) {
      const at = rest.indexOf(this.#prefix);
      if (at === -1) break;
      const end = rest.indexOf(MARK, at + this.#prefix.length);
      if (end === -1 && rest.length - at < this.#prefix.length + MAX_NUMBER_CHARS) {
        await this.#text(rest.subarray(0, at));
        this.#held = rest.subarray(at);
        return;
      }
      const number = rest.toString('latin1', at + this.#prefix.length, end === -1 ? at + this.#prefix.length : end);
      if (number !== String(this.#next)) {
        await this.#text(rest.subarray(0, at + this.#prefix.length));
        rest = rest.subarray(at + this.#prefix.length);
        continue;
      }
      await this.#text(rest.subarray(0, at));
      await this.#reached(this.#next);
      rest = rest.subarray(end + 1);
    }
    const kept = this.#possiblePrefix(rest);
    await this.#text(rest.subarray(0, rest.length - kept));
    this.#held = Buffer.from(rest.subarray(rest.length - kept));
  }

  /** After the end of both streams: what was held back, and reports whose marks did not come. */
  async finish(): Promise<void> {
    await this.#text(this.#held);
    this.#held = Buffer.alloc(0);
    while (this.#reports.has(this.#next)) await this.#reached(this.#next);
  }

  /** The side channel is written first, but may be read later than the log. */
  async #reached(sequence: number): Promise<void> {
    if (!this.#reports.has(sequence) && !this.#noMoreReports) {
      await new Promise<void>((arrived) => {
        this.#awaited = { sequence, arrived };
      });
      this.#awaited = undefined;
    }
    const reached = this.#reports.get(sequence);
    if (reached === undefined) return;
    const { report, atMs } = reached;
    this.#reports.delete(sequence);
    this.#next = sequence + 1;
    await this.#handlers.report(report, atMs);
  }

  /** How many bytes at the end may be the beginning of a mark. */
  #possiblePrefix(bytes: Buffer): number {
    const at = bytes.lastIndexOf(MARK);
    if (at === -1 || bytes.length - at >= this.#prefix.length) return 0;
    return this.#prefix.subarray(0, bytes.length - at).equals(bytes.subarray(at)) ? bytes.length - at : 0;
  }

  async #text(chunk: Buffer): Promise<void> {
    if (chunk.length > 0) await this.#handlers.text(chunk);
  }
}
