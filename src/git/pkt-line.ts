import { GitFailure } from './failure.ts';

/** Largest pkt-line with its four length digits (gitprotocol-common). */
const MAX_LINE_BYTES = 65_520;
/** Largest side-band-64k payload: the line less the length and the band's number. */
const MAX_BAND_BYTES = MAX_LINE_BYTES - 5;

export const FLUSH = Buffer.from('0000');
export const DELIMITER = Buffer.from('0001');

/** One pkt-line. @param payload at most 65,516 bytes; text gets no newline added. */
export function pktLine(payload: string | Uint8Array): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const size = body.length + 4;
  if (size > MAX_LINE_BYTES) throw new Error(`pkt-line of ${size} bytes`);
  return Buffer.concat([Buffer.from(size.toString(16).padStart(4, '0')), body]);
}

/** Many lines of text and a flush, without a buffer for each: advertisements name tens of thousands of references. */
export function pktText(lines: readonly string[]): Buffer {
  const sized = lines.map((line) => (Buffer.byteLength(line) + 4).toString(16).padStart(4, '0') + line);
  return Buffer.from(`${sized.join('')}0000`);
}

/** Wraps bytes in as many side-band-64k packets as they need; band 1 is data, 2 messages, 3 a fatal error. */
export function sideBand(band: 1 | 2 | 3, payload: Uint8Array): Buffer {
  const packets: Buffer[] = [];
  for (let at = 0; at < payload.length; at += MAX_BAND_BYTES) {
    packets.push(pktLine(Buffer.concat([Buffer.from([band]), payload.subarray(at, at + MAX_BAND_BYTES)])));
  }
  return Buffer.concat(packets);
}

/** An empty packet of band 1: keeps proxies from closing a quiet connection. */
export const KEEP_ALIVE = Buffer.from('0005\u0001');

export type Packet = Buffer | 'flush' | 'delimiter' | 'response-end' | 'end';

/**
 * Reads pkt-lines from a byte stream and hands back what follows them.
 * `next()` answers a payload, a control packet, or `end` when the stream ends between two lines.
 */
export class PacketReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #buffered: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** @throws {GitFailure} `bad-request` for anything that is not a pkt-line. */
  async next(): Promise<Packet> {
    if (!(await this.#fill(4))) {
      if (this.#buffered.length === 0) return 'end';
      throw new GitFailure('bad-request', 'the request ends inside a pkt-line');
    }
    const digits = this.#buffered.toString('latin1', 0, 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new GitFailure('bad-request', 'a pkt-line has no length');
    const size = Number.parseInt(digits, 16);
    if (size < 4) {
      this.#take(4);
      return controlPacket(size);
    }
    if (size > MAX_LINE_BYTES) throw new GitFailure('bad-request', 'a pkt-line is too long');
    if (!(await this.#fill(size))) throw new GitFailure('bad-request', 'the request ends inside a pkt-line');
    return this.#take(size).subarray(4);
  }

  /** True when at least one more byte follows. */
  async hasMore(): Promise<boolean> {
    return this.#fill(1);
  }

  /** Looks at the next bytes without taking them; fewer than asked at the end of the stream. */
  async peek(size: number): Promise<Buffer> {
    await this.#fill(size);
    return this.#buffered.subarray(0, size);
  }

  /** Everything that follows the lines read so far. */
  async *rest(): AsyncGenerator<Uint8Array> {
    if (this.#buffered.length > 0) yield this.#take(this.#buffered.length);
    while (!this.#ended) {
      const { value, done } = await this.#source.next();
      if (done) this.#ended = true;
      else yield value;
    }
  }

  #take(size: number): Buffer {
    const taken = this.#buffered.subarray(0, size);
    this.#buffered = this.#buffered.subarray(size);
    return taken;
  }

  async #fill(size: number): Promise<boolean> {
    if (this.#buffered.length >= size) return true;
    const chunks: Uint8Array[] = [this.#buffered];
    let have = this.#buffered.length;
    while (have < size && !this.#ended) {
      const { value, done } = await this.#source.next();
      if (done) this.#ended = true;
      else {
        chunks.push(value);
        have += value.length;
      }
    }
    this.#buffered = Buffer.concat(chunks, have);
    return have >= size;
  }
}

function controlPacket(size: number): Packet {
  if (size === 0) return 'flush';
  if (size === 1) return 'delimiter';
  if (size === 2) return 'response-end';
  throw new GitFailure('bad-request', 'a pkt-line has an impossible length');
}

/** The text of a line without its newline. */
export function lineText(packet: Buffer): string {
  const text = packet.toString('utf8');
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}
